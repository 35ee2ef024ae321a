"""Reductions on a device: any axes as rows and columns, as many programs per row as fill the GPU."""

from __future__ import annotations

import math

import numpy as np

from tritonnet.kernels import tuning
from tritonnet.kernels.arrays import contiguous, empty
from tritonnet.kernels.arrays.views import c_strides
from tritonnet.kernels.dtypes import accumulator, bool_, int32, int64, is_float
from tritonnet.kernels.plans import fresh, planned
from tritonnet.kernels.reduce.axes import reduced_shape
from tritonnet.kernels.reduce.kernels import extreme_kernel, logsumexp_kernel, reduce_kernel
from tritonnet.kernels.rows import Rows, merged, next_power_of_2


def rows_over(x, axes) -> Rows:
    """The reduced axes as columns, the others as (batch, rows); a copy where strides do not allow it."""
    found = walk_over(x.shape, x.strides, axes)
    if found is not None:
        return Rows(x, *found)
    x = columns_last(x, axes)
    return rows_over(x, tuple(range(x.ndim - len(axes), x.ndim)))


def columns_last(x, axes):
    """A copy with the reduced axes behind the others."""
    return contiguous(x.transpose(*(a for a in range(x.ndim) if a not in axes), *axes))


def walk_over(shape, strides, axes):
    """(batch, rows, cols, strides) with the reduced axes as columns, or None where strides do not allow it."""
    if 0 in shape:
        return 1, math.prod(reduced_shape(shape, axes, False)), 0, (0, 0, 0)
    kept = [a for a in range(len(shape)) if a not in axes]
    columns = merged([shape[a] for a in axes], [strides[a] for a in axes])
    for cut in range(len(kept), -1, -1):  # batch before the cut, rows after it
        halves = [merged([shape[a] for a in part], [strides[a] for a in part]) for part in (kept[:cut], kept[cut:])]
        if columns is not None and None not in halves:
            (batch, batch_step), (rows, row_step) = halves
            if rows == 1:
                batch, batch_step, rows, row_step = 1, 0, batch, batch_step
            return batch, rows, columns[0], (batch_step, *(None if s == 1 else s for s in (row_step, columns[1])))
    return None


FEW = 512


def tile(device, r: Rows, most=4096):
    """ROWS, BLOCK, num_warps: columns first where they are neighbours in memory, else rows."""
    wide, tall = next_power_of_2(r.cols), next_power_of_2(r.rows)
    if device.simulated:
        block = min(wide, 4096)
        return {"ROWS": max(1, min(tall, 16384 // block)), "BLOCK": block, "num_warps": 4}
    along_rows = r.strides[1] is None and r.cols > 1 and r.rows > 1
    if along_rows:
        rows = min(tall, 128)
        if r.batch * r.rows <= FEW:  # hardly a program: each takes in four times as much at once
            return {"ROWS": rows, "BLOCK": max(1, min(wide, 2 * most // rows)), "num_warps": 8}
        return {"ROWS": rows, "BLOCK": max(1, min(wide, most // 2 // rows)), "num_warps": 4}
    block = min(wide, most // 2)
    return {"ROWS": max(1, min(tall, 1024 // block, 64)), "BLOCK": block, "num_warps": 4 if block <= 1024 else 8}


def chosen(kernel, device, dtype, r: Rows, most=4096):
    """The tuned tile, if there is one for arrays that lie like this, else `tile`."""
    along = "" if r.strides[2] is None else "along rows" if r.strides[1] is None else None
    tuned = None if along is None else tuning.chosen(kernel, device, dtype, r.rows, r.cols, way=along)
    return tuned or tile(device, r, most)


def splits_for(device, r: Rows, config):
    """(programs per row, columns of each): enough to fill the GPU, at least four blocks each, eight large ones."""
    tiles = r.batch * -(-r.rows // config["ROWS"])
    blocks = max(1, -(-r.cols // config["BLOCK"]))
    least = 8 if config["ROWS"] * config["BLOCK"] > 4096 else 4
    wanted = 1 if device.simulated else max(1, min(2 * device.multi_processor_count // max(tiles, 1), blocks // least))
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


def computing_type(kind, dtype):
    """What a reduction is computed in."""
    if kind in ("any", "all") or dtype == bool_ and kind in ("max", "min"):
        return int32
    return accumulator(dtype) if kind not in ("max", "min") or is_float(dtype) else dtype


def reduce(x, axes, keepdims, kind, dtype, scale=None, center=None):
    """One of `reduce_kernel`'s kinds. center: C-contiguous, one value per result."""
    return reduce_plan(x.device, x.shape, x.strides, x.dtype, axes, keepdims, kind, dtype, scale)(x, center)


@planned
def reduce_plan(device, shape, strides, source, axes, keepdims, kind, dtype, scale):
    """run(x, center) -> the result, for arrays of type `source`."""
    result, acc = reduced_shape(shape, axes, keepdims), computing_type(kind, source)
    make, size = fresh(device, result, dtype), math.prod(result)
    if not size:
        return lambda x, center: make()
    walk = walk_over(shape, strides, sorted(axes, key=lambda a: -abs(strides[a])))  # in any order: the memory's
    if walk is None:
        last = tuple(range(len(shape) - len(axes), len(shape)))
        return lambda x, center: reduce(columns_last(x, axes), last, False, kind, dtype, scale, center).reshape(result)
    r = Rows(None, *walk)
    config = chosen(reduce_kernel, device, source, r)
    splits, per_split = splits_for(device, r, config)
    if splits == 1:
        launch = _launch(device, r, splits, per_split, kind, acc, scale, config)

        def run(x, center):
            out = make()
            launch(x, center, out)
            return out

        return run

    launch = _launch(device, r, splits, per_split, kind, acc, None, config)
    make_partial, kind = fresh(device, (splits, size), acc), AGAIN.get(kind, kind)
    over = Rows(None, *walk_over((splits, size), c_strides((splits, size)), (0,)))
    finish = _launch(device, over, 1, max(over.cols, 1), kind, acc, scale, tile(device, over))

    def run_split(x, center):
        partial, out = make_partial(), make()
        launch(x, center, partial)
        finish(partial, None, out)
        return out

    return run_split


def _launch(device, r, splits, per_split, kind, acc, scale, config):
    """launch(x, center, out) of `reduce_kernel`."""
    variant = reduce_kernel.variant(device, KIND=kind, NEUTRAL=neutral(kind, acc), SCALED=scale is not None, ACC=acc,
                                    **config)
    grid = r.batch * -(-r.rows // config["ROWS"]), splits
    numbers = r.rows, r.cols, per_split, *r.strides, 1.0 if scale is None else scale
    return lambda x, center, out: variant(grid, x, center, out, *numbers)


def extreme(x, axes, keepdims, largest):
    """(values, int64 places within the reduced axes in C order) of the first largest or smallest."""
    shape = reduced_shape(x.shape, axes, keepdims)
    acc = int32 if x.dtype == bool_ else accumulator(x.dtype) if is_float(x.dtype) else x.dtype
    values, where = empty(shape, x.dtype, x), empty(shape, int64, x)
    if not values.size:
        return values, where
    r = rows_over(x, axes)
    config = chosen(extreme_kernel, x.device, x.dtype, r, 2048)
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
        config = chosen(logsumexp_kernel, x.device, x.dtype, r, 2048)
        logsumexp_kernel[(r.batch * -(-r.rows // config["ROWS"]),)](
            r.array, out, r.rows, r.cols, *r.strides, ACC=accumulator(x.dtype), **config)
    return out
