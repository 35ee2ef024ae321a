"""New arrangements of elements: joining, padding, turning round, triangles.

    cat:      y = x1 behind x2 behind … along an axis        dx_k = the part of dy that x_k went to
    unslice:  y = 0 with y[key] = x                          the gradient of x = y[key], a view
    pad:      y = value with x in its middle; negative widths cut off
    flip:     y[i] = x[n - 1 - i]
    tril:     y[i, j] = x[i, j] where j - i <= k, else 0     (triu: >=)

Views cost nothing (`reshape`, `transpose`, `x[…]` of either kind of array). What moves elements does so by strided
copies straight into its place in the result; only triangles have a kernel of their own.
"""

from __future__ import annotations

import numpy as np

from tritonnet.kernels.arrays import contiguous, empty, empty_like, is_host, zeros
from tritonnet.kernels.arrays.views import broadcast_strides
from tritonnet.kernels.dtypes import category, result_type
from tritonnet.kernels.index.offsets import bits, int_type, tile
from tritonnet.kernels.kernel import kernel, tl
from tritonnet.kernels.strided import copy_to, fill

SMALL = 1 << 14  # bytes of one array up to which NumPy allocates the result: the pool is for big ones


def assign(y, x):
    """y[...] = x, array or number, which broadcasts and is converted: in place, on either side."""
    if is_host(y):
        y[...] = x
    elif isinstance(x, (bool, int, float)):
        fill(y, int(x) if category(y.dtype) == 1 else x)
    else:
        copy_to(y, x)


def expand(x, shape):
    """A read-only view of x, repeated along new leading axes and axes of length 1."""
    if not is_host(x):
        return x.broadcast_to(shape)
    if not x.flags.c_contiguous or not x.size:
        return np.broadcast_to(x, shape)
    view = np.ndarray(shape, x.dtype, x, 0, broadcast_strides(x.shape, x.strides, shape))  # five times as fast
    view.flags.writeable = False
    return view


def spanning(ndim, axis, start, stop):
    """The key of a stretch of one axis."""
    return (slice(None),) * axis + (slice(start, stop),) + (slice(None),) * (ndim - axis - 1)


def lying_like(arrays, shape, dtype):
    """A fresh array where `arrays` are: on a device channels last in memory if all of them lie so, else in C order."""
    first = arrays[0]
    if is_host(first) or len(shape) != 4 or not all(_last(a) for a in arrays) or all(a.contiguous for a in arrays):
        return empty(shape, dtype, first)
    N, C, H, W = shape
    return empty((N, H, W, C), dtype, first).transpose(0, 3, 1, 2)


def _last(x):
    """Whether pixels of x (N, C, H, W) are dense, their channels neighbours; those of one channel are either way."""
    return x.ndim == 4 and x.transpose(0, 2, 3, 1).contiguous


def cat(arrays, axis=0):
    """The arrays behind each other along `axis`, in their common type."""
    first, start = arrays[0], 0
    dtype = first.dtype
    one_type = all([a.dtype == dtype for a in arrays])  # noqa: C419
    if one_type and is_host(first) and first.nbytes < SMALL:
        return np.concatenate(arrays, axis)
    shape = list(first.shape)
    shape[axis] = sum([a.shape[axis] for a in arrays])
    out = lying_like(arrays, tuple(shape), dtype if one_type else result_type(*arrays))
    if is_host(first):
        return np.concatenate(arrays, axis, out=out, casting="unsafe")
    for a in arrays:
        copy_to(out[spanning(out.ndim, axis, start, start + a.shape[axis])], a)
        start += a.shape[axis]
    return out


