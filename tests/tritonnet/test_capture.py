"""tritonnet.capture: replays compute what the step computes, bit for bit, and Python does nothing meanwhile."""

import collections

import numpy as np
import pytest

import tritonnet as tn
import tritonnet.nn.functional as F
from tritonnet import nn
from tritonnet.kernels import runtime

pytest.importorskip("triton", reason="runs Triton kernels")
CALLS = 6


@pytest.fixture
def gpu():
    """A simulated device whose pool caches, as on a GPU."""
    with runtime.simulated() as device:
        yield device


def batch(i, n=4, width=5):
    rng = np.random.default_rng(i)
    return (tn.from_numpy(rng.standard_normal((n, width)).astype(np.float32)).cuda(),
            tn.from_numpy(rng.integers(0, 3, n)).cuda())


def net(*more):
    tn.manual_seed(3)
    return nn.Sequential(nn.Linear(5, 4), *more, nn.Linear(4, 3)).cuda()


class Run:
    """A training run: a step, plain or captured, and all that it leaves behind."""

    def __init__(self, captured, model=None, optimizer=None, schedule=None, step=None, warmup=2):
        self.model = net() if model is None else model()
        self.optimizer = (optimizer or (lambda p: tn.optim.SGD(p, lr=0.5)))(self.model.parameters())
        self.schedule = schedule(self.optimizer) if schedule else None
        self.scaler = tn.amp.GradScaler(init_scale=4.0, growth_interval=2)
        plain = (step or type(self).plain).__get__(self)
        self.step = tn.capture(plain, warmup=warmup) if captured else plain
        self.seen = []

    def plain(self, x, y):
        self.optimizer.zero_grad()
        loss = F.cross_entropy(self.model(x), y)
        loss.backward()
        self.optimizer.step()
        return loss

    def results(self):
        state = self.optimizer.state_dict()["state"]
        tensors = {f"model.{k}": v for k, v in self.model.state_dict().items()}
        tensors |= {f"grad.{k}": p.grad for k, p in self.model.named_parameters() if p.grad is not None}
        tensors |= {f"state.{i}.{k}": v for i, s in state.items() for k, v in s.items() if isinstance(v, tn.Tensor)}
        tensors |= {f"seen.{i}": v for i, v in enumerate(self.seen)}
        return {k: v.detach().cpu().numpy() for k, v in tensors.items()}


def alike(calls=CALLS, drive=None, captures=1, **what):
    """Run eagerly and captured; every tensor there is must be the same. drive(run, i): one call (a new batch)."""
    drive = drive or (lambda run, i: run.seen.append(run.step(*batch(i))))
    runs = []
    for captured in (False, True):
        run = Run(captured, **what)
        for i in range(calls):
            drive(run, i)
        runs.append(run)
    eager, replayed = (run.results() for run in runs)
    assert eager.keys() == replayed.keys()
    for name, value in eager.items():
        np.testing.assert_array_equal(value, replayed[name], err_msg=name)
    assert runs[1].step.captures == captures and runs[1].step.replays >= calls - 4 * captures
    if runs[0].schedule:
        assert runs[0].schedule.get_last_lr() == runs[1].schedule.get_last_lr()
        assert runs[0].schedule.last_epoch == runs[1].schedule.last_epoch
    return runs[1]


@pytest.mark.parametrize("optimizer", [
    lambda p: tn.optim.SGD(p, lr=0.5), lambda p: tn.optim.SGD(p, lr=0.5, momentum=0.9, dampening=0.5),
    lambda p: tn.optim.Adam(p, lr=0.1, amsgrad=True), lambda p: tn.optim.AdamW(p, lr=0.1),
    lambda p: tn.optim.RMSprop(p, lr=0.05)], ids=["SGD", "momentum", "Adam", "AdamW", "RMSprop"])
def test_optimizers(gpu, optimizer):
    alike(optimizer=optimizer)


