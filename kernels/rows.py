"""Rows: any axis of any array as (batch, rows, cols), and tiles that fit it. Shared by softmax, losses and norms.

    element (b, r, c) lies at b * stride_batch + r * stride_row + c * stride_col

Rows are what lies after the axis if anything does, else what lies before it. A stride of 1 is given as None, so that
the compiler knows it and keeps the loads wide.
"""

from __future__ import annotations

import math
import typing

from tritonnet.kernels.arrays import contiguous
from tritonnet.kernels.kernel import jit, tl
from tritonnet.kernels.space import Space


class Rows(typing.NamedTuple):
    """An array on a device (a copy, if it had no such view), its sizes and its strides."""

    array: object
    batch: int
    rows: int
    cols: int
    strides: tuple  # of batch, row and column; None stands for 1


def normal_axis(axis: int, ndim: int) -> int:
    """The axis counted from the front; IndexError if there is no such axis. A number has one axis."""
    n = max(ndim, 1)
    if not -n <= axis < n:
        raise IndexError(f"Dimension out of range (expected to be in range of [{-n}, {n - 1}], but got {axis})")
    return axis % n


def merged(shape, strides):
    """(length, stride) of one axis that walks all of these in C order, or None."""
    length, step = 1, None
    for n, stride in zip(reversed(shape), reversed(strides)):
        if n == 1:
            continue
        if step is None:
            step = stride
        elif stride != length * step:
            return None
        length *= n
    return length, 0 if step is None else step


def rows_of(x, axis: int) -> Rows:
    """`x` with its axis as columns."""
    found = walk_of(x.shape, x.strides, axis)
    return rows_of(contiguous(x), axis) if found is None else Rows(x, *found)


def walk_of(shape, strides, axis: int):
    """(batch, rows, cols, strides) of an axis as columns, or None where strides do not allow it."""
    before, after = slice(0, axis), slice(axis + 1, None)
    inner = merged(shape[after], strides[after]) if math.prod(shape[after]) != 1 else (1, 0)
    outer = merged(shape[before], strides[before])
    if inner is None or outer is None:
        return None
    cols, step = (shape[axis], strides[axis]) if shape else (1, 1)
    batch, row = (outer, inner) if math.prod(shape[after]) != 1 else ((1, 0), outer)
    return batch[0], row[0], cols, (batch[1], *(None if s == 1 else s for s in (row[1], step)))


def next_power_of_2(n: int) -> int:
    return 1 << max(0, n - 1).bit_length()


def tile_of(device, rows: int, cols: int, along_rows: bool = False, widest: int = 16384) -> dict:
    """ROWS, BLOCK and num_warps for a tile of a program: the whole width if it is at most `widest`.

    along_rows: neighbouring rows, not columns, are neighbours in memory.
    """
    wide, tall = next_power_of_2(cols), next_power_of_2(rows)
    if device.simulated:
        block = min(wide, 4096)
        return {"ROWS": max(1, min(tall, 65536 // block)), "BLOCK": block, "num_warps": 4}
    if along_rows and rows > 1:
        block = min(wide, 128)
        return {"ROWS": max(1, min(tall, 4096 // block)), "BLOCK": block, "num_warps": 4}
    block = wide if wide <= widest else 4096
    if block <= 256:
        warps = 4 if block * tall > 512 else 1
        return {"ROWS": max(1, min(tall, 1024 // block, 64)), "BLOCK": block, "num_warps": warps}
    if block <= 2048:
        several = rows > 32 * device.multi_processor_count and block <= 1024
        return {"ROWS": 4 if several else 1, "BLOCK": block, "num_warps": 4 if several or block > 512 else 2}
    return {"ROWS": 1, "BLOCK": block, "num_warps": 8 if block <= 4096 else 16}


def sensible_tile(ROWS, BLOCK, num_warps, rows, cols) -> bool:
    """Whether a tile is worth a try: no larger than the rows, 1 to 64 elements per thread, loops only over blocks."""
    return (2 * rows > ROWS and min(cols, 1024) <= BLOCK < 2 * cols and (ROWS == 1 or BLOCK <= 1024)
            and 1 <= ROWS * BLOCK / (32 * num_warps) <= 64)


def tiles_where(where) -> Space:
    """The tiles of a kernel of rows that make sense to it."""
    return Space(ROWS=[1, 2, 4, 8, 16, 32, 64], BLOCK=[1 << n for n in range(15)], num_warps=[1, 2, 4, 8, 16],
                 where=where)


TILES = tiles_where(sensible_tile)  # of rows whose columns are neighbours in memory
DENSE_TILES = tiles_where(lambda ROWS, BLOCK, num_warps, rows, cols, x_col: (  # none where they are not
    x_col is None and sensible_tile(ROWS, BLOCK, num_warps, rows, cols)))


@jit
def walk(index, stride):
    """index * stride; None stands for 1 and lets the compiler see that neighbours are neighbours."""
    if stride is None:
        return index.to(tl.int64)
    else:
        return index.to(tl.int64) * stride
