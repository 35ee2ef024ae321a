"""Reading by index.

    gather:     y[i, j, k] = x[i, index[i, j, k], k]        along any axis; the index may cover a corner of x
    take:       y[i, j, k] = x[i, index[j], k]              index of any shape: rows of an embedding, columns
    index_get:  y = x[key]                                  several index arrays at once, see keys.py

One kernel does all of them: the offset in x of every element of y is affine in its coordinates, plus an index times a
stride. The result is walked in tiles of rows (up to three axes) and columns, so that only rows are taken apart by
division. Several index arrays are first added up to offsets, two per launch.

Bad indices raise on the host. On a device nothing outside of x is read: what they select has all bits set, which is NaN
in floats and -1 in integers.
"""

from __future__ import annotations

import math

import numpy as np

from tritonnet.kernels import tuning
from tritonnet.kernels.arrays import contiguous, empty, is_host
from tritonnet.kernels.arrays.views import c_strides
from tritonnet.kernels.dtypes import bool_
from tritonnet.kernels.index.keys import check_bounds, neighbours, placed, plan, resolve
from tritonnet.kernels.index.offsets import along, bits, bounded, int_type, offsets, three, tile
from tritonnet.kernels.kernel import kernel, tl
from tritonnet.kernels.space import WARPS, Space
from tritonnet.kernels.strided import collapsed

NO_BOUND = 2**62  # above every offset
TILES = Space(
    BLOCK_R=[1, 2, 4, 8, 16, 64, 256], BLOCK_C=[1, 4, 16, 64, 256, 1024, 2048], num_warps=WARPS,
    where=lambda BLOCK_R, BLOCK_C, num_warps, rows, cols: (
        2 * max(rows, 16) > BLOCK_R and min(cols, 64) <= BLOCK_C < 4 * cols
        and 2 <= BLOCK_R * BLOCK_C / (32 * num_warps) <= 32))


def corner(x, axis, shape):
    """The part of x that an index of this shape covers, whole along `axis`."""
    return x[tuple(slice(None) if a == axis else slice(n) for a, n in enumerate(shape))]


def positions(shape, axis, index):
    """Where x[…, index[…, j, …], …] lies in a dense x of this shape: positions in C order, of index's shape."""
    steps = c_strides(shape)
    at = index * steps[axis] if steps[axis] != 1 else index
    for a, step in enumerate(steps):
        if a != axis and index.shape[a] > 1:
            at = at + (np.arange(index.shape[a]) * step).reshape((-1, *(1,) * (len(shape) - a - 1)))
    return at


# mirrors


def gather_mirror(x, axis, index):
    check_bounds(index, axis, x.shape[axis], error=RuntimeError)
    if not x.flags.c_contiguous:
        return np.take_along_axis(corner(x, axis, index.shape), index, axis)
    return np.asarray(x.reshape(-1).take(positions(x.shape, axis, index)))


def take_mirror(x, index, axis=0):
    check_bounds(index, axis, x.shape[axis])
    if x.flags.c_contiguous:
        return np.asarray(x.take(index, axis))
    return np.array(x[(slice(None),) * axis + (index,)], order="C")


def index_get_mirror(x, key):
    try:
        last = len(key) - 1
        if key[last].dtype != bool_ and x.flags.c_contiguous and all([isinstance(k, slice) for k in key[:last]]):  # noqa: C419
            return np.asarray(x.take(key[last], last))  # faster than x[key]
        return np.array(x[key], order="C", copy=None)
    except IndexError:
        p = plan(key, x.shape)
        if 0 in p.shape:
            return np.empty(p.shape, x.dtype)  # nothing is read: PyTorch does not look at the indices then
        for axis, index in zip(p.axes, p.indices):
            check_bounds(index, axis, x.shape[axis], wrap=True)
        raise


# kernel


@kernel(flops=lambda: 0, bytes=lambda index, out: 2 * out.nbytes + index.nbytes, space=TILES, do_not_specialize=(
    "n", "wrap", "step", "x0", "x1", "x2", "x3", "i0", "i1", "i2", "i3", "poison"))
