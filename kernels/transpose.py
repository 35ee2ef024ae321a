"""Copies between arrays whose memory runs along different axes, tile by tile.

    y[b, r, c] = x[b, r, c] where neighbours in x's memory follow r, and neighbours in y's follow c

Element by element, one of the two would be touched with a stride: of each line that the GPU fetches, one element
would be used. A tile is read along r and written along c; the compiler turns it round in shared memory.
"""

from __future__ import annotations

import math

from tritonnet.kernels.kernel import jit, kernel, tl
from tritonnet.kernels.rows import walk

BATCH_RANK = 4  # axes besides the two of the tile
SMALLEST = 8  # rows and columns that are worth a tile


@jit
def converted(value, TYPE: tl.constexpr):
    """value as TYPE; fp8 has no conversions of its own to anything but float32."""
    if value.dtype.is_fp8():
        value = value.to(tl.float32)
    if TYPE.is_fp8():
        value = value.to(tl.float32)
    return value.to(TYPE)


@kernel(flops=lambda rows: 0, bytes=lambda x, y, rows, cols, batch: rows * cols * batch * (x.itemsize + y.itemsize))
def transpose_kernel(
    x, y, rows, cols, batch: tl.int64, n1: tl.int64, n2: tl.int64, n3: tl.int64,
    x_row: tl.int64, x_col: tl.int64, y_row: tl.int64, y_col: tl.int64,
    x0: tl.int64, x1: tl.int64, x2: tl.int64, x3: tl.int64, y0: tl.int64, y1: tl.int64, y2: tl.int64, y3: tl.int64,
    RANK: tl.constexpr, ROWS: tl.constexpr, COLS: tl.constexpr,
):
    """One tile of one matrix of the batch, whose `RANK` axes have the lengths n1 … n3 from the second on."""
    tile = tl.program_id(0).to(tl.int64)
    across, down = tl.cdiv(cols, COLS), tl.cdiv(rows, ROWS)
    col = (tile % across).to(tl.int32) * COLS + tl.arange(0, COLS)[None, :]
    row = (tile // across % down).to(tl.int32) * ROWS + tl.arange(0, ROWS)[:, None]
    at = tile // across // down
    if RANK > 3:
        x += at % n3 * x3
        y += at % n3 * y3
        at = at // n3
    if RANK > 2:
        x += at % n2 * x2
        y += at % n2 * y2
        at = at // n2
    if RANK > 1:
        x += at % n1 * x1
        y += at % n1 * y1
        at = at // n1
    if RANK > 0:
        x += at * x0
        y += at * y0
    inside = (row < rows) & (col < cols)
    value = tl.load(x + (walk(row, x_row) + walk(col, x_col)), mask=inside)
    tl.store(y + (walk(row, y_row) + walk(col, y_col)), converted(value, y.dtype.element_ty), mask=inside)


def tile_axes(shape, xs, ys):
    """(row axis, column axis): those along which x and y are dense, where a tile serves both; else None."""
    if 1 not in xs or 1 not in ys or len(shape) > BATCH_RANK + 2:
        return None
    row, col = xs.index(1), ys.index(1)
    if row == col or shape[row] < SMALLEST or shape[col] < SMALLEST or max(shape[row], shape[col]) >= 2**31 - 4096:
        return None
    return row, col


def transposing(device, shape, xs, ys, row, col):
    """(variant, grid, numbers) of the launch for y[...] = x over collapsed axes, tiled over axes `row` and `col`."""
    rest = [i for i in range(len(shape)) if i not in (row, col)]
    batch = math.prod(shape[i] for i in rest)
    lengths, x_rest, y_rest = ([steps[i] for i in rest] + [0] * (BATCH_RANK - len(rest)) for steps in (shape, xs, ys))
    tile = 256 if device.simulated else 64
    rows, cols = (min(tile, max(16, 1 << (shape[i] - 1).bit_length())) for i in (row, col))
    programs = -(-shape[row] // rows) * -(-shape[col] // cols) * batch
    steps = (None if step == 1 else step for step in (xs[row], xs[col], ys[row], ys[col]))
    variant = transpose_kernel.variant(device, RANK=len(rest), ROWS=rows, COLS=cols)
    return variant, (programs,), (shape[row], shape[col], batch, *lengths[1:], *steps, *x_rest, *y_rest)
