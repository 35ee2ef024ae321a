"""cuda-bindings, and its errors as ours. Importing this needs cuda-bindings (Linux), not libcuda."""

from __future__ import annotations

import functools
import os

from tritonnet.kernels.runtime.errors import DeviceError, NoDevice, OutOfMemoryError

FAULTS = ("ILLEGAL_ADDRESS", "MISALIGNED_ADDRESS", "ILLEGAL_INSTRUCTION", "LAUNCH_FAILED", "ASSERT")
FOUND_BY = ("; a kernel launched before this call did it, and the device is lost to this process: run the same step "
            "under tritonnet.cuda.simulated() to be told which kernel, program and element")
ADVICE = "use TRITONNET_SIMULATE=1 or tritonnet.cuda.simulated() to try kernels without a GPU"

try:
    from cuda.bindings import driver as cuda
except ImportError as error:
    raise NoDevice(f"no CUDA driver calls: the package cuda-bindings is missing ({error}; pip install "
                   f"'cuda-bindings>=12.9.4,<14', Linux only); {ADVICE}") from None


class CudaError(DeviceError):
    """A driver call failed."""


def check(result, kind=None):
    """Unpack what a binding returns, (error, value, …), raising by name an error of this kind."""
    error, *values = result
    if error != cuda.CUresult.CUDA_SUCCESS:
        if error == cuda.CUresult.CUDA_ERROR_OUT_OF_MEMORY:
            kind = OutOfMemoryError
        kind = kind or CudaError
        advice = FOUND_BY if error.name.endswith(FAULTS) else ""
        raise kind(f"{error.name}: {cuda.cuGetErrorString(error)[1].decode()}{advice}")
    return values[0] if len(values) == 1 else values


@functools.cache
def start() -> int:
    """Initialise the driver once per process; returns its version (13010 for 13.1)."""
    global _started_in
    _started_in = os.getpid()
    try:
        check(cuda.cuInit(0))
        return check(cuda.cuDriverGetVersion())
    except CudaError as error:
        raise NoDevice(f"no GPU: {error}; see nvidia-smi; {ADVICE}") from None
    except Exception as error:  # cuda-bindings has its own types for a missing libcuda, another in each version
        raise NoDevice(f"no CUDA driver: {str(error).splitlines()[0].rstrip('.')}; {ADVICE}") from None


_started_in = None  # process id


def same_process():
    """CUDA does not survive a fork: say so instead of failing somewhere inside."""
    if os.getpid() != _started_in:
        raise DeviceError("CUDA was started before this process was forked and cannot be used in it: start worker "
                          "processes with multiprocessing's 'spawn', or keep them off the GPU")


def attribute(device, name) -> int:
    """A device attribute by the end of its name."""
    return check(cuda.cuDeviceGetAttribute(getattr(cuda.CUdevice_attribute, f"CU_DEVICE_ATTRIBUTE_{name}"), device))