def joined(arrays, axis, new=False):
    """`cat`, or `stack` if the axis is new, of arrays that nobody else will write to: a view of those on a device that
    lie evenly behind each other in memory already."""
    first = arrays[0]
    if not is_host(first) and len(arrays) > 1:
        step = arrays[1].ptr - first.ptr if new else first.shape[axis] * first.strides[axis] * first.itemsize
        alike = [(a.owner is first.owner and a.strides == first.strides and a.dtype == first.dtype
                  and a.shape == first.shape and a.ptr == first.ptr + i * step) for i, a in enumerate(arrays)]
        if all(alike) and step > 0:
            shape, strides, n = list(first.shape), list(first.strides), len(arrays)
            if new:
                shape.insert(axis, n)
                strides.insert(axis, step // first.itemsize)
            else:
                shape[axis] *= n
            return first.view(tuple(shape), tuple(strides))
    return stack(arrays, axis) if new else cat(arrays, axis)


def stack(arrays, axis=0):
    """Arrays of one shape along a new axis of the result."""
    first = arrays[0]
    if axis == 0 and is_host(first) and first.nbytes < SMALL and {first.dtype}.issuperset([a.dtype for a in arrays]):
        return np.array(arrays)
    key = (slice(None),) * axis + (None,)
    return cat([a[key] for a in arrays], axis)


def unslice(dy, shape, key):
    """Zeros of `shape` with dy where x[key] looks: the gradient of a view."""
    dx = zeros(shape, dy.dtype, dy)
    assign(dx[key if Ellipsis in key else (*key, ...)], dy)
    return dx


def diagonal(x, offset=0, axis1=0, axis2=1):
    """A view of the diagonals of the matrices in two axes: they are the last axis. offset > 0: above the main one."""
    if is_host(x):
        found = x.diagonal(offset, axis1, axis2)
        found.flags.writeable = x.flags.writeable  # NumPy is careful here for old programs
        return found
    x = x.transpose(*(a for a in range(x.ndim) if a not in (axis1, axis2)), axis1, axis2)
    height, width = x.shape[-2:]
    n = max(min(height + min(offset, 0), width - max(offset, 0)), 0)
    first = (max(-offset, 0), max(offset, 0)) if n else (0, 0)
    strides = (*x.strides[:-2], x.strides[-2] + x.strides[-1])
    return x.view((*x.shape[:-2], n), strides, first[0] * x.strides[-2] + first[1] * x.strides[-1])


def undiagonal(dy, shape, offset=0, axis1=0, axis2=1):
    """Zeros of `shape` with dy on the diagonals: the gradient of `diagonal`."""
    dx = zeros(shape, dy.dtype, dy)
    assign(diagonal(dx, offset, axis1 % dx.ndim, axis2 % dx.ndim), dy)
    return dx


def pad_windows(shape, widths):
    """(shape of the result, key of what x becomes there, key of the part of x that remains).

    widths: (before, after) per axis.
    """
    out, inside, kept = [], [], []
    for n, (before, after) in zip(shape, widths):
        out.append(n + before + after)
        inside.append(slice(max(before, 0), max(before, 0) + n + min(before, 0) + min(after, 0)))
        kept.append(slice(max(-before, 0), n - max(-after, 0)))
    return tuple(out), tuple(inside), tuple(kept)


def pad(x, widths, value=0.0):
    """x framed with `value`; widths: (before, after) for each axis, negative ones cut off."""
    shape, inside, kept = pad_windows(x.shape, widths)
    out = lying_like((x,), shape, x.dtype)
    assign(out if is_host(out) or out.contiguous else out.transpose(0, 2, 3, 1), value)
    assign(out[inside], x[kept])
    return out


def pad_backward(dy, shape, widths):
    """The gradient of x: the middle of dy, and 0 for what was cut off."""
    _, inside, kept = pad_windows(shape, widths)
    if all(k == slice(0, n) for k, n in zip(kept, shape)):
        return dy[inside]
    return unslice(dy[inside], shape, kept)


def flip(x, axes):
    """x turned round along `axes`, a copy."""
    turned = x[tuple(slice(None, None, -1) if a in axes else slice(None) for a in range(x.ndim))]
    out = empty_like(x)
    assign(out, turned)
    return out


def tril_mirror(x, k=0, upper=False):
    return np.triu(x, k) if upper else np.tril(x, k)


@kernel(flops=lambda x: x.size, bytes=lambda x, y: x.nbytes + y.nbytes)
def tril_kernel(x, y, rows: tl.int64, height, cols, k, INT: tl.constexpr, UPPER: tl.constexpr, BLOCK_R: tl.constexpr,
                BLOCK_C: tl.constexpr):
    """rows: of all matrices together, `height` each."""
    tiles = tl.cdiv(cols, BLOCK_C)
    row = (tl.program_id(0) // tiles).to(INT) * BLOCK_R + tl.arange(0, BLOCK_R)[:, None].to(INT)
    col = (tl.program_id(0) % tiles) * BLOCK_C + tl.arange(0, BLOCK_C)[None, :]
    inside = (row < rows) & (col < cols)
    distance = col - row % height
    if UPPER:
        stays = distance >= k
    else:
        stays = distance <= k
    at = row.to(tl.int64) * cols + col
    tl.store(y + at, tl.load(x + at, mask=inside & stays, other=0), mask=inside)


def tril(x, k=0, upper=False):
    """The lower (or upper) triangle of the matrices in the last two axes, from the k-th diagonal on; 0 elsewhere."""
    if is_host(x):
        return tril_mirror(x, k, upper)
    x = contiguous(x)
    y = empty_like(x)
    if x.size:
        height, cols = x.shape[-2:]
        rows = x.size // cols
        block_r, block_c = tile(x, rows, cols, 2048)
        tril_kernel[(-(-rows // block_r) * -(-cols // block_c),)](
            bits(x), bits(y), rows, height, cols, max(min(k, cols), -height), INT=int_type(rows), UPPER=upper,
            BLOCK_R=block_r, BLOCK_C=block_c, num_warps=4)
    return y
