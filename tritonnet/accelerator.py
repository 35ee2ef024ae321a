"""`torch.accelerator`: the GPU, or the simulated device, whatever kind it is."""

from tritonnet import cuda
from tritonnet.devices import device

current_device_index = current_device_idx = cuda.current_device
device_count, is_available, synchronize = cuda.device_count, cuda.is_available, cuda.synchronize


def current_accelerator(check_available=False):
    """device("cuda") where there is one, else None."""
    return device("cuda") if is_available() else None


def set_device_index(index) -> None:
    """Make a GPU the current one."""
    cuda.set_device(index)


set_device_idx = set_device_index
