"""What forward and backward kernels share: tiles, what a mask does to scores, which weights dropout keeps."""

from __future__ import annotations

from tritonnet.kernels.kernel import jit, tl
from tritonnet.kernels.matmul.tile import lanes
from tritonnet.kernels.rng.philox import in_order, words_at


@jit
def jump(start, stride):
    """start * stride; None stands for 1, and start may be a number of Python's."""
    if stride is None:
        return start
    else:
        return start * stride


@jit
def loaded(at, places, row, rows, col, COLS: tl.constexpr, BLOCK: tl.constexpr, EVEN: tl.constexpr):
    """A tile; zeros beyond the last row (EVEN: there is nothing beyond) and from column COLS to BLOCK."""
    if COLS == BLOCK:
        if EVEN:
            return tl.load(at + places)
        else:
            return tl.load(at + places, mask=row < rows, other=0.0)
    else:
        if EVEN:
            return tl.load(at + places, mask=col < COLS, other=0.0)
        else:
            return tl.load(at + places, mask=(row < rows) & (col < COLS), other=0.0)


@jit
def masked(s, at, row_stride, col_stride, row, rows, col, cols, row_lane, col_lane, BOOL: tl.constexpr,
           FAR: tl.constexpr):
    """Scores (in bits) with a mask: -inf where it is False, or with its numbers added. at: of the tile's corner."""
    m = tl.load(at + (lanes(row_lane, row_stride, FAR) + lanes(col_lane, col_stride, FAR)),
                mask=(row < rows) & (col < cols), other=0)
    if BOOL:
        return tl.where(m, s, float("-inf"))
    else:
        return s + m.to(s.dtype) * 1.4426950408889634


@jit
def kept(head, first, start, rows, cols, state, offset, limit, BLOCK_M: tl.constexpr, BLOCK_N: tl.constexpr):
    """Which weights of the tile at (first, start) of a head dropout keeps. Each row takes counters of its own."""
    quads = (cols + 3) // 4
    row = (head * rows + first + tl.arange(0, BLOCK_M)) * quads
    counter = row[:, None] + (start // 4 + tl.arange(0, BLOCK_N // 4))[None, :]
    w0, w1, w2, w3 = words_at(counter, state, offset, 0)
    return in_order(w0, w1, w2, w3) >= limit
