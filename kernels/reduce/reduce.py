"""The functions: mirror on the host, kernel on a device. Names are NumPy's, and hide Python's inside this file."""

from __future__ import annotations

import numpy as np

from tritonnet.kernels.arrays import empty, is_host
from tritonnet.kernels.dtypes import accumulator, bool_, int64, is_float, uint8
from tritonnet.kernels.quiet import number
from tritonnet.kernels.reduce import device
from tritonnet.kernels.reduce.axes import count, normal_axes, not_empty, reduced_shape
from tritonnet.kernels.runtime.host import parallel

PIECE = 1 << 17  # elements: big sums are taken in such pieces, by both threads, and added up in float64


WIDE = frozenset({np.dtype(np.float32), np.dtype(np.float64)})  # types that are their own accumulators


# --- mirrors ---

def _host(ufunc, x, axes, keepdims, dtype, acc=None):
    """A NumPy reduction computed in `acc`, as an array of `dtype`."""
    wide = x if acc is None or x.dtype == acc else x.astype(acc)
    return np.asarray(ufunc.reduce(wide, axis=axes, keepdims=keepdims)).astype(dtype, copy=False)


def sum_mirror(x, axes, keepdims, dtype):
    """Float32 by pairs (NumPy), or by BLAS where that is as good and faster."""
    acc = accumulator(x.dtype)
    if x.size < 8192 or not is_float(x.dtype):
        return np.asarray(np.add.reduce(x, axis=axes, keepdims=keepdims, dtype=acc)).astype(dtype, copy=False)
    if x.dtype == acc and x.flags.c_contiguous:
        if len(axes) == x.ndim:
            return np.full(reduced_shape(x.shape, axes, keepdims), _total(x.reshape(-1)), dtype)
        if axes == tuple(range(len(axes))):  # leading axes: rows are added, the columns side by side
            n = count(x.shape, axes)
            return _columns(x.reshape(n, -1)).reshape(reduced_shape(x.shape, axes, keepdims)).astype(dtype, copy=False)
    return _host(np.add, x, axes, keepdims, dtype, acc)


