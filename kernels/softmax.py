"""Softmax and log-softmax along one axis.

    softmax      y_i = exp(x_i - m) / sum_j exp(x_j - m)         dx_i = y_i (dy_i - sum_j dy_j y_j)
    log-softmax  y_i = x_i - m - log sum_j exp(x_j - m)          dx_i = dy_i - exp(y_i) sum_j dy_j

with m = max x, so that exp does not overflow. A slice with a NaN or +inf, or of -inf alone, becomes NaN.
"""

from __future__ import annotations

import math

import numpy as np

from tritonnet.kernels import tuning
from tritonnet.kernels.arrays import contiguous, empty, is_host
from tritonnet.kernels.arrays.views import c_strides
from tritonnet.kernels.compiled import loops_for
from tritonnet.kernels.dtypes import accumulator
from tritonnet.kernels.kernel import kernel, tl
from tritonnet.kernels.plans import fresh, planned
from tritonnet.kernels.quiet import quietly
from tritonnet.kernels.rows import DENSE_TILES, normal_axis, sensible_tile, tile_of, tiles_where, walk, walk_of
from tritonnet.kernels.runtime.host import PIECE, parallel

SMALL = 1 << 12  # elements up to which a mirror makes as few calls as will do
TINY, HUGE = 1e-4, 1e30  # sums of exp(x) between which no term that counts has under- or overflown in float32


# --- mirror ---

def host_rows(x, axis):
    """(before, cols) or (before, cols, after): the same elements with the axis second, C order."""
    shape = x.shape or (1,)
    before, after = math.prod(shape[:axis]), math.prod(shape[axis + 1:])
    return np.ascontiguousarray(x).reshape((before, shape[axis]) if after == 1 else (before, shape[axis], after))


def row_sums(x):
    """Sums along axis 1, kept: by BLAS where the axis lies densely."""
    return x.dot(np.ones(x.shape[1], x.dtype))[:, None] if x.ndim == 2 else x.sum(axis=1, keepdims=True)


def _dot(x, y):
    """Sums of products along axis 1, kept."""
    return np.vecdot(x, y)[:, None] if x.ndim == 2 else np.einsum("ijk,ijk->ik", x, y)[:, None]


