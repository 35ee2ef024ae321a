"""Our kernels on a device that checks everything: no two programs race, nothing reads what nobody wrote, and what lanes
hold that a load masks off without `other` reaches no result.

Every exercise in one type, and every sample of each operation, forward and backward, against the mirrors.
"""

import pytest

from tests.exercises import EXERCISES
from tests.oracles import dtypes_of, exercise_agrees_with_mirror, kernel_agrees_with_mirror, name
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
    exercise_agrees_with_mirror(exercise, dtypes[-1], checked)
    assert checked.driver.counts["launch"]


@pytest.mark.parametrize("case", [c for c in every_sample() if not c[2].raises and dtypes_of(c[2])], ids=name)
def test_operations(case, checked):
    op, _, sample = case
    kernel_agrees_with_mirror(op, sample, dtypes_of(sample)[0], checked)
