"""Plans of the convolutions on a device: layouts, which kernel, tiles, phases, splits, for arrays of given shapes."""

from __future__ import annotations

import itertools
import math

import numpy as np

from tritonnet.kernels import tuning
from tritonnet.kernels.arrays import contiguous, zeros
from tritonnet.kernels.conv import tiles
from tritonnet.kernels.conv.depthwise import depthwise_input_kernel, depthwise_kernel, depthwise_weight_kernel
from tritonnet.kernels.conv.direct import conv2d_direct_kernel, conv2d_direct_weight_kernel
from tritonnet.kernels.conv.gathered import conv2d_gathered_kernel
from tritonnet.kernels.conv.implicit import constants, conv2d_kernel, forward_axis, gradient_phases
from tritonnet.kernels.conv.layouts import FIRST, LAST, TAPS, as_it_lies, dense, is_planes, layout
from tritonnet.kernels.conv.weights import conv2d_weight_kernel, sum_parts_kernel
from tritonnet.kernels.dtypes import accumulator
from tritonnet.kernels.matmul.precision import precision_on
from tritonnet.kernels.plans import fresh, planned
from tritonnet.kernels.rows import next_power_of_2

ZERO = np.uint8(0)


def conv2d(x, w, bias, stride, padding, dilation, groups, activation=None):
    """y (N, O, P, Q), channels last in memory."""
    device = x.device
    plan = forward_plan(device, x.shape, x.strides, w.shape, w.strides, x.dtype, stride, padding, dilation, groups,
                        activation, precision_on(device))
    return plan(x, w, bias if bias is None else contiguous(bias))


def input_gradient(dy, w, x_shape, stride, padding, dilation, groups):
    """dx, channels last in memory."""
    device = dy.device
    plan = input_gradient_plan(device, dy.shape, dy.strides, w.shape, w.strides, x_shape, dy.dtype, stride, padding,
                               dilation, groups, precision_on(device))
    return plan(dy, w)


def weight_gradient(dy, x, w_shape, stride, padding, dilation, groups, with_bias):
    """(dw, db), dw dense in the order of w; db None if not with_bias."""
    device = x.device
    plan = weight_gradient_plan(device, dy.shape, dy.strides, x.shape, x.strides, w_shape, x.dtype, stride, padding,
                                dilation, groups, with_bias, precision_on(device))
    return plan(dy, x)


def laid_out(x, w, groups, geometry):
    """(x, w) as the forward reads them; () where they lie so. geometry: (stride, padding, dilation), or None for what
    is no forward."""
    lay_x, lay_w = laid_plan(x.device, x.shape, x.strides, w.shape, w.strides, x.dtype, groups, geometry)
    images, weights = lay_x(x), lay_w(w)
    return () if images is x and weights is w else (images, weights)


@planned
def laid_plan(device, x_shape, x_strides, w_shape, w_strides, dtype, groups, geometry):
    """(lay_x, lay_w): each returns its argument where it lies as it is read."""
    as_planes = geometry is not None and forward_tiles(device, x_shape, x_strides, w_shape, dtype, groups, *geometry)[1]
    stays = as_planes or tiles.few_channels(w_shape, groups)
    return (as_it_lies if stays else layout(device, x_shape, x_strides, dtype, LAST),
            layout(device, w_shape, w_strides, dtype, weight_order(w_shape, groups)))


def chosen(kernel, device, dtype, x_shape, x_strides, *sizes) -> tuple[dict | None, bool]:
    """(what tuning chose, whether x is read as planes). Where x lies as planes it is asked for those first, whose keys
    have one number more: the pixels of a plane."""
    if is_planes(x_shape, x_strides):
        config = tuning.chosen(kernel, device, dtype, *sizes, x_shape[2] * x_shape[3])
        if config is not None:
            return config, bool(config["PLANES"])
    return tuning.chosen(kernel, device, dtype, *sizes), False


