"""Batch norm: each channel scaled by its statistics over samples and pixels.

    xhat = (x - mean) rstd,  rstd = 1 / sqrt(var + eps),  y = xhat w + b
    training:    mean and var of this batch;  dx = w rstd (dy - mean(dy) - xhat mean(dy xhat))
                 running_mean += momentum (mean - running_mean), and running_var with the unbiased variance
    evaluation:  mean and var are the running ones;  dx = w rstd dy
    dw = sum dy xhat,  db = sum dy

With an activation f, y = f(xhat w + b), and dy f' takes the place of dy, xhat w + b being computed again.

x: (N, C) or (N, C, any pixels). On a device channels-last memory is read as it lies, and y has the layout of x.
Source: Ioffe & Szegedy 2015.
"""

from __future__ import annotations

import math

import numpy as np

from tritonnet.kernels import tuning
from tritonnet.kernels.arrays import contiguous, empty, is_host
from tritonnet.kernels.dtypes import accumulator
from tritonnet.kernels.matmul.activation import activate_mirror, check_activation, slope_mirror
from tritonnet.kernels.norm.channel_kernels import (
    batch_norm_backward_kernel,
    batch_norm_kernel,
    batch_norm_sums_kernel,
    moments_kernel,
)
from tritonnet.kernels.rows import merged, next_power_of_2
from tritonnet.kernels.runtime.host import PIECE, parallel
from tritonnet.kernels.strided import copy_to

FAR = 100.0  # mean^2 / variance from which sums of squares lose too many digits
SPREAD = 1 << 16  # elements of a sample up to which vectors of channels are spread out over its pixels


# --- mirror: on (N, C, L), or (N, C) without pixels; each sample's sums by BLAS, their total in float64 ---

def _planes(x):
    """x as its mirror works on it."""
    shape = x.shape[:2] if x.ndim == 2 or math.prod(x.shape[2:]) == 1 else (*x.shape[:2], -1)
    return np.ascontiguousarray(x).reshape(shape)


def _along(p, x):
    """A vector of channels as it is multiplied with x: spread out over the pixels where NumPy is slow to broadcast."""
    if x.ndim == 2:
        return p
    channels, pixels = x.shape[1:]
    return np.repeat(p, pixels).reshape(channels, pixels) if channels * pixels <= SPREAD and len(x) >= 8 else p[:, None]


def _total(v):
    """Sums of each channel, float64."""
    if v.ndim == 2:
        return (np.ones(len(v), v.dtype) @ v).astype(np.float64)
    return (v.reshape(-1, v.shape[2]) @ np.ones(v.shape[2], v.dtype)).reshape(v.shape[:2]).sum(axis=0, dtype=np.float64)


def _total_of_products(u, v):
    """Sums of u v of each channel, float64."""
    if v.ndim == 2:
        return np.einsum("nc,nc->c", u, v).astype(np.float64)
    return np.vecdot(u, v).sum(axis=0, dtype=np.float64)


