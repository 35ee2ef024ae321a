"""Layer norm, RMS norm, group norm: each row scaled by its own statistics.

    layer, group   xhat = (x - mean) rstd,  rstd = 1 / sqrt(var + eps)         y = xhat w + b
    RMS            xhat = x rstd,           rstd = 1 / sqrt(mean x^2 + eps)     y = xhat w
    g = dy w,  dx = rstd (g - mean(g) - xhat mean(g xhat)),  RMS without mean(g);   dw = sum dy xhat,  db = sum dy

A row is what is normalised together: for layer and RMS norm the trailing axes, for group norm the channels of one
group with all that belongs to them. Arrays are (samples, groups, cols), groups = 1 except in group norm; `span`
neighbouring columns share one element of w and b: w has groups * cols / span.
Sources: layer norm Ba et al. 2016, RMS Zhang & Sennrich 2019, group norm Wu & He 2018.
"""

from __future__ import annotations

import numpy as np

from tritonnet.kernels.arrays import contiguous, empty, full, is_host
from tritonnet.kernels.dtypes import accumulator
from tritonnet.kernels.norm.row_kernels import norm_rows_backward_kernel, norm_rows_kernel, sum_partials_kernel
from tritonnet.kernels.rows import next_power_of_2, tile_of
from tritonnet.kernels.runtime.host import PIECE, parallel


# --- mirror: on (samples, cols) if there is one group, which is much the faster in NumPy ---

def _flat(x):
    """A view or copy of x as its mirror works on it."""
    return np.ascontiguousarray(x).reshape((x.shape[0], x.shape[2]) if x.shape[1] == 1 else x.shape)


def _columns(w, shape, span, acc):
    """w or b, repeated over the columns that share an element."""
    return None if w is None else np.repeat(w.astype(acc), span).reshape(shape[1:]) if span > 1 else w.astype(
        acc, copy=False).reshape(shape[1:])


def _mean(x):
    """Means of the rows, kept."""
    cols = x.shape[-1]
    return (x.reshape(-1, cols) @ np.full(cols, 1 / cols, x.dtype)).reshape(*x.shape[:-1], 1)


