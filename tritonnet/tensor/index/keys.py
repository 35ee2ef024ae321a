"""x[key] and x[key] = values: keys taken apart by PyTorch's rules.

A key is first a view, by its ints, slices, None and Ellipsis, and then, if it has any, index arrays on that view: this
is why an int between index arrays does not count as one of them, other than in NumPy.
"""

from __future__ import annotations

import operator
import warnings

import numpy as np

from tritonnet.autograd import function, tape
from tritonnet.autograd.function import make
from tritonnet.autograd.mode import state
from tritonnet.autograd.ops.index import IndexGet, IndexPut, MaskedFill
from tritonnet.autograd.ops.index.key import beside
from tritonnet.autograd.ops.shape import Slice
from tritonnet.autograd.views import view_of
from tritonnet.kernels import index as kernels
from tritonnet.kernels.arrays import DeviceArray, device_of, is_host
from tritonnet.kernels.dtypes import bool_, int32, int64, uint8
from tritonnet.kernels.shape import assign

EVERY = slice(None)
PLAIN = (int, type(None))
INDICES = (int64, int32, bool_)
WRONG = "only integers, slices (`:`), ellipsis (`...`), None and long or byte Variables are valid indices (got {})"


def _is_tuple(key):
    """Whether a list stands for a tuple: if it holds sequences, tensors or slices (PyTorch's rule, from old NumPy)."""
    sequences = (slice, list, tuple, range, np.ndarray, function.Tensor)
    return len(key) < 32 and any(k is None or k is Ellipsis or isinstance(k, sequences) for k in key)


def _index_array(k):
    """What indexes by array, as an array of int64, int32 or bool; None for a plain int."""
    if isinstance(k, function.Tensor):
        k = k.array
        if k.dtype not in INDICES and k.dtype != uint8:
            raise IndexError(f"tensors used as indices must be long, int, byte or bool tensors, got {k.dtype}")
    elif isinstance(k, (list, tuple, range)):
        k = np.asarray(k) if len(k) else np.empty(0, np.int64)
    if not isinstance(k, (np.ndarray, DeviceArray)):
        raise IndexError(WRONG.format(type(k).__name__))
    if k.dtype == uint8:
        warnings.warn("indexing with dtype tritonnet.uint8 is deprecated, please use a dtype tritonnet.bool instead.",
                      stacklevel=4)
        return k.astype(bool_)
    if k.dtype.kind not in "biu":
        raise IndexError(f"tensors used as indices must be long, int, byte or bool tensors, got {k.dtype}")
    if k.dtype not in INDICES:
        k = k.astype(int64)
    return None if k.shape == () and k.dtype != bool_ else k


def _slice(k):
    """A slice with plain ints as bounds."""
    start, stop, step = [v if v is None or type(v) is int else operator.index(v) for v in (k.start, k.stop, k.step)]
    if step is not None and step <= 0:
        raise ValueError("slice step cannot be zero" if step == 0 else "step must be greater than zero")
    return slice(start, stop, step)


def _width(k):
    """How many dimensions an entry of a key takes."""
    if k is None or k is Ellipsis or isinstance(k, (bool, np.bool_)):
        return 0
    if isinstance(k, (function.Tensor, np.ndarray)):
        return k.ndim if k.dtype in (bool_, uint8) or str(k.dtype) in ("tritonnet.bool", "tritonnet.uint8") else 1
    return 1


