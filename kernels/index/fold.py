"""Products and extremes by index, the siblings of scatter's sums.

    fold_into:  x[i, index[i, j, k], k] = x[…] o src[i, j, k]      o: times, the greater or the lesser of two

As in scatter.py, updates are sorted by destination and the first of each run of equal ones owns it, so that products
are rounded alike in every run. A NaN among the values is the extreme. Bad indices raise on the host; on a device their
updates are dropped.
"""

from __future__ import annotations

import numpy as np

from tritonnet.kernels.arrays import contiguous, is_host
from tritonnet.kernels.dtypes import accumulator
from tritonnet.kernels.index.gather import positions
from tritonnet.kernels.index.keys import check_bounds
from tritonnet.kernels.index.offsets import int_type, offsets
from tritonnet.kernels.index.scatter import add_at, scatter_into
from tritonnet.kernels.index.sort import sort_lines
from tritonnet.kernels.kernel import kernel, tl
from tritonnet.kernels.reduce.device import neutral
from tritonnet.kernels.reduce.kernels import greatest, least, multiply
from tritonnet.kernels.strided import collapsed

MIRRORS = {"prod": np.multiply, "max": np.maximum, "min": np.minimum}


@kernel(flops=lambda keys: keys.size, bytes=lambda keys, v: 2 * keys.nbytes + 3 * keys.size * v.itemsize,
        do_not_specialize=("k",))
def fold_kernel(x, keys, order, v, count: tl.int64, k: tl.int64, INT: tl.constexpr, KIND: tl.constexpr,
                NEUTRAL: tl.constexpr, ACC: tl.constexpr, BLOCK_E: tl.constexpr, BLOCK_J: tl.constexpr):
    """x[key] = x[key] o the values of each run of equal keys, BLOCK_J at a time, by the first update of the run.

    keys: offsets in x, sorted in each line of k; order: the number in its line that each had before.
    """
    e = tl.program_id(0).to(INT) * BLOCK_E + tl.arange(0, BLOCK_E).to(INT)
    key = tl.load(keys + e, mask=e < count, other=-1)
    previous = tl.load(keys + e - 1, mask=(e > 0) & (e < count), other=-1)
    owns = (key >= 0) & (key != previous)
    total = tl.load(x + key, mask=owns, other=0).to(ACC)
    begin = e[:, None] + tl.arange(0, BLOCK_J)[None, :]
    goes_on = owns.to(tl.int32)
    while tl.max(goes_on, axis=0) > 0:
        same = (begin < count) & (goes_on > 0)[:, None]
        same = same & (tl.load(keys + begin, mask=same, other=-1) == key[:, None])
        number = tl.load(order + begin, mask=same, other=0) + begin.to(tl.int64) // k * k
        value = tl.where(same, tl.load(v + number, mask=same, other=0).to(ACC), NEUTRAL)
        if KIND == "prod":
            total *= tl.reduce(value, 1, multiply)
        elif KIND == "max":
            total = greatest(total, tl.reduce(value, 1, greatest))
        else:
            total = least(total, tl.reduce(value, 1, least))
        goes_on = (tl.sum(same.to(tl.int32), axis=1) == BLOCK_J).to(tl.int32)
        begin += BLOCK_J
    tl.store(x + key, total.to(x.dtype.element_ty), mask=owns)


def _fold_lines(x, index, src, kind):
    """fold_into along the last axis, on a device; src: dense."""
    shape, plain = index.shape, (*x.strides[:-1], 0)
    if len(collapsed(shape, plain)[0]) > 3:         # too many separate axes: one by one along the first
        for i in range(shape[0]):
            _fold_lines(x[i], index[i], src[i], kind)
        return
    keys = offsets(shape, plain, [index], [x.shape[-1]], [x.strides[-1]])
    count, k = keys.size, shape[-1]
    keys, order = sort_lines(keys.reshape(count // k, k))
    acc, simulated = accumulator(x.dtype), x.device.simulated
    block_e, block_j = (1024, 64) if simulated else (128, 8)
    fold_kernel[(-(-count // block_e),)](x, keys, order, src, count, k, INT=int_type(count), KIND=kind,
                                         NEUTRAL=neutral(kind, acc), ACC=acc, BLOCK_E=block_e, BLOCK_J=block_j,
                                         num_warps=4)


def fold(x, axis, index, src, kind, include_self=True):
    """x with src[…, j, …] taken into x[…, index[…, j, …], …] along `axis`, by kind: "prod", "max" or "min".

    index: integers in [0, n), no longer than x along the other axes.  src: as index.  include_self: whether what x held
    before counts where an index points. The shape and type of x, which is not changed.
    """
    if is_host(x):
        y = x.copy()
        check_bounds(index, axis, y.shape[axis], error=RuntimeError)
        if not include_self:
            scatter_into(y, axis, index, neutral(kind, y.dtype))
        with np.errstate(all="ignore"):
            add_at(y, positions(y.shape, axis, index), src, MIRRORS[kind])
        return y
    there = (*(a for a in range(x.ndim) if a != axis), axis)
    back = tuple(sorted(range(x.ndim), key=there.__getitem__))
    y, index = x.transpose(*there).copy(), contiguous(index.transpose(*there))
    if not include_self:
        scatter_into(y, x.ndim - 1, index, neutral(kind, y.dtype))
    if index.size:
        _fold_lines(y, index, contiguous(src.transpose(*there)), kind)
    return contiguous(y.transpose(*back))