def test_a_replay_is_one_call(gpu):
    """Of a step without results on tensors that every call passes: nothing else reaches the driver."""
    run = Run(True, step=lambda run, x, y: (run.plain(x, y), None)[1])
    x, y = batch(0)
    for _ in range(4):
        assert run.step(x, y) is None
    before, requests = collections.Counter(gpu.driver.counts), gpu.pool.requests
    run.step(x, y)
    did = gpu.driver.counts - before
    assert did.pop("replayed launch") > 5 and did == {"replay": 1} and gpu.pool.requests == requests
    x, y = batch(1)  # other tensors: copied into the graph's from now on
    for _ in range(3):
        run.step(x, y)
    before = collections.Counter(gpu.driver.counts)
    run.step(*(fresh := batch(2)))
    made = {"upload": 2}
    did = gpu.driver.counts - before
    assert did.pop("replayed launch") and did == made | {"replay": 1, "copy": 2}, fresh


def inside(run, x, y):
    loss = run.plain(x, y)
    run.schedule.step()
    return loss


def before(run, x, y):
    run.schedule.step()
    return run.plain(x, y)


def twice(run, x, y):
    run.plain(x, y)
    run.schedule.step()
    return run.plain(x, y)


@pytest.mark.parametrize("schedule", [
    lambda o: tn.optim.lr_scheduler.ExponentialLR(o, 0.5),
    lambda o: tn.optim.lr_scheduler.OneCycleLR(o, 0.1, total_steps=30),
    lambda o: tn.optim.lr_scheduler.SequentialLR(o, [tn.optim.lr_scheduler.LinearLR(o, total_iters=3),
                                                     tn.optim.lr_scheduler.StepLR(o, 2)], [3])],
    ids=["exponential", "one cycle", "sequential"])
@pytest.mark.parametrize("step", [inside, twice, None], ids=["inside", "twice", "outside"])
def test_schedules(gpu, schedule, step):
    def outside(run, i):
        run.seen.append(run.step(*batch(i)))
        run.schedule.step()

    alike(schedule=schedule, step=step, drive=None if step else outside,
          optimizer=lambda p: tn.optim.SGD(p, lr=0.5, momentum=0.5))


@pytest.mark.filterwarnings("ignore:Detected call of `lr_scheduler.step")
def test_a_schedule_that_steps_first(gpu):
    alike(schedule=lambda o: tn.optim.lr_scheduler.ExponentialLR(o, 0.5), step=before)


def test_rates_set_by_hand(gpu):
    def drive(run, i):
        run.optimizer.param_groups[0]["lr"] = 0.1 * (i + 1)
        run.seen.append(run.step(*batch(i)))

    alike(drive=drive)


def test_clipping_and_loss_scales(gpu):
    """Infinite gradients in two of the steps: skipped, and the scale follows."""
    def step(run, x, y):
        run.optimizer.zero_grad()
        loss = F.cross_entropy(run.model(x), y)
        run.scaler.scale(loss).backward()
        run.scaler.unscale_(run.optimizer)
        norm = nn.utils.clip_grad_norm_(run.model.parameters(), 0.1)
        run.scaler.step(run.optimizer)
        run.scaler.update()
        return {"loss": loss, "norm": norm}

    def drive(run, i):
        x, y = batch(i)
        if i in (1, 4):
            x[0, 0] = float("inf")
        found = run.step(x, y)
        run.seen += [found["loss"], found["norm"], run.scaler._scale.clone()]

    alike(step=step, drive=drive, calls=7, optimizer=lambda p: tn.optim.Adam(p, lr=0.1))


def test_dropout_draws_what_it_would_have_drawn(gpu):
    def drive(run, i):
        if i == 4:
            run.seen.append(tn.rand(3, device="cuda"))
        run.seen.append(run.step(*batch(i)))

    alike(model=lambda: net(nn.Dropout(0.5)), drive=drive)


def test_batch_norm_and_switching_to_eval(gpu):
    """Running statistics and counts of batches go on; eval() and train() are noticed."""
    def drive(run, i):
        run.model.train(i % 8 < 5)
        run.seen.append(run.step(*batch(i)))

    run = alike(model=lambda: net(nn.BatchNorm1d(4)), drive=drive, calls=12, captures=2)
    assert run.model[1].num_batches_tracked.item() == 9


