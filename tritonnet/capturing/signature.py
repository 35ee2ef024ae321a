"""What a call looks like: two calls with one signature may use one graph.

Tensors on the device count by shape, strides, type and place; what else is passed counts by value (numbers, strings,
types) or by identity (modules, optimizers, any other object).
"""

from __future__ import annotations

import dataclasses
import enum

import numpy as np

from tritonnet.autograd.autocast import local as autocast
from tritonnet.autograd.function import make
from tritonnet.autograd.mode import state as mode
from tritonnet.devices import device as Device
from tritonnet.dtypes import dtype as DType
from tritonnet.kernels.arrays import copy_to, is_host
from tritonnet.kernels.arrays.device_array import DeviceArray
from tritonnet.kernels.arrays.views import c_strides, span
from tritonnet.kernels.rng import same_stream_everywhere
from tritonnet.kernels.runtime import CaptureError
from tritonnet.tensor.core import Tensor

VALUES = (int, float, complex, str, bytes, bool, type(None), enum.Enum, DType, Device, np.generic)


class Same:
    """An object, equal only to itself; kept alive, so that its id is nobody else's."""

    __slots__ = ("what",)

    def __init__(self, what):
        self.what = what

    def __eq__(self, other):
        return type(other) is Same and other.what is self.what

    def __hash__(self):
        return id(self.what)


def circumstances():
    """Settings of the thread and process that decide what is computed."""
    from tritonnet.kernels.dtypes import default_float
    from tritonnet.kernels.matmul import get_matmul_precision

    return (mode.grad, mode.inference, tuple(sorted(autocast.types.items())), autocast.caching, default_float,
            get_matmul_precision(), same_stream_everywhere())


def flattened(x, tensors, name):
    """A hashable picture of an argument; its tensors are appended to `tensors`, as pairs of name and tensor."""
    if isinstance(x, Tensor):
        array = x.array
        if is_host(array):
            raise CaptureError(f"capture: {name} is a tensor on the CPU, whose values a graph would not see: pass it "
                               "with .cuda(), or numbers as Python numbers")
        tensors.append((name, x))
        return Tensor, array.shape, array.strides, array.dtype, array.device, x.requires_grad
    if isinstance(x, VALUES):
        return type(x), x
    if isinstance(x, (list, tuple)):
        return type(x), *[flattened(value, tensors, f"{name}[{i}]") for i, value in enumerate(x)]
    if isinstance(x, dict):
        return dict, *[(key, flattened(value, tensors, f"{name}[{key!r}]")) for key, value in x.items()]
    if dataclasses.is_dataclass(x) and not isinstance(x, type):
        raise CaptureError(f"capture: {name} is a {type(x).__name__}: pass its fields one by one")
    if isinstance(x, np.ndarray):
        raise CaptureError(f"capture: {name} is a NumPy array, whose values a graph would not see: pass "
                           "tritonnet.from_numpy(...).cuda()")
    return Same(x)


def exchanged(x, by):
    """The argument with its tensors exchanged, `by`: id of a tensor -> another one."""
    if isinstance(x, Tensor):
        return by.get(id(x), x)
    if isinstance(x, (list, tuple)):
        made = [exchanged(value, by) for value in x]
        return type(x)(*made) if hasattr(x, "_fields") else type(x)(made)
    return {key: exchanged(value, by) for key, value in x.items()} if isinstance(x, dict) else x


class Static:
    """Memory of a graph's own for one argument, laid out as the argument: each call's tensor is copied there."""

    def __init__(self, like):
        shape, strides = like.shape, like.strides
        if any(step <= 0 and n > 1 for step, n in zip(strides, shape)) or 0 in shape:
            strides = c_strides(shape)
        low, high = span(shape, strides)
        memory = DeviceArray.empty((high - low + 1,), like.dtype, like.device)
        self.tensor = make(memory.view(shape, strides))

    def take(self, tensor):
        """Copy a call's tensor there; on the device, without waiting."""
        copy_to(self.tensor.array, tensor.array)
