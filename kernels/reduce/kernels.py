"""The kernels of reductions: a program takes a tile of ROWS rows and walks along its part of the columns.

Each lane keeps its own running result, and the lanes are combined at the end. With SPLITS > 1 several programs share a
row; their partial results are (split, row), and a second launch reduces those.
"""

from __future__ import annotations

from tritonnet.kernels.kernel import jit, kernel, tl
from tritonnet.kernels.rows import sensible_tile, walk
from tritonnet.kernels.space import Space

BEHIND = (1 << 63) - 1  # every column


def sensible(ROWS, BLOCK, num_warps, rows, cols, x_row, x_col) -> bool:
    """Whether a tile is worth a try: long where the memory is dense, 1 to 32 elements per thread."""
    if x_col is None:
        return ROWS <= 64 and sensible_tile(ROWS, BLOCK, num_warps, rows, cols)
    return (x_row is None and min(rows, 32) <= ROWS < 2 * rows and 2 * cols > BLOCK
            and 1 <= ROWS * BLOCK / (32 * num_warps) <= 32)


TILES = Space(ROWS=[1 << n for n in range(9)], BLOCK=[1 << n for n in range(15)], num_warps=[1, 2, 4, 8, 16],
              where=sensible)


@jit
def greatest(a, b):
    return tl.maximum(a, b, propagate_nan=tl.PropagateNan.ALL)


@jit
def least(a, b):
    return tl.minimum(a, b, propagate_nan=tl.PropagateNan.ALL)


@jit
def larger(a, i, b, j):
    """The first NaN, else the larger, else the one that comes first."""
    take = ((a != a) & ((b == b) | (i < j))) | ((b == b) & ((a > b) | ((a == b) & (i < j))))
    return tl.where(take, a, b), tl.where(take, i, j)


@jit
def smaller(a, i, b, j):
    """The first NaN, else the smaller, else the one that comes first."""
    take = ((a != a) & ((b == b) | (i < j))) | ((b == b) & ((a < b) | ((a == b) & (i < j))))
    return tl.where(take, a, b), tl.where(take, i, j)


@jit
def multiply(a, b):
    return a * b


