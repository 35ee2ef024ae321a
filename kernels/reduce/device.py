"""Reductions on a device: any axes as rows and columns, as many programs per row as fill the GPU."""

from __future__ import annotations

import math

import numpy as np

from tritonnet.kernels import tuning
from tritonnet.kernels.arrays import contiguous, empty
from tritonnet.kernels.dtypes import accumulator, bool_, int32, int64, is_float
from tritonnet.kernels.reduce.axes import reduced_shape
from tritonnet.kernels.reduce.kernels import extreme_kernel, logsumexp_kernel, reduce_kernel
from tritonnet.kernels.rows import Rows, merged, next_power_of_2


def rows_over(x, axes) -> Rows:
    """The reduced axes as columns, the others as (batch, rows); a copy where strides do not allow it."""
    if not x.size:
        return Rows(x, 1, math.prod(reduced_shape(x.shape, axes, False)), 0, (0, 0, 0))
    kept = [a for a in range(x.ndim) if a not in axes]
    columns = merged([x.shape[a] for a in axes], [x.strides[a] for a in axes])
    for cut in range(len(kept), -1, -1):  # batch before the cut, rows after it
        halves = [merged([x.shape[a] for a in part], [x.strides[a] for a in part]) for part in (kept[:cut], kept[cut:])]
        if columns is not None and None not in halves:
            (batch, batch_step), (rows, row_step) = halves
            if rows == 1:
                batch, batch_step, rows, row_step = 1, 0, batch, batch_step
            steps = (None if s == 1 else s for s in (row_step, columns[1]))
            return Rows(x, batch, rows, columns[0], (batch_step, *steps))
    return rows_over(contiguous(x.transpose(*kept, *axes)), tuple(range(len(kept), x.ndim)))


def tile(device, r: Rows, most=4096):
    """ROWS, BLOCK, num_warps: columns first where they are neighbours in memory, else rows."""
    wide, tall = next_power_of_2(r.cols), next_power_of_2(r.rows)
    if device.simulated:
        block = min(wide, 4096)
        return {"ROWS": max(1, min(tall, 16384 // block)), "BLOCK": block, "num_warps": 4}
    along_rows = r.strides[1] is None and r.cols > 1 and r.rows > 1
    if along_rows:
        rows = min(tall, 128)
        return {"ROWS": rows, "BLOCK": max(1, min(wide, most // 2 // rows)), "num_warps": 4}
    block = min(wide, most // 2)
    return {"ROWS": max(1, min(tall, 1024 // block, 64)), "BLOCK": block, "num_warps": 4 if block <= 1024 else 8}


def splits_for(device, r: Rows, config):
    """(programs per row, columns of each): enough to fill the GPU, at least four blocks each."""
    tiles = r.batch * -(-r.rows // config["ROWS"])
    blocks = max(1, -(-r.cols // config["BLOCK"]))
    wanted = 1 if device.simulated else max(1, min(2 * device.multi_processor_count // max(tiles, 1), blocks // 4))
    per_split = -(-blocks // wanted) * config["BLOCK"]
    return max(1, -(-r.cols // per_split)), per_split


NEUTRAL = {"sum": 0, "squares": 0, "any": 0, "prod": 1, "all": 1}
AGAIN = {"squares": "sum"}  # how partial results are reduced, where it is not in the same way


def neutral(kind, dtype):
    """What changes nothing."""
    if kind in NEUTRAL:
        return NEUTRAL[kind]
    if is_float(dtype):
        return -math.inf if kind == "max" else math.inf
    limits = np.iinfo(dtype)
    return int(limits.min if kind == "max" else limits.max)


def computing_type(kind, x):
    """What a reduction is computed in."""
    if kind in ("any", "all") or x.dtype == bool_ and kind in ("max", "min"):
        return int32
    return accumulator(x.dtype) if kind not in ("max", "min") or is_float(x.dtype) else x.dtype


def reduce(x, axes, keepdims, kind, dtype, scale=None, center=None):
    """One of `reduce_kernel`'s kinds. center: C-contiguous, one value per result."""
    acc = computing_type(kind, x)
    out = empty(reduced_shape(x.shape, axes, keepdims), dtype, x)
    if not out.size:
        return out
    r = rows_over(x, axes)
    tuned = tuning.chosen(reduce_kernel, x.device, x.dtype, r.rows, r.cols) if r.strides[2] is None else None
    config = tuned or tile(x.device, r)
    splits, per_split = splits_for(x.device, r, config)
    target = out if splits == 1 else empty((splits, out.size), acc, x)
    grid = (r.batch * -(-r.rows // config["ROWS"]), splits)
    first = scale if splits == 1 else None
    reduce_kernel[grid](r.array, center, target, r.rows, r.cols, per_split, *r.strides, 1.0 if first is None else first,
                        KIND=kind, NEUTRAL=neutral(kind, acc), SCALED=first is not None, ACC=acc, **config)
    if splits > 1:
        r = rows_over(target, (0,))
        config = tile(x.device, r)
        reduce_kernel[(-(-r.rows // config["ROWS"]), 1)](
            target, None, out, r.rows, r.cols, max(r.cols, 1), *r.strides, 1.0 if scale is None else scale,
            KIND=AGAIN.get(kind, kind), NEUTRAL=neutral(AGAIN.get(kind, kind), acc), SCALED=scale is not None, ACC=acc,
            **config)
    return out


def extreme(x, axes, keepdims, largest):
    """(values, int64 places within the reduced axes in C order) of the first largest or smallest."""
    shape = reduced_shape(x.shape, axes, keepdims)
    acc = int32 if x.dtype == bool_ else accumulator(x.dtype) if is_float(x.dtype) else x.dtype
    values, where = empty(shape, x.dtype, x), empty(shape, int64, x)
    if not values.size:
        return values, where
    r = rows_over(x, axes)
    config = tile(x.device, r, most=2048)
    splits, per_split = splits_for(x.device, r, config)
    grid = (r.batch * -(-r.rows // config["ROWS"]), splits)
    to, least = (values, where), neutral("max" if largest else "min", acc)
    if splits > 1:
        to = empty((splits, values.size), acc, x), empty((splits, values.size), int64, x)
    extreme_kernel[grid](r.array, None, *to, r.rows, r.cols, per_split, *r.strides, LARGEST=largest, NEUTRAL=least,
                         ACC=acc, **config)
    if splits > 1:
        r = rows_over(to[0], (0,))
        config = tile(x.device, r, most=2048)
        extreme_kernel[(-(-r.rows // config["ROWS"]), 1)](
            to[0], to[1], values, where, r.rows, r.cols, r.cols, *r.strides, LARGEST=largest,
            NEUTRAL=least, ACC=acc, **config)
    return values, where


def logsumexp(x, axes, keepdims):
    """In one pass over x."""
    out = empty(reduced_shape(x.shape, axes, keepdims), x.dtype, x)
    if out.size:
        r = rows_over(x, axes)
        config = tile(x.device, r, most=2048)
        logsumexp_kernel[(r.batch * -(-r.rows // config["ROWS"]),)](
            r.array, out, r.rows, r.cols, *r.strides, ACC=accumulator(x.dtype), **config)
    return out
