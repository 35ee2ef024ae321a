"""Tuning: prediction, pruning, validation, timing, and what is kept."""

import dataclasses
import json
import types

import numpy as np
import pytest

from tritonnet.kernels import elementwise, runtime, tuning
from tritonnet.kernels.arrays import fill, to_device
from tritonnet.kernels.lab import search
from tritonnet.kernels.lab.candidates import Candidate
from tritonnet.kernels.lab.plan import launches
from tritonnet.kernels.lab.prediction import padding, predicted, traffic, unit
from tritonnet.kernels.lab.search import alike, edges, settle, tune, validate
from tritonnet.kernels.lab.subjects import Unknown, dtype_named, every_subject, subject
from tritonnet.kernels.softmax import softmax_kernel

SMALL = "16x64"


@pytest.fixture
def cache(tmp_path, monkeypatch):
    """An empty cache of tuned configurations."""
    monkeypatch.setattr(tuning, "user_file", lambda name: tmp_path / f"{name}.json")
    tuning.forget()
    yield tmp_path
    tuning.forget()


def plan_of(config, dims="4096x4096x4096", dtype="float16", arch=90):
    chosen = subject("matmul")
    return launches(chosen, chosen.shapes(dims)[0], dtype, arch, config)[0]


def test_predictions_order_products_as_one_expects():
    whole = {"GROUP_M": 8, "SPLIT": 1, "num_stages": 3}
    big = predicted(plan_of(whole | {"BLOCK_M": 128, "BLOCK_N": 128, "BLOCK_K": 64, "num_warps": 8}))
    small = predicted(plan_of(whole | {"BLOCK_M": 32, "BLOCK_N": 32, "BLOCK_K": 32, "num_warps": 4}))
    assert small.limit == "l2" and small.seconds > 2 * big.seconds
    assert big.floor <= big.seconds and big.floor == pytest.approx(2 * 4096**3 / 989.5e12)
    thin = predicted(plan_of({"SPLIT": 1}, "64x64x65536"))
    parts = predicted(plan_of({"SPLIT": 16}, "64x64x65536"))
    assert parts.seconds < thin.seconds, "a single tile leaves the GPU idle"


def test_a_small_launch_takes_microseconds():
    """Few programs leave multiprocessors idle: that is counted once, not again as loads that hide no latency."""
    assert predicted(plan_of({}, "64x64x64", "float32")).seconds < 6e-6
    chosen = subject("softmax")
    assert predicted(launches(chosen, chosen.shapes("64x64")[0], "float32", 90)[0]).seconds < 6e-6


def test_what_predictions_are_made_of():
    planned = plan_of({"BLOCK_M": 128, "BLOCK_N": 128, "BLOCK_K": 64, "num_warps": 8}, "100x4096x4096")
    known = planned.known | planned.constants
    assert padding({"M": 100, "BLOCK_M": 128, "K": 64, "BLOCK_K": 64, "BLOCK_Q": 3}) == 1.28
    assert traffic(known, planned) >= planned.bytes and unit(planned) == "half"
    assert unit(plan_of({}, dtype="float64")) == "double_tensor"
    assert unit(plan_of({}, dtype="float32")) in ("tf32x3", "single")


def test_narrow_loads_hide_little_latency():
    """Little's law: more must be under way than one element per thread."""
    chosen = subject("softmax")
    planned, = launches(chosen, chosen.shapes("65536x1024")[0], "float16", 90)
    code = types.SimpleNamespace(registers=16, shared=0, threads=128, spills=0)
    found = []
    for code.sass in ["LDG.E.128"], ["LDG.E.U16"]:
        found.append(predicted(planned, code))
    wide, narrow = found
    assert narrow.seconds > 4 * wide.seconds and narrow.floor == wide.floor


def test_without_a_gpu_the_prediction_decides_and_says_so(cache):
    told = []
    found, = tune("softmax", SMALL, arch="sm_80", compiled=6, progress=told.append)
    assert found.predicted and found.best.valid and found.best.spills == 0 and found.best.us is None
    assert found.about["device"].startswith("NVIDIA A100") and found.key == "float32/16x64"
    assert "predicted, not measured, for NVIDIA A100" in str(found) and "best" in str(found)
    assert {c.state for c in found.candidates if c.registers is None} <= {"not compiled: others promise more"}
    assert any("compiled" in text for text in told)
    with pytest.raises(RuntimeError, match="predicted .* only measurements are stored"):
        found.store()
    again, = tune("softmax", SMALL, arch=80, compiled=6)
    assert again.best.config == found.best.config, "the choice is deterministic"
    assert json.loads(json.dumps(found.as_dict()))["about"]["predicted"] is True
    assert "predicted" in found._repr_html_()


