"""Pooling on the host: one pass per tap of the window over strided slices, the images split over the threads."""

from __future__ import annotations

import functools
import math

import numpy as np

from tritonnet.kernels.dtypes import HALVES, accumulator, float32
from tritonnet.kernels.pool.windows import counts
from tritonnet.kernels.runtime import host

INTEGERS = {4: np.int32, 8: np.int64}    # of a float's size: masks multiply bit patterns, as inf * 0 would be nan


def planes(x, windows, P, Q, fill):
    """x (n, H, W) such that every window lies inside: itself, or a copy with `fill` around."""
    H, W = x.shape[1:]
    rows, columns = windows.reach(P, Q)
    top, left = windows.padding
    if not top and not left and rows <= H and columns <= W:
        return x
    padded = host.empty((len(x), max(rows, H + top), max(columns, W + left)), x.dtype)
    padded.fill(fill)
    padded[:, top:top + H, left:left + W] = x
    return padded


def inner(padded, windows, H, W):
    """The images without the borders of `planes`."""
    top, left = windows.padding
    return padded[:, top:top + H, left:left + W]


def taps(x, windows, P, Q):
    """For each tap of the window, row by row, the view x[:, p stride + tap] as (planes, P, Q)."""
    (sh, sw), (dh, dw) = windows.stride, windows.dilation
    for r in range(windows.kernel[0]):
        for s in range(windows.kernel[1]):
            top, left = r * dh, s * dw
            yield x[:, top:top + (P - 1) * sh + 1:sh, left:left + (Q - 1) * sw + 1:sw]


def separable(x, windows, P, Q, reduce, out):
    """reduce (np.maximum, np.add) over each window: down the columns first, then along the rows."""
    (R, S), (sh, sw), (dh, dw) = windows.kernel, windows.stride, windows.dilation
    rows = [x[:, r * dh:r * dh + (P - 1) * sh + 1:sh] for r in range(R)]
    tall = _reduced(rows, reduce, None)
    _reduced([tall[:, :, s * dw:s * dw + (Q - 1) * sw + 1:sw] for s in range(S)], reduce, out)


def _reduced(parts, reduce, out):
    if len(parts) == 1:
        if out is None:
            return parts[0]
        np.copyto(out, parts[0])
        return out
    if out is None:
        out = host.empty(parts[0].shape, parts[0].dtype)
    reduce(parts[0], parts[1], out=out)
    for part in parts[2:]:
        reduce(out, part, out=out)
    return out


def max_pool2d_mirror(x, windows, indices=False):
    """(y, indices): the largest of each window, and where it lies in its image (int64), if asked for."""
    (H, W), dtype = x.shape[-2:], x.dtype
    P, Q = windows.output(H, W)
    x = np.ascontiguousarray(x, float32) if dtype in HALVES else np.ascontiguousarray(x)
    y = host.empty((*x.shape[:-2], P, Q), x.dtype)
    flat = y.reshape(-1, P, Q)
    where = host.empty(y.shape, np.int64) if indices else None

    def part(i, j):
        padded = planes(x.reshape(-1, H, W)[i:j], windows, P, Q, lowest(x.dtype))
        if indices:
            where.reshape(-1, P, Q)[i:j] = _find(padded, windows, P, Q, H, W, flat[i:j])
        else:
            separable(padded, windows, P, Q, np.maximum, flat[i:j])

    if y.size:
        host.parallel(part, len(flat), x.size)
    return y.astype(dtype, copy=False), where


def lowest(dtype):
    """Less than anything, for borders."""
    return -np.inf if dtype.kind == "f" else np.iinfo(dtype).min


