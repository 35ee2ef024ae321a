"""The profiler: what it records, sums and writes; and that nothing of it stays behind."""

import json

import pytest

import tritonnet
import tritonnet.nn as nn
from tritonnet.autograd.ops.elementwise import Relu
from tritonnet.profiler import ProfilerActivity, profile, record_function, schedule, tensorboard_trace_handler
from tritonnet.profiler.averages import KernelAverage
from tritonnet.profiler.ceilings import Ceilings
from tritonnet.profiler.recording import LaunchRecord


def step_of(device="cpu", batch=4):
    """A function that trains a small network a step."""
    tritonnet.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(1, 2, 3), nn.ReLU(), nn.Flatten(), nn.Linear(2 * 6 * 6, 3)).to(device)
    optimizer = tritonnet.optim.SGD(model.parameters(), lr=0.1)
    x, target = tritonnet.randn(batch, 1, 8, 8).to(device), tritonnet.tensor([0, 1, 2, 0][:batch]).to(device)

    def step():
        with record_function("my step"):
            loss = nn.functional.cross_entropy(model(x), target)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        return loss

    return step


def test_operations_and_ranges_on_the_cpu():
    step = step_of()
    with profile(ceilings=False) as prof:
        for _ in range(3):
            step()
    found = {a.key: a for a in prof.key_averages()}
    for name in ("Conv2d", "Relu", "Linear", "CrossEntropy", "ConvolutionBackward0", "ReluBackward0", "AddmmBackward0",
                 "NllLossBackward0", "backward pass", "Optimizer.step#SGD.step", "my step"):
        assert found[name].count == 3, name
        assert found[name].self_cpu_time_total <= found[name].cpu_time_total
    assert found["my step"].cpu_time_total >= found["backward pass"].cpu_time_total
    inside = sum(a.self_cpu_time_total for a in found.values())
    assert inside == pytest.approx(found["my step"].cpu_time_total, rel=1e-6), "own times add up to the whole"
    assert not prof.launches() and prof.summary["host_peak_bytes"] > 0


def test_what_decides_by_its_data_has_no_known_work():
    x = tritonnet.arange(6.0)
    with profile(ceilings=False) as prof:
        x[x > 2]
    index = next(a for a in prof.key_averages() if "Index" in a.key or "Mask" in a.key)
    assert index.flops is None or index.bytes is None


def test_launches_on_a_device(simulated):
    step = step_of("cuda", batch=1)
    step()
    with profile() as prof:
        step()
    launches = prof.launches()
    assert len(launches) == sum(a.count for a in prof.kernel_averages()) > 8
    ends = [launch.end for launch in launches]
    assert all(launch.begin <= launch.end for launch in launches) and ends == sorted(ends)
    convolution = next(a for a in prof.key_averages() if a.key == "Conv2d")
    assert convolution.launches >= 1 and 0 < convolution.device_time_total <= convolution.cpu_time_total
    summary = prof.summary
    assert summary["launches"] == len(launches) and summary["gaps_us"] >= 0
    assert summary["device_peak_bytes"] >= max(launch.used for launch in launches) > 0
    assert "say nothing about any GPU" in summary["warnings"][0] and prof.ceilings.copy is None


def test_nothing_stays_behind_even_after_an_error():
    hooks = len(tritonnet.kernels.runtime.on_launch)
    x = tritonnet.ones(3)
    x.relu()
    before = Relu.apply
    with pytest.raises(ZeroDivisionError), profile():
        x.relu()
        raise ZeroDivisionError
    assert Relu.apply is before and len(tritonnet.kernels.runtime.on_launch) == hooks
    with profile(ceilings=False) as prof:  # and one can begin anew
        x.relu()
    assert [a.count for a in prof.key_averages()] == [1]