def _pieces(fn, x):
    """fn(i, j) over parts of x's first axis, in both threads where it pays."""
    parallel(fn, len(x), x.size, piece=PIECE * len(x) // x.size, uses_blas=True)


@quietly
def _small(x, axis, log):
    """Of an array for which NumPy's calls are what counts: any axis, C order."""
    v = x - np.maximum.reduce(x, axis=axis, keepdims=True)
    e = np.exp(v)
    if log:
        return np.subtract(v, np.log(np.add.reduce(e, axis=axis, keepdims=True)), v)
    return np.divide(e, np.add.reduce(e, axis=axis, keepdims=True), e)


@quietly
def _small_backward(dy, y, axis, log):
    """The same for the gradient."""
    if log:
        return dy - np.exp(y) * np.add.reduce(dy, axis=axis, keepdims=True)
    d = dy * y
    return np.subtract(d, y * np.add.reduce(d, axis=axis, keepdims=True), d)


def _part(v, e):
    """Softmax of rows into e: without the maxima where sums of exp(v) turn out to be neither huge nor tiny."""
    total = row_sums(np.exp(v, out=e))
    if not (total.min() > TINY and total.max() < HUGE):  # also where one is NaN
        np.subtract(v, v.max(axis=1, keepdims=True), out=e)
        total = row_sums(np.exp(e, out=e))
    e *= 1 / total


def _log_part(v, e):
    """Its logarithm."""
    np.subtract(v, v.max(axis=1, keepdims=True), out=e)
    e -= np.log(row_sums(np.exp(e, out=empty(e.shape, e.dtype, e))))


def softmax_mirror(x, axis=-1, log=False):
    axis, acc = normal_axis(axis, x.ndim), accumulator(x.dtype)
    if 0 < x.size <= SMALL and x.dtype is acc and x.ndim and x.flags.c_contiguous:
        return _small(x, axis, log)
    y = empty(x.shape, x.dtype, x)
    if not x.size:
        return y
    source, target = host_rows(x, axis), host_rows(y, axis)
    if not log and source.ndim == 2 and (loops := loops_for(x)):
        parallel(lambda i, j: loops.softmax(source[i:j], target[i:j]), len(source), x.size)
        return y

    def part(i, j):
        v, e = source[i:j], target[i:j] if x.dtype == acc else np.empty((j - i, *source.shape[1:]), acc)
        (_log_part if log else _part)(v if x.dtype == acc else v.astype(acc), e)
        if x.dtype != acc:
            target[i:j] = e

    with np.errstate(all="ignore"):  # inf - inf is NaN, as documented
        _pieces(part, source)
    return y


def softmax_backward_mirror(dy, y, axis=-1, log=False):
    axis, acc = normal_axis(axis, y.ndim), accumulator(y.dtype)
    if 0 < y.size <= SMALL and y.dtype is acc and dy.dtype is acc and y.ndim and y.flags.c_contiguous:
        return _small_backward(dy, y, axis, log)
    dx = empty(y.shape, y.dtype, y)
    if not y.size:
        return dx
    target, gradient, result = host_rows(dx, axis), host_rows(dy, axis), host_rows(y, axis)
    if not log and y.dtype == dy.dtype and target.ndim == 2 and (loops := loops_for(y)):
        parallel(lambda i, j: loops.softmax_backward(gradient[i:j], result[i:j], target[i:j]), len(target), y.size)
        return dx

    def part(i, j):
        g, p = gradient[i:j], result[i:j]
        if y.dtype != acc:
            g, p = g.astype(acc), p.astype(acc)
        d = target[i:j] if y.dtype == acc else np.empty(g.shape, acc)
        if log:
            np.exp(p, out=d)
            d *= -row_sums(g)
            d += g
        else:
            np.subtract(g, _dot(g, p), out=d)
            d *= p
        if y.dtype != acc:
            target[i:j] = d

    with np.errstate(all="ignore"):
        _pieces(part, target)
    return dx


# --- kernels: a program takes a tile of ROWS x BLOCK, and walks along the columns if they are more than BLOCK ---

@kernel(flops=lambda x: 5 * x.size, bytes=lambda x, y: x.nbytes + y.nbytes, space=DENSE_TILES)
def softmax_kernel(x, y, rows, cols, x_batch: tl.int64, x_row: tl.int64, x_col: tl.int64,
                   y_batch: tl.int64, y_row: tl.int64, y_col: tl.int64,
                   LOG: tl.constexpr, ACC: tl.constexpr, ROWS: tl.constexpr, BLOCK: tl.constexpr, LOOP: tl.constexpr):
    batch = (tl.program_id(0) // tl.cdiv(rows, ROWS)).to(tl.int64)
    row = tl.program_id(0) % tl.cdiv(rows, ROWS) * ROWS + tl.arange(0, ROWS)[:, None]
    col = tl.arange(0, BLOCK)[None, :]
    x += batch * x_batch + walk(row, x_row)
    y += batch * y_batch + walk(row, y_row)
    if LOOP:
        top = tl.full((ROWS, 1), float("-inf"), ACC)
        total = tl.full((ROWS, 1), 0.0, ACC)
        for start in range(0, cols, BLOCK):
            at = start + col
            v = tl.load(x + walk(at, x_col), mask=(row < rows) & (at < cols), other=float("-inf")).to(ACC)
            above = tl.maximum(top, tl.max(v, axis=1, keep_dims=True))
            shift = tl.where(above == float("-inf"), 0.0, above)  # so far nothing but -inf: exp gives 0, not NaN
            total = total * tl.exp(top - shift) + tl.sum(tl.exp(v - shift), axis=1, keep_dims=True)
            top = above
        for start in range(0, cols, BLOCK):
            at = start + col
            inside = (row < rows) & (at < cols)
            v = tl.load(x + walk(at, x_col), mask=inside, other=0).to(ACC) - top
            if LOG:
                v -= tl.log(total)
            else:
                v = tl.exp(v) / total
            tl.store(y + walk(at, y_col), v, mask=inside)
    else:
        inside = (row < rows) & (col < cols)
        v = tl.load(x + walk(col, x_col), mask=inside, other=float("-inf")).to(ACC)
        v -= tl.max(v, axis=1, keep_dims=True)
        e = tl.exp(v)
        if LOG:
            v -= tl.log(tl.sum(e, axis=1, keep_dims=True))
        else:
            v = e / tl.sum(e, axis=1, keep_dims=True)
        tl.store(y + walk(col, y_col), v, mask=inside)


@kernel(flops=lambda y: 4 * y.size, bytes=lambda y, dy, dx: y.nbytes + dy.nbytes + dx.nbytes,
        space=tiles_where(lambda ROWS, BLOCK, num_warps, rows, cols, dy_col, y_col: (
            dy_col is y_col is None and sensible_tile(ROWS, BLOCK, num_warps, rows, cols))))
def softmax_backward_kernel(dy, y, dx, rows, cols, dy_batch: tl.int64, dy_row: tl.int64, dy_col: tl.int64,
                            y_batch: tl.int64, y_row: tl.int64, y_col: tl.int64,
                            dx_batch: tl.int64, dx_row: tl.int64, dx_col: tl.int64,
                            LOG: tl.constexpr, ACC: tl.constexpr, ROWS: tl.constexpr, BLOCK: tl.constexpr,
                            LOOP: tl.constexpr):
    batch = (tl.program_id(0) // tl.cdiv(rows, ROWS)).to(tl.int64)
    row = tl.program_id(0) % tl.cdiv(rows, ROWS) * ROWS + tl.arange(0, ROWS)[:, None]
    col = tl.arange(0, BLOCK)[None, :]
    dy += batch * dy_batch + walk(row, dy_row)
    y += batch * y_batch + walk(row, y_row)
    dx += batch * dx_batch + walk(row, dx_row)
    total = tl.full((ROWS, 1), 0.0, ACC)
    if LOOP:
        for start in range(0, cols, BLOCK):
            at = start + col
            inside = (row < rows) & (at < cols)
            g = tl.load(dy + walk(at, dy_col), mask=inside, other=0).to(ACC)
            if not LOG:
                g *= tl.load(y + walk(at, y_col), mask=inside, other=0).to(ACC)
            total += tl.sum(g, axis=1, keep_dims=True)
    for start in range(0, cols if LOOP else 1, BLOCK):
        at = start + col
        inside = (row < rows) & (at < cols)
        g = tl.load(dy + walk(at, dy_col), mask=inside, other=0).to(ACC)
        p = tl.load(y + walk(at, y_col), mask=inside, other=0).to(ACC)
        if not LOOP:
            total = tl.sum(g if LOG else g * p, axis=1, keep_dims=True)
        if LOG:
            d = g - tl.exp(p) * total
        else:
            d = p * (g - total)
        tl.store(dx + walk(at, dx_col), d, mask=inside)


# --- launch ---

@planned
def softmax_plan(device, kernel, shape, strides, dtype, axis, log):
    """run(*arrays) -> the result, for arrays of one shape; strides: those of each."""
    walks = [walk_of(shape, s, axis) for s in (*strides, c_strides(shape))]
    if None in walks:
        return lambda *arrays: _softmax_device(kernel, [contiguous(a) for a in arrays], axis, log)
    batch, rows, cols, first = walks[0]
    tile = None
    if all(walk[3][2] is None for walk in walks):
        tile = tuning.chosen(kernel, device, dtype, rows, cols)
    tile = tile or tile_of(device, rows, cols, along_rows=first[1] is None and first[2] is not None)
    variant = kernel.variant(device, LOG=log, ACC=accumulator(dtype), LOOP=cols > tile["BLOCK"], **tile)
    grid, numbers = (batch * -(-rows // tile["ROWS"]),), (rows, cols, *(s for walk in walks for s in walk[3]))
    make = fresh(device, shape, dtype)

    def run(*arrays):
        out = make()
        variant(grid, *arrays, out, *numbers)
        return out

    return run


def _softmax_device(kernel, arrays, axis, log):
    """The result of a kernel on arrays of one shape, in C order and of the last one's type."""
    x = arrays[-1]
    if not x.size:
        return empty(x.shape, x.dtype, x)
    strides = tuple([a.strides for a in arrays])
    return softmax_plan(x.device, kernel, x.shape, strides, x.dtype, normal_axis(axis, x.ndim), log)(*arrays)


def softmax(x, axis: int = -1):
    """exp(x) along an axis, scaled to sum to 1; any shape, float. Raises IndexError for an axis that is not there."""
    return softmax_mirror(x, axis) if is_host(x) else _softmax_device(softmax_kernel, (x,), axis, False)


def softmax_backward(dy, y, axis: int = -1):
    """dx from dy and the result y."""
    if is_host(y):
        return softmax_backward_mirror(dy, y, axis)
    return _softmax_device(softmax_backward_kernel, (dy, y), axis, False)


def log_softmax(x, axis: int = -1):
    """The logarithm of softmax(x), exact where softmax underflows."""
    return softmax_mirror(x, axis, log=True) if is_host(x) else _softmax_device(softmax_kernel, (x,), axis, True)


def log_softmax_backward(dy, y, axis: int = -1):
    """dx from dy and the result y."""
    if is_host(y):
        return softmax_backward_mirror(dy, y, axis, log=True)
    return _softmax_device(softmax_backward_kernel, (dy, y), axis, True)
