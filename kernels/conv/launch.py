"""Launches of the convolution kernels: layouts, which kernel, tiles, phases, splits."""

from __future__ import annotations

import itertools

from tritonnet.kernels import tuning
from tritonnet.kernels.arrays import DeviceArray, contiguous, zeros
from tritonnet.kernels.conv.direct import conv2d_direct_kernel, conv2d_direct_weight_kernel
from tritonnet.kernels.conv.implicit import constants, conv2d_kernel, forward_axis, gradient_phases
from tritonnet.kernels.conv.weights import conv2d_weight_kernel, sum_parts_kernel
from tritonnet.kernels.dtypes import HALVES, accumulator
from tritonnet.kernels.matmul.precision import precision_on
from tritonnet.kernels.rows import next_power_of_2
from tritonnet.kernels.strided import block_of, copy_to

FEW = 32                     # taps x channels up to which the direct kernels are taken
FEW_CHANNELS = 3


def channels_last(x):
    """x (N, C, H, W) with its channels innermost in memory, as an (N, H, W, C) array; copied unless it lies so."""
    last = x.transpose(0, 2, 3, 1)
    if last.contiguous:
        return last
    made = DeviceArray.empty(last.shape, x.dtype, x.device)
    copy_to(made, last)
    return made


def empty_channels_last(shape, like):
    """A fresh (N, H, W, C) array for results of shape (N, C, H, W)."""
    N, C, H, W = shape
    return DeviceArray.empty((N, H, W, C), like.dtype, like.device)


def few_channels(w_shape, groups):
    """Whether the direct kernels are for this layer."""
    return groups == 1 and w_shape[1] <= FEW_CHANNELS and w_shape[1] * w_shape[2] * w_shape[3] <= FEW