def test_two_at_once_and_questions_too_early():
    with profile(ceilings=False) as prof:
        with pytest.raises(RuntimeError, match="another profiler"):
            profile().start()
        with pytest.raises(RuntimeError, match="still recording"):
            prof.key_averages()
    with pytest.raises(RuntimeError, match="nothing was recorded"):
        profile().key_averages()
    with pytest.raises(RuntimeError, match="outside"):
        prof.step()
    with pytest.raises(ValueError, match="activities"):
        profile(activities=["CPU"])


def test_what_pytorch_programs_ask_for_runs_or_says_why_not(tmp_path):
    x = tritonnet.randn(4, 4)
    with pytest.warns(UserWarning, match="with_stack, acc_events ignored"):
        prof = profile(with_stack=True, acc_events=True, experimental_config=None, use_cuda=False, ceilings=False)
    with prof:
        with record_function("損失"):
            x.relu()
        (x @ x).relu()
    assert prof.activities == {ProfilerActivity.CPU}
    found = prof.key_averages(group_by_stack_n=5)
    for name in ("self_cpu_memory_usage", "cpu_memory_usage", "self_cuda_memory_usage", "self_cuda_time_total"):
        found.table(sort_by=name, max_src_column_width=50, max_shapes_column_width=9, time_unit="us")
    total = found.total_average()
    assert (total.key, total.count, total.flops) == ("Total", 4, 16 + 16 + 2 * 4**3)
    assert total.self_cpu_time_total == found.self_cpu_time_total == pytest.approx(
        sum(e.self_cpu_time_total for e in prof.events()))
    assert [e.key for e in prof.events()] == ["損失", "Relu", "MatMul", "Relu"]
    lines = found.table().splitlines()
    row = next(line for line in lines if line.startswith("損失"))
    assert row.index("range") == lines[1].index("type") - 2, "two characters that take four columns"
    for asked in (lambda: prof.export_stacks(tmp_path / "x", "self_cpu_time_total"),
                  lambda: prof.export_memory_timeline(tmp_path / "x.html", device="cpu")):
        with pytest.raises(NotImplementedError, match="report"):
            asked()
    prof.add_metadata("run", "first")
    prof.add_metadata_json("sizes", "[1, 2]")
    prof.export_chrome_trace(tmp_path / "trace.json")
    trace = json.loads((tmp_path / "trace.json").read_text())
    assert trace["run"] == "first" and trace["sizes"] == [1, 2] and trace["traceEvents"]


def test_a_generator_closed_elsewhere_leaves_no_range_open():
    def named():
        with record_function("of the generator"):
            yield

    with profile(ceilings=False) as prof:
        generator = named()
        next(generator)
        with record_function("another"):
            generator.close()
        tritonnet.ones(3).relu()
    spans = {s.name: s for s in prof.events()}
    assert spans["Relu"].parent is None and min(s.self_time for s in spans.values()) >= 0


@pytest.mark.parametrize("shifted", [0, 1])
def test_schedule_is_pytorchs(torch, shifted):
    told = dict(skip_first=2, wait=1, warmup=1, active=2, repeat=2, skip_first_wait=shifted)
    ours, theirs = schedule(**told), torch.profiler.schedule(**told)
    assert [ours(i).name for i in range(14)] == [theirs(i).name for i in range(14)]


def test_a_schedule_records_cycles():
    ready = []
    with profile(schedule=schedule(wait=1, warmup=1, active=2, repeat=2), ceilings=False,
                 on_trace_ready=lambda p: ready.append([s.name for s in p.events()])) as prof:
        for _ in range(9):
            tritonnet.ones(3).relu()
            prof.step()
    assert len(ready) == 2
    assert [n for n in ready[0] if n.startswith("Prof")] == ["ProfilerStep#2", "ProfilerStep#3"]
    assert [n for n in ready[1] if n.startswith("Prof")] == ["ProfilerStep#6", "ProfilerStep#7"]
    assert ready[0].count("Relu") == 2
    for wrong in ({"active": 0}, {"wait": -1}):
        with pytest.raises(ValueError, match=next(iter(wrong))):
            schedule(**({"wait": 1, "warmup": 1, "active": 1} | wrong))


