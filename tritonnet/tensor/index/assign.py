"""x[key] = value: into a view, into what index arrays select of it, or where a mask is true."""

from __future__ import annotations

import numpy as np

from tritonnet.autograd import function, tape
from tritonnet.autograd.function import make
from tritonnet.autograd.mode import state
from tritonnet.autograd.ops.index import IndexPut, MaskedFill
from tritonnet.autograd.ops.index.key import beside
from tritonnet.autograd.ops.shape import Slice
from tritonnet.kernels import index as kernels
from tritonnet.kernels.arrays import device_of, is_host
from tritonnet.kernels.dtypes import bool_
from tritonnet.kernels.shape import assign
from tritonnet.tensor.index.keys import by_tensor, simple, take_apart
from tritonnet.tensor.memory import check_apart


def _same_memory(a, b):
    """Whether two arrays are the same view of the same memory."""
    if a.shape != b.shape or a.strides != b.strides or a.dtype != b.dtype or is_host(a) is not is_host(b):
        return False
    if is_host(a):
        return a.__array_interface__["data"] == b.__array_interface__["data"]
    return a.ptr == b.ptr


def _value(self, value):
    """What is assigned, as a tensor on the right device or a number; and whether its type may differ."""
    if isinstance(value, function.Tensor):
        here = device_of(self.array)
        return (value if device_of(value.array) is here else value._move(here)), False
    if isinstance(value, (bool, int, float)):
        return value, True
    if isinstance(value, np.generic):
        return value.item(), True
    if isinstance(value, np.ndarray):
        return make(value if is_host(self.array) else beside(self.array, value)), True
    raise TypeError(f"can't assign a {type(value).__name__} to a {self.type()}")


def _fitted(value, shape):
    """A tensor without more leading dimensions of size 1 than `shape` has dimensions."""
    given = value.array.shape
    extra = len(given) - len(shape)
    if extra > 0 and all(n == 1 for n in given[:extra]):
        return value.reshape(given[extra:])
    return value


def setitem(self, key, value):
    """x[key] = value, in place; value: a number, an array, or a tensor, which broadcasts.

    The gradient of what is overwritten is 0, and goes to value. Where an index occurs twice, the last value stays.
    Raises RuntimeError where shapes or element types do not fit, and for leaves that require gradients.
    """
    array = self.array
    basic, advanced = simple(key, array), None
    if basic is None:
        basic, advanced = ((), (key.array,)) if by_tensor(key, array) else take_apart(key, array.shape)
    value, castable = _value(self, value)
    tracked = state.grad and (self.requires_grad or isinstance(value, function.Tensor) and value.requires_grad
                              or self.base is not None and self.base.root.requires_grad)
    if tracked:
        view = Slice.apply(self, basic)
        view._check_inplace()
        target = view.array
    else:
        view, target = None, Slice.see(array, basic)
    check_apart(target)
    if advanced is None:
        _assign(view, target, value)
    elif not _fills(advanced, value):
        _put(view, target, advanced, value, castable)
    elif view is None and is_host(target):
        _put(view, target, advanced, value, castable=True)      # NumPy does it in one pass
    else:
        _fill(view, target, advanced, value)


def _assign(view, target, value):
    if isinstance(value, function.Tensor):
        if value.base is not None and _same_memory(target, value.array):
            return      # x[0] += 1 ends with x[0] = the view that was changed
        if value.array.shape != target.shape:
            value = _fitted(value, target.shape).expand(target.shape)
    if view is None:
        assign(target, value.array if isinstance(value, function.Tensor) else value)
        tape.modified(target)
    elif isinstance(value, function.Tensor):
        view._become(value._cast(view.dtype))
    else:
        view.fill_(value)


def _fills(advanced, value):
    """Whether this is one number where a mask is true: no coordinates are needed then."""
    masks = [k for k in advanced if not isinstance(k, slice)]
    return len(masks) == 1 and masks[0].dtype == bool_ and (
        not isinstance(value, function.Tensor) or value.array.ndim == 0)


def _fill(view, target, advanced, value):
    before = len(advanced) - 1
    mask = beside(target, advanced[-1])
    kernels.check_mask(mask, before, target.shape)
    mask = mask.reshape(*mask.shape, *(1,) * (target.ndim - before - mask.ndim))
    if view is not None:
        view._become(MaskedFill.apply(view, mask, value))
        return
    kernels.fill_into(target, mask, value.array if isinstance(value, function.Tensor) else value)
    tape.modified(target)


def _put(view, target, advanced, value, castable):
    if not is_host(target):
        advanced = tuple([beside(target, k) for k in advanced])
    if isinstance(value, function.Tensor):
        if value.array.dtype != target.dtype:
            if not castable:
                raise RuntimeError("Index put requires the source and destination dtypes match, got "
                                   f"{target.dtype} for the destination and {value.array.dtype} for the source.")
            value = value._cast(target.dtype)
        while value.array.ndim and value.array.shape[0] == 1:
            value = value.reshape(value.array.shape[1:])
    if view is not None:
        view._become(IndexPut.apply(view, advanced, value))
        return
    kernels.put_into(target, advanced, value.array if isinstance(value, function.Tensor) else value)
    tape.modified(target)