def forward_tiles(device, x_shape, x_strides, w_shape, dtype, groups, stride, padding, dilation):
    """`chosen` for the implicit product of a forward; layers that take other kernels never read planes."""
    if tiles.few_channels(w_shape, groups) or tiles.depthwise(w_shape, groups):
        return None, False
    (N, _, *size), (O, C, *kernel) = x_shape, w_shape
    P, Q = (forward_axis(*axis)["count"] for axis in zip(size, kernel, stride, padding, dilation))
    return chosen(conv2d_kernel, device, dtype, x_shape, x_strides, N * P * Q, O // groups, C * math.prod(kernel))


def weight_order(w_shape, groups) -> tuple:
    """The axes as they should lie: dense in what neighbouring threads read."""
    return FIRST if tiles.few_channels(w_shape, groups) else TAPS if tiles.depthwise(w_shape, groups) else LAST


@planned
def forward_plan(device, x_shape, x_strides, w_shape, w_strides, dtype, stride, padding, dilation, groups, activation,
                 precision):
    """run(x, w, bias) -> y."""
    (N, C, H, W), (O, K, R, S) = x_shape, w_shape
    rows, columns = (forward_axis(*a) for a in zip((H, W), (R, S), stride, padding, dilation))
    P, Q = rows["count"], columns["count"]
    make, pixels = fresh(device, (N, O, P, Q), dtype, dense((N, O, P, Q), LAST)), N * P * Q
    if not pixels * O:
        return lambda x, w, bias: make()
    lay_x = layout(device, x_shape, x_strides, dtype, LAST)
    lay_w = layout(device, w_shape, w_strides, dtype, weight_order(w_shape, groups))
    sizes = dict(P=P, Q=Q, O=O, R=R, S=S, **window(stride, padding, dilation), ACTIVATION=activation,
                 ACC=accumulator(dtype))
    numbers = (N,)
    if tiles.few_channels(w_shape, groups):
        lay_x, numbers = as_it_lies, (N, H, W, *x_strides)
        if tiles.direct(w_shape):
            config = tuning.chosen(conv2d_direct_kernel, device, dtype, pixels, O, K * R * S)
            config = config or tiles.direct_tiles(device, pixels, O)
            grid = (-(-pixels // config["BLOCK_M"]), -(-O // config["BLOCK_O"]))
            variant = conv2d_direct_kernel.variant(device, C=C, **sizes, **config)
        else:
            config = tuning.chosen(conv2d_gathered_kernel, device, dtype, pixels, O, K * R * S)
            config = config or tiles.gathered_tiles(device, dtype, pixels, O, K * R * S)
            grid = (-(-pixels // config["BLOCK_M"]), -(-O // config["BLOCK_N"]))
            variant = conv2d_gathered_kernel.variant(device, C=C, PRECISION=precision, **sizes, **config)
    elif tiles.depthwise(w_shape, groups):
        config = tuning.chosen(depthwise_kernel, device, dtype, pixels, O, R * S)
        config = config or tiles.depthwise_tiles(device, dtype, pixels, O, O // C)
        grid = (-(-pixels // config["BLOCK_M"]), -(-O // config["BLOCK_C"]))
        variant = depthwise_kernel.variant(device, H=H, W=W, MULTIPLE=O // C, **sizes, **config)
    else:
        config, as_planes = forward_tiles(device, x_shape, x_strides, w_shape, dtype, groups, stride, padding, dilation)
        lay_x = as_it_lies if as_planes else lay_x
        variant, grid = _product(device, dtype, x_shape, (P, Q), K, O // groups, (R, S), groups, False, rows,
                                 columns, precision, config, as_planes, activation)

    def run(x, w, bias):
        y = make()
        variant(grid, lay_x(x), lay_w(w), bias, y, *numbers)
        return y

    return run


@planned
def input_gradient_plan(device, dy_shape, dy_strides, w_shape, w_strides, x_shape, dtype, stride, padding, dilation,
                        groups, precision):
    """run(dy, w) -> dx."""
    (N, C, H, W), (O, K, R, S), (P, Q) = x_shape, w_shape, dy_shape[2:]
    order = dense(x_shape, LAST)
    make = fresh(device, x_shape, dtype, order)
    if not N * C * H * W:
        return lambda dy, w: make()
    if not N * O * P * Q:
        return lambda dy, w: zeros(x_shape, dtype, device)
    lay_dy = layout(device, dy_shape, dy_strides, dtype, LAST)
    lay_w = layout(device, w_shape, w_strides, dtype, TAPS if tiles.depthwise(w_shape, groups) else LAST)
    if tiles.depthwise(w_shape, groups):
        pixels = N * H * W
        config = tuning.chosen(depthwise_input_kernel, device, dtype, pixels, C, R * S)
        config = config or tiles.depthwise_tiles(device, dtype, pixels, C, O // C)
        grid = (-(-pixels // config["BLOCK_M"]), -(-C // config["BLOCK_C"]))
        variant = depthwise_input_kernel.variant(
            device, H=H, W=W, P=P, Q=Q, C=C, MULTIPLE=O // C, R=R, S=S, **window(stride, padding, dilation),
            ACC=accumulator(dtype), **config)

        def run_depthwise(dy, w):
            dx = make()
            variant(grid, lay_dy(dy), lay_w(w), dx, N)
            return dx

        return run_depthwise

    axes = (gradient_phases(*a) for a in zip((H, W), (P, Q), (R, S), stride, padding, dilation))
    phases = list(itertools.product(*axes))
    read = [(rows, columns) for rows, columns in phases if rows["taps"] and columns["taps"]]
    gaps = len(read) < len(phases)                       # pixels that no dy reaches
    phases = [_product(device, dtype, dy_shape, (H, W), O // groups, K, (R, S), groups, True, *phase, precision,
                       tuning.chosen(conv2d_kernel, device, dtype, N * phase[0]["count"] * phase[1]["count"], K,
                                     O // groups * R * S)) for phase in read]

    def run(dy, w):
        dx, dy, w = make(), lay_dy(dy), lay_w(w)
        if gaps:
            device.driver.fill(dx.ptr, ZERO, dx.nbytes, device.stream.handle)
        for variant, grid in phases:
            variant(grid, dy, w, None, dx, N)
        return dx

    return run


def _product(device, dtype, source, result, C, O, kernel, groups, transposed, rows, columns, precision, config,
             as_planes=False, activation=None):
    """(variant, grid) of the implicit product, over the whole result or one phase of it."""
    (N, _, H, W), (R, S) = source, kernel
    pixels = N * rows["count"] * columns["count"]
    config = (config or tiles.product_tiles(device, dtype, pixels, O, C)) | {"PLANES": int(as_planes)}
    variant = conv2d_kernel.variant(
        device, H=H, W=W, C=C, YH=result[0], YW=result[1], O=O, R=R, S=S, GROUPS=groups, TRANSPOSED=transposed,
        ACTIVATION=activation, ACC=accumulator(dtype), PRECISION=precision, **constants(rows, columns), **config)
    return variant, (-(-pixels // config["BLOCK_M"]) * -(-O // config["BLOCK_N"]), groups)


@planned
def weight_gradient_plan(device, dy_shape, dy_strides, x_shape, x_strides, w_shape, dtype, stride, padding, dilation,
                         groups, with_bias, precision):
    """run(dy, x) -> (dw, db): parts of the sum over pixels, then their sum."""
    (N, _, H, W), (O, C, R, S), (P, Q) = x_shape, w_shape, dy_shape[2:]
    pixels, acc = N * P * Q, accumulator(dtype)
    lay_dy, lay_x = (layout(device, s, t, dtype, LAST) for s, t in ((dy_shape, dy_strides), (x_shape, x_strides)))
    sizes = dict(P=P, Q=Q, R=R, S=S, **window(stride, padding, dilation), ACC=acc)
    numbers = (N,)
    if tiles.few_channels(w_shape, groups):
        kernel = conv2d_direct_weight_kernel
        taps = min(tiles.WEIGHT_TAPS, max(16, next_power_of_2(C * R * S + 1)))
        config = tuning.chosen(kernel, device, dtype, O, C * R * S, pixels)
        config = config or tiles.direct_weight_tiles(device, dtype, O, taps)
        programs = (-(-O // config["BLOCK_O"]), -(-(C * R * S + 1) // taps))
        splits = tiles.splits(device, pixels, config["BLOCK_M"], programs[0] * programs[1])
        lay_x, numbers, grid = as_it_lies, (N, H, W, *x_strides), (splits, *programs)
        sizes |= dict(C=C, O=O, TAPS=taps, PRECISION=precision)
    elif tiles.depthwise(w_shape, groups):
        kernel = depthwise_weight_kernel
        config = tuning.chosen(kernel, device, dtype, O, R * S, pixels)
        config = config or tiles.depthwise_weight_tiles(device, dtype, pixels, O, O // groups, R * S)
        programs = (-(-(R * S + 1) // config["BLOCK_T"]), -(-O // config["BLOCK_C"]))
        splits = tiles.splits(device, pixels, config["BLOCK_M"], programs[0] * programs[1], waves=8)
        grid = (splits, *programs)
        sizes |= dict(H=H, W=W, O=O, MULTIPLE=O // groups)
    else:
        kernel, o = conv2d_weight_kernel, O // groups
        config, as_planes = chosen(kernel, device, dtype, x_shape, x_strides, o, C, pixels)
        config = (config or tiles.weight_tiles(device, dtype, o, C)) | {"PLANES": int(as_planes)}
        lay_x = as_it_lies if as_planes else lay_x
        programs = -(-o // config["BLOCK_O"]) * -(-C // config["BLOCK_C"])
        splits = tiles.splits(device, pixels, config["BLOCK_M"], programs * R * S * groups)
        grid = (programs, R * S * groups + with_bias, splits)
        sizes |= dict(H=H, W=W, C=C, O=o, GROUPS=groups, PRECISION=precision)
    variant = kernel.variant(device, **sizes, **config)

    make_parts, add = partial(device, w_shape, dtype, splits, with_bias)

    def run(dy, x):
        parts = make_parts()
        variant(grid, lay_x(x), lay_dy(dy), parts, *numbers)
        return add(parts)

    return run


def partial(device, w_shape, dtype, splits, with_bias):
    """(make, add): fresh memory for so many partial sums of dw and db, and add(parts) -> (dw, db)."""
    O, acc = w_shape[0], accumulator(dtype)
    weights = math.prod(w_shape)
    n, block = weights + O, 4096 if device.simulated else 64
    make_dw, make_db = fresh(device, w_shape, dtype), fresh(device, (O,), dtype) if with_bias else _nothing
    variant = sum_parts_kernel.variant(device, ACC=acc, ROWS=min(16, next_power_of_2(splits)), BLOCK=block)
    grid = (-(-n // block),)

    def add(parts):
        dw, db = make_dw(), make_db()
        variant(grid, parts, dw, db, n, weights, splits)
        return dw, db

    return fresh(device, (splits, n), acc), add


def window(stride, padding, dilation) -> dict:
    """The constexprs of a window."""
    names = ("SH", "SW"), ("PH", "PW"), ("DH", "DW")
    return {name: v for pair, values in zip(names, (stride, padding, dilation)) for name, v in zip(pair, values)}


def _nothing():
    return None
