"""Plans of convolutions with relu and pooling on a device: which kernel, tiles, phases, splits, for given shapes."""

from __future__ import annotations

import itertools

from tritonnet.kernels import elementwise, tuning
from tritonnet.kernels.arrays import contiguous, zeros
from tritonnet.kernels.conv import conv2d, conv2d_backward, output_size
from tritonnet.kernels.conv import tiles as product
from tritonnet.kernels.conv.implicit import constants, gradient_phases
from tritonnet.kernels.conv.launch import ZERO, partial, window
from tritonnet.kernels.conv.layouts import FIRST, LAST, as_it_lies, channels_last, dense, layout
from tritonnet.kernels.conv.pooled import tiles
from tritonnet.kernels.conv.pooled.backward import (
    conv2d_pool_direct_weight_kernel,
    conv2d_pool_input_kernel,
    conv2d_pool_weight_kernel,
)
from tritonnet.kernels.conv.pooled.cells import CELLS, NONE, spread
from tritonnet.kernels.conv.pooled.forward import conv2d_pool_direct_kernel, conv2d_pool_kernel
from tritonnet.kernels.dtypes import accumulator, int8
from tritonnet.kernels.matmul.precision import precision_on
from tritonnet.kernels.plans import fresh, planned
from tritonnet.kernels.pool import max_pool2d
from tritonnet.kernels.rows import next_power_of_2


def conv2d_pool(x, w, bias, stride, padding, dilation, groups):
    """(y, taken), channels last in memory."""
    if not tiles.fused(w.shape, groups):
        y, where = max_pool2d(conv2d(x, w, bias, stride, padding, dilation, groups, "relu"), CELLS)
        return y, elementwise.where(elementwise.gt(y, 0), where, NONE)
    device = x.device
    plan = forward_plan(device, x.shape, x.strides, w.shape, w.strides, x.dtype, stride, padding, dilation,
                        precision_on(device))
    return plan(x, w, bias if bias is None else contiguous(bias))


def conv2d_pool_backward(dy, taken, x, w, stride, padding, dilation, groups, needs):
    """(dx, dw, db); those not needed are None."""
    if not tiles.fused(w.shape, groups):
        size = tuple(map(output_size, x.shape[2:], w.shape[2:], stride, padding, dilation))
        return conv2d_backward(spread(dy, taken, size), x, w, stride, padding, dilation, groups, needs)
    device, dx, dw, db = x.device, None, None, None
    dy, precision = channels_last(dy), precision_on(device)
    if needs[0]:
        dx = input_gradient_plan(device, dy.shape, w.shape, w.strides, x.shape, x.dtype, stride, padding, dilation,
                                 precision)(dy, taken, w)
    if needs[1] or needs[2]:
        dw, db = weight_gradient_plan(device, dy.shape, x.shape, x.strides, w.shape, x.dtype, stride, padding, dilation,
                                      needs[2], precision)(dy, taken, x)
    return dx, dw if needs[1] else None, db


