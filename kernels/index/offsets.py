"""Where indexed elements lie: offsets in elements from an array's first, computed on the device.

    offset[e] = coordinates of e · strides + index[e] · stride of the indexed axis (+ the same for further indices)

Every bad index becomes the offset -1, which all readers and writers leave alone.
"""

from __future__ import annotations

import numpy as np

from tritonnet.kernels.arrays import empty
from tritonnet.kernels.kernel import jit, kernel, tl
from tritonnet.kernels.strided import collapsed

INT32, INT64 = np.dtype(np.int32), np.dtype(np.int64)
NEVER = -(2**62)  # an index that does not occur


@jit
def along(at, n1, n2, s0, s1, s2, FLAT: tl.constexpr):
    """The offset, int64, of element number `at` of three axes, of which only the last has a length if FLAT.

    n1, n2: lengths of the last two axes; s0, s1, s2: strides.
    """
    if FLAT:
        offset = at.to(tl.int64) * s2
    else:
        rest = at // n2
        offset = (rest // n1).to(tl.int64) * s0 + (rest % n1).to(tl.int64) * s1 + (at % n2).to(tl.int64) * s2
    return offset


@jit
def bounded(index, n, wrap):
    """(index as int64, whether it is in bounds); `wrap` is added to negative ones."""
    index = index.to(tl.int64)
    index = tl.where(index < 0, index + wrap, index)
    return index, (index >= 0) & (index < n)


NUMBERS = ("p0", "p1", "p2", "i0", "i1", "i2", "n_i", "step_i", "j0", "j1", "j2", "n_j", "step_j", "skip")


@kernel(flops=lambda: 0, bytes=lambda i, j, out: out.nbytes + sum(a.nbytes for a in (i, j) if a is not None),
        do_not_specialize=NUMBERS)
def offsets_kernel(
    base, i, j, out, size: tl.int64, n1, n2, p0: tl.int64, p1: tl.int64, p2: tl.int64,
    i0: tl.int64, i1: tl.int64, i2: tl.int64, n_i: tl.int64, step_i: tl.int64,
    j0: tl.int64, j1: tl.int64, j2: tl.int64, n_j: tl.int64, step_j: tl.int64, skip: tl.int64,
    INT: tl.constexpr, FLAT: tl.constexpr, WRAP: tl.constexpr, BLOCK: tl.constexpr,
):
    """out[e] = base[e] + e·(p0, p1, p2) + i[e·(i0, i1, i2)]·step_i + j[e·(j0, j1, j2)]·step_j, or -1.

    base and j may be None. Where i is `skip`, the offset is -1, too.
    """
    at = tl.program_id(0).to(INT) * BLOCK + tl.arange(0, BLOCK).to(INT)
    inside = at < size
    chosen, valid = bounded(tl.load(i + along(at, n1, n2, i0, i1, i2, FLAT), mask=inside, other=0), n_i, n_i * WRAP)
    valid = valid & (chosen != skip)
    offset = along(at, n1, n2, p0, p1, p2, FLAT) + chosen * step_i
    if j is not None:
        second, second_valid = bounded(
            tl.load(j + along(at, n1, n2, j0, j1, j2, FLAT), mask=inside, other=0), n_j, n_j * WRAP)
        offset += second * step_j
        valid = valid & second_valid
    if base is not None:
        before = tl.load(base + at, mask=inside, other=0)
        offset += before
        valid = valid & (before >= 0)
    tl.store(out + at, tl.where(valid, offset, -1), mask=inside)


def int_type(n):
    """The type that counts n things in a kernel: division by int64 is several times slower."""
    return INT64 if n >= 2**31 else INT32


def three(lengths, *strides):
    """Collapsed axes as exactly three, the missing ones in front with length 1."""
    pad = 3 - len(lengths)
    return (1,) * pad + tuple(lengths), *((0,) * pad + tuple(s) for s in strides)


def power(n, most):
    """The least power of two that is at least n, but not above `most`."""
    return min(1 << max(n - 1, 0).bit_length(), most)


def tile(x, rows, cols, size, most=1024):
    """(rows, columns) of a tile of `size` elements on a GPU: few different ones, as each is another compilation."""
    if x.device.simulated:
        block_c = power(cols, 4096)
        return power(rows, 65536 // block_c), block_c
    block_c = next((c for c in (1, 4, 16, 64, 256) if cols <= c <= most), most)
    return max(size // block_c, 1), block_c


def bits(x):
    """A device array seen as integers of its width: what only moves elements needs no kernel for each type."""
    dtype = np.dtype(f"i{x.itemsize}")
    return x if x.dtype == dtype else type(x)(x.ptr, x.shape, x.strides, dtype, x.device, x.owner)


def offsets(shape, plain, indices, lengths, steps, wrap=False, skip=NEVER):
    """The offsets of all elements of `shape`, (size,) int64, dense in C order.

    plain: strides for the elements' own coordinates.  indices: arrays that broadcast to `shape`; lengths and steps: of
    the axes they index.  skip: a value of the first index that counts as bad.
    """
    size = int(np.prod(shape, dtype=np.int64))
    out, base = empty((size,), INT64, indices[0]), None
    for k in range(0, len(indices), 2):
        pair = [i.broadcast_to(shape) for i in indices[k:k + 2]]
        dims, *strides = collapsed(shape, plain, *(i.strides for i in pair))
        if len(dims) > 3:
            pair = [i.copy() for i in pair]
            dims, *strides = collapsed(shape, plain, *(i.strides for i in pair))
        if len(dims) > 3:
            raise ValueError(f"offsets: shape {shape} with strides {plain} has more than three separate axes")
        (_, n1, n2), p, *s = three(dims, *strides)
        i, j = (*pair, None)[:2]
        block = 65536 if out.device.simulated else 512
        offsets_kernel[(-(-size // block),)](
            base, i, j, out, size, n1, n2, *p, *s[0], lengths[k], steps[k],
            *((0,) * 5 if j is None else (*s[1], lengths[k + 1], steps[k + 1])), skip if k == 0 else NEVER,
            INT=int_type(size), FLAT=len(dims) == 1, WRAP=wrap, BLOCK=block, num_warps=4)
        base, plain = out, (0,) * len(shape)
    return out
