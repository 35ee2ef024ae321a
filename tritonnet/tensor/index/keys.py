"""x[key]: keys taken apart by PyTorch's rules.

A key is first a view, by its ints, slices, None and Ellipsis, and then, if it has any, index arrays on that view: this
is why an int between index arrays does not count as one of them, other than in NumPy.
"""

from __future__ import annotations

import operator
import warnings

import numpy as np

from tritonnet.autograd import function
from tritonnet.autograd.ops.index import IndexGet
from tritonnet.autograd.ops.shape import Slice
from tritonnet.autograd.views import gained, view_of
from tritonnet.kernels.arrays import DeviceArray
from tritonnet.kernels.dtypes import bool_, int32, int64, uint8

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
        if isinstance(k, (str, bytes)):
            raise TypeError(WRONG.format(f"{k!r}, a {type(k).__name__}"))
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
    if type(key) is int and not (self._requires_grad or self.base is not None and gained(self)):
        try:
            return view_of(self, a[key, ...], Slice, ((key,),))     # what loops over data do: thin
        except IndexError:
            pass                                                    # said better below
    view = simple(key, a)
    if view is not None:
        return Slice.apply(self, view)
    if by_tensor(key, a):
        return IndexGet.apply(self, (key.array,))
    basic, advanced = take_apart(key, a.shape)
    if advanced is None:
        return Slice.apply(self, basic)
    return IndexGet.apply(self if _whole(basic) else Slice.apply(self, basic), advanced)


def by_tensor(key, a):
    """Whether the key is one index tensor, the frequent case."""
    return isinstance(key, function.Tensor) and 0 < key.array.ndim <= a.ndim and key.array.dtype in INDICES


def simple(key, a):
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
