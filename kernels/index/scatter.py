"""Writing by index, the counterpart of gather.py.

    scatter:    x[i, index[i, j, k], k] = src[i, j, k]      along any axis; the index may cover a corner of x and src
    index_put:  x[key] = values                             several index arrays at once, see keys.py
    …_add:      the same with +=, every occurrence of an element counted: the gradients of gather, take and index_get

In which order a device would write or add is left to chance, and float atomics round differently in every run. So
updates are sorted by destination (stably, sort.py), and the first of each run of equal destinations owns it: it adds
the run up in order, or, when writing, the last of the run writes. Hence results are the same in every run, and where an
index occurs twice the last value stays, on the host as on a device.

Bad indices raise on the host. On a device their updates are dropped.
"""

from __future__ import annotations

import math

import numpy as np

from tritonnet.kernels.arrays import full, is_host, zeros
from tritonnet.kernels.arrays.views import c_strides
from tritonnet.kernels.dtypes import HALVES, accumulator
from tritonnet.kernels.index.gather import corner, positions
from tritonnet.kernels.index.keys import check_bounds, neighbours, placed, plan, resolve
from tritonnet.kernels.index.offsets import NEVER, along, bits, int_type, offsets, three, tile
from tritonnet.kernels.index.sort import sort_lines
from tritonnet.kernels.kernel import jit, kernel, tl
from tritonnet.kernels.strided import collapsed, copy_to

FEW = 1 << 10  # values that np.add.at adds by any key in less time than places can be computed

# mirrors, in place


def add_at(x, at, values, operation=np.add):
    """x.flat[at] += values (or another operation), halves rounded once."""
    dense = x if x.flags.c_contiguous and x.dtype not in HALVES else x.astype(
        np.float32 if x.dtype in HALVES else x.dtype, order="C")
    at, values = np.broadcast_arrays(at, np.asarray(values, dense.dtype))
    operation.at(dense.reshape(-1), at.reshape(-1), values.reshape(-1))
    if dense is not x:
        x[...] = dense


def scatter_mirror(x, axis, index, src, add=False):
    check_bounds(index, axis, x.shape[axis], error=RuntimeError)
    if isinstance(src, np.ndarray) and src.ndim:
        src = src[tuple(map(slice, index.shape))]
    if not add:
        np.put_along_axis(corner(x, axis, index.shape), index, src, axis)
        return
    add_at(x, positions(x.shape, axis, index), src)


def index_put_mirror(x, key, values, accumulate=False):
    if not accumulate:
        try:
            x[key] = values
            return
        except (IndexError, ValueError, TypeError):
            pass  # say it in PyTorch's words
    p = plan(key, x.shape)
    check_values(values, p.shape)
    if 0 in p.shape:
        return
    for axis, index in zip(p.axes, p.indices):
        check_bounds(index, axis, x.shape[axis], wrap=True)
    steps = c_strides(x.shape)
    at = sum(np.where(i < 0, i + x.shape[a], i) * steps[a] for a, i in zip(p.axes, p.indices))
    at = np.broadcast_to(at, p.common).reshape((*p.common, *(1,) * (len(p.rest) - p.position)))
    for k, axis in enumerate(p.rest):
        after = len(p.rest) - 1 - k + (len(p.common) if k < p.position else 0)
        at = at + np.arange(x.shape[axis]).reshape((-1, *(1,) * after)) * steps[axis]
    add_at(x, at, values)


def check_values(values, shape):
    """Raise unless values, an array or a number, broadcast to the shape of what is written to."""
    given = getattr(values, "shape", ())
    if len(given) > len(shape) or any(n not in (1, m) for n, m in zip(given[::-1], shape[::-1])):
        raise RuntimeError(f"shape mismatch: value tensor of shape {list(given)} cannot be broadcast to indexing "
                           f"result of shape {list(shape)}")


# kernels: update e has the destination x[keys[e] + r·(x0, x1, x2)] and the values v[e·(v…) + r·(…)], r over the rest