def test_record_function_decorates_and_costs_nothing_outside():
    @record_function("decorated")
    def work():
        return tritonnet.ones(2) + 1

    work()
    with profile(ceilings=False) as prof:
        work()
        work()
    assert next(a for a in prof.key_averages() if a.key == "decorated").count == 2


def test_user_functions_loaders_and_several_outputs():
    class Twice(tritonnet.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            return 2 * x

        @staticmethod
        def backward(ctx, dy):
            return 2 * dy

    loader = tritonnet.utils.data.DataLoader(tritonnet.utils.data.TensorDataset(tritonnet.randn(6, 2)), batch_size=2)
    with profile(ceilings=False) as prof:
        for (x,) in loader:
            y, _ = Twice.apply(x.requires_grad_()).max(dim=1)
            y.sum().backward()
    found = {a.key: a.count for a in prof.key_averages()}
    assert found["Twice"] == found["TwiceBackward"] == 3 and found["enumerate(DataLoader)"] == 4


def test_tables(simulated):
    step = step_of("cuda", batch=1)
    with profile() as prof:
        step()
    table = prof.key_averages().table(sort_by="cuda_time_total", row_limit=3)
    lines = table.splitlines()
    assert lines[1].startswith("name") and len(lines) == 4 + 3 + 1 and lines[-1].startswith("… and")
    assert "gemm_kernel" in str(prof.kernel_averages())
    with pytest.raises(ValueError, match="expected one of"):
        prof.key_averages().table(sort_by="beauty")
    shapes = [a.input_shapes for a in prof.key_averages(group_by_input_shape=True) if a.key == "Linear"]
    assert shapes == ["1x72, 3x72, 3"]


def test_chrome_trace(simulated, tmp_path):
    step = step_of("cuda", batch=1)
    with profile(on_trace_ready=tensorboard_trace_handler(tmp_path, "me")) as prof:
        step()
    prof.on_trace_ready(prof)
    prof.export_chrome_trace(tmp_path / "trace.json")
    trace = json.loads((tmp_path / "trace.json").read_text())
    kinds = {e.get("cat") for e in trace["traceEvents"]}
    assert {"cpu_op", "user_annotation", "kernel", "launch"} <= kinds
    assert all(e["dur"] >= 0 and e["ts"] >= 0 for e in trace["traceEvents"] if e["ph"] == "X")
    assert all(type(e["pid"]) is int for e in trace["traceEvents"]), "viewers take numbers"
    starts = {e["id"] for e in trace["traceEvents"] if e["ph"] == "s"}
    assert starts == {e["id"] for e in trace["traceEvents"] if e["ph"] == "f"} and len(starts) == len(prof.launches())
    assert list(tmp_path.glob("me.*.pt.trace.json"))


def test_share_of_the_roof_and_what_limits():
    ceilings = Ceilings(100e9, {"float16": 1e12, "float32": 5e11})
    assert ceilings.floor(0, 1e9, "float32") == (0.01, "bytes")
    assert ceilings.floor(1e11, 1e9, "float16") == (0.1, "flops")
    assert ceilings.floor(1e11, None, "float16") is None
    half = KernelAverage("k", dtype="float32")
    for flops, nbytes, took in ((0, 1e9, 20e6), (0, 1e9, 20e6)):
        half.add(LaunchRecord("k", (1,), "", "float32", flops, nbytes, 0, None, begin=0.0, end=took), ceilings)
    assert half.share == pytest.approx(0.5) and half.limit == "bytes" and half.gbytes == pytest.approx(50)
    slow = KernelAverage("k", dtype="float32")
    slow.add(LaunchRecord("k", (1,), "", "float32", 1, 1000, 0, None, begin=0.0, end=1e6), ceilings)
    assert slow.limit == "latency"


def test_only_launches(simulated):
    step = step_of("cuda", batch=1)
    with profile(activities=[ProfilerActivity.CUDA]) as prof:
        step()
    assert prof.launches() and [a.key for a in prof.key_averages()] == ["my step"]


def test_the_earlier_names_record_the_same(tmp_path):
    import tritonnet.autograd.profiler as classic

    x = tritonnet.randn(4, 4)
    with classic.profile(record_shapes=True) as prof, classic.record_function("part"):
        (x @ x).relu()
    assert [e.key for e in prof.function_events] == ["part", "MatMul", "Relu"]
    assert {a.key for a in prof.key_averages()} == {"part", "MatMul", "Relu"} and prof.self_cpu_time_total > 0
    assert "MatMul" in prof.table(sort_by="cpu_time_total", row_limit=5) and "MatMul" in str(prof)
    assert prof.total_average().key == "Total"
    prof.export_chrome_trace(tmp_path / "trace.json")
    assert tritonnet.autograd.profiler.profile is classic.profile
    with classic.profile(enabled=False) as nothing:
        x.relu()
    assert nothing is None
    with pytest.raises(RuntimeError, match="didn't finish"):
        classic.profile(enabled=False).key_averages()


def test_the_earlier_names_refuse_what_there_is_not():
    from tritonnet.autograd import profiler as classic

    with pytest.raises(ValueError, match="use_device is 'xpu'"):
        classic.profile(use_device="xpu")
    with pytest.raises(NotImplementedError, match="single events"):
        classic.profile(activity_filters={ProfilerActivity.CPU: {"x"}})
    with classic.emit_nvtx(enabled=False), classic.emit_itt(False):
        pass
    for ranges in (classic.emit_nvtx, classic.emit_itt):
        with pytest.raises(NotImplementedError, match=f"{ranges.__name__}: .*tritonnet.profiler.profile"), ranges():
            pass
    with pytest.raises(NotImplementedError, match="nvprof"):
        classic.load_nvprof("x.prof")
    if not tritonnet.cuda.is_available():
        with pytest.warns(UserWarning, match="CUDA is not available"):
            classic.profile(use_cuda=True)


def test_the_earlier_names_record_a_device(simulated):
    from tritonnet.autograd import profiler as classic

    with classic.profile(use_device="cuda") as prof:
        tritonnet.ones(4, device="cuda").relu()
    assert any(a.launches for a in prof.key_averages())


def test_traces_have_names():
    prof = profile(activities=[ProfilerActivity.CPU], custom_trace_id_callback=lambda: "run 7", ceilings=False,
                   post_processing_timeout_s=5.0)
    assert prof.get_trace_id() is None
    prof.prepare_trace()
    prof.start_trace()
    prof.stop_trace()
    assert prof.get_trace_id() == "run 7"
    prof.set_custom_trace_id_callback(lambda: "run 8")
    with prof:
        pass
    assert prof.get_trace_id() == "run 8"
    with pytest.raises(NotImplementedError, match="schedule"):
        prof.toggle_collection_dynamic(False, [ProfilerActivity.CPU])
    with pytest.raises(NotImplementedError, match="single events"):
        profile(activities={ProfilerActivity.CPU: ["x"]})


@pytest.mark.parametrize("name", ["profiler.profile", "profiler.schedule", "profiler.tensorboard_trace_handler",
                                  "profiler.record_function", "autograd.profiler.profile",
                                  "autograd.profiler.emit_nvtx"])
def test_parameters_are_pytorchs(torch, name):
    import inspect
    import operator

    theirs, ours = (inspect.signature(operator.attrgetter(name)(library)).parameters for library in (torch, tritonnet))
    missing = [p for p in theirs if p not in ours]
    assert not missing and all(theirs[p].kind is ours[p].kind for p in theirs)