def _over_pieces(fn, *arrays):
    """The two sums that fn gives of pieces of the arrays, added in the order of the samples."""
    found, x = [], arrays[0]
    acc = accumulator(x.dtype)

    def part(i, j):
        found.append((i, *fn(*(a[i:j].astype(acc, copy=False) for a in arrays))))

    parallel(part, len(x), x.size, piece=PIECE * len(x) // x.size, uses_blas=True)
    found.sort(key=lambda sums: sums[0])
    return sum(sums[1] for sums in found), sum(sums[2] for sums in found)


def _moments(x):
    """Mean and variance of each channel, float64."""
    count = x.size // x.shape[1]
    total, square = _over_pieces(lambda v: (_total(v), _total_of_products(v, v)), x)
    mean = total / count
    variance = square / count - mean * mean
    if (mean * mean > FAR * variance).any():
        rough = mean.astype(accumulator(x.dtype))
        center = _along(rough, x)

        def from_center(v):
            v = v - center
            return _total(v), _total_of_products(v, v)

        total, square = _over_pieces(from_center, x)
        mean = rough + total / count
        variance = square / count - (total / count) ** 2
    return mean, variance


def _scaled(fn, x):
    """Fill an array like x piece by piece; fn(out, i, j) writes its rows i to j, in the accumulator's type."""
    acc, y = accumulator(x.dtype), empty(x.shape, x.dtype, x)

    def part(i, j):
        if x.dtype == acc:
            fn(y[i:j], i, j)
        else:
            out = np.empty(y[i:j].shape, acc)
            fn(out, i, j)
            y[i:j] = out

    parallel(part, len(x), x.size, piece=PIECE * len(x) // max(x.size, 1))
    return y


def batch_norm_mirror(x, w, b, running_mean, running_var, training, momentum, eps, batches=None):
    shape, acc = x.shape, accumulator(x.dtype)
    x = _planes(x)
    if training:
        mean, variance = _moments(x)
        if running_mean is not None:
            count = x.size // x.shape[1]
            for running, new in ((running_mean, mean), (running_var, variance * (count / (count - 1)))):
                running += momentum * (new - running)
        if batches is not None:
            batches += 1
    else:
        mean, variance = running_mean.astype(np.float64), running_var.astype(np.float64)
    rstd = 1 / np.sqrt(variance + eps)
    scale = rstd if w is None else rstd * w
    far = (mean * mean * rstd * rstd > FAR).any()
    shift = np.zeros_like(mean) if far else -mean * scale
    shift = shift if b is None else shift + b
    scale, shift = (_along(p.astype(acc), x) for p in (scale, shift))
    center = _along(mean.astype(acc), x) if far else None

    def scaled(out, i, j):
        v = np.subtract(x[i:j], center, out=out, dtype=acc) if far else x[i:j]
        np.multiply(v, scale, out=out, dtype=acc)
        np.add(out, shift, out=out)

    return _scaled(scaled, x).reshape(shape), mean.astype(acc), rstd.astype(acc)


def batch_norm_backward_mirror(dy, x, w, mean, rstd, training, wants, dtype):
    shape, acc = x.shape, accumulator(x.dtype)
    x, dy = _planes(x), _planes(dy)
    dx, level, along = None, 0, 0
    far = (mean * mean * rstd * rstd > FAR).any()
    center = _along(mean, x) if far else None
    if training or wants[1] or wants[2]:
        level, along = _over_pieces(lambda g, v: (_total(g), _total_of_products(g, v - center if far else v)), dy, x)
        along = (along if far else along - mean * level) * rstd
    if wants[0]:
        scale = rstd.astype(np.float64) if w is None else rstd.astype(np.float64) * w
        count = x.size // x.shape[1]
        pull, push = -along * rstd * scale / count, -level * scale / count
        if not far:
            push = push - mean * pull
        scale, pull, push = (_along(p.astype(acc), x) for p in (scale, pull, push))

        def scaled(out, i, j):
            np.multiply(dy[i:j], scale, out=out, dtype=acc)
            if training:
                v, s = x[i:j], empty(out.shape, acc)
                v = np.subtract(v, center, out=s, dtype=acc) if far else v
                np.add(out, np.multiply(v, pull, out=s, dtype=acc), out=out)
                np.add(out, push, out=out)

        dx = _scaled(scaled, x).reshape(shape)
    return dx, along.astype(dtype) if wants[1] else None, level.astype(dtype) if wants[2] else None


# --- launch ---

def _layout(x):
    """(rows, channels, length), (row, channel) strides, or None: how the kernels can walk x as it lies."""
    n, channels, pixels = x.shape[0], x.shape[1], math.prod(x.shape[2:])
    if channels == 1 or x.strides[1] == 1:
        rows = merged((n, *x.shape[2:]), (x.strides[0], *x.strides[2:]))
        if rows is not None:
            return (rows[0], channels, 1), (rows[1], None)
    plane = merged(x.shape[2:], x.strides[2:])
    if plane is not None and (plane[1] == 1 or pixels == 1):
        return (n, channels, pixels), (x.strides[0], x.strides[1])
    return None


def _like(x):
    """A fresh array in the layout of x, channels-last or C order."""
    if x.ndim > 2 and x.shape[1] > 1 and x.strides[1] == 1:
        order = (0, *range(2, x.ndim), 1)
        return empty([x.shape[a] for a in order], x.dtype, x).transpose(0, x.ndim - 1, *range(1, x.ndim - 1))
    return empty(x.shape, x.dtype, x)


def _laid_out(x, like=None):
    """x, or a copy in the layout of `like` (default: C order), so that both can be walked alike."""
    if like is None:
        return x if _layout(x) is not None else contiguous(x)
    if (found := _layout(x)) is not None and found[0] == _layout(like)[0]:
        return x
    copy = _like(like)
    copy_to(copy, x)
    return copy


def _tile(kernel, x):
    """BN rows x BC channels x BL pixels, and num_warps: the tuned ones of a kernel, or those without tuning."""
    (rows, channels, length), (_, channel) = _layout(x)
    tuned = tuning.chosen(kernel, x.device, x.dtype, rows, channels, length, way="" if channel else "channels last")
    if tuned:
        return tuned
    planes = channel is not None and length > 1  # one channel at a time, its pixels lie densely
    wide = 1 if planes else min(next_power_of_2(channels), 64)
    long = min(next_power_of_2(length), 1024)
    size = 65536 if x.device.simulated else 2048 if planes else 4096
    tall = max(1, min(next_power_of_2(rows), size // (wide * long)))
    return {"BN": tall, "BC": wide, "BL": long, "num_warps": 4 if planes else 8}


def _shares(x, tile):
    """(programs, rows of each) for each tile of channels."""
    (rows, channels, length), (_, channel) = _layout(x)
    planes, tiles = channel is not None and length > 1, -(-channels // tile["BC"])
    programs = 2 if x.device.simulated else max(1, (4 if planes else 2) * x.device.multi_processor_count // tiles)
    each = -(-rows // (programs * tile["BN"])) * tile["BN"]
    return -(-rows // each), each


def _grid(programs, x, tile):
    return programs, -(-x.shape[1] // tile["BC"])


def _batch_norm_device(x, w, b, running_mean, running_var, training, momentum, eps, batches, activation):
    acc, channels = accumulator(x.dtype), x.shape[1]
    x = _laid_out(x)
    y, mean, rstd = _like(x), empty((channels,), acc, x), empty((channels,), acc, x)
    sizes, strides = _layout(x)
    tile, first = _tile(batch_norm_kernel, x), _tile(moments_kernel, x) if training else None
    programs, each = _shares(x, first or tile)
    partial = None
    if training:
        partial = empty((programs, 2, channels), acc, x)
        moments_kernel[_grid(programs, x, first)](x, partial, *sizes, each, *strides, ACC=acc, **first)
    batch_norm_kernel[_grid(programs, x, tile)](
        x, y, w, b, running_mean, running_var, batches, mean, rstd, partial, *sizes, each, *strides, *_layout(y)[1],
        momentum, eps, ACTIVATION=activation, ACC=acc, STEP=32, **tile)
    return y, mean, rstd


def _batch_norm_backward_device(dy, x, w, mean, rstd, training, wants, dtype, b, activation):
    acc, channels = accumulator(x.dtype), x.shape[1]
    x = _laid_out(x)
    dy = _laid_out(dy, x)
    sizes, x_strides = _layout(x)
    tile, first = _tile(batch_norm_backward_kernel, x), None
    if training or wants[1] or wants[2]:
        first = _tile(batch_norm_sums_kernel, x)
    programs, each = _shares(x, first or tile)
    dx = _like(x) if wants[0] else None
    dw, db = (empty((channels,), dtype, x) if want else None for want in wants[1:])
    partial = None
    if first:
        partial = empty((programs, 2, channels), acc, x)
        batch_norm_sums_kernel[_grid(programs, x, first)](
            dy, x, w if activation else None, b if activation else None, mean, rstd, partial, *sizes, each,
            *_layout(dy)[1], *x_strides, ACTIVATION=activation, ACC=acc, **first)
    dx_strides = (0, None) if dx is None else _layout(dx)[1]
    batch_norm_backward_kernel[_grid(programs if wants[0] else 1, x, tile)](
        dy, x, w, b if activation else None, mean, rstd, partial, dx, dw, db, *sizes, each, programs, *_layout(dy)[1],
        *x_strides, *dx_strides, TRAIN=training, ACTIVATION=activation, ACC=acc, STEP=32, **tile)
    return dx, dw, db


def batch_norm(x, w=None, b=None, running_mean=None, running_var=None, training: bool = True, momentum: float = 0.1,
               eps: float = 1e-5, batches=None, activation: str | None = None):
    """(y, mean, rstd), the latter two (C,) in the accumulator's type; in training the running arrays change in place.

    x: (N, C, …) with at least one element.  w, b, running_mean, running_var: (C,) or None.
    batches: None, or () of integers, to which training adds 1.
    activation: None, or what is applied to y: relu, sigmoid, tanh or gelu.
    """
    check_activation(activation)
    args = x, w, b, running_mean, running_var, training, momentum, eps, batches
    if not is_host(x):
        return _batch_norm_device(*args, activation)
    if activation is None:
        return batch_norm_mirror(*args)
    y, mean, rstd = batch_norm_mirror(x.astype(accumulator(x.dtype), copy=False), *args[1:])
    activate_mirror(y, activation)
    return y.astype(x.dtype, copy=False), mean, rstd


def batch_norm_backward(dy, x, w, mean, rstd, training: bool, wants=(True, True, True), dtype=None, b=None,
                        activation: str | None = None):
    """(dx, dw, db), None for each that `wants` does not ask for; mean and rstd from `batch_norm`.

    dw and db: (C,), of type `dtype` (default: the accumulator's).  b: needed with an activation only.
    """
    dtype = dtype or accumulator(x.dtype)
    if not is_host(x):
        return _batch_norm_backward_device(dy, x, w, mean, rstd, training, wants, dtype, b, activation)
    if activation is not None:
        acc = accumulator(x.dtype)
        mean_x, rstd_x, w_x, b_x = (p if p is None else p.astype(acc).reshape(-1, *[1] * (x.ndim - 2))
                                    for p in (mean, rstd, w, b))
        v = (x.astype(acc) - mean_x) * rstd_x
        v = v if w is None else v * w_x
        dy = slope_mirror(v if b is None else v + b_x, dy.astype(acc), activation).astype(x.dtype)
    return batch_norm_backward_mirror(dy, x, w, mean, rstd, training, wants, dtype)