def _find(padded, windows, P, Q, H, W, best):
    """Where in the image the largest of each window lies, which goes to `best`: the first of equals, the last NaN."""
    best.fill(lowest(best.dtype))
    (R, S), (sh, sw), (ph, pw), (dh, dw) = windows[:4]
    row, column = np.arange(P)[:, None] * sh - ph, np.arange(Q) * sw - pw
    start = (row + -(-np.maximum(0, -row) // dh) * dh) * W + column + -(-np.maximum(0, -column) // dw) * dw
    where = np.broadcast_to(start, best.shape).copy()
    with np.errstate(invalid="ignore"):
        for k, tap in enumerate(taps(padded, windows, P, Q)):
            better = (tap > best) | (tap != tap)
            np.copyto(best, tap, where=better)
            np.copyto(where, (row + k // S * dh) * W + column + k % S * dw, where=better)
    return where


def max_pool2d_backward_mirror(dy, x, y, windows):
    """dx: dy goes to the first pixel that equals the window's largest."""
    (H, W), (P, Q), dtype = x.shape[-2:], y.shape[-2:], x.dtype
    if dtype in HALVES:
        dy, x, y = dy.astype(float32), x.astype(float32), y.astype(float32)
    x, y, dy = np.ascontiguousarray(x), np.ascontiguousarray(y), np.ascontiguousarray(dy)
    dx = host.empty(x.shape, x.dtype)
    if not np.isfinite(y).all():                         # rare; NaN equals nothing, and -inf may be the border
        where = max_pool2d_mirror(x, windows, indices=True)[1]
        return scatter_mirror(dy, where, x.shape).astype(dtype, copy=False)

    def part(i, j):
        images, result = x.reshape(-1, H, W)[i:j], dx.reshape(-1, H, W)[i:j]
        source = planes(images, windows, P, Q, -np.inf)
        target = result if source is images else host.empty(source.shape, x.dtype)
        _give(source, y.reshape(-1, P, Q)[i:j], dy.reshape(-1, P, Q)[i:j], target, windows)
        if target is not result:
            result[...] = inner(target, windows, H, W)

    if y.size:
        host.parallel(part, x.size // (H * W), x.size)
    else:
        dx.fill(0)
    return dx.astype(dtype, copy=False)


def _give(x, y, dy, dx, windows):
    """Give each window's dy to its first pixel that equals y."""
    (P, Q), integer = y.shape[1:], INTEGERS[x.itemsize]
    covered = windows.apart and windows.reach(P, Q) == x.shape[1:] and windows.stride == windows.kernel
    if not covered:
        dx.fill(0)
    left, mask = np.ones(y.shape, bool), np.empty(y.shape, bool)
    share = None if windows.apart else host.empty(y.shape, x.dtype)
    for tap, target in zip(taps(x, windows, P, Q), taps(dx, windows, P, Q)):
        np.equal(tap, y, out=mask)
        np.logical_and(mask, left, out=mask)
        np.logical_xor(left, mask, out=left)
        if windows.apart:
            np.multiply(dy.view(integer), mask, out=target.view(integer))
        else:
            np.multiply(dy.view(integer), mask, out=share.view(integer))
            target += share


def scatter_mirror(dy, where, x_shape):
    """dx with each dy added at its index within its image."""
    dx = np.zeros((math.prod(x_shape[:-2]), x_shape[-2] * x_shape[-1]), accumulator(dy.dtype))
    flat = where.reshape(len(dx), math.prod(where.shape[-2:])) + np.arange(len(dx))[:, None] * dx.shape[1]
    np.add.at(dx.reshape(-1), flat.reshape(-1), dy.reshape(-1).astype(dx.dtype, copy=False))
    return dx.reshape(x_shape).astype(dy.dtype, copy=False)


def divisors(windows, H, W, P, Q, include_pad, override=None):
    """What each window's sum is divided by: a number, or an array (P, Q)."""
    if override is not None:
        return override
    axes = zip((H, W), (P, Q), windows.kernel, windows.stride, windows.padding)
    rows, columns = (counts(*axis, include_pad) for axis in axes)
    table = rows[:, None] * columns
    return int(table.flat[0]) if table.size and (table == table.flat[0]).all() else table


@functools.lru_cache(maxsize=64)
def _scale(windows, H, W, P, Q, include_pad, override, dtype):
    """What each window's sum is multiplied by."""
    return (1 / np.asarray(divisors(windows, H, W, P, Q, include_pad, override))).astype(dtype)


def avg_pool2d_mirror(x, windows, include_pad=True, override=None):
    """The mean of each window."""
    (H, W), dtype = x.shape[-2:], x.dtype
    P, Q = windows.output(H, W)
    x = np.ascontiguousarray(x, accumulator(dtype) if dtype in HALVES else dtype)
    y = host.empty((*x.shape[:-2], P, Q), x.dtype)
    scale = _scale(windows, H, W, P, Q, include_pad, override, x.dtype)

    def part(i, j):
        out = y.reshape(-1, P, Q)[i:j]
        separable(planes(x.reshape(-1, H, W)[i:j], windows, P, Q, 0), windows, P, Q, np.add, out)
        np.multiply(out, scale, out=out)

    if y.size:
        with np.errstate(invalid="ignore"):
            host.parallel(part, y.size // (P * Q), x.size)
    return y.astype(dtype, copy=False)


def avg_pool2d_backward_mirror(dy, x_shape, windows, include_pad=True, override=None):
    """dx: each window's dy spread evenly."""
    (H, W), (P, Q), dtype = x_shape[-2:], dy.shape[-2:], dy.dtype
    dy = np.ascontiguousarray(dy, accumulator(dtype) if dtype in HALVES else dtype)
    dx = host.empty(x_shape, dy.dtype)
    scale = _scale(windows, H, W, P, Q, include_pad, override, dy.dtype)

    def part(i, j):
        gradient, result = dy.reshape(-1, P, Q)[i:j] * scale, dx.reshape(-1, H, W)[i:j]
        result.fill(0)
        target = planes(result, windows, P, Q, 0)
        for tap in taps(target, windows, P, Q):
            tap += gradient
        if target is not result:
            result[...] = inner(target, windows, H, W)

    if dy.size:
        with np.errstate(invalid="ignore"):
            host.parallel(part, dy.size // (P * Q), dx.size)
    else:
        dx.fill(0)
    return dx.astype(dtype, copy=False)