@planned
def forward_plan(device, x_shape, x_strides, w_shape, w_strides, dtype, stride, padding, dilation, precision):
    """run(x, w, bias) -> (y, taken)."""
    (N, C, H, W), (O, _, R, S) = x_shape, w_shape
    I, J = (n // 2 for n in map(output_size, (H, W), (R, S), stride, padding, dilation))
    shape, cells, few = (N, O, I, J), N * I * J, product.few_channels(w_shape, 1)
    make_y, make_taken = (fresh(device, shape, kind, dense(shape, LAST)) for kind in (dtype, int8))
    if not cells * O:
        return lambda x, w, bias: (make_y(), make_taken())
    lay_x = as_it_lies if few else layout(device, x_shape, x_strides, dtype, LAST)
    lay_w = layout(device, w_shape, w_strides, dtype, FIRST if few else LAST)
    sizes = dict(C=C, I=I, J=J, O=O, R=R, S=S, **window(stride, padding, dilation), ACC=accumulator(dtype))
    if few:
        column = None if x_strides[3] == 1 else x_strides[3]
        kernel, numbers = conv2d_pool_direct_kernel, (N, H, W, *x_strides[:3], column)
        config = tuning.chosen(kernel, device, dtype, cells, O, C * R * S) or tiles.direct_tiles(device, cells, O)
        grid = (-(-cells // config["BLOCK_M"]), -(-O // config["BLOCK_O"]))
    else:
        kernel, numbers = conv2d_pool_kernel, (N,)
        config = tuning.chosen(kernel, device, dtype, cells, O, C * R * S)
        config = config or product.product_tiles(device, dtype, 4 * cells, O, C)
        grid = (-(-4 * cells // config["BLOCK_M"]) * -(-O // config["BLOCK_N"]),)
        sizes |= dict(H=H, W=W, PRECISION=precision)
    variant = kernel.variant(device, **sizes, **config)

    def run(x, w, bias):
        y, taken = make_y(), make_taken()
        variant(grid, lay_x(x), lay_w(w), bias, y, taken, *numbers)
        return y, taken

    return run


@planned
def input_gradient_plan(device, dy_shape, w_shape, w_strides, x_shape, dtype, stride, padding, dilation, precision):
    """run(dy, taken, w) -> dx; dy and taken lie channels last."""
    (N, C, H, W), (O, _, R, S), (I, J) = x_shape, w_shape, dy_shape[2:]
    make = fresh(device, x_shape, dtype, dense(x_shape, LAST))
    if not N * C * H * W:
        return lambda dy, taken, w: make()
    if not N * O * I * J:
        return lambda dy, taken, w: zeros(x_shape, dtype, device)
    lay_w = layout(device, w_shape, w_strides, dtype, LAST)
    phases = list(itertools.product(*(gradient_phases(*axis) for axis in zip(
        (H, W), (2 * I, 2 * J), (R, S), stride, padding, dilation))))
    launches = []
    for rows, columns in phases:
        if rows["taps"] and columns["taps"]:
            pixels = N * rows["count"] * columns["count"]
            config = tuning.chosen(conv2d_pool_input_kernel, device, dtype, pixels, C, O * R * S)
            config = config or tiles.input_tiles(device, dtype, pixels, C, O)
            given = constants(rows, columns)
            del given["STEP_H"], given["STEP_W"]         # they are 1
            variant = conv2d_pool_input_kernel.variant(
                device, H=I, W=J, C=O, YH=H, YW=W, O=C, R=R, S=S, ACC=accumulator(dtype), PRECISION=precision, **given,
                **config)
            launches.append((variant, (-(-pixels // config["BLOCK_M"]) * -(-C // config["BLOCK_N"]),)))
    gaps = len(launches) < len(phases)                   # pixels that no result reaches

    def run(dy, taken, w):
        dx, w = make(), lay_w(w)
        if gaps:
            device.driver.fill(dx.ptr, ZERO, dx.nbytes, device.stream.handle)
        for variant, grid in launches:
            variant(grid, dy, taken, w, dx, N)
        return dx

    return run


@planned
def weight_gradient_plan(device, dy_shape, x_shape, x_strides, w_shape, dtype, stride, padding, dilation, with_bias,
                         precision):
    """run(dy, taken, x) -> (dw, db): parts of the sum over cells, then their sum; dy and taken lie channels last."""
    (N, _, H, W), (O, C, R, S), (I, J) = x_shape, w_shape, dy_shape[2:]
    cells, few = N * I * J, product.few_channels(w_shape, 1)
    lay_x = as_it_lies if few else layout(device, x_shape, x_strides, dtype, LAST)
    sizes = dict(C=C, I=I, J=J, O=O, R=R, S=S, **window(stride, padding, dilation), ACC=accumulator(dtype),
                 PRECISION=precision)
    if few:
        kernel, numbers = conv2d_pool_direct_weight_kernel, (N, H, W, *x_strides)
        taps = min(product.WEIGHT_TAPS, max(16, next_power_of_2(C * R * S + 1)))
        config = tuning.chosen(kernel, device, dtype, O, C * R * S, cells)
        config = config or tiles.direct_weight_tiles(device, dtype, O, taps)
        programs = (-(-O // config["BLOCK_O"]), -(-(C * R * S + 1) // taps))
        splits = product.splits(device, 4 * cells, config["BLOCK_M"], programs[0] * programs[1])
        grid = (splits, *programs)
        sizes |= dict(TAPS=taps)
    else:
        kernel, numbers = conv2d_pool_weight_kernel, (N,)
        config = tuning.chosen(kernel, device, dtype, O, C, cells) or tiles.weight_tiles(device, dtype, O, C)
        programs = -(-O // config["BLOCK_O"]) * -(-C // config["BLOCK_C"])
        splits = product.splits(device, 4 * cells, config["BLOCK_M"], programs * R * S)
        grid = (programs, R * S + with_bias, splits)
        sizes |= dict(H=H, W=W)
    variant = kernel.variant(device, **sizes, **config)
    make_parts, add = partial(device, w_shape, dtype, splits, with_bias)

    def run(dy, taken, x):
        parts = make_parts()
        variant(grid, lay_x(x), dy, taken, parts, *numbers)
        return add(parts)

    return run
