"""Where an array is not zero: coordinates in C order.

On a device two launches with one wait in between, because the host must know how many there are to allocate the
result: true elements are counted per block, the host adds the counts up, and each block writes its own positions.
"""

from __future__ import annotations

import numpy as np

from tritonnet.kernels.arrays import contiguous, empty, is_host, to_device, to_host
from tritonnet.kernels.kernel import kernel, tl


def nonzero_mirror(x):
    return np.nonzero(x) if x.ndim else (np.zeros(int(x != 0), np.int64),)


@kernel(flops=lambda size: size, bytes=lambda x, counts: x.nbytes + counts.nbytes)
def count_nonzero_kernel(x, counts, size: tl.int64, BLOCK: tl.constexpr):
    at = tl.program_id(0).to(tl.int64) * BLOCK + tl.arange(0, BLOCK)
    found = tl.load(x + at, mask=at < size, other=0) != 0
    tl.store(counts + tl.program_id(0), tl.sum(found.to(tl.int32), axis=0))


@kernel(flops=lambda size: size, bytes=lambda x, positions: x.nbytes + positions.nbytes)
def nonzero_kernel(x, starts, positions, size: tl.int64, BLOCK: tl.constexpr):
    at = tl.program_id(0).to(tl.int64) * BLOCK + tl.arange(0, BLOCK)
    found = tl.load(x + at, mask=at < size, other=0) != 0
    before = tl.cumsum(found.to(tl.int32), axis=0) - 1
    tl.store(positions + tl.load(starts + tl.program_id(0)) + before, at, mask=found)


@kernel(flops=lambda size: 2 * size, bytes=lambda positions, out: positions.nbytes + out.nbytes)
def coordinate_kernel(positions, out, size: tl.int64, inner: tl.int64, n: tl.int64, BLOCK: tl.constexpr):
    at = tl.program_id(0).to(tl.int64) * BLOCK + tl.arange(0, BLOCK)
    position = tl.load(positions + at, mask=at < size, other=0)
    tl.store(out + at, position // inner % n, mask=at < size)


def flat_nonzero(x):
    """Positions in C order, (count,) int64, of what is not zero. Waits for the device."""
    if is_host(x):
        return np.flatnonzero(x)
    x = contiguous(x)
    block = 65536 if x.device.simulated else 2048
    blocks = -(-x.size // block)
    counts = empty((blocks,), np.dtype(np.int32), x)
    count_nonzero_kernel[(blocks,)](x, counts, x.size, BLOCK=block, num_warps=8)
    ends = np.cumsum(to_host(counts), dtype=np.int64)
    positions = empty((int(ends[-1]) if blocks else 0,), np.dtype(np.int64), x)
    if positions.size:
        starts = to_device(np.concatenate(([0], ends[:-1])), x.device)
        nonzero_kernel[(blocks,)](x, starts, positions, x.size, BLOCK=block, num_warps=8)
    return positions


def nonzero(x):
    """The coordinates of what is not zero: one (count,) int64 array per axis; for 0-d as if it were 1-d."""
    if is_host(x):
        return nonzero_mirror(x)
    positions = flat_nonzero(x)
    if x.ndim < 2:
        return (positions,)
    block = 65536 if x.device.simulated else 1024
    found, inner = [], x.size
    for n in x.shape:
        inner //= max(n, 1)
        found.append(empty(positions.shape, positions.dtype, positions))
        coordinate_kernel[(-(-positions.size // block),)](
            positions, found[-1], positions.size, inner, n, BLOCK=block, num_warps=4)
    return tuple(found)