@kernel(flops=lambda x: x.size, bytes=lambda x, out: x.nbytes + out.nbytes, space=TILES)
def reduce_kernel(x, center, out, rows, cols, per_split, x_batch: tl.int64, x_row: tl.int64, x_col: tl.int64,
                  scale: tl.float64, KIND: tl.constexpr, NEUTRAL: tl.constexpr, SCALED: tl.constexpr, ACC: tl.constexpr,
                  ROWS: tl.constexpr, BLOCK: tl.constexpr):
    """KIND: sum, squares (of x - center, one per row), prod, max, min, any, all; lanes start at NEUTRAL."""
    tiles = tl.cdiv(rows, ROWS)
    batch = (tl.program_id(0) // tiles).to(tl.int64)
    row = tl.program_id(0) % tiles * ROWS + tl.arange(0, ROWS)[:, None]
    split = tl.program_id(1).to(tl.int64)
    x += batch * x_batch + walk(row, x_row)
    start = split * per_split
    stop = tl.minimum(start + per_split, cols)
    if KIND == "squares":
        middle = tl.load(center + batch * rows + row, mask=row < rows, other=0).to(ACC)
    acc = tl.full((ROWS, BLOCK), NEUTRAL, ACC)
    for begin in range(start, stop, BLOCK):
        at = begin + tl.arange(0, BLOCK)[None, :]
        inside = (row < rows) & (at < stop)
        v = tl.load(x + walk(at, x_col), mask=inside, other=0)
        if KIND == "any":
            acc = tl.where(inside & (v != 0), 1, acc)
        elif KIND == "all":
            acc = tl.where(inside & (v == 0), 0, acc)
        else:
            v = tl.where(inside, v.to(ACC), NEUTRAL)
            if KIND == "sum":
                acc += v
            elif KIND == "squares":
                acc += tl.where(inside, (v - middle) * (v - middle), 0)
            elif KIND == "prod":
                acc *= v
            elif KIND == "max":
                acc = greatest(acc, v)
            else:
                acc = least(acc, v)
    if KIND == "sum" or KIND == "squares":
        found = tl.sum(acc, axis=1, keep_dims=True)
    elif KIND == "prod":
        found = tl.reduce(acc, 1, multiply, keep_dims=True)
    elif KIND == "max" or KIND == "any":
        found = tl.reduce(acc, 1, greatest, keep_dims=True)
    else:
        found = tl.reduce(acc, 1, least, keep_dims=True)
    if SCALED:
        found *= scale.to(ACC)
    total = tl.num_programs(0) // tiles * rows
    tl.store(out + split * total + batch * rows + row, found, mask=row < rows)


@kernel(flops=lambda x: x.size, bytes=lambda x, values, where: x.nbytes + values.nbytes + where.nbytes,
        space=TILES)
def extreme_kernel(x, places, values, where, rows, cols, per_split, x_batch: tl.int64, x_row: tl.int64, x_col: tl.int64,
                   LARGEST: tl.constexpr, NEUTRAL: tl.constexpr, ACC: tl.constexpr, ROWS: tl.constexpr,
                   BLOCK: tl.constexpr):
    """The largest (smallest) of each row and its column. places: the columns of partial results, or None.

    A lane without elements holds NEUTRAL at a place behind all others, and so loses against any element.
    """
    tiles = tl.cdiv(rows, ROWS)
    batch = (tl.program_id(0) // tiles).to(tl.int64)
    row = tl.program_id(0) % tiles * ROWS + tl.arange(0, ROWS)[:, None]
    split = tl.program_id(1).to(tl.int64)
    shift = batch * x_batch + walk(row, x_row)
    start = split * per_split
    stop = tl.minimum(start + per_split, cols)
    best = tl.full((ROWS, BLOCK), NEUTRAL, ACC)
    best_at = tl.full((ROWS, BLOCK), BEHIND, tl.int64)
    for begin in range(start, stop, BLOCK):
        at = begin + tl.arange(0, BLOCK)[None, :]
        inside = (row < rows) & (at < stop)
        v = tl.load(x + shift + walk(at, x_col), mask=inside, other=0).to(ACC)
        v = tl.where(inside, v, tl.full((ROWS, BLOCK), NEUTRAL, ACC))
        if places is None:
            v_at = tl.where(inside, at.to(tl.int64), BEHIND)
        else:
            v_at = tl.load(places + shift + walk(at, x_col), mask=inside, other=BEHIND)
        if LARGEST:
            best, best_at = larger(best, best_at, v, v_at)
        else:
            best, best_at = smaller(best, best_at, v, v_at)
    if LARGEST:
        best, best_at = tl.reduce((best, best_at), 1, larger, keep_dims=True)
    else:
        best, best_at = tl.reduce((best, best_at), 1, smaller, keep_dims=True)
    to = split * (tl.num_programs(0) // tiles * rows) + batch * rows + row
    tl.store(values + to, best, mask=row < rows)
    tl.store(where + to, best_at, mask=row < rows)


@kernel(flops=lambda x: 3 * x.size, bytes=lambda x, out: x.nbytes + out.nbytes, space=TILES)
def logsumexp_kernel(x, out, rows, cols, x_batch: tl.int64, x_row: tl.int64, x_col: tl.int64,
                     ACC: tl.constexpr, ROWS: tl.constexpr, BLOCK: tl.constexpr):
    """One pass: each lane keeps its maximum and the sum of exponentials below it."""
    tiles = tl.cdiv(rows, ROWS)
    batch = (tl.program_id(0) // tiles).to(tl.int64)
    row = tl.program_id(0) % tiles * ROWS + tl.arange(0, ROWS)[:, None]
    x += batch * x_batch + walk(row, x_row)
    top = tl.full((ROWS, BLOCK), float("-inf"), ACC)
    total = tl.zeros((ROWS, BLOCK), ACC)
    for begin in range(0, cols, BLOCK):
        at = begin + tl.arange(0, BLOCK)[None, :]
        v = tl.load(x + walk(at, x_col), mask=(row < rows) & (at < cols), other=float("-inf")).to(ACC)
        above = greatest(top, v)
        shift = tl.where(tl.abs(above) == float("inf"), 0.0, above)
        total = total * tl.exp(top - shift) + tl.exp(v - shift)
        top = above
    most = tl.reduce(top, 1, greatest, keep_dims=True)
    shift = tl.where(tl.abs(most) == float("inf"), 0.0, most)
    own = tl.where(tl.abs(top) == float("inf"), 0.0, top)
    found = tl.log(tl.sum(total * tl.exp(own - shift), axis=1, keep_dims=True)) + shift
    tl.store(out + batch * rows + row, found, mask=row < rows)
