"""Stable sorting of lines.

An element's place is the number of elements that belong before it: the smaller ones and, of equal ones, the earlier.
Up to `RUN` elements are ranked by comparing all with all: one launch, no branches, and for such lengths cheaper than
anything clever. Longer lines are ranked in runs of that length; then pairs of runs are merged until one is left: an
element's place in the merged run is its place in its own run plus a binary search in the other.

NaN counts as greater than everything, as in PyTorch. Nothing is random and no atomics are used: equal inputs give
equal results, on every device.
"""

from __future__ import annotations

import numpy as np

from tritonnet.kernels.arrays import contiguous, empty, is_host
from tritonnet.kernels.dtypes import HALVES
from tritonnet.kernels.index.offsets import INT64, power
from tritonnet.kernels.kernel import jit, kernel, tl

RUN = 8192
PACKED = 512  # elements from which packing keys and places pays on the host


def sort_mirror(x, axis=-1, descending=False):
    keys = x.astype(np.float32) if x.dtype in HALVES else x
    if not x.ndim:
        return x.copy(), np.zeros((), INT64)
    if keys.dtype.itemsize <= 4 and x.size >= PACKED:
        order = _packed_order(keys, axis, descending)
    elif descending:  # backwards twice: equal elements keep their order, NaN comes first
        order = x.shape[axis] - 1 - np.flip(np.argsort(np.flip(keys, axis), axis, kind="stable"), axis)
    else:
        order = np.argsort(keys, axis, kind="stable")
    return np.take_along_axis(x, order, axis), order


def _packed_order(keys, axis, descending):
    """The order of narrow keys: sorted as integers whose high half is the key and whose low half is the place.

    NumPy sorts such integers with vector instructions, many times as fast as it finds a stable order.
    """
    if keys.dtype == np.float32:
        bits = (keys + np.float32(0)).view(np.int32)  # -0.0 becomes 0.0
        wide = np.where(np.isnan(keys), 0x7FFFFFFF, bits ^ ((bits >> 31) & 0x7FFFFFFF)).astype(np.int64)
    else:
        wide = keys.astype(np.int64)
    if descending:
        np.invert(wide, out=wide)
    wide = np.moveaxis(wide, axis, -1)
    packed = (wide << 32) + np.arange(wide.shape[-1])
    packed.sort(axis=-1)
    packed &= 0xFFFFFFFF
    return np.moveaxis(packed, -1, axis)


@jit
def ordinal(x, DESCENDING: tl.constexpr):
    """An integer that compares as x should be ordered: for floats the bits, with those of negative numbers turned."""
    if x.dtype.is_floating():
        if x.dtype == tl.float64:
            bits = (x + 0.0).to(tl.int64, bitcast=True)  # + 0.0: -0.0 equals 0.0
            key = tl.where(x != x, 0x7FFFFFFFFFFFFFFF, tl.where(bits < 0, bits ^ 0x7FFFFFFFFFFFFFFF, bits))
        else:
            wide = x.to(tl.float32)
            bits = (wide + 0.0).to(tl.int32, bitcast=True)
            key = tl.where(wide != wide, 0x7FFFFFFF, tl.where(bits < 0, bits ^ 0x7FFFFFFF, bits))
    elif x.dtype == tl.int64:
        key = x
    else:
        key = x.to(tl.int32)
    if DESCENDING:
        key = ~key
    return key