def gather_kernel(
    x, index, out, rows: tl.int64, cols: tl.int64, n: tl.int64, wrap: tl.int64, step: tl.int64, n1, n2,
    x0: tl.int64, x1: tl.int64, x2: tl.int64, x3: tl.int64, i0: tl.int64, i1: tl.int64, i2: tl.int64, i3: tl.int64,
    poison, INT: tl.constexpr, FLAT: tl.constexpr, WHOLE: tl.constexpr, ALIGNED: tl.constexpr, BLOCK_R: tl.constexpr,
    BLOCK_C: tl.constexpr,
):
    """out[r, c] = x[r·(x0, x1, x2) + c·x3 + index[r·(i0, i1, i2) + c·i3]·step], r counting up to three axes.

    WHOLE: x3 is 1 and i3 is 0, so that whole rows are chosen; ALIGNED: step, x0, x1 and x2 are multiples of 16.
    """
    tiles = tl.cdiv(cols, BLOCK_C)
    row = (tl.program_id(0) // tiles).to(INT) * BLOCK_R + tl.arange(0, BLOCK_R)[:, None].to(INT)
    col = (tl.program_id(0) % tiles) * BLOCK_C + tl.arange(0, BLOCK_C)[None, :]
    inside = (row < rows) & (col < cols)
    where = along(row, n1, n2, i0, i1, i2, FLAT)
    source = along(row, n1, n2, x0, x1, x2, FLAT)
    if WHOLE:
        chosen, valid = bounded(tl.load(index + where, mask=row < rows, other=0), n, wrap)
        source = source + chosen * step
        if ALIGNED:
            source = tl.multiple_of(source, [16, 16])
        source = source + col
    else:
        chosen, valid = bounded(tl.load(index + where + col * i3, mask=inside, other=0), n, wrap)
        source = source + chosen * step + col * x3
    value = tl.load(x + source, mask=inside & valid, other=poison)
    tl.store(out + row.to(tl.int64) * cols + col, value, mask=inside)


# launches


def _gather(x, index, shape, x_strides, index_strides, n, step, wrap=0, aligned=False):
    """Launch gather_kernel for a result of this shape: at most four axes after collapsing.

    aligned: every index times `step` is a multiple of 16.
    """
    out = empty(shape, x.dtype, x)
    if not out.size:
        return out
    dims, xs, ix = collapsed(shape, x_strides, index_strides)
    rows, cols = math.prod(dims[:-1]), dims[-1]
    (_, n1, n2), x_rows, i_rows = three(dims[:-1], xs[:-1], ix[:-1])
    config = tuning.chosen(gather_kernel, x.device, x.dtype, rows, cols)
    if config is None:
        config = dict(zip(("BLOCK_R", "BLOCK_C"), tile(x, rows, cols, 2048 if cols > 64 else 1024))) | {"num_warps": 4}
    whole = xs[-1] == 1 and ix[-1] == 0
    gather_kernel[(-(-rows // config["BLOCK_R"]) * -(-cols // config["BLOCK_C"]),)](
        bits(x), index, bits(out), rows, cols, n, wrap, step, n1, n2, *x_rows, xs[-1], *i_rows, ix[-1],
        1 if x.dtype == bool_ else -1, INT=int_type(rows), FLAT=len(dims) < 3, WHOLE=whole,
        ALIGNED=whole and aligned and all(s % 16 == 0 for s in x_rows), **config)
    return out


def gather(x, axis, index):
    """y[…, j, …] = x[…, index[…, j, …], …] along `axis`.

    index: integers in [0, n), with as many axes as x and no longer than it along the others.  Returns: index's shape.
    A bad index raises RuntimeError on the host and gives NaN (-1 in integers) on a device.
    """
    if is_host(x):
        return gather_mirror(x, axis, index)
    n, x = x.shape[axis], corner(x, axis, index.shape)
    if len(collapsed(index.shape, x.strides, index.strides)[0]) > 4:
        x, index = x.copy(), index.copy()  # dense: what is before the axis, it, and what is after
    strides = tuple(0 if a == axis else s for a, s in enumerate(x.strides))
    return _gather(x, index, index.shape, strides, index.strides, n, x.strides[axis])


def take(x, index, axis=0):
    """x indexed along `axis` by an array of integers in [0, n) of any shape, whose axes take the place of `axis`.

    A bad index raises IndexError on the host and gives NaN (-1 in integers) on a device.
    """
    return take_mirror(x, index, axis) if is_host(x) else _get(x, (slice(None),) * axis + (index,), wrap=False)


def index_get(x, key):
    """x[key] by the rules of advanced indexing, see keys.py; C-contiguous. Negative indices count from the end.

    A bad index raises IndexError on the host and gives NaN (-1 in integers) on a device.
    """
    return index_get_mirror(x, key) if is_host(x) else _get(*resolve(x, key)[:2], wrap=True)


def _get(x, key, wrap):
    p = plan(key, x.shape)
    none, common = (0,) * len(p.common), c_strides(p.common)
    read = [x.strides[a] for a in p.rest]
    if len(collapsed(p.shape, placed(p, read, none), placed(p, (0,) * len(read), common))[0]) > 4 or any(
            x.strides[a] < 0 for a in p.axes):  # an offset below 0 would mean a bad index
        x = x.transpose(placed(p, p.rest, p.axes)).copy()  # dense: what is before the indexed axes, they, and the rest
        p = neighbours(p, x.ndim)
        read = [x.strides[a] for a in p.rest]
    lengths, steps = [x.shape[a] for a in p.axes], [x.strides[a] for a in p.axes]
    if len(p.axes) == 1:
        index, (n,), (step,) = contiguous(p.indices[0]), lengths, steps
    else:
        index, n, step = offsets(p.common, none, p.indices, lengths, steps, wrap), NO_BOUND, 1
        wrap = False
    return _gather(x, index, p.shape, placed(p, read, none), placed(p, (0,) * len(read), common), n, step, n * wrap,
                   all(s % 16 == 0 for s in steps))
