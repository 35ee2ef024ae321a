"""The driver interface over cuda-bindings. Importing this package needs neither; using it needs both and a GPU."""

from __future__ import annotations

from tritonnet.kernels.runtime.errors import NoDevice


def device_count() -> int:
    """How many GPUs there are; 0 without cuda-bindings or a driver."""
    try:
        from tritonnet.kernels.runtime.cuda.calls import check, cuda, start

        start()
    except NoDevice:
        return 0
    return check(cuda.cuDeviceGetCount())


def open_device(ordinal: int):
    """The driver of GPU number `ordinal`; raises NoDevice saying what is missing and what to do."""
    from tritonnet.kernels.runtime.cuda.driver import CudaDriver

    return CudaDriver(ordinal)
