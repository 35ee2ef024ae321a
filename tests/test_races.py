"""Our kernels on a device that checks everything: no two programs race, and nothing reads what nobody wrote.

Every exercise in one type, and each operation's first sample, forward and backward: few, small launches.
"""

import pytest

from tests.exercises import EXERCISES
from tests.oracles import DTYPES, dtypes_of, name, run
from tritonnet.autograd.samples import every_sample
from tritonnet.kernels import arrays, rng, runtime

pytest.importorskip("triton", reason="interprets Triton kernels")
pytestmark = pytest.mark.slow


@pytest.fixture
def checked(monkeypatch):
    """Fresh memory is not filled: that would count as writing it."""
    monkeypatch.setattr(arrays, "FILL_FRESH", None)
    before = rng.same_stream_everywhere()
    with runtime.simulated(check=True) as device:
        yield device
    rng.same_stream_everywhere(before)


@pytest.mark.parametrize("label", EXERCISES)
def test_exercises(label, checked):
    exercise, dtypes = EXERCISES[label]
    for array in exercise(checked, DTYPES[dtypes[-1]]):
        arrays.to_host(array)
    assert checked.driver.counts["launch"]


@pytest.mark.parametrize("case", [c for c in every_sample() if not c[2].raises and dtypes_of(c[2])], ids=name)
def test_operations(case, checked):
    op, _, sample = case
    args, kwargs = sample.cast(dtypes_of(sample)[0])
    run(op, args, kwargs, sample.grad, checked)