@jit
def spots(r, r1, r2, s0, s1, s2, DENSE: tl.constexpr):
    """Offsets of the elements of the rest."""
    if DENSE:
        offset = r.to(tl.int64)
    else:
        offset = along(r, r1, r2, s0, s1, s2, False)
    return offset


@jit
def sources(e, order, inside, k, n1, n2, e0, e1, e2, FLAT: tl.constexpr):
    """Offsets in v of sorted updates; order: the number of each in its line of k, None if nothing was sorted."""
    number = e.to(tl.int64)
    if order is not None:
        number = tl.load(order + e, mask=inside, other=0) + number // k * k
    return along(number, n1, n2, e0, e1, e2, FLAT)


STRIDES = ("k", "e0", "e1", "e2", "x0", "x1", "x2", "v0", "v1", "v2")


@kernel(flops=lambda: 0, do_not_specialize=STRIDES,
        bytes=lambda keys, rest, v: keys.nbytes + 2 * keys.size * rest * v.itemsize)
def put_kernel(
    x, keys, order, v, count: tl.int64, k: tl.int64, n1, n2, e0: tl.int64, e1: tl.int64, e2: tl.int64,
    rest, r1, r2, x0: tl.int64, x1: tl.int64, x2: tl.int64, v0: tl.int64, v1: tl.int64, v2: tl.int64,
    INT: tl.constexpr, FLAT: tl.constexpr, DENSE: tl.constexpr, ALIGNED: tl.constexpr, BLOCK_E: tl.constexpr,
    BLOCK_R: tl.constexpr,
):
    """x[…] = v for the last update of each run of equal keys."""
    tiles = tl.cdiv(rest, BLOCK_R)
    e = (tl.program_id(0) // tiles).to(INT) * BLOCK_E + tl.arange(0, BLOCK_E).to(INT)
    r = (tl.program_id(0) % tiles) * BLOCK_R + tl.arange(0, BLOCK_R)
    key = tl.load(keys + e, mask=e < count, other=-1)
    following = tl.load(keys + e + 1, mask=e + 1 < count, other=-1)
    source = sources(e, order, e < count, k, n1, n2, e0, e1, e2, FLAT)
    if ALIGNED:
        key, source = tl.multiple_of(key, 16), tl.multiple_of(source, 16)
    writes = ((key >= 0) & (key != following))[:, None] & (r < rest)[None, :]
    value = tl.load(v + source[:, None] + spots(r, r1, r2, v0, v1, v2, DENSE)[None, :], mask=writes)
    tl.store(x + key[:, None] + spots(r, r1, r2, x0, x1, x2, DENSE)[None, :], value, mask=writes)


@kernel(flops=lambda keys, rest: keys.size * rest, do_not_specialize=STRIDES,
        bytes=lambda keys, rest, v: keys.nbytes + 3 * keys.size * rest * v.itemsize)
def add_kernel(
    x, keys, order, v, count: tl.int64, k: tl.int64, n1, n2, e0: tl.int64, e1: tl.int64, e2: tl.int64,
    rest, r1, r2, x0: tl.int64, x1: tl.int64, x2: tl.int64, v0: tl.int64, v1: tl.int64, v2: tl.int64,
    INT: tl.constexpr, FLAT: tl.constexpr, DENSE: tl.constexpr, ALIGNED: tl.constexpr, ACC: tl.constexpr,
    BLOCK_E: tl.constexpr, BLOCK_J: tl.constexpr, BLOCK_R: tl.constexpr,
):
    """x[…] += the sum of v over each run of equal keys, BLOCK_J updates at a time, by the first update of the run."""
    tiles = tl.cdiv(rest, BLOCK_R)
    e = (tl.program_id(0) // tiles).to(INT) * BLOCK_E + tl.arange(0, BLOCK_E).to(INT)
    r = (tl.program_id(0) % tiles) * BLOCK_R + tl.arange(0, BLOCK_R)
    key = tl.load(keys + e, mask=e < count, other=-1)
    previous = tl.load(keys + e - 1, mask=(e > 0) & (e < count), other=-1)
    owns = (key >= 0) & (key != previous)
    v_spots = spots(r, r1, r2, v0, v1, v2, DENSE)[None, None, :]
    total = tl.zeros([BLOCK_E, BLOCK_R], ACC)
    begin = e[:, None] + tl.arange(0, BLOCK_J)[None, :]
    goes_on = owns.to(tl.int32)
    while tl.max(goes_on, axis=0) > 0:
        same = (begin < count) & (goes_on > 0)[:, None]
        same = same & (tl.load(keys + begin, mask=same, other=-1) == key[:, None])
        source = sources(begin, order, same, k, n1, n2, e0, e1, e2, FLAT)
        if ALIGNED:
            source = tl.multiple_of(source, [16, 16])
        value = tl.load(v + source[:, :, None] + v_spots, mask=same[:, :, None] & (r < rest)[None, None, :], other=0)
        total += tl.sum(value.to(ACC), axis=1)
        goes_on = (tl.sum(same.to(tl.int32), axis=1) == BLOCK_J).to(tl.int32)
        begin += BLOCK_J
    if ALIGNED:
        key = tl.multiple_of(key, 16)
    target = x + key[:, None] + spots(r, r1, r2, x0, x1, x2, DENSE)[None, :]
    adds = owns[:, None] & (r < rest)[None, :]
    total += tl.load(target, mask=adds, other=0).to(ACC)
    tl.store(target, total.to(x.dtype.element_ty), mask=adds)


# launches


def _update(x, keys, lines, v, shape, v_steps, rest, x_rest, v_rest, add, distinct, aligned):
    """Sort the updates, unless no two have the same destination, and launch.

    keys: offsets in x of updates of `shape`, `lines` of which cannot collide; v_steps: v's strides along `shape`.
    rest: lengths of the axes that each update covers; x_rest, v_rest: strides along them. At most three axes each.
    aligned: all offsets are multiples of 16.
    """
    count = keys.size
    if not count or 0 in rest:
        return
    k, order = count // lines, None
    if k > 1 and not distinct:
        keys, order = sort_lines(keys.reshape(lines, k))
    dims, steps = collapsed(shape, v_steps)
    (_, n1, n2), e = three(dims, steps)
    lengths, xs, vs = collapsed(rest, x_rest, v_rest)
    (_, r1, r2), x_steps, v_rows = three(lengths, xs, vs)
    size = math.prod(lengths)
    dense = size == 1 or len(lengths) == 1 and xs[0] == vs[0] == 1
    common = {"INT": int_type(count), "FLAT": len(dims) == 1, "DENSE": dense,
              "ALIGNED": dense and aligned and size > 1 and all(s % 16 == 0 for s in steps)}
    arguments = (keys, order, v, count, k, n1, n2, *e, size, r1, r2, *x_steps, *v_rows)
    if add:
        block_e, block_r = tile(x, count, size, 128, 128)
        block_j = 8
        if x.device.simulated:
            block_e, block_j = min(block_e, max(4096 // block_r, 1)), 64
        grid = (-(-count // block_e) * -(-size // block_r),)
        add_kernel[grid](x, *arguments, **common, ACC=accumulator(x.dtype), BLOCK_E=block_e, BLOCK_J=block_j,
                         BLOCK_R=block_r, num_warps=4)
    else:
        block_e, block_r = tile(x, count, size, 1024)
        v = v if v.dtype == x.dtype else v.astype(x.dtype)
        grid = (-(-count // block_e) * -(-size // block_r),)
        put_kernel[grid](bits(x), keys, order, bits(v), *arguments[3:], **common, BLOCK_E=block_e, BLOCK_R=block_r,
                         num_warps=4)


def on_device(value, x):
    """A value to write into x as an array beside it."""
    return full((), value, x.dtype, x) if np.isscalar(value) else value


def scatter_into(x, axis, index, src, add=False, distinct=False):
    """x[…, index[…, j, …], …] = (or +=) src[…, j, …] along `axis`, in place.

    index: integers in [0, n), no longer than x along the other axes and than src along all.  src: array or number.
    distinct: the caller knows that no element is written twice, so that nothing needs sorting.
    A bad index raises RuntimeError on the host and is passed over on a device.
    """
    if is_host(x):
        scatter_mirror(x, axis, index, src, add)
        return
    src = on_device(src, x)
    src = src[tuple(map(slice, index.shape))] if src.ndim else src.broadcast_to(index.shape)
    last = (*(a for a in range(x.ndim) if a != axis), axis)
    shape = tuple(index.shape[a] for a in last)
    plain = (*(x.strides[a] for a in last[:-1]), 0)
    v_steps = tuple(src.strides[a] for a in last)
    if len(collapsed(shape, plain)[0]) > 3 or len(collapsed(shape, v_steps)[0]) > 3:
        along_ = 1 if axis == 0 else 0  # too many separate axes: one by one along another one
        for i in range(index.shape[along_]):
            at = (slice(None),) * along_ + (i,)
            scatter_into(x[at], axis - (axis > along_), index[at], src[at], add, distinct)
        return
    keys = offsets(shape, plain, [index.transpose(*last)], [x.shape[axis]], [x.strides[axis]])
    lines = max(index.size // max(index.shape[axis], 1), 1) if index.ndim else 1
    _update(x, keys, lines, src, shape, v_steps, (), (), (), add, distinct, False)


def put_into(x, key, values, accumulate=False, wrap=True, skip=NEVER, distinct=False):
    """x[key] = values (or +=), in place, by the rules of advanced indexing; see keys.py.

    values: array that broadcasts to the shape of x[key], or a number.  skip: an index, of one array, to pass over.
    distinct: the caller knows that no element is selected twice, so that nothing needs sorting.
    A bad index raises IndexError on the host and is passed over on a device.
    """
    if is_host(x):
        index_put_mirror(x, key, values, accumulate)
        return
    x, key, masked = resolve(x, key)
    p = plan(key, x.shape)
    check_values(values, p.shape)
    same = np.isscalar(values) and not accumulate
    v = on_device(values, x).broadcast_to(p.shape)
    front = len(p.common)
    v = v.transpose(*range(p.position, p.position + front), *(
        a for a in range(v.ndim) if not p.position <= a < p.position + front))  # common axes first
    target, steps = x, [x.strides[a] for a in p.axes]
    rest, read = [x.shape[a] for a in p.rest], [x.strides[a] for a in p.rest]
    if min(steps) < 0 or len(collapsed(rest, read)[0]) > 3:
        target = x.transpose(placed(p, p.rest, p.axes)).copy()
        moved = neighbours(p, x.ndim)
        steps, read = [target.strides[a] for a in moved.axes], [target.strides[a] for a in moved.rest]
    if len(collapsed(p.common, v.strides[:front])[0]) > 3 or len(collapsed(rest, read, v.strides[front:])[0]) > 3:
        v = v.copy()
    keys = offsets(p.common, (0,) * front, p.indices, [x.shape[a] for a in p.axes], steps, wrap, skip)
    _update(target, keys, 1, v, p.common, v.strides[:front], rest, read, v.strides[front:], accumulate,
            distinct or masked or same, all(s % 16 == 0 for s in steps))
    if target is not x:
        copy_to(x.transpose(placed(p, p.rest, p.axes)), target)


def scatter(x, axis, index, src, add=False):
    """A copy of x with src scattered (or added) into it: scatter_into on a copy."""
    y = x.copy()
    scatter_into(y, axis, index, src, add)
    return y


def index_put(x, key, values, accumulate=False):
    """A copy of x with x[key] = values (or +=): put_into on a copy."""
    y = x.copy()
    put_into(y, key, values, accumulate)
    return y


def take_backward(dy, shape, index, axis=0, skip=NEVER):
    """The gradient of x in take(x, index, axis): zeros of `shape`, and dy added at `index`, but where it is `skip`."""
    dx = zeros(shape, dy.dtype, dy)
    key = (slice(None),) * axis + (index,)
    if is_host(dx) and skip != NEVER:
        chosen = index != skip
        key, dy = (index[chosen],), dy[chosen]
    put_into(dx, key, dy, accumulate=True, wrap=False, skip=skip)
    return dx