def _total(flat):
    """Everything, in pieces."""
    pieces = -(-flat.size // PIECE)
    partial = np.empty(pieces)

    def part(i, j):
        for k in range(i, j):
            partial[k] = np.add.reduce(flat[k * PIECE:(k + 1) * PIECE])

    parallel(part, pieces, flat.size)
    return partial.sum()


def _columns(x):
    """Sums of columns, 256 rows at a time by BLAS, those in float64."""
    n = len(x)
    if n <= 256:
        return np.ones(n, x.dtype) @ x
    ones = np.ones(256, x.dtype)
    total = np.zeros(x.shape[1])
    for i in range(0, n, 256):
        total += ones[: n - i] @ x[i:i + 256]
    return total.astype(x.dtype)


# --- functions ---

def sum(x, axis=None, keepdims=False, dtype=None):
    """Sums; integers and bools give int64. dtype: convert first."""
    if dtype is not None and x.dtype != dtype:
        x = x.astype(dtype)
    if axis is None and type(x) is np.ndarray and x.size < 8192 and x.dtype in WIDE:  # every loss: thin
        return np.asarray(np.add.reduce(x, None, None, None, keepdims))
    axes, dtype = normal_axes(axis, x.ndim), x.dtype if is_float(x.dtype) else int64
    if x.ndim == 0:
        return x.astype(dtype)
    return sum_mirror(x, axes, keepdims, dtype) if is_host(x) else device.reduce(x, axes, keepdims, "sum", dtype)


def mean(x, axis=None, keepdims=False, dtype=None):
    """Means; NaN of nothing. RuntimeError for integers unless dtype is a float type."""
    if dtype is not None and x.dtype != dtype:
        x = x.astype(dtype)
    if not is_float(x.dtype):
        raise RuntimeError("mean(): could not infer output dtype. Input dtype must be either a floating point or "
                           f"complex dtype. Got: {x.dtype}")
    if axis is None and type(x) is np.ndarray and 0 < x.size < 8192 and x.dtype in WIDE:
        return np.asarray(np.add.reduce(x, None, None, None, keepdims) / number(x.size, x.dtype))
    axes = normal_axes(axis, x.ndim)
    n = count(x.shape, axes)
    if not is_host(x):
        return device.reduce(x, axes, keepdims, "sum", x.dtype, scale=1 / n if n else float("nan"))
    total = sum_mirror(x, axes, keepdims, accumulator(x.dtype))
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(total / total.dtype.type(n)).astype(x.dtype, copy=False)


def prod(x, axis=None, keepdims=False, dtype=None):
    """Products; integers and bools give int64. dtype: convert first."""
    if dtype is not None and x.dtype != dtype:
        x = x.astype(dtype)
    axes, dtype = normal_axes(axis, x.ndim), x.dtype if is_float(x.dtype) else int64
    if is_host(x):
        with np.errstate(over="ignore", invalid="ignore"):
            return _host(np.multiply, x, axes, keepdims, dtype, accumulator(x.dtype))
    return device.reduce(x, axes, keepdims, "prod", dtype)


def _extreme_value(name, ufunc, kind, x, axis, keepdims):
    axes = normal_axes(axis, x.ndim)
    not_empty(name, x.shape, axes)
    if not is_host(x):
        return device.reduce(x, axes, keepdims, kind, x.dtype)
    narrow = is_float(x.dtype) and x.dtype.kind != "f"  # ml_dtypes' reductions are loops
    return _host(ufunc, x, axes, keepdims, x.dtype, accumulator(x.dtype) if narrow else None)


def amax(x, axis=None, keepdims=False):
    """The largest; NaN if there is one. IndexError for nothing."""
    return _extreme_value("amax", np.maximum, "max", x, axis, keepdims)


def amin(x, axis=None, keepdims=False):
    """The smallest; NaN if there is one. IndexError for nothing."""
    return _extreme_value("amin", np.minimum, "min", x, axis, keepdims)


def _place(name, x, axis, keepdims, kind):
    """Where the extreme is along one axis, or of all as if flat."""
    axes = normal_axes(axis, x.ndim)
    not_empty(name, x.shape, axes)
    if not is_host(x):
        return device.extreme(x, axes, keepdims, kind == "max")[1]
    if axis is not None and x.ndim == 0:
        return np.zeros((), int64)
    wide = x if x.dtype.kind in "biuf" else x.astype(accumulator(x.dtype))
    return np.asarray((wide.argmax if kind == "max" else wide.argmin)(axis, keepdims=keepdims), int64)


def _extreme(name, ufunc, kind, x, axis, keepdims):
    """(values, places) along one axis."""
    if not is_host(x):
        axes = normal_axes(axis, x.ndim)
        not_empty(name, x.shape, axes)
        return device.extreme(x, axes, keepdims, kind == "max")
    return _extreme_value(name, ufunc, kind, x, axis, keepdims), _place(name, x, axis, keepdims, kind)


def max(x, axis, keepdims=False):
    """(the largest, where they are: int64) along one axis; the first of equals, NaN before all."""
    return _extreme("max", np.maximum, "max", x, axis, keepdims)


def min(x, axis, keepdims=False):
    """(the smallest, where they are: int64) along one axis; the first of equals, NaN before all."""
    return _extreme("min", np.minimum, "min", x, axis, keepdims)


def argmax(x, axis=None, keepdims=False):
    """Where the largest is: int64; of the flat array for axis None."""
    return _place("argmax", x, axis, keepdims, "max")


def argmin(x, axis=None, keepdims=False):
    """Where the smallest is: int64; of the flat array for axis None."""
    return _place("argmin", x, axis, keepdims, "min")


def var(x, axis=None, correction=1, keepdims=False):
    """Variances, by the mean first and then the squares of what is left; NaN where n <= correction allows none."""
    if not is_float(x.dtype):
        raise RuntimeError(f"std and var only support floating point and complex dtypes, got {x.dtype}")
    axes, acc = normal_axes(axis, x.ndim), accumulator(x.dtype)
    n = count(x.shape, axes)
    divisor = n - correction if n > correction else 0
    if not is_host(x):
        center = device.reduce(x, axes, True, "sum", acc, scale=1 / n if n else float("nan"))
        scale = 1 / divisor if divisor else float("nan") if n <= 1 or n < correction else float("inf")
        return device.reduce(x, axes, keepdims, "squares", x.dtype, scale=scale, center=center)
    with np.errstate(invalid="ignore", divide="ignore"):
        wide = x.astype(acc, copy=False)
        center = sum_mirror(wide, axes, True, acc) / acc.type(n)
        rest = np.subtract(wide, center, out=empty(x.shape, acc, None))
        np.multiply(rest, rest, out=rest)
        total = sum_mirror(rest, axes, keepdims, acc)
        return np.asarray(total / acc.type(divisor)).astype(x.dtype, copy=False)


def logsumexp(x, axis, keepdims=False):
    """log of the sum of exponentials, without overflow; -inf of nothing but -inf. Integers become float32."""
    if not is_float(x.dtype):
        x = x.astype(np.dtype(np.float32))
    axes = normal_axes(axis, x.ndim)
    if not is_host(x):
        return device.logsumexp(x, axes, keepdims)
    wide = x.astype(accumulator(x.dtype), copy=False)
    top = np.maximum.reduce(wide, axis=axes, keepdims=True, initial=-np.inf)
    with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
        shift = np.where(np.isfinite(top), top, 0)
        e = np.exp(wide - shift)
        total = np.log(np.add.reduce(e, axis=axes, keepdims=True)) + shift
    return np.asarray(total).reshape(reduced_shape(x.shape, axes, keepdims)).astype(x.dtype, copy=False)


def any(x, axis=None, keepdims=False):
    """Whether anything is not zero: bool, uint8 of uint8."""
    axes, dtype = normal_axes(axis, x.ndim), uint8 if x.dtype == uint8 else bool_
    if is_host(x):
        return _host(np.logical_or, x, axes, keepdims, dtype)
    return device.reduce(x, axes, keepdims, "any", dtype)


def all(x, axis=None, keepdims=False):
    """Whether everything is not zero: bool, uint8 of uint8."""
    axes, dtype = normal_axes(axis, x.ndim), uint8 if x.dtype == uint8 else bool_
    if is_host(x):
        return _host(np.logical_and, x, axes, keepdims, dtype)
    return device.reduce(x, axes, keepdims, "all", dtype)
