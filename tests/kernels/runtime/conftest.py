"""One suite for all drivers: the simulated device, the fake libcuda (in a process of its own), and a GPU."""

import os

import pytest

from tritonnet.kernels import runtime

FAKE = "TRITONNET_FAKE_CUDA" in os.environ  # set by fake_cuda.run


@pytest.fixture(params=["cuda"] if FAKE else ["simulated", pytest.param("cuda", marks=pytest.mark.gpu)])
def device(request):
    """A device of each kind."""
    if request.param == "simulated":
        with runtime.simulated(own_blocks=True) as device:
            yield device
    elif runtime.simulation_requested() or not runtime.is_available():
        pytest.skip("needs a CUDA device")
    else:
        yield runtime.current_device()


@pytest.fixture
def computing(device):
    """A device on which launches compute."""
    if FAKE:
        pytest.skip("the fake libcuda runs no kernels")
    pytest.importorskip("triton", reason="runs Triton kernels")
    return device
