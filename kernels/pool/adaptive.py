"""Adaptive pooling on the host, where the windows are not all alike: one after the other."""

from __future__ import annotations

import numpy as np

from tritonnet.kernels.dtypes import HALVES, float32
from tritonnet.kernels.pool.mirror import avg_pool2d_backward_mirror, avg_pool2d_mirror
from tritonnet.kernels.pool.windows import Windows, adaptive
from tritonnet.kernels.runtime import host


def _wide(x):
    return x.astype(float32) if x.dtype in HALVES else x


def _each(H, W, P, Q):
    """(p, q, rows, columns) of every window."""
    for p, (top, bottom) in enumerate(adaptive(H, P)):
        for q, (left, right) in enumerate(adaptive(W, Q)):
            yield p, q, slice(top, bottom), slice(left, right)


def _alike(H, W, P, Q):
    """Windows of one size that do the same, if there are such and they are more than one."""
    if P * Q > 1 and H % P == 0 and W % Q == 0:
        return Windows((H // P, W // Q), (H // P, W // Q))
    return None


def adaptive_avg_pool2d_mirror(x, size):
    """The mean of each of size = (P, Q) windows."""
    if windows := _alike(*x.shape[-2:], *size):
        return avg_pool2d_mirror(x, windows)
    v = _wide(x)
    y = host.empty((*x.shape[:-2], *size), v.dtype)
    for p, q, rows, columns in _each(*x.shape[-2:], *size):
        y[..., p, q] = v[..., rows, columns].mean(axis=(-2, -1))
    return y.astype(x.dtype, copy=False)


def adaptive_avg_pool2d_backward_mirror(dy, x_shape):
    """Each window's dy spread evenly."""
    if windows := _alike(*x_shape[-2:], *dy.shape[-2:]):
        return avg_pool2d_backward_mirror(dy, x_shape, windows)
    g = _wide(dy)
    dx = np.zeros(x_shape, g.dtype)
    for p, q, rows, columns in _each(*x_shape[-2:], *dy.shape[-2:]):
        dx[..., rows, columns] += g[..., p:p + 1, q:q + 1] / ((rows.stop - rows.start) * (columns.stop - columns.start))
    return dx.astype(dy.dtype, copy=False)


def adaptive_max_pool2d_mirror(x, size):
    """(the largest of each window, its int64 index in the image): the first of equals, the last NaN."""
    y, where = host.empty((*x.shape[:-2], *size), x.dtype), host.empty((*x.shape[:-2], *size), np.int64)
    W, v = x.shape[-1], _wide(x)
    for p, q, rows, columns in _each(*x.shape[-2:], *size):
        window = v[..., rows, columns]
        flat = window.reshape(*x.shape[:-2], window.shape[-2] * window.shape[-1])
        best, nan = flat.argmax(axis=-1), np.isnan(flat)
        best = np.where(nan.any(axis=-1), flat.shape[-1] - 1 - nan[..., ::-1].argmax(axis=-1), best)
        y[..., p, q] = np.take_along_axis(flat, best[..., None], axis=-1)[..., 0]
        width = columns.stop - columns.start
        where[..., p, q] = (rows.start + best // width) * W + columns.start + best % width
    return y, where