def keeping(run, x, y):
    run.optimizer.zero_grad(set_to_none=False)
    loss = F.cross_entropy(run.model(x), y)
    loss.backward()
    run.optimizer.step()
    return loss


def ending(run, x, y):
    loss = F.cross_entropy(run.model(x), y)
    loss.backward()
    run.optimizer.step()
    run.optimizer.zero_grad()
    return loss


@pytest.mark.parametrize("step", [keeping, ending])
def test_ways_of_zeroing_gradients(gpu, step):
    alike(step=step)


@pytest.mark.parametrize("set_to_none", [True, False])
def test_gradients_accumulated_over_calls(gpu, set_to_none):
    """The captured part only adds to gradients; clearing them and stepping stay outside, every third call."""
    def step(run, x, y):
        F.cross_entropy(run.model(x), y).backward()

    def drive(run, i):
        run.step(*batch(i))
        if i % 3 == 2:
            run.optimizer.step()
            run.optimizer.zero_grad(set_to_none=set_to_none)

    run = alike(step=step, drive=drive, calls=15, captures=1 if not set_to_none else 3)
    assert run.step.replays >= 6


def test_shapes_numbers_and_modes_have_graphs_of_their_own(gpu):
    def step(run, x, y, weight=1.0):
        run.optimizer.zero_grad()
        loss = F.cross_entropy(run.model(x), y) * weight
        loss.backward()
        run.optimizer.step()
        return loss

    def drive(run, i):
        run.seen.append(run.step(*batch(i, n=4 if i % 2 else 2), weight=2.0 if i > 9 else 1.0))

    alike(step=step, drive=drive, calls=20, captures=4)


def test_autocast(gpu):
    def step(run, x, y):
        run.optimizer.zero_grad()
        with tn.autocast("cuda", dtype=tn.bfloat16):
            loss = F.cross_entropy(run.model(x), y)
        loss.backward()
        run.optimizer.step()
        return loss

    alike(step=step)


def test_replaced_and_loaded_parameters(gpu):
    """load_state_dict writes in place and needs nothing; a new Parameter, or a new optimizer state, a new graph."""
    def drive(run, i):
        if i == 4:
            run.model.load_state_dict({k: v * 0.5 for k, v in run.model.state_dict().items()})
        if i == 6:
            run.model[0].bias.data = tn.ones(4, device="cuda")
        if i == 9:
            run.optimizer.load_state_dict(run.optimizer.state_dict())
        run.seen.append(run.step(*batch(i)))

    alike(drive=drive, calls=12, captures=3, optimizer=lambda p: tn.optim.Adam(p, lr=0.1))


def test_tensors_that_each_call_passes_may_be_changed_in_place(gpu):
    def step(run, x, y, total):
        loss = run.plain(x, y)
        total += loss.detach()
        return total

    def drive(run, i):
        run.total = getattr(run, "total", tn.zeros((), device="cuda"))
        assert run.step(*batch(i), run.total) is run.total
        run.seen.append(run.total.clone())

    alike(step=step, drive=drive)


def test_results_are_the_callers(gpu):
    """Kept, they are not overwritten; they have no history, in the warm-up neither."""
    run = Run(True)
    losses = [run.step(*batch(i)) for i in range(5)]
    assert len({loss.item() for loss in losses}) == 5
    for loss in losses:
        assert not loss.requires_grad and loss.grad_fn is None


def test_methods_and_options(gpu):
    class Trainer:
        def __init__(self):
            self.weight = tn.ones(3, device="cuda")

        @tn.capture(warmup=1)
        def step(self, factor):
            """Doc."""
            self.weight.mul_(factor)

    a, b = Trainer(), Trainer()
    for _ in range(3):
        a.step(2.0)
        b.step(3.0)
    assert a.weight.tolist() == [8.0] * 3 and b.weight.tolist() == [27.0] * 3
    assert Trainer.step.captures == 2 and Trainer.step.__doc__ == "Doc."
    Trainer.step.reset()
    assert Trainer.step.captures == 0 and "Trainer.step" in repr(Trainer.step)


