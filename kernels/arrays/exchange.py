"""Arrays from and to other libraries without a copy: DLPack and `__cuda_array_interface__`.

A simulated device's arrays lie in host memory, and are handed out as host arrays.
"""

from __future__ import annotations

import numpy as np

from tritonnet.kernels.arrays import dlpack, views
from tritonnet.kernels.arrays.device_array import KINDS, DeviceArray
from tritonnet.kernels.runtime import backend

NO_WAIT = -1  # DLPack's stream number for a consumer that takes care of order itself


class Foreign:
    """Owns memory of another library: lets go of it when our work on it is done."""

    def __init__(self, device, release):
        self.device, self.release = device, release

    def used_on(self, stream):
        """Letting go waits for the whole device anyway."""

    def __del__(self):
        if not self.device.driver.capturing:
            self.device.synchronize()
        self.release()


def dlpack_device(array) -> tuple[int, int]:
    """(DLDeviceType, number) of a DeviceArray."""
    return (dlpack.CPU, 0) if array.device.simulated else (dlpack.CUDA, array.device.index)


def to_dlpack(array, stream=None):
    """A capsule of a DeviceArray. stream: the consumer's, which will wait for ours; -1 for none."""
    ptr, owner, driver = array.ptr, array, array.device.driver
    if array.device.simulated:
        low, high = views.span(array.shape, array.strides)
        memory = driver.host_view(ptr + low * array.itemsize, (high - low + 1) * array.itemsize)
        ptr, owner = memory.ctypes.data - low * array.itemsize, (array, memory)
    elif stream != NO_WAIT:
        driver.order(1 if stream is None else stream, driver.record(array.device.stream.handle, timing=False))
    return dlpack.export(ptr, array.shape, array.strides, array.dtype, dlpack_device(array), owner)


def from_dlpack(x):
    """The array of another library's object that speaks DLPack, sharing its memory: an ndarray or a DeviceArray."""
    kind, number = x.__dlpack_device__()
    if kind in (dlpack.CPU, dlpack.CUDA_HOST):
        return _on_host(dlpack.consume(x.__dlpack__()))
    if kind not in (dlpack.CUDA, dlpack.CUDA_MANAGED):
        raise BufferError(f"DLPack device type {kind} is neither the host nor CUDA")
    device = backend.device(number)
    found = dlpack.consume(x.__dlpack__(stream=int(device.stream.handle)))
    strides = views.c_strides(found.shape) if found.strides is None else found.strides
    return DeviceArray(found.ptr, found.shape, strides, found.dtype, device, Foreign(device, found.release))


class _HostMemory:
    """Makes NumPy keep an imported host array alive."""

    def __init__(self, found):
        self.release = found.release
        strides = views.c_strides(found.shape) if found.strides is None else found.strides
        size = found.dtype.itemsize
        typestr = found.dtype.str if found.dtype.str[1] != "V" and found.dtype in _PLAIN else f"|V{size}"
        self.__array_interface__ = {
            "shape": found.shape, "strides": tuple(size * s for s in strides), "typestr": typestr,
            "data": (found.ptr, False), "version": 3}

    def __del__(self):
        self.release()


_PLAIN = {np.dtype(t) for t in ("?", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "f2", "f4", "f8")}


def _on_host(found):
    if 0 in found.shape:
        found.release()
        return np.empty(found.shape, found.dtype)
    return np.asarray(_HostMemory(found)).view(found.dtype)


def cuda_array_interface(array) -> dict:
    """https://numba.readthedocs.io/en/stable/cuda/cuda_array_interface.html, version 3."""
    if array.device.simulated or array.dtype not in _PLAIN:
        where = "a simulated device has no CUDA memory" if array.device.simulated else f"it has no {array.dtype}"
        raise AttributeError(f"__cuda_array_interface__: {where}; use DLPack")
    return {
        "shape": array.shape, "strides": tuple(array.itemsize * s for s in array.strides), "typestr": array.dtype.str,
        "data": (array.ptr if array.size else 0, False), "version": 3, "stream": int(array.device.stream.handle)}


def from_cuda_array(x) -> DeviceArray:
    """The array of another library's object with `__cuda_array_interface__`, sharing its memory."""
    told = x.__cuda_array_interface__
    shape, dtype = tuple(told["shape"]), np.dtype(told["typestr"])
    if dtype not in KINDS:
        raise BufferError(f"arrays of {dtype} are not supported")
    if told.get("mask") is not None:
        raise BufferError("masked arrays are not supported")
    ptr = told["data"][0] or 0
    device = backend.current_device() if not ptr else backend.device(backend.current_device().driver.device_of(ptr))
    if told.get("stream"):
        device.stream.wait(device.foreign_stream(told["stream"]).record(timing=False))
    strides = told.get("strides")
    strides = views.c_strides(shape) if strides is None else tuple(s // dtype.itemsize for s in strides)
    return DeviceArray(ptr, shape, strides, dtype, device, Foreign(device, lambda keep=x: None))