def norm_rows_mirror(x, w, b, eps, span=1, center=True):
    source, acc = _flat(x), accumulator(x.dtype)
    w, b = (_columns(p, source.shape, span, acc) for p in (w, b))
    y = empty(source.shape, x.dtype, x)
    mean, rstd = (np.empty((*source.shape[:-1], 1), acc) if kept else None for kept in (center, True))

    def part(i, j):
        v = source[i:j].astype(acc, copy=False)
        out = y[i:j] if x.dtype == acc else np.empty(v.shape, acc)
        if center:
            mean[i:j] = _mean(v)
            v = np.subtract(v, mean[i:j], out=out)
        rstd[i:j] = 1 / np.sqrt(np.vecdot(v, v)[..., None] / acc.type(x.shape[2]) + acc.type(eps))
        np.multiply(v, rstd[i:j], out=out)
        if w is not None:
            out *= w
        if b is not None:
            out += b
        if x.dtype != acc:
            y[i:j] = out

    if x.size:
        parallel(part, len(x), x.size, piece=PIECE * len(x) // x.size, uses_blas=True)
    return y.reshape(x.shape), mean, rstd


def norm_rows_backward_mirror(dy, x, w, mean, rstd, span, wants, dtype):
    source, gradient, acc = _flat(x), _flat(dy), accumulator(x.dtype)
    wide = _columns(w, source.shape, span, acc)
    dx = empty(source.shape, x.dtype, x) if wants[0] else None
    sums = []  # (first sample, sum of dy xhat, sum of dy) of each piece

    def part(i, j):
        g, v = gradient[i:j].astype(acc, copy=False), source[i:j].astype(acc, copy=False)
        v = v.copy() if mean is None else v - mean[i:j]
        v *= rstd[i:j]
        if wants[1] or wants[2]:
            sums.append((i, _over_samples(g * v) if wants[1] else None, _over_samples(g) if wants[2] else None))
        if wants[0]:
            out = dx[i:j] if x.dtype == acc else np.empty(v.shape, acc)
            g = g if wide is None else np.multiply(g, wide, out=out)
            v *= np.vecdot(g, v)[..., None] / acc.type(x.shape[2])
            if mean is not None:
                v += _mean(g)
            np.subtract(g, v, out=out)
            out *= rstd[i:j]
            if x.dtype != acc:
                dx[i:j] = out

    if x.size:
        parallel(part, len(x), x.size, piece=PIECE * len(x) // x.size, uses_blas=True)
    sums.sort(key=lambda piece: piece[0])
    dw, db = (sum((piece[k] for piece in sums), np.zeros(source.shape[1:], acc)).reshape(-1, span).sum(axis=1).astype(
        dtype, copy=False) if wants[k] else None for k in (1, 2))
    return dx if dx is None else dx.reshape(x.shape), dw, db


def _over_samples(x):
    """Sums along the first axis: by BLAS where that is fast."""
    return np.ones(len(x), x.dtype) @ x if x.ndim == 2 else x.sum(axis=0)


# --- launch ---

def _rows_view(x):
    """(x or a copy of it, stride of its rows): rows lie densely, sample after sample at one stride."""
    if x.strides[2] == 1 or x.shape[2] == 1:
        if x.shape[1] == 1:
            return x, x.strides[0]
        if x.strides[0] == x.shape[1] * x.strides[1] or x.shape[0] == 1:
            return x, x.strides[1]
    x = contiguous(x)
    return x, x.shape[2]


def _one_is_none(n):
    """The kernels take None for 1."""
    return None if n == 1 else n


def _norm_rows_device(x, w, b, eps, span, center):
    acc = accumulator(x.dtype)
    rows, cols, groups = x.shape[0] * x.shape[1], x.shape[2], x.shape[1]
    y = empty(x.shape, x.dtype, x)
    mean, rstd = empty((rows,), acc, x) if center else None, empty((rows,), acc, x)
    if x.size:
        source, stride = _rows_view(x)
        w, b = (None if p is None else contiguous(p) for p in (w, b))
        tile = tile_of(x.device, rows, cols)
        norm_rows_kernel[(-(-rows // tile["ROWS"]),)](
            source, w, b, y, mean, rstd, rows, cols, _one_is_none(groups), _one_is_none(span), stride, eps,
            CENTER=center, ACC=acc, LOOP=cols > tile["BLOCK"], **tile)
    return y, mean, rstd


def _backward_tile(x):
    """(ROWS, BLOCK and num_warps, samples per program): all SMs busy, few partial sums."""
    samples, groups, cols = x.shape
    wide = next_power_of_2(cols)
    if x.device.simulated:
        block, programs = min(wide, 2048), 2
        rows = 1 if wide > block else min(next_power_of_2(samples), 32)
    else:
        block = wide if wide <= 4096 else 2048
        rows = 1 if wide > block else max(1, min(2048 // block, 32))
        programs = (4 if rows * block <= 2048 else 2) * x.device.multi_processor_count // groups
    tile = {"ROWS": rows, "BLOCK": block, "num_warps": 8 if wide > 2048 else 4}
    programs = max(1, min(programs, samples // 8))
    return tile, -(-samples // (programs * rows)) * rows


def _norm_rows_backward_device(dy, x, w, mean, rstd, span, wants, dtype):
    samples, groups, cols = x.shape
    acc, elements = accumulator(x.dtype), groups * cols // span
    dx = empty(x.shape, x.dtype, x) if wants[0] else None
    sums = full((2, elements), 0, dtype, x) if wants[1] or wants[2] else None
    if x.size:
        tile, each = _backward_tile(x)
        programs = -(-samples // each)
        partial = None if sums is None else empty((programs, 2, groups * cols), acc, x)
        (source, x_row), (gradient, dy_row) = _rows_view(x), _rows_view(dy)
        norm_rows_backward_kernel[(programs, groups)](
            gradient, source, None if w is None else contiguous(w), mean, rstd, dx, partial, samples, each, cols,
            _one_is_none(groups), _one_is_none(span), dy_row, x_row, BIAS=wants[2], ACC=acc,
            LOOP=cols > tile["BLOCK"], **tile)
        if sums is not None:
            block = 256 if x.device.simulated else 32
            sum_partials_kernel[(-(-elements // block), 1 + wants[2])](
                partial, sums, programs, elements, _one_is_none(span), ACC=acc, BLOCK=block, STEP=16)
    return dx, sums[0] if wants[1] else None, sums[1] if wants[2] else None


def norm_rows(x, w=None, b=None, eps: float = 1e-5, span: int = 1, center: bool = True):
    """(y, mean, rstd) of x (samples, groups, cols); the statistics in the accumulator's type, mean None in RMS norm.

    w, b: of groups * cols / span elements, or None.  center: False for RMS norm.
    """
    if is_host(x):
        return norm_rows_mirror(x, w, b, eps, span, center)
    return _norm_rows_device(x, w, b, eps, span, center)


def norm_rows_backward(dy, x, w, mean, rstd, span: int = 1, wants=(True, True, True), dtype=None):
    """(dx, dw, db), None for each that `wants` does not ask for; mean and rstd from `norm_rows`.

    dw and db: flat, of type `dtype` (default: the accumulator's).
    """
    run = norm_rows_backward_mirror if is_host(x) else _norm_rows_backward_device
    return run(dy, x, w, mean, rstd, span, wants, dtype or accumulator(x.dtype))