def test_a_captured_step_within_another(gpu):
    x = tn.zeros(3, device="cuda")
    inner = tn.capture(lambda: (x.add_(1), None)[1])
    outer = tn.capture(lambda: (inner(), x.mul_(2), None)[2])
    expected = 0
    for _ in range(7):
        outer()
        expected = (expected + 1) * 2
    assert x.tolist() == [expected] * 3 and outer.replays == 4


def test_what_is_replaced_around_the_step_is_noticed(gpu):
    x, factor = tn.ones(3, device="cuda"), 2.0
    step = tn.capture(lambda: x * factor)
    found = []
    for i in range(12):
        if i == 4:
            factor = 3.0
        if i == 8:
            x = tn.full((3,), 2.0, device="cuda")
        found.append(step()[0].item())
    assert found == [2.0] * 4 + [3.0] * 4 + [6.0] * 4 and step.captures == 3


def test_what_changes_at_every_call_is_refused(gpu):
    x = tn.ones(3, device="cuda")
    step = tn.capture(lambda: x * 2)
    said = r"captured 8 times .* `x` was set anew.*pass what changes as an argument"
    with pytest.raises(runtime.CaptureError, match=said):
        for _ in range(20):
            x = tn.ones(3, device="cuda")
            step()


def test_hooks_registered_later_are_noticed(gpu):
    seen = []

    def drive(run, i):
        if i == 4:
            run.model[0].register_forward_hook(lambda module, args, out: seen.append(i) or out * 2)
        run.seen.append(run.step(*batch(i)))

    alike(drive=drive, captures=2)


def test_memory_goes_back(gpu):
    run = Run(True)
    for i in range(4):
        run.step(*batch(i))
    run.optimizer.zero_grad()
    used, reserved = gpu.pool.used, gpu.pool.reserved
    run.step.reset()
    assert gpu.pool.used < used and gpu.pool.reserved == reserved
    before = gpu.driver.counts["alloc"]
    held = [tn.empty(4, 4, device="cuda") for _ in range(4)]
    assert gpu.driver.counts["alloc"] == before, held


def test_on_the_cpu_it_is_a_plain_call():
    calls = []
    step = tn.capture(lambda x: calls.append(1) or x + 1)
    assert [step(tn.zeros(2)).tolist() for _ in range(5)] == [[1.0, 1.0]] * 5 and len(calls) == 5


def test_a_step_on_the_cpu_of_a_machine_with_a_gpu(gpu):
    tn.zeros(1, device="cuda")
    x, calls = tn.zeros(2), []
    step = tn.capture(lambda: (calls.append(1), x.add_(1), None)[2])
    for _ in range(5):
        step()
    assert x.tolist() == [5.0, 5.0] and len(calls) == 5


# refusals

COUNT, HISTORY, AVERAGE = 0, [], None


def counting(x):
    global COUNT
    COUNT += 1
    return x * 2


def listing(x):
    HISTORY.append(x * 2)


def averaging(x):
    global AVERAGE
    AVERAGE = AVERAGE * 0.9 + x
    return x * 1


