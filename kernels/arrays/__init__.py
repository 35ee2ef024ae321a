"""Arrays on either side: `numpy.ndarray` on the host, `DeviceArray` on a device; how they are made and moved."""

from __future__ import annotations

import numpy as np

from tritonnet.kernels.arrays.device_array import DeviceArray
from tritonnet.kernels.arrays.transfer import pinned, upload, upload_async
from tritonnet.kernels.runtime import host
from tritonnet.kernels.runtime.devices import Device

__all__ = [
    "FILL_FRESH", "DeviceArray", "contiguous", "copy_to", "device_of", "empty", "empty_like", "fill", "from_cuda_array",
    "from_dlpack", "full", "is_host", "pinned", "to_device", "to_host", "upload", "upload_async", "zeros",
]

FILL_FRESH: int | None = None  # tests set 0xFF: NaN in every float type, -1 in signed integers
host.fill_fresh = lambda: FILL_FRESH


def is_host(x) -> bool:
    """Whether x is a NumPy array: then the mirror computes, else the kernel."""
    return isinstance(x, np.ndarray)


def device_of(like) -> Device | None:
    """Where an array lives: a device, or None for the host. A device and None stand for themselves."""
    return like.device if isinstance(like, DeviceArray) else like if isinstance(like, Device) else None


def empty(shape, dtype, like=None):
    """A fresh array in C order where `like` (an array, a device, or None for the host) is; contents undefined."""
    shape = (shape,) if isinstance(shape, (int, np.integer)) else tuple(shape)
    device = device_of(like)
    if device is None:
        return host.empty(shape, dtype)
    array = DeviceArray.empty(shape, dtype, device)
    if FILL_FRESH is not None and array.size and not device.poisons:
        device.driver.fill(array.ptr, np.uint8(FILL_FRESH), array.nbytes, device.stream.handle)
    return array


def empty_like(x, dtype=None):
    """A fresh array of x's shape and place, in C order."""
    return empty(x.shape, x.dtype if dtype is None else dtype, x)


def zeros(shape, dtype, like=None):
    """Zeros where `like` is."""
    return full(shape, 0, dtype, like)


def full(shape, value, dtype, like=None):
    """One value everywhere, where `like` is."""
    array = empty(shape, dtype, like)
    fill(array, value)
    return array


def fill(x, value):
    """x[...] = value, in place."""
    if isinstance(x, np.ndarray):
        x.fill(value)
    else:
        from tritonnet.kernels.strided import fill as fill_on_device

        fill_on_device(x, value)


def copy_to(y, x):
    """y[...] = x, in place: x is broadcast and converted. Both on the host or both on one device."""
    if isinstance(y, np.ndarray):
        np.copyto(y, x, casting="unsafe")
    else:
        from tritonnet.kernels.strided import copy_to as copy_on_device

        copy_on_device(y, x)


def to_device(x, device: Device, name: str = "") -> DeviceArray:
    """A copy of a host array on a device; arrays that are there already are returned as they are."""
    if isinstance(x, DeviceArray):
        return x if x.device is device else _across(x, device)
    x = np.asarray(x)
    array = DeviceArray.empty(x.shape, x.dtype, device, name)
    upload(array, x)
    return array


def _across(x, device):
    """From one device to another."""
    if x.device.simulated or device.simulated:
        return to_device(x.numpy(), device)
    x = contiguous(x)
    array = DeviceArray.empty(x.shape, x.dtype, device)
    event = x.device.record()
    device.stream.wait(event)
    if x.size:
        device.driver.copy(array.ptr, x.ptr, x.nbytes, device.stream.handle)
    x.owner.used_on(device.stream)
    return array


def to_host(x) -> np.ndarray:
    """The array on the host: itself, or a copy."""
    return x if isinstance(x, np.ndarray) else x.numpy()


def from_dlpack(x):
    """Another library's array that speaks DLPack, its memory shared: an ndarray or a DeviceArray."""
    from tritonnet.kernels.arrays import exchange

    return exchange.from_dlpack(x)


def from_cuda_array(x) -> DeviceArray:
    """Another library's array that has `__cuda_array_interface__`, its memory shared."""
    from tritonnet.kernels.arrays import exchange

    return exchange.from_cuda_array(x)


def contiguous(x):
    """x in C order: itself, or a copy."""
    if isinstance(x, np.ndarray):
        return x if x.flags.c_contiguous else np.ascontiguousarray(x)
    return x if x.contiguous else x.copy()
