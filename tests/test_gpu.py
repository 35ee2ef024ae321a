"""Every sample and exercise on a GPU: `pytest -m gpu`, also part of `make gpu-check`."""

import pytest

from tests.exercises import EXERCISES
from tests.oracles import dtypes_of, exercise_agrees_with_mirror, kernel_agrees_with_mirror, name
from tritonnet.autograd.samples import every_sample
from tritonnet.kernels import rng, runtime

if not runtime.is_available() or runtime.current_device().driver.simulated:
    pytest.skip("needs a GPU and its driver", allow_module_level=True)

pytestmark = pytest.mark.gpu
SAMPLES = [pytest.param(*case, dtype, id=f"{name(case)}-{dtype}") for case in every_sample()
           if case[2].device and not case[2].raises for dtype in dtypes_of(case[2])]


@pytest.fixture
def gpu():
    return runtime.current_device()


@pytest.mark.parametrize("op, i, sample, dtype", SAMPLES)
def test_kernel_agrees_with_mirror(op, i, sample, dtype, gpu):
    kernel_agrees_with_mirror(op, sample, dtype, gpu)
    gpu.synchronize()


@pytest.mark.parametrize("label, dtype", [(label, d) for label, (_, dtypes) in EXERCISES.items() for d in dtypes])
def test_exercise_agrees_with_mirror(label, dtype, gpu):
    before = rng.same_stream_everywhere()
    try:
        exercise_agrees_with_mirror(EXERCISES[label][0], dtype, gpu)
        gpu.synchronize()
    finally:
        rng.same_stream_everywhere(before)
