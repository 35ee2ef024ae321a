"""Copies between host and device."""

from __future__ import annotations

import math

import numpy as np

from tritonnet.kernels.arrays import views


def upload(array, host):
    """Write a host array of the same shape into a C-contiguous array on a device; the host array is free at once."""
    if array.shape != host.shape or not array.contiguous:
        raise ValueError(f"cannot upload {host.dtype}{list(host.shape)} to {array}")
    if array.size:
        array.device.driver.upload(
            array.ptr, np.ascontiguousarray(host, array.dtype), array.device.stream.handle)


def pinned(shape, dtype, device) -> np.ndarray:
    """An uninitialised host array in memory that the device copies from while it computes: see `upload_async`."""
    dtype = np.dtype(dtype)
    return device.driver.pinned(math.prod(shape) * dtype.itemsize).view(dtype).reshape(shape)


def upload_async(array, host):
    """Queue a copy out of a pinned array of the same shape and type, which must not change until it is done.

    On the current stream: `with device.on(stream): upload_async(array, host); event = stream.record()`.
    """
    if (array.shape, array.dtype) != (host.shape, host.dtype) or not (array.contiguous and host.flags.c_contiguous):
        raise ValueError(f"cannot upload {host.dtype}{list(host.shape)} to {array}")
    if array.size:
        array.device.driver.upload_async(array.ptr, host, array.device.stream.handle)


def download(array) -> np.ndarray:
    """A copy on the host; of a strided view, the span is fetched and the view made there, unless it is mostly gaps."""
    if not array.size:
        return np.empty(array.shape, array.dtype)
    low, high = views.span(array.shape, array.strides)
    if high - low + 1 > 2 * array.size + 4096:
        array, (low, high) = array.copy(), (0, array.size - 1)
    fetched = np.empty(high - low + 1, array.dtype)
    array.device.driver.download(fetched, array.ptr + low * array.itemsize, array.device.stream.handle)
    if array.contiguous:
        return fetched.reshape(array.shape)
    strides = [s * array.itemsize for s in array.strides]
    seen = np.lib.stride_tricks.as_strided(fetched[-low:], array.shape, strides)
    return np.array(seen, order="C")
