"""Convolution, relu and pooling on the host: blocks of images, whose results are pooled while they are in the cache."""

from __future__ import annotations

import numpy as np

from tritonnet.kernels.conv.mirror import conv2d_backward_mirror, images_of, work
from tritonnet.kernels.conv.pooled.cells import NONE, spread_mirror
from tritonnet.kernels.dtypes import HALVES, accumulator
from tritonnet.kernels.runtime import host

BLOCK = 1 << 20              # bytes of results before pooling


def conv2d_pool_mirror(x, w, bias=None, stride=(1, 1), padding=(0, 0), dilation=(1, 1), groups=1, marked=True):
    """(y, taken) of x (N, C, H, W), w (O, C/groups, R, S), bias (O,) or None; `taken` is None unless marked."""
    dtype, wide = x.dtype, accumulator(x.dtype)
    (P, Q), images = images_of(x, w, bias, stride, padding, dilation, groups)
    shape = len(x), w.shape[0], P // 2, Q // 2
    y, taken = host.empty(shape, wide), host.empty(shape, np.int8) if marked else None

    def part(i, j):
        z = host.empty((j - i, shape[1], P, Q), wide)
        images(i, j, z)
        if dtype in HALVES:                              # equal is what is equal in x's type
            z = z.astype(dtype).astype(wide)
        pool(z, y[i:j], taken[i:j] if marked else None)

    if y.size:
        piece = max(1, BLOCK // (y[0].size * 4 * wide.itemsize))
        with np.errstate(all="ignore"):
            host.parallel(part, len(x), work(w.shape, (len(x), shape[1], P, Q)), piece, uses_blas=True)
    return y.astype(dtype, copy=False), taken


def pool(z, y, taken):
    """y and, if it is wanted, `taken` from results z (n, O, P, Q), pixels side by side first. NaN stays NaN."""
    P, Q = (n // 2 * 2 for n in z.shape[-2:])
    left, right = z[..., :P, :Q:2], z[..., :P, 1:Q:2]
    wide = np.maximum(left, right)
    upper, lower = wide[..., ::2, :], wide[..., 1::2, :]
    np.maximum(upper, lower, out=y)
    if taken is not None:
        mark(right > left, lower > upper, y, taken)
    np.maximum(y, 0, out=y)


def mark(across, down, y, taken):
    """`taken` from which pixel of each row, and which row, has the greater value; y: before relu."""
    first, second = across[..., ::2, :], across[..., 1::2, :]
    across = first ^ ((first ^ second) & down)           # that of the row that was taken
    alive = y > 0
    np.add(down.view(np.int8) * 2, across, out=taken)
    taken *= alive
    taken += ~alive * np.int8(NONE)


def conv2d_pool_backward_mirror(dy, taken, x, w, stride=(1, 1), padding=(0, 0), dilation=(1, 1), groups=1,
                                needs=(True, True, True)):
    """(dx, dw, db) from dy and `taken` (N, O, P // 2, Q // 2)."""
    axes = zip(x.shape[2:], w.shape[2:], stride, padding, dilation)
    size = tuple((n + 2 * p - d * (k - 1) - 1) // s + 1 for n, k, s, p, d in axes)
    return conv2d_backward_mirror(spread_mirror(dy, taken, size), x, w, stride, padding, dilation, groups, needs)
