"""Plans of the pooling kernels, for arrays of given shapes: results lie as the input does, channels last or first."""

from __future__ import annotations

import math

import numpy as np

from tritonnet.kernels import tuning
from tritonnet.kernels.arrays.views import c_strides, is_contiguous
from tritonnet.kernels.dtypes import accumulator, int64
from tritonnet.kernels.plans import fresh, planned
from tritonnet.kernels.pool import kernels
from tritonnet.kernels.strided import block_of, copy_plan


def channels_last(x) -> bool:
    """Whether channels of x (N, C, H, W) are neighbours in memory, and its pixels dense. Other ranks have one."""
    return x.ndim == 4 and is_channels_last(x.shape, x.strides)


def is_channels_last(shape, strides) -> bool:
    (N, C, H, W), (n, c, h, w) = shape, strides
    return not is_contiguous(shape, strides) and is_contiguous((N, H, W, C), (n, h, w, c))


def strides_of(shape, last) -> tuple:
    """Of a dense array (N, C, H, W), channels last in memory or first."""
    N, C, H, W = shape
    return (H * W * C, 1, W * C, C) if last else c_strides(shape)


def four(x):
    """(N, C, H, W), where leading axes are missing or more."""
    return x if x.ndim == 4 else x.reshape(-1, 1, *x.shape[-2:])


def max_pool2d(x, size, windows, indices, rectified=False):
    """(y, where): where is int64 indices, or numbers within the window that `max_pool2d_backward` reads.

    rectified: -1 where y is not positive.

    Here as below: windows, or None for adaptive ones, of which there are size = (P, Q).
    """
    image = four(x)
    y, where = max_plan(x.device, image.shape, image.strides, x.dtype, size, windows, indices)(image, rectified)
    if x.ndim == 4:
        return y, where
    shape = *x.shape[:-2], *y.shape[2:]
    return y.reshape(shape), where.reshape(shape)


def max_pool2d_backward(dy, where, x_shape, windows, indices, last):
    image, where = four(dy), four(where)
    shape = x_shape if len(x_shape) == 4 else (*image.shape[:2], *x_shape[-2:])
    dx = max_backward_plan(dy.device, image.shape, image.strides, where.strides, dy.dtype, shape, windows, indices,
                           last)(image, where)
    return dx if len(x_shape) == 4 else dx.reshape(x_shape)


def avg_pool2d(x, size, windows, include_pad, divisor):
    image = four(x)
    y = avg_plan(x.device, image.shape, image.strides, x.dtype, size, windows, include_pad, divisor)(image)
    return y if x.ndim == 4 else y.reshape(*x.shape[:-2], *y.shape[2:])


def avg_pool2d_backward(dy, x_shape, windows, include_pad, divisor, last):
    image = four(dy)
    shape = x_shape if len(x_shape) == 4 else (*image.shape[:2], *x_shape[-2:])
    dx = avg_backward_plan(dy.device, image.shape, image.strides, dy.dtype, shape, windows, include_pad, divisor,
                           last)(image)
    return dx if len(x_shape) == 4 else dx.reshape(x_shape)


@planned
def max_plan(device, shape, strides, dtype, size, windows, indices):
    """run(x, rectified) -> (y, where)."""
    size = size or windows.output(*shape[2:])
    result, last = (*shape[:2], *size), is_channels_last(shape, strides)
    constants = _axes(shape[2:], size, windows)
    kind = int64 if indices else np.dtype(np.int8 if constants["R"] * constants["S"] < 128 else np.int32)
    make_y, make_where = (fresh(device, result, d, strides_of(result, last)) for d in (dtype, kind))
    launch = _launch(kernels.max_pool2d_kernel, device, dtype, result, shape, size, strides, last, INDICES=indices,
                     **constants)

    def run(x, rectified):
        y, where = make_y(), make_where()
        launch(x, y, where, 0.0 if rectified else math.nan)
        return y, where

    return run


