"""Running sums along one axis.    y_i = sum_{j <= i} x_j,    dx_j = sum_{i >= j} dy_i"""

from __future__ import annotations

import numpy as np

from tritonnet.kernels.arrays import contiguous, empty, is_host
from tritonnet.kernels.dtypes import accumulator, int64, is_float
from tritonnet.kernels.kernel import kernel, tl
from tritonnet.kernels.reduce.axes import normal_axes
from tritonnet.kernels.rows import next_power_of_2, walk


def cumsum_mirror(x, axis, dtype, reverse=False):
    """Computed in the accumulator of x's type."""
    wide = np.flip(x, axis) if reverse else x
    found = np.cumsum(wide, axis=axis, dtype=accumulator(x.dtype))
    return np.ascontiguousarray(np.flip(found, axis) if reverse else found).astype(dtype, copy=False)


@kernel(flops=lambda x: x.size, bytes=lambda x, y: x.nbytes + y.nbytes)
def cumsum_kernel(x, y, rows, cols, inner, REVERSE: tl.constexpr, ACC: tl.constexpr, ROWS: tl.constexpr,
                  BLOCK: tl.constexpr):
    """x as (outer, cols, inner) in C order; a row is a pair (outer, inner). inner: None for 1."""
    row = (tl.program_id(0) * ROWS + tl.arange(0, ROWS)[:, None]).to(tl.int64)
    if inner is None:
        start_of_row = row * cols
    else:
        start_of_row = row // inner * cols * inner + row % inner
    carry = tl.zeros((ROWS, 1), ACC)
    for begin in range(0, cols, BLOCK):
        step = begin + tl.arange(0, BLOCK)[None, :]
        inside = (row < rows) & (step < cols)
        at = start_of_row + walk(cols - 1 - step if REVERSE else step, inner)
        v = tl.load(x + at, mask=inside, other=0).to(ACC)
        tl.store(y + at, tl.cumsum(v, axis=1) + carry, mask=inside)
        carry += tl.sum(v, axis=1, keep_dims=True)


def _cumsum(x, axis, dtype, reverse):
    axis = normal_axes(axis, x.ndim)[0] if x.ndim else 0
    if x.ndim == 0:
        normal_axes(axis, 0)
        return x.astype(dtype)
    if is_host(x):
        return cumsum_mirror(x, axis, dtype, reverse)
    x = contiguous(x)
    y = empty(x.shape, dtype, x)
    if x.size:
        cols = x.shape[axis]
        inner = int(np.prod(x.shape[axis + 1:], dtype=np.int64))
        rows, block = x.size // cols, min(next_power_of_2(cols), 1024)
        tall = max(1, min(next_power_of_2(rows), (16384 if x.device.simulated else 1024) // block))
        cumsum_kernel[(-(-rows // tall),)](x, y, rows, cols, None if inner == 1 else inner, REVERSE=reverse,
                                           ACC=accumulator(x.dtype), ROWS=tall, BLOCK=block, num_warps=4)
    return y


def cumsum(x, axis):
    """Running sums along an axis; integers and bools give int64."""
    return _cumsum(x, axis, x.dtype if is_float(x.dtype) else int64, False)


def cumsum_backward(dy, axis):
    """Running sums from the other end."""
    return _cumsum(dy, axis, dy.dtype, True)
