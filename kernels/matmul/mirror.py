"""Matrix products on the host: NumPy's BLAS, told when to use which threads."""

from __future__ import annotations

import functools
import math

import numpy as np

from tritonnet.kernels.dtypes import HALVES, float32, float64
from tritonnet.kernels.matmul.activation import activate_mirror
from tritonnet.kernels.runtime import host

SMALL = 1 << 14              # elements of a result that NumPy may allocate itself
ONE_THREAD = 1 << 18         # multiply-adds that OpenBLAS never splits
SPLIT = 1 << 24              # multiply-adds from which two threads of our own pay


def dot(x, y):
    """x (M, K) . y (K, N), of one float type that BLAS knows.

    Says nothing about infinities and NaN, also where warnings are errors; np.errstate alone would cost as much as a
    small product, so there it comes after the fact.
    """
    N = y.shape[1]
    work = x.size * N
    if work <= ONE_THREAD and (work <= SMALL or len(x) * N <= SMALL):
        try:
            return x.dot(y)                              # np.dot takes longer to begin
        except RuntimeWarning:
            pass
    with np.errstate(all="ignore"):
        return _big(x, y, len(x), N, work)


def _big(x, y, M, N, work):
    out = host.empty((M, N), x.dtype)
    if work <= ONE_THREAD or host.blas_alone():
        return np.dot(x, y, out=out)
    if work < SPLIT:
        with host.blas():
            return np.dot(x, y, out=out)
    if M >= N or M >= 128:                               # beside another thread np.dot takes up to twice as long
        host.parallel(lambda i, j: np.matmul(x[i:j], y, out=out[i:j]), M, work // 200, uses_blas=True)
    else:
        host.parallel(lambda i, j: np.matmul(x, y[:, i:j], out=out[:, i:j]), N, work // 200, uses_blas=True)
    return out


def rows_of(x):
    """x (..., K) as a matrix."""
    return x if x.ndim == 2 else x.reshape(math.prod(x.shape[:-1]), x.shape[-1])


def matmul_mirror(x, y):
    """x @ y by np.matmul's rules. Narrow floats are multiplied in float32 and rounded once."""
    dtype = x.dtype
    if dtype is float32 or dtype is float64:             # not `in`: a dtype's hash takes as long as a small product
        if x.ndim == 2 and y.ndim == 2:
            return dot(x, y)
        if x.ndim > 2 and y.ndim == 2 and x.flags.c_contiguous:
            return dot(rows_of(x), y).reshape(*x.shape[:-1], y.shape[-1])
        if x.ndim > 1 and y.ndim > 1 and x.size * y.size <= ONE_THREAD:  # a small stack
            try:
                return np.matmul(x, y)
            except RuntimeWarning:
                pass
    elif dtype in HALVES:
        return matmul_mirror(x.astype(float32), y.astype(float32)).astype(dtype)
    with np.errstate(all="ignore"):
        z = np.asarray(_vector(x, y)) if x.ndim < 2 or y.ndim < 2 else _batched(x, y)
    return z if z.dtype == dtype else z.astype(dtype)


def _vector(x, y):
    """Products with a vector."""
    if x.ndim <= 2 and y.ndim <= 2 and x.dtype.kind == "f":
        return np.dot(x, y)
    return np.matmul(x, y)


def _batched(x, y):
    """Stacks of matrices (or integer matrices), the longest axis of the stack split over the threads where it pays."""
    stack = np.broadcast_shapes(x.shape[:-2], y.shape[:-2])
    out = host.empty((*stack, x.shape[-2], y.shape[-1]), x.dtype)
    if not stack:
        return np.matmul(x, y, out=out)
    axis = stack.index(max(stack))
    X, Y = (np.moveaxis(np.broadcast_to(a, (*stack, *a.shape[-2:])), axis, 0) for a in (x, y))
    Z = np.moveaxis(out, axis, 0)
    host.parallel(lambda i, j: np.matmul(X[i:j], Y[i:j], out=Z[i:j]), stack[axis], out.size * x.shape[-1] // 200,
                  uses_blas=True)
    return out


@functools.lru_cache(16)
def ones(n, dtype):
    """A read-only row (1, n) of ones, for sums by BLAS."""
    vector = np.ones((1, n), dtype)
    vector.flags.writeable = False
    return vector


@functools.lru_cache(16)
def one_row(n, dtype):
    """The same as a vector."""
    return ones(n, dtype)[0]


def linear_mirror(x, w, bias=None, activation=None):
    """activation(x w' + bias): x (..., K), w (O, K), bias (O,)."""
    dtype = x.dtype
    if dtype is not float32 and dtype is not float64 and dtype in HALVES:
        bias = bias if bias is None else bias.astype(float32)
        return linear_mirror(x.astype(float32), w.astype(float32), bias, activation).astype(dtype)
    if x.ndim == 2:
        y = dot(x, w.T)
    else:
        y = dot(rows_of(x), w.T).reshape(*x.shape[:-1], len(w))
    if bias is not None:
        try:  # noqa: SIM105  (contextlib.suppress takes as long as the sum)
            np.add(y, bias, y)
        except RuntimeWarning:                           # about inf - inf, where warnings are errors: the sum is done
            pass
    if activation is not None:
        activate_mirror(y, activation)
    return y


def linear_backward_mirror(dy, x, w, needs=(True, True, True)):
    """(dx, dw, db) of x w' + bias; those not needed are None."""
    dtype = x.dtype
    if dtype is not float32 and dtype is not float64 and dtype in HALVES:
        wide = linear_backward_mirror(dy.astype(float32), x.astype(float32), w.astype(float32), needs)
        return tuple(g if g is None else g.astype(dtype) for g in wide)
    plain = x.ndim == 2
    if plain and x.size * len(w) <= SMALL:
        try:
            return (dy.dot(w) if needs[0] else None, dy.T.dot(x) if needs[1] else None,
                    one_row(len(dy), dtype).dot(dy) if needs[2] else None)
        except RuntimeWarning:
            pass
    rows = dy if plain else rows_of(dy)
    dx = dw = db = None
    if needs[0]:
        dx = dot(rows, w)
        if not plain:
            dx = dx.reshape(x.shape)
    if needs[1]:
        dw = dot(rows.T, x if plain else rows_of(x))
    if needs[2]:
        db = dot(ones(len(rows), dtype), rows)[0]
    return dx, dw, db
