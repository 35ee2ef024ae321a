"""Launches of the pooling kernels: results lie as the input does, channels last or first."""

from __future__ import annotations

import math

import numpy as np

from tritonnet.kernels.arrays import DeviceArray
from tritonnet.kernels.dtypes import accumulator, int64
from tritonnet.kernels.pool import kernels
from tritonnet.kernels.strided import block_of, copy_to


def channels_last(x) -> bool:
    """Whether a 4-d array's channels are neighbours in memory, and its pixels dense."""
    return not x.contiguous and x.transpose(0, 2, 3, 1).contiguous


def empty_as(shape, dtype, x, last) -> DeviceArray:
    """A fresh (N, C, H, W) array on x's device, channels last in memory or first."""
    if not last:
        return DeviceArray.empty(shape, dtype, x.device)
    N, C, H, W = shape
    return DeviceArray.empty((N, H, W, C), dtype, x.device).transpose(0, 3, 1, 2)


def four(x):
    """(N, C, H, W), where leading axes are missing or more."""
    return x if x.ndim == 4 else x.reshape(-1, 1, *x.shape[-2:])


def _run(kernel, arrays, counted, strided, small, last, shape, **constants):
    """Launch over the elements of `counted`; `strided` is walked by its strides, (H, W) and (P, Q) are given."""
    device, size = counted.device, counted.size
    block = block_of(device, size) if device.simulated else 256 if "WINDOWS_H" in constants else 512
    kernel[(-(-size // block),)](*arrays, size, shape[1], *shape[2:], *small, *strided.strides, CHANNELS_LAST=last,
                                 FAR=max(math.prod(a.shape) for a in arrays) >= 1 << 30,
                                 ACC=accumulator(strided.dtype), BLOCK=block, **constants)


def _axes(windows):
    names = ("R", "S"), ("SH", "SW"), ("PH", "PW"), ("DH", "DW")
    return {name: value for pair, values in zip(names, windows) for name, value in zip(pair, values)}


def _covered_by(windows):
    """How many windows may cover a pixel, per axis."""
    return {f"WINDOWS_{axis}": -(-((k - 1) * d + 1) // s)
            for axis, k, s, d in zip("HW", windows.kernel, windows.stride, windows.dilation)}


def _adaptive_axes(H, W, P, Q):
    """Sizes that bound every adaptive window, and how many of them may cover a pixel."""
    widest = {"R": -(-H // max(P, 1)) + 1, "S": -(-W // max(Q, 1)) + 1}
    rest = dict.fromkeys(("SH", "SW", "DH", "DW"), 1) | {"PH": 0, "PW": 0}
    return widest | rest, {"WINDOWS_H": -(-P // H) + 1, "WINDOWS_W": -(-Q // W) + 1}


def max_pool2d(x, windows, indices):
    """(y, where): where is int64 indices, or numbers within the window that `max_pool2d_backward` reads."""
    shape, x = x.shape, four(x)
    last, (P, Q) = channels_last(x), windows.output(*x.shape[-2:])
    y = empty_as((*x.shape[:2], P, Q), x.dtype, x, last)
    taps = windows.kernel[0] * windows.kernel[1]
    kind = int64 if indices else np.dtype(np.int8 if taps < 128 else np.int32)
    where = empty_as(y.shape, kind, x, last)
    _run(kernels.max_pool2d_kernel, (x, y, where), y, x, (P, Q), last, x.shape, ADAPTIVE=False, INDICES=indices,
         **_axes(windows))
    return y.reshape(*shape[:-2], P, Q), where.reshape(*shape[:-2], P, Q)


def max_pool2d_backward(dy, where, x_shape, windows, indices, last):
    return _max_backward(dy, where, x_shape, indices, last, False, _axes(windows), _covered_by(windows))


def _max_backward(dy, where, x_shape, indices, last, adaptive, axes, covered):
    dy, where = four(dy), four(where)
    if dy.strides != where.strides:                      # the kernel walks both alike
        laid = empty_as(dy.shape, dy.dtype, dy, channels_last(where))
        copy_to(laid, dy)
        dy = laid
    shape = x_shape if len(x_shape) == 4 else (*dy.shape[:2], *x_shape[-2:])
    dx = empty_as(shape, dy.dtype, dy, last)
    _run(kernels.max_pool2d_backward_kernel, (dy, where, dx), dx, dy, dy.shape[2:], last, shape, ADAPTIVE=adaptive,
         INDICES=indices, **axes, **covered)
    return dx.reshape(x_shape)


def avg_pool2d(x, windows, include_pad, divisor):
    shape, x = x.shape, four(x)
    last, (P, Q) = channels_last(x), windows.output(*x.shape[-2:])
    y = empty_as((*x.shape[:2], P, Q), x.dtype, x, last)
    axes = {k: v for k, v in _axes(windows).items() if k[0] != "D"}
    _run(kernels.avg_pool2d_kernel, (x, y), y, x, (P, Q), last, x.shape, ADAPTIVE=False, INCLUDE_PAD=include_pad,
         DIVISOR=divisor, **axes)
    return y.reshape(*shape[:-2], P, Q)


def avg_pool2d_backward(dy, x_shape, windows, include_pad, divisor, last):
    axes = {k: v for k, v in _axes(windows).items() if k[0] != "D"}
    return _avg_backward(dy, x_shape, last, axes | _covered_by(windows)
                         | {"ADAPTIVE": False, "INCLUDE_PAD": include_pad, "DIVISOR": divisor})


def _avg_backward(dy, x_shape, last, constants):
    dy = four(dy)
    shape = x_shape if len(x_shape) == 4 else (*dy.shape[:2], *x_shape[-2:])
    dx = empty_as(shape, dy.dtype, dy, last)
    _run(kernels.avg_pool2d_backward_kernel, (dy, dx), dx, dy, dy.shape[2:], last, shape, **constants)
    return dx.reshape(x_shape)


def adaptive_avg_pool2d(x, size):
    shape, x = x.shape, four(x)
    last, axes = channels_last(x), _adaptive_axes(*x.shape[2:], *size)[0]
    y = empty_as((*x.shape[:2], *size), x.dtype, x, last)
    _run(kernels.avg_pool2d_kernel, (x, y), y, x, size, last, x.shape, ADAPTIVE=True, INCLUDE_PAD=False, DIVISOR=None,
         **{k: v for k, v in axes.items() if k[0] != "D"})
    return y.reshape(*shape[:-2], *size)


def adaptive_avg_pool2d_backward(dy, x_shape, last):
    axes, covered = _adaptive_axes(*x_shape[-2:], *dy.shape[-2:])
    return _avg_backward(dy, x_shape, last, {k: v for k, v in axes.items() if k[0] != "D"} | covered
                         | {"ADAPTIVE": True, "INCLUDE_PAD": False, "DIVISOR": None})


def adaptive_max_pool2d(x, size):
    shape, x = x.shape, four(x)
    last, axes = channels_last(x), _adaptive_axes(*x.shape[2:], *size)[0]
    y, where = (empty_as((*x.shape[:2], *size), kind, x, last) for kind in (x.dtype, int64))
    _run(kernels.max_pool2d_kernel, (x, y, where), y, x, size, last, x.shape, ADAPTIVE=True, INDICES=True, **axes)
    return y.reshape(*shape[:-2], *size), where.reshape(*shape[:-2], *size)


def adaptive_max_pool2d_backward(dy, where, x_shape, last):
    axes, covered = _adaptive_axes(*x_shape[-2:], *dy.shape[-2:])
    return _max_backward(dy, where, x_shape, True, last, True, axes, covered)