def conv2d(x, w, bias, stride, padding, dilation, groups):
    """y (N, O, P, Q), channels last in memory."""
    (N, _, H, W), (O, C, R, S) = x.shape, w.shape
    rows, columns = (forward_axis(*a) for a in zip((H, W), (R, S), stride, padding, dilation))
    P, Q = rows["count"], columns["count"]
    y = empty_channels_last((N, O, P, Q), x)
    if not y.size:
        return y.transpose(0, 3, 1, 2)
    bias = bias if bias is None else contiguous(bias)
    if few_channels(w.shape, groups):
        config = _look_up(conv2d_direct_kernel, x, (N * P * Q, O, C * R * S)) or _direct_tiles(x.device, N * P * Q, O)
        grid = (-(-N * P * Q // config["BLOCK_M"]), -(-O // config["BLOCK_O"]))
        conv2d_direct_kernel[grid](x, contiguous(w), bias, y, N, H, W, *x.strides, P=P, Q=Q, C=C, O=O, R=R, S=S,
                                   **_window(stride, padding, dilation), ACC=accumulator(x.dtype), **config)
    else:
        _product(channels_last(x), channels_last(w), bias, y, N, C, O // groups, groups, False, rows, columns, (R, S))
    return y.transpose(0, 3, 1, 2)


def input_gradient(dy, w, x_shape, stride, padding, dilation, groups):
    """dx, channels last in memory."""
    (N, _, H, W), (O, C, R, S) = x_shape, w.shape
    dx = empty_channels_last(x_shape, dy)
    if dx.size and dy.size:
        dy, w = channels_last(dy), channels_last(w)
        axes = (gradient_phases(*a) for a in zip((H, W), dy.shape[1:3], (R, S), stride, padding, dilation))
        for rows, columns in itertools.product(*axes):
            _product(dy, w, None, dx, N, O // groups, C, groups, True, rows, columns, (R, S))
    elif dx.size:
        dx = zeros(dx.shape, dx.dtype, dx)
    return dx.transpose(0, 3, 1, 2)


def _product(x, w, bias, y, N, C, O, groups, transposed, rows, columns, kernel):
    """One launch of the implicit product, over the whole result or one phase of it."""
    pixels = N * rows["count"] * columns["count"]
    R, S = kernel
    config = _look_up(conv2d_kernel, x, (pixels, O, C * R * S)) or _tiles(x.device, x.dtype, pixels, O, C)
    grid = (-(-pixels // config["BLOCK_M"]) * -(-O // config["BLOCK_N"]), groups)
    conv2d_kernel[grid](x, w, bias, y, N, H=x.shape[1], W=x.shape[2], C=C, YH=y.shape[1], YW=y.shape[2], O=O, R=R, S=S,
                        GROUPS=groups, TRANSPOSED=transposed, ACC=accumulator(x.dtype),
                        PRECISION=precision_on(x.device), **constants(rows, columns), **config)


def weight_gradient(dy, x, w_shape, stride, padding, dilation, groups, needs):
    """(dw, db), dw dense in the order of w; None where not needed."""
    (N, _, H, W), (O, C, R, S), (P, Q) = x.shape, w_shape, dy.shape[2:]
    device, weights = x.device, O * C * R * S
    n, pixels = weights + O, N * P * Q
    dw = DeviceArray.empty(w_shape, x.dtype, device) if needs[0] else None
    db = DeviceArray.empty((O,), x.dtype, device) if needs[1] else None
    shared = dict(P=P, Q=Q, R=R, S=S, C=C, **_window(stride, padding, dilation), ACC=accumulator(x.dtype),
                  PRECISION=precision_on(device))
    dy = channels_last(dy)
    if few_channels(w_shape, groups):
        config = _look_up(conv2d_direct_weight_kernel, x, (O, C * R * S, pixels)) or _direct_weight_tiles(device, O)
        taps, tiles = max(16, next_power_of_2(C * R * S + 1)), -(-O // config["BLOCK_O"])
        splits = _splits(device, pixels, config["BLOCK_M"], tiles)
        parts = DeviceArray.empty((splits, n), accumulator(x.dtype), device)
        conv2d_direct_weight_kernel[(splits, tiles)](x, dy, parts, N, H, W, *x.strides, O=O, TAPS=taps, **shared,
                                                     **config)
    else:
        x, O = channels_last(x), O // groups
        config = _look_up(conv2d_weight_kernel, x, (O, C, pixels)) or _weight_tiles(device, x.dtype, O, C)
        tiles, taps = -(-O // config["BLOCK_O"]) * -(-C // config["BLOCK_C"]), R * S * groups
        splits = _splits(device, pixels, config["BLOCK_M"], tiles * taps)
        parts = DeviceArray.empty((splits, n), accumulator(x.dtype), device)
        conv2d_weight_kernel[(tiles, taps + (db is not None), splits)](x, dy, parts, N, H=H, W=W, O=O, GROUPS=groups,
                                                                       **shared, **config)
    block = block_of(device, n) if device.simulated else 256
    sum_parts_kernel[(-(-n // block),)](parts, dw, db, n, weights, SPLITS=splits, ACC=accumulator(x.dtype), BLOCK=block)
    return dw, db


def _window(stride, padding, dilation):
    names = ("SH", "SW"), ("PH", "PW"), ("DH", "DW")
    return {name: v for pair, values in zip(names, (stride, padding, dilation)) for name, v in zip(pair, values)}


def _look_up(kernel, x, sizes):
    return tuning.look_up(kernel, x.device, f"{x.dtype.name}/{tuning.bucket(*sizes)}")


def _splits(device, pixels, block, programs):
    """Into how many parts the pixels are cut: twice the device is filled, and each part has a few steps."""
    if device.simulated:
        return max(1, min(2, pixels // block))
    return max(1, min(2 * device.multi_processor_count // programs, pixels // (4 * block), 256))


def _tiles(device, dtype, pixels, O, C):
    """Tiles of the implicit product where nothing was tuned; gpu.md of the project's notes has the classes."""
    n, k = min(64, max(16, next_power_of_2(O))), max(16, next_power_of_2(C))
    if device.simulated:
        return {"BLOCK_M": min(1024, max(16, next_power_of_2(pixels))), "BLOCK_N": n, "BLOCK_K": min(64, k),
                "GROUP_M": 4, "num_warps": 4, "num_stages": 2}
    if dtype in HALVES:
        wide = O >= 128 and pixels >= 128 * device.multi_processor_count
        return {"BLOCK_M": 128, "BLOCK_N": 128 if wide else n, "BLOCK_K": min(64, k), "GROUP_M": 8,
                "num_warps": 8, "num_stages": 3}
    wide = C * dtype.itemsize % 16 == 0                  # 16 bytes at a time; else an address per element: more warps
    return {"BLOCK_M": 64, "BLOCK_N": n, "BLOCK_K": min(32, k) if dtype.itemsize == 4 else 16, "GROUP_M": 8,
            "num_warps": 4 if wide else 8, "num_stages": 3}


def _weight_tiles(device, dtype, O, C):
    """Tiles of [O, C] and pixels per step."""
    o, c = (min(64, max(16, next_power_of_2(n))) for n in (O, C))
    if device.simulated:
        return {"BLOCK_M": 1024, "BLOCK_O": o, "BLOCK_C": c, "num_warps": 4, "num_stages": 2}
    pixels = 64 if dtype in HALVES or o * c <= 512 else 32 if dtype.itemsize == 4 else 16
    return {"BLOCK_M": pixels, "BLOCK_O": o, "BLOCK_C": c, "num_warps": 4, "num_stages": 3}


def _direct_tiles(device, pixels, O):
    """Pixels and output channels per program."""
    o = max(16, min(64, next_power_of_2(O)))
    if device.simulated:
        return {"BLOCK_M": min(2048, max(16, next_power_of_2(pixels))), "BLOCK_O": o, "num_warps": 4}
    return {"BLOCK_M": 128, "BLOCK_O": o, "num_warps": 4}             # a pixel per thread: less, and all is unrolled


def _direct_weight_tiles(device, O):
    o = max(16, min(64, next_power_of_2(O)))
    return {"BLOCK_M": 1024 if device.simulated else 64, "BLOCK_O": o, "num_warps": 4, "num_stages": 2}