def test_on_a_device_candidates_are_timed_and_the_winner_is_kept(cache, simulated, monkeypatch):
    monkeypatch.setattr(search, "SAMPLES", 1)
    found, = tune("softmax", SMALL, device=simulated, compiled=3, rounds=2)
    assert not found.predicted and found.best.us > 0 and found.best.low <= found.best.us <= found.best.high
    assert found.gain is not None and "measured on simulated" in str(found)
    assert found.store()
    table = json.loads((cache / "simulated.json").read_text())
    entry = table["kernels"]["softmax_kernel"]["entries"]["float32/16x64"]
    assert entry["config"] == found.best.config and entry["measured"]["us"] > 0 and entry["measured"]["date"]


def test_a_candidate_with_wrong_numbers_cannot_win(cache, monkeypatch):
    chosen = subject("softmax")
    usual, before = chosen.run, tune(chosen, SMALL, compiled=8)[0].best.config

    def wrong_in_one_configuration(x):
        y = usual(x)
        if tuning._forced.get(softmax_kernel) == before and not isinstance(x, np.ndarray):
            fill(y, 0)  # which launches nothing
        return y

    found, = tune(dataclasses.replace(chosen, run=wrong_in_one_configuration), SMALL, compiled=8)
    assert found.best.valid and found.best.config != before
    out, = [c for c in found.candidates if c.valid is False]
    assert out.config == before and out.state.startswith("WRONG numbers at {'N': ")


def test_a_candidate_that_fails_cannot_win(cache, monkeypatch):
    monkeypatch.setattr(search, "alike", lambda found, expected: 1 / 0)
    found, = tune("softmax", SMALL, compiled=2)
    assert found.best is None and all("ZeroDivisionError" in c.state for c in found.candidates if c.valid is False)
    with pytest.raises(RuntimeError, match="no candidate is valid"):
        found.store()


def test_on_a_device_that_computes_nonsense_nothing_wins(cache, simulated, monkeypatch):
    monkeypatch.setattr(search, "alike", lambda found, expected: False)
    found, = tune("softmax", SMALL, device=simulated, compiled=2)
    assert found.best is None and not found.predicted and "measured on simulated" in str(found)


def test_what_spills_or_does_not_fit_is_out():
    candidate = Candidate({"num_warps": 4})
    candidate.planned = plan_of({"BLOCK_M": 128, "BLOCK_N": 128, "BLOCK_K": 64, "num_warps": 8})

    class Found:
        registers, threads, arch, spills, shared = 128, 256, 90, 8, 1000

    candidate.note(Found)
    assert candidate.state == "out: spills 8 bytes per thread" and not candidate.usable
    Found.spills, Found.shared = 0, 1 << 20
    candidate.note(Found)
    assert "1048576 bytes of shared memory" in candidate.state


def timing(monkeypatch, times, rounds=8):
    """Time candidates whose samples are given; the states they end in."""
    candidates = [Candidate({"n": n}) for n in range(len(times))]
    counters = {}

    class Given:
        def __init__(self, device, step, calls):
            self.n = len(counters)
            counters[self.n] = 0

        def sample(self):
            counters[self.n] += 1
            return times[self.n](counters[self.n])

    monkeypatch.setattr(search, "Replays", Given)
    monkeypatch.setattr(search, "eager_us", lambda step, synchronize: 10.0)
    monkeypatch.setattr(search, "_rotating", lambda *_: [()])
    search._time(subject("softmax"), {}, "float32", softmax_kernel, candidates, type("D", (), {
        "simulated": True, "synchronize": None}), rounds, lambda text: None)
    return candidates, counters


def test_the_hopeless_stop_early_and_the_rest_take_turns(monkeypatch):
    times = [lambda n: 100 + n % 3, lambda n: 101 + n % 3, lambda n: 200.0, lambda n: 130 + n % 2]
    candidates, counters = timing(monkeypatch, times)
    assert counters[2] == search.SAMPLES and candidates[2].state.startswith("stopped after 1 rounds: 1.98")
    assert counters[3] == 4 * search.SAMPLES, "slower by more than the intervals: out once there are some"
    assert counters[0] == counters[1] == 8 * search.SAMPLES, "these cannot be told apart"
    assert candidates[0].us == 101 and candidates[0].low <= 101 <= candidates[0].high


def test_rounds_of_a_slowed_down_gpu_do_not_count():
    candidate = Candidate({})
    candidate.samples = [(10.0, 1980, False), (11.0, 1975, False), (99.0, 1980, True), (55.0, 1200, False),
                         (12.0, 1981, False)]
    settle([candidate])
    assert (candidate.low, candidate.us, candidate.high) == (10.0, 11.0, 12.0)


