"""Optimizers, random fills, copies and long sorts: the kernels against the mirrors on the simulated device."""

import pytest

from tests.exercises import EXERCISES
from tests.oracles import exercise_agrees_with_mirror
from tritonnet.kernels import rng

CASES = [(label, dtype) for label, (_, dtypes) in EXERCISES.items() for dtype in dtypes]


@pytest.fixture(autouse=True)
def one_stream():
    """The host draws what a device draws."""
    before = rng.same_stream_everywhere()
    yield
    rng.same_stream_everywhere(before)


@pytest.mark.parametrize("label, dtype", CASES)
def test_kernels_agree_with_mirrors(label, dtype, simulated):
    exercise_agrees_with_mirror(EXERCISES[label][0], dtype, simulated)