@planned
def max_backward_plan(device, dy_shape, dy_strides, where_strides, dtype, shape, windows, indices, last):
    """run(dy, where) -> dx. The kernel walks both alike: dy is copied where it lies otherwise."""
    make = fresh(device, shape, dtype, strides_of(shape, last))
    launch = _launch(kernels.max_pool2d_backward_kernel, device, dtype, shape, shape, dy_shape[2:], where_strides, last,
                     INDICES=indices, **_axes(shape[2:], dy_shape[2:], windows),
                     **_covering(shape[2:], dy_shape[2:], windows))

    def run(dy, where):
        dx = make()
        launch(dy, where, dx)
        return dx

    if dy_strides == where_strides:
        return run
    make_dy = fresh(device, dy_shape, dtype, where_strides)
    copy = copy_plan(device, dy_shape, where_strides, dy_strides, True)

    def copied(dy, where):
        laid = make_dy()
        copy(laid, dy)
        return run(laid, where)

    return copied


@planned
def avg_plan(device, shape, strides, dtype, size, windows, include_pad, divisor):
    """run(x) -> y."""
    size = size or windows.output(*shape[2:])
    result, last = (*shape[:2], *size), is_channels_last(shape, strides)
    make = fresh(device, result, dtype, strides_of(result, last))
    launch = _launch(kernels.avg_pool2d_kernel, device, dtype, result, shape, size, strides, last,
                     INCLUDE_PAD=include_pad, DIVISOR=divisor, **_undilated(_axes(shape[2:], size, windows)))

    def run(x):
        y = make()
        launch(x, y)
        return y

    return run


@planned
def avg_backward_plan(device, dy_shape, dy_strides, dtype, shape, windows, include_pad, divisor, last):
    """run(dy) -> dx."""
    make, size = fresh(device, shape, dtype, strides_of(shape, last)), dy_shape[2:]
    launch = _launch(kernels.avg_pool2d_backward_kernel, device, dtype, shape, shape, size, dy_strides, last,
                     INCLUDE_PAD=include_pad, DIVISOR=divisor, **_undilated(_axes(shape[2:], size, windows)),
                     **_covering(shape[2:], size, windows))

    def run(dy):
        dx = make()
        launch(dy, dx)
        return dx

    return run


def _launch(kernel, device, dtype, counted, shape, size, strides, last, **constants):
    """launch(*arrays) over the elements of the shape `counted`: `strides` are those of the array that is read."""
    n, largest = math.prod(counted), math.prod(shape[:2]) * max(math.prod(shape[2:]), math.prod(size))
    wide = last and strides[1] == 1                      # then the compiler must know it: 16 bytes per thread and load
    config = tuning.chosen(kernel, device, dtype, n, way="channels last" if wide else "") or {
        "BLOCK": block_of(device, n) if device.simulated else 2048 // dtype.itemsize if wide
        else 256 if "WINDOWS_H" in constants else 512, "num_warps": 4}
    variant = kernel.variant(device, CHANNELS_LAST=last, FAR=largest >= 1 << 30, ACC=accumulator(dtype), **constants,
                             **config)
    known = strides[0], None if wide else strides[1], *strides[2:]
    grid, numbers = (-(-n // config["BLOCK"]),), (n, *shape[1:], *size, *known)
    return lambda *arrays: variant(grid, *arrays, *numbers)


def _axes(image, size, windows):
    """The constexprs of both axes; of adaptive windows, sizes that bound each of them."""
    if windows is None:
        widest = {name: -(-n // max(m, 1)) + 1 for name, n, m in zip("RS", image, size)}
        return widest | dict.fromkeys(("SH", "SW", "DH", "DW"), 1) | {"PH": 0, "PW": 0, "ADAPTIVE": True}
    names = ("R", "S"), ("SH", "SW"), ("PH", "PW"), ("DH", "DW")
    return {name: value for pair, values in zip(names, windows) for name, value in zip(pair, values)} | {
        "ADAPTIVE": False}


def _covering(image, size, windows):
    """How many windows may cover a pixel, per axis."""
    if windows is None:
        return {f"WINDOWS_{axis}": -(-m // n) + 1 for axis, n, m in zip("HW", image, size)}
    return {f"WINDOWS_{axis}": -(-((k - 1) * d + 1) // s)
            for axis, k, s, d in zip("HW", windows.kernel, windows.stride, windows.dilation)}


def _undilated(constants):
    return {name: value for name, value in constants.items() if name not in ("DH", "DW")}