@pytest.mark.parametrize("step, said", [
    (lambda x: ((x.sum() * 1).item(), None)[1],
     r"reads a value on the host .* at test_capture.py:\d+: .*item\(\).*in item"),
    (lambda x: print(x * 2), "reads a value on the host"),
    (lambda x: x * 2 if (x.sum() > 0) else x * 3, "reads a value on the host .*choose with where"),
    (lambda x: (x * 2).cpu(), r"reads a value on the host .*in cpu|reads a value"),
    (lambda x: x.nonzero(), r"shape depends on values.*in nonzero"),
    (lambda x: x[x > 0], r"a boolean mask"),
    (lambda x: x + tn.tensor([1.0, 2.0, 3.0], device="cuda"), "copies from the host to the device"),
    (lambda x: (x * 2, tn.cuda.synchronize())[0], "waits for the device.*in synchronize"),
    (lambda x: (x * 2, tn.zeros(2) + 1)[0], r"computes with tensors on the CPU.*\(Add\)"),
    (lambda x: (x * 2, tn.zeros(2))[1], "returns a tensor on the CPU"),
    (lambda x: (x * 2, 3.5), "returns 3.5, which replays would repeat"),
    (lambda x: (x * 2, np.random.rand())[0], "draws random numbers on the host"),
    (lambda x: (x * 2, tn.manual_seed(1))[0], "seeds a generator"),
    (counting, r"changes `COUNT` in Python \(2 -> 3\)"),
    (listing, r"changes `HISTORY` in Python \(2 elements -> 3 elements\)"),
    (averaging, "changes `AVERAGE` in Python .the tensor that it read -> a new one."),
    (lambda x: (x.mul_(2), None)[1], r"changes argument\[0\] in place"),
])
def test_refused(gpu, step, said):
    global COUNT, AVERAGE
    COUNT, AVERAGE = 0, tn.ones(3, device="cuda")
    HISTORY.clear()
    tn.rand(8, device="cuda")
    captured = tn.capture(step)
    with pytest.raises(runtime.CaptureError, match=said) as error:
        for _ in range(3):
            captured(tn.ones(3, device="cuda"))
    assert str(error.value).startswith("capture: ") and gpu.pool.capturing is None and not gpu.driver.capturing
    assert (tn.ones(3, device="cuda") * 2).tolist() == [2.0] * 3, "the device goes on"


@pytest.mark.parametrize("argument, said", [
    (lambda: tn.ones(3), r"argument\[0\] is a tensor on the CPU"),
    (lambda: np.ones(3), r"argument\[0\] is a NumPy array"),
    (lambda: tn.ones(3, device="cuda", requires_grad=True), r"argument\[0\] requires a gradient"),
])
def test_refused_arguments(gpu, argument, said):
    tn.zeros(1, device="cuda")
    step = tn.capture(lambda x: None)
    with pytest.raises(runtime.CaptureError, match=said):
        for _ in range(3):
            step(argument())


def test_a_number_that_changes_at_each_call_is_refused(gpu):
    x = tn.ones(3, device="cuda")
    step = tn.capture(lambda rate: (x.mul_(rate), None)[1])
    with pytest.raises(runtime.CaptureError, match="different kinds of calls.*as tensors on the device"):
        for i in range(40):
            step(1.0 + i)


def test_a_refused_step_leaves_everything_as_it_was(gpu):
    run = Run(True, schedule=lambda o: tn.optim.lr_scheduler.ExponentialLR(o, 0.5), model=lambda: net(nn.Dropout(0.5)))

    def step(x, y):
        loss = inside(run, x, y)
        if reading:
            loss.item()

    captured, reading = tn.capture(step), False
    for i in range(2):
        captured(*batch(i))
    reading = True
    found, rng = run.results(), tn.cuda.get_rng_state()
    with pytest.raises(runtime.CaptureError, match="reads a value"):
        captured(*batch(2))
    assert run.schedule.last_epoch == 2 and run.optimizer.param_groups[0]["lr"] == 0.125
    assert (tn.cuda.get_rng_state() == rng).all()
    for name, value in run.results().items():
        np.testing.assert_array_equal(value, found[name], err_msg=name)


def test_wrong_use():
    with pytest.raises(TypeError, match="takes a function, got int"):
        tn.capture(3)
    with pytest.raises(ValueError, match="warmup=0"):
        tn.capture(print, warmup=0)


def test_what_compile_fused_stays_fused(gpu):
    def made():
        return tn.compile(net(nn.BatchNorm1d(4), nn.ReLU()))

    eager, run = [], Run(False, model=made)
    run.step(*batch(0))
    with runtime.watching(lambda launch: eager.append(launch.name)):
        run.step(*batch(1))
    (plan,) = alike(model=made).step.plans.values()
    captured = [launch.name for launch in plan.recorded[0].graph.launches]
    assert not collections.Counter(captured) - collections.Counter(eager)