@kernel(flops=lambda x, n, run: 2 * x.size * min(n, run), bytes=lambda x, order: 2 * x.nbytes + order.nbytes)
def rank_kernel(x, values, order, n, keep, run, DESCENDING: tl.constexpr, BLOCK: tl.constexpr, CHUNK: tl.constexpr):
    """Rank each run of each line of x, (rows, n), and write what ranks below `keep`: values, order are (rows, keep)."""
    blocks = tl.cdiv(n, BLOCK)
    row = (tl.program_id(0) // blocks).to(tl.int64)
    first = (tl.program_id(0) % blocks) * BLOCK
    at = first + tl.arange(0, BLOCK)
    start = first // run * run
    stop = tl.minimum(start + run, n)
    mine = tl.load(x + row * n + at, mask=at < n, other=0)
    key = ordinal(mine, DESCENDING)[:, None]
    rank = tl.zeros([BLOCK], tl.int32)
    for begin in range(start, stop, CHUNK):
        other_at = begin + tl.arange(0, CHUNK)
        other = ordinal(tl.load(x + row * n + other_at, mask=other_at < stop, other=0), DESCENDING)[None, :]
        before = (other < key) | ((other == key) & (other_at[None, :] < at[:, None]))
        rank += tl.sum((before & (other_at < stop)[None, :]).to(tl.int32), axis=1)
    place = start + rank
    kept = (at < n) & (place < keep)
    tl.store(values + row * keep + place, mine, mask=kept)
    tl.store(order + row * keep + place, at.to(tl.int64), mask=kept)


@kernel(flops=lambda x, steps: x.size * steps, bytes=lambda x, order: 2 * (x.nbytes + order.nbytes))
def merge_kernel(x, order, values, new_order, n, run, steps, DESCENDING: tl.constexpr, BLOCK: tl.constexpr):
    """Merge neighbouring sorted runs of each line; steps: halvings that a binary search in a run takes."""
    blocks = tl.cdiv(n, BLOCK)
    row = (tl.program_id(0) // blocks).to(tl.int64)
    at = (tl.program_id(0) % blocks) * BLOCK + tl.arange(0, BLOCK)
    mine = tl.load(x + row * n + at, mask=at < n, other=0)
    key = ordinal(mine, DESCENDING)
    own = at // run
    right = own % 2 == 1
    low = tl.minimum(tl.where(right, own - 1, own + 1) * run, n)  # the other run is [low, high)
    begin, high = low, tl.minimum(low + run, n)
    for _ in range(steps):
        middle = (low + high) // 2
        open_ = low < high
        other = ordinal(tl.load(x + row * n + middle, mask=open_ & (at < n), other=0), DESCENDING)
        before = open_ & ((other < key) | ((other == key) & right))  # of equal elements, those on the left are first
        low = tl.where(before, middle + 1, low)
        high = tl.where(open_ & ~before, middle, high)
    place = own // 2 * 2 * run + at - own * run + low - begin
    tl.store(values + row * n + place, mine, mask=at < n)
    tl.store(new_order + row * n + place, tl.load(order + row * n + at, mask=at < n, other=0), mask=at < n)


def sort_lines(x, descending=False, keep=None, run=RUN):
    """Sort a dense device array of (rows, n) along its lines; (values, order).

    keep: how many of each line are wanted, at least.  run: length to which all are compared with all, 128 times 2^k.
    """
    rows, n = x.shape
    simulated = x.device.simulated
    whole = n <= run
    keep = n if keep is None or not whole else keep
    values, order = empty((rows, keep), x.dtype, x), empty((rows, keep), INT64, x)
    if not values.size:
        return values, order
    block, chunk = (power(n, min(run, 1024)),) * 2 if simulated else (16, 16) if n <= 16 else (128, 32)
    rank_kernel[(rows * -(-n // block),)](x, values, order, n, keep, run, DESCENDING=descending, BLOCK=block,
                                          CHUNK=chunk, num_warps=4)
    if not whole:
        spare, spare_order = empty(x.shape, x.dtype, x), empty(x.shape, INT64, x)
    block = 8192 if simulated else 256
    while run < n:
        merge_kernel[(rows * -(-n // block),)](values, order, spare, spare_order, n, run, run.bit_length(),
                                               DESCENDING=descending, BLOCK=block, num_warps=4)
        values, order, spare, spare_order = spare, spare_order, values, order
        run *= 2
    return values, order


def sort(x, axis=-1, descending=False):
    """(x sorted along `axis`, the int64 indices that sort it); stable, NaN greatest."""
    if is_host(x):
        return sort_mirror(x, axis, descending)
    return _along(x, axis, x.shape[axis] if x.ndim else 1, descending)


def topk(x, k, axis=-1, largest=True):
    """The k greatest (or least) along `axis` in order, and their int64 indices; of equal ones the first."""
    if is_host(x):
        values, order = sort_mirror(x, axis, largest)
        chosen = (slice(None),) * (axis % max(x.ndim, 1)) + (slice(k),) if x.ndim else ()
        return np.ascontiguousarray(values[chosen]).reshape(values[chosen].shape), order[chosen].copy()
    return _along(x, axis, k, largest)


def _along(x, axis, keep, descending):
    if not x.ndim:
        values, order = sort_lines(x.reshape(1, 1), descending)
        return values.reshape(()), order.reshape(())
    axis %= x.ndim
    others = [a for a in range(x.ndim) if a != axis]
    lines = x.transpose(*others, axis)
    n = x.shape[axis]
    values, order = sort_lines(contiguous(lines).reshape(lines.size // max(n, 1), n), descending, keep)
    back = [*range(axis), x.ndim - 1, *range(axis, x.ndim - 1)]
    shape = (*lines.shape[:-1], keep)
    return tuple(contiguous(a[:, :keep].reshape(shape).transpose(*back)) for a in (values, order))