def test_edges_have_whole_tiles_and_rests():
    dims = subject("matmul").dims
    assert edges(subject("matmul"), dims, {"BLOCK_M": 64, "num_warps": 4}) == {"M": 67, "N": 67, "K": 67}
    conv = subject("conv2d_depthwise")
    small = edges(conv, conv.dims, {"BLOCK_M": 32, "BLOCK_C": 16})
    assert small["C"] == conv.dims["C"] and small["H"] == 9 and small["R"] == 3 and small["groups"] == 96


def test_alike_is_strict_about_shapes_and_nan():
    x = np.linspace(-1, 1, 6, dtype=np.float32)
    assert alike(x, x + 1e-6) and not alike(x, x + 1e-2) and not alike(x[:5], x)
    y = x.copy()
    y[0] = np.nan
    assert not alike(x, y) and alike(y, y.copy()) and not alike(np.arange(3), np.arange(1, 4))


@pytest.mark.parametrize("arguments, message", [
    (("nothing",), "no kernel 'nothing'"), (("transpose_kernel",), "nothing to tune"),
    (("softmax", "3x4x5"), "has 3 sizes"), (("softmax", SMALL, "int7"), "unknown dtype 'int7'"),
    (("softmax", SMALL, "float32", "sm_1"), "unknown architecture"),
])
def test_what_there_is_not(arguments, message):
    with pytest.raises(Unknown, match=message):
        tune(*arguments)
    with pytest.raises(Unknown, match="no configuration of its space fits"):
        tune("softmax", SMALL, config={"BLOCK": 7})


def test_pictures(tmp_path, cache):
    pytest.importorskip("matplotlib")
    from tritonnet.kernels.lab.pictures import heat_map, roofline_of

    found, = tune("softmax", SMALL, compiled=4)
    for draw in (heat_map, roofline_of):
        draw(found).savefig(tmp_path / "picture.png")
        assert (tmp_path / "picture.png").read_bytes().startswith(b"\x89PNG")
    assert "PREDICTED" in heat_map(found).get_suptitle()
    assert heat_map(found, "num_warps", "ROWS").axes[0].get_xlabel() == "num_warps"
    with pytest.raises(ValueError, match="has no BLOCK_Q"):
        heat_map(found, "BLOCK_Q")


@pytest.mark.parametrize("dtype", ["float16", "float32"])
@pytest.mark.parametrize("arch", [80, 90, 100])
def test_every_operation_has_something_to_tune(arch, dtype):
    """And what a launch takes without tuning is one of the configurations that it may be tuned to."""
    for name, each in every_subject().items():
        found = {}
        for planned in launches(each, None, dtype, arch):
            if planned.kernel.space is not None and planned.key is not None:
                found.setdefault(planned.kernel, planned)
        assert found, f"{name}: no kernel of it declares a space"
        for planned in found.values():
            offered = planned.candidates()
            assert offered, f"{name}: {planned.name} has a space, but no configuration for the usual sizes"
            assert planned.config.keys() == offered[0].keys(), name
            beyond = {k: v for k, v in planned.config.items() if v not in planned.kernel.space.choices[k]}
            assert not beyond, f"{name}: {planned.name} takes {beyond} without tuning"


def test_what_is_forced_reaches_operations_whose_launches_are_kept(simulated):
    x = to_device(np.arange(5000, dtype=np.float32), simulated)
    seen = []
    with runtime.watching(seen.append):
        elementwise.relu(x)
        with tuning.forced(seen[0].kernel, {"BLOCK": 1024, "num_warps": 2}):
            elementwise.relu(x)
            elementwise.relu(x)
        elementwise.relu(x)
    assert [launch.grid[0] for launch in seen] == [1, 5, 5, 1]


def test_kernels_of_one_name_have_entries_of_their_own():
    """Elementwise operations are written out for each layout of their operands."""
    line, = launches(subject("add"))
    rows, = launches(subject("bias_add"))
    assert line.name == rows.name and line.kernel.entry != rows.kernel.entry


def test_the_default_stays_where_others_promise_hardly_more(cache):
    found, = tune("relu", "16777216", dtype="float16", compiled=3)
    assert found.best.config == found.default


@pytest.mark.parametrize("name", ["batch_norm", "max_pool2d_backward", "mean", "bias_add", "embedding", "dropout",
                                  "adam", "mse_loss", "argmax", "clip_grad_norm"])
def test_configurations_give_the_mirrors_numbers(name):
    """The first and the last of each kernel's space, at sizes that cover the edges of their tiles."""
    chosen = subject(name)
    tried = {p.kernel: p.candidates() for p in launches(chosen, None, "float16", 90) if p.kernel.space is not None}
    for kernel, space in tried.items():
        for config in (space[0], space[-1]):
            candidate = Candidate(config)
            with runtime.simulated(own_blocks=True) as device:
                assert validate(chosen, chosen.dims, dtype_named("float16"), kernel, candidate, device), candidate.state