def take_apart(key, shape):
    """(key of the view, key of index arrays on it or None). The first may be all slices."""
    if isinstance(key, list):
        key = tuple(key) if _is_tuple(key) else (key,)
    elif not isinstance(key, tuple):
        key = (key,)
    basic, advanced, arrays, axis = [], [], False, 0
    taken = 0
    for k in key:
        taken += _width(k)
    if taken > len(shape):
        if not shape:
            raise IndexError("invalid index of a 0-dim tensor. Use `tensor.item()` in Python to convert a 0-dim tensor "
                             "to a number")
        raise IndexError(f"too many indices for tensor of dimension {len(shape)}")
    for k in key:
        if k is Ellipsis:
            rest = len(shape) - taken
            taken = len(shape)      # another one stands for nothing
            basic += [EVERY] * rest
            advanced += [EVERY] * rest
            axis += rest
        elif k is None:
            basic.append(None)
            advanced.append(EVERY)
        elif isinstance(k, slice):
            basic.append(_slice(k))
            advanced.append(EVERY)
            axis += 1
        else:
            if isinstance(k, (bool, np.bool_)):
                index = np.asarray(k)
            elif isinstance(k, (int, np.integer)):
                index = None
            else:
                index = _index_array(k)
            if index is None:
                k, n = operator.index(k), shape[axis]
                if not -n <= k < n:
                    raise IndexError(f"index {k} is out of bounds for dimension {axis} with size {n}")
                basic.append(k)
                axis += 1
                continue
            arrays = True
            if index.ndim == 0:     # True or False: a new dimension, of which all or nothing is chosen
                basic.append(None)
                advanced.append(np.zeros(int(index.item()), np.int64))
                continue
            width = index.ndim if index.dtype == bool_ else 1
            basic += [EVERY] * width
            advanced.append(index)
            axis += width
    if not arrays:
        return tuple(basic), None
    while isinstance(advanced[-1], slice):
        advanced.pop()
    return tuple(basic), tuple(advanced)


def getitem(self, key):
    """x[key]: a view for ints, slices, None and Ellipsis; with arrays or lists of ints or bools, a copy.

    Raises IndexError for what is out of range, has the wrong type or shape, ValueError for a step below 1.

    >>> import tritonnet
    >>> x = tritonnet.arange(6).reshape(2, 3)
    >>> x[:, [2, 0]]
    tensor([[2, 0],
            [5, 3]])
    """
    a = self.array
    if type(key) is int and not self.requires_grad and a.shape and -a.shape[0] <= key < a.shape[0]:
        return view_of(self, a[key, ...], Slice, ((key,),))     # what loops over data do: thin
    view = _simple(key, a)
    if view is not None:
        return Slice.apply(self, view)
    if _by_tensor(key, a):
        return IndexGet.apply(self, (key.array,))
    basic, advanced = take_apart(key, a.shape)
    if advanced is None:
        return Slice.apply(self, basic)
    return IndexGet.apply(self if _whole(basic) else Slice.apply(self, basic), advanced)


def _by_tensor(key, a):
    """Whether the key is one index tensor, the frequent case."""
    return isinstance(key, function.Tensor) and 0 < key.array.ndim <= a.ndim and key.array.dtype in INDICES


def _simple(key, a):
    """The key of a view as a tuple, if it is plain and there is nothing wrong with it; else None."""
    if type(key) is not tuple:
        key = (key,)
    axis, shape = 0, a.shape
    for k in key:
        kind = type(k)
        if kind is int:
            if axis >= len(shape) or not -shape[axis] <= k < shape[axis]:
                return None
            axis += 1
        elif kind is slice:
            if axis >= len(shape) or type(k.start) not in PLAIN or type(k.stop) not in PLAIN or k.step is not None:
                return None
            axis += 1
        elif k is not None:
            return None     # after an Ellipsis it is another axis that counts
    return key


def _whole(basic):
    return all(k == EVERY for k in basic)


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
    basic, advanced = _simple(key, array), None
    if basic is None:
        basic, advanced = ((), (key.array,)) if _by_tensor(key, array) else take_apart(key, array.shape)
    value, castable = _value(self, value)
    tracked = state.grad and (self.requires_grad or isinstance(value, function.Tensor) and value.requires_grad
                              or self.base is not None and self.base.root.requires_grad)
    if tracked:
        view = Slice.apply(self, basic)
        view._check_inplace()
        target = view.array
    else:
        view, target = None, Slice.see(array, basic)
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
