"""Convolution, pooling and dropout of volumes (N, C, D, H, W) or (C, D, H, W), made of those of their slices.

A convolution gathers KD slices as channels of one image: conv3d(x, w)[d] = conv2d(x[d : d + KD] as C KD channels, w).
Windows of maxima and means are separable: first within each slice, then along the depth.
"""

from __future__ import annotations

from tritonnet.nn.functional.conv import conv2d, conv_transpose2d, fold, per_axis
from tritonnet.nn.functional.dropout import dropout2d
from tritonnet.nn.functional.padding import pad
from tritonnet.nn.functional.pool import (
    adaptive_avg_pool2d,
    adaptive_max_pool2d,
    avg_pool2d,
    max_pool2d,
)

__all__ = [
    "adaptive_avg_pool3d", "adaptive_max_pool3d", "adaptive_max_pool3d_with_indices", "avg_pool3d", "conv3d",
    "conv_transpose3d", "dropout3d", "max_pool3d", "max_pool3d_with_indices",
]


def _batched(name, input):
    """The input with a batch dimension, and whether it had one."""
    if input.ndim not in (4, 5):
        raise RuntimeError(f"Expected 4D (unbatched) or 5D (batched) input to {name}, "
                           f"but got input of size: {list(input.shape)}")
    return (input, True) if input.ndim == 5 else (input.unsqueeze(0), False)


def conv3d(input, weight, bias=None, stride=1, padding=0, dilation=1, groups=1):
    """Convolution (cross-correlation) of (N, C, D, H, W) or (C, D, H, W) with (out, C / groups, KD, KH, KW).

    padding: a number, a triple, "valid" or "same" (stride 1 only).  Returns (N, out, D', H', W').
    """
    input, batched = _batched("conv3d", input)
    stride, dilation = per_axis(stride, 3, "stride"), per_axis(dilation, 3, "dilation")
    out, each, KD = weight.shape[:3]
    if isinstance(padding, str) and padding not in ("same", "valid"):
        raise RuntimeError(f"Invalid padding string: '{padding}'")
    if padding == "same":
        if max(stride) > 1:
            raise RuntimeError("padding='same' is not supported for strided convolutions")
        total = dilation[0] * (KD - 1)
        around, within = (total // 2, total - total // 2), "same"
    else:
        padding = per_axis(0 if padding == "valid" else padding, 3, "padding")
        around, within = (padding[0], padding[0]), padding[1:]
    if input.shape[1] != each * groups:
        raise RuntimeError(f"Given groups={groups}, weight of size {list(weight.shape)}, expected input"
                           f"{list(input.shape)} to have {each * groups} channels, but got {input.shape[1]} channels "
                           "instead")
    reach = dilation[0] * (KD - 1) + 1
    if any(around):
        input = pad(input, (0, 0, 0, 0, *around))
    if input.shape[2] < reach:
        raise RuntimeError(f"Calculated padded input size per channel: {tuple(input.shape[2:])}. Kernel size: "
                           f"{tuple(weight.shape[2:])}. Kernel size can't be greater than actual input size")
    slices = input.unfold(2, reach, stride[0])[..., :: dilation[0]]  # (N, C, D', H, W, KD)
    n, c, depth, height, width, _ = slices.shape
    images = slices.permute(0, 2, 1, 5, 3, 4).reshape(n * depth, c * KD, height, width)
    made = conv2d(images, weight.reshape(out, each * KD, *weight.shape[3:]), bias, stride[1:], within, dilation[1:],
                  groups)
    result = made.reshape(n, depth, *made.shape[1:]).transpose(1, 2)
    return result if batched else result.squeeze(0)


def conv_transpose3d(input, weight, bias=None, stride=1, padding=0, output_padding=0, groups=1, dilation=1):
    """The transpose of a conv3d with `weight` (in, out / groups, KD, KH, KW): (N, in, D, H, W) -> (N, out, D', …).

    D' = (D - 1) stride - 2 padding + dilation (KD - 1) + output_padding + 1, and so on.
    """
    input, batched = _batched("conv_transpose3d", input)
    stride, padding, extra, dilation = (per_axis(value, 3, what) for value, what in (
        (stride, "stride"), (padding, "padding"), (output_padding, "output_padding"), (dilation, "dilation")))
    n, c, depth = input.shape[:3]
    each, KD = weight.shape[1:3]
    images = input.transpose(1, 2).reshape(n * depth, c, *input.shape[3:])
    made = conv_transpose2d(images, weight.reshape(c, each * KD, *weight.shape[3:]), None, stride[1:], padding[1:],
                            extra[1:], groups, dilation[1:])
    height, width = made.shape[2:]
    out = each * groups
    columns = made.reshape(n, depth, out, KD, height, width).permute(0, 2, 4, 5, 3, 1)
    size = (depth - 1) * stride[0] - 2 * padding[0] + dilation[0] * (KD - 1) + extra[0] + 1
    if size < 1 or extra[0] >= max(stride[0], dilation[0]):
        raise RuntimeError(f"conv_transpose3d: depth {depth} with output_padding {extra[0]} gives {size} slices")
    summed = fold(columns.reshape(n, out * height * width * KD, depth), (size + 2 * padding[0], 1), (KD, 1),
                  (dilation[0], 1), 0, (stride[0], 1))
    result = summed.reshape(n, out, height, width, -1).permute(0, 1, 4, 2, 3)
    result = result.narrow(2, padding[0], size)
    result = result if bias is None else result + bias.reshape(-1, 1, 1, 1)
    return result if batched else result.squeeze(0)


def _along_depth(input, pool):
    """Slices pooled by `pool`, a function of images; then what it gives for columns of depth: (N, C, D, H, W)."""
    n, c, depth, height, width = input.shape
    return pool(input.reshape(n, c, depth, height * width)).unflatten(-1, (height, width))


def _within_slices(input, pool):
    """Each slice of (N, C, D, H, W) pooled by `pool`, a function of images."""
    n, c, depth, height, width = input.shape
    made = pool(input.reshape(n, c * depth, height, width))
    if isinstance(made, tuple):
        return tuple(t.unflatten(1, (c, depth)) for t in made)
    return made.unflatten(1, (c, depth))


def avg_pool3d(
    input, kernel_size, stride=None, padding=0, ceil_mode=False, count_include_pad=True, divisor_override=None
):
    """The mean under a window that moves over (N, C, D, H, W) or (C, D, H, W); see `avg_pool2d`."""
    input, batched = _batched("avg_pool3d", input)
    kernel = per_axis(kernel_size, 3, "kernel_size")
    stride = kernel if stride is None else per_axis(stride, 3, "stride")
    padding = per_axis(padding, 3, "padding")
    if divisor_override == 0:
        raise RuntimeError("divisor must be not zero")
    made = _within_slices(input, lambda x: avg_pool2d(
        x, kernel[1:], stride[1:], padding[1:], ceil_mode, count_include_pad, divisor_override and 1))
    made = _along_depth(made, lambda x: avg_pool2d(
        x, (kernel[0], 1), (stride[0], 1), (padding[0], 0), ceil_mode, count_include_pad, divisor_override))
    return made if batched else made.squeeze(0)


def _maxima(input, within, along, return_indices):
    """Maxima of slices and then of columns; of the indices, the ones that the second maxima chose."""
    if not return_indices:
        return _along_depth(_within_slices(input, lambda x: within(x, False)), lambda x: along(x, False))
    area = input.shape[3] * input.shape[4]
    values, places = _within_slices(input, lambda x: within(x, True))
    n, c, depth, height, width = values.shape
    columns = values.reshape(n, c, depth, height * width)
    values, chosen = along(columns, True)  # chosen: index into (depth, height width), row-major
    depths = chosen // (height * width)
    inner = places.reshape(n, c, depth, height * width).gather(2, depths)
    return tuple(t.unflatten(-1, (height, width)) for t in (values, depths * area + inner))


def max_pool3d(input, kernel_size, stride=None, padding=0, dilation=1, ceil_mode=False, return_indices=False):
    """The largest element under a window that moves over (N, C, D, H, W) or (C, D, H, W); see `max_pool2d`.

    return_indices: also where it lies in the volume, row-major.
    """
    input, batched = _batched("max_pool3d", input)
    kernel = per_axis(kernel_size, 3, "kernel_size")
    stride = kernel if stride is None else per_axis(stride, 3, "stride")
    padding, dilation = per_axis(padding, 3, "padding"), per_axis(dilation, 3, "dilation")
    result = _maxima(
        input,
        lambda x, indices: max_pool2d(x, kernel[1:], stride[1:], padding[1:], dilation[1:], ceil_mode, indices),
        lambda x, indices: max_pool2d(x, (kernel[0], 1), (stride[0], 1), (padding[0], 0), (dilation[0], 1), ceil_mode,
                                      indices),
        return_indices)
    return _unbatched(result, batched)


def _unbatched(result, batched):
    if batched:
        return result
    return tuple(t.squeeze(0) for t in result) if isinstance(result, tuple) else result.squeeze(0)


def max_pool3d_with_indices(
    input, kernel_size, stride=None, padding=0, dilation=1, ceil_mode=False, return_indices=True
):
    """`max_pool3d` with the indices."""
    return max_pool3d(input, kernel_size, stride, padding, dilation, ceil_mode, True)


def _volume(size, sizes):
    """The output size of three axes, None replaced by the input's."""
    size = tuple(size) if isinstance(size, (tuple, list)) else (size,) * 3
    if len(size) != 3:
        raise RuntimeError(f"adaptive pooling: output_size must be 3-dimensional, got {size}")
    return tuple(n if given is None else given for given, n in zip(size, sizes))


def adaptive_avg_pool3d(input, output_size):
    """Means over a grid of `output_size` windows that cover (…, D, H, W); None keeps a size."""
    input, batched = _batched("adaptive_avg_pool3d", input)
    depth, *area = _volume(output_size, input.shape[2:])
    made = _within_slices(input, lambda x: adaptive_avg_pool2d(x, area))
    return _unbatched(_along_depth(made, lambda x: adaptive_avg_pool2d(x, (depth, None))), batched)


def adaptive_max_pool3d(input, output_size, return_indices=False):
    """Maxima over a grid of `output_size` windows that cover (…, D, H, W); None keeps a size."""
    input, batched = _batched("adaptive_max_pool3d", input)
    depth, *area = _volume(output_size, input.shape[2:])
    result = _maxima(input, lambda x, indices: adaptive_max_pool2d(x, area, indices),
                     lambda x, indices: adaptive_max_pool2d(x, (depth, None), indices), return_indices)
    return _unbatched(result, batched)


def adaptive_max_pool3d_with_indices(input, output_size, return_indices=True):
    """`adaptive_max_pool3d` with the indices."""
    return adaptive_max_pool3d(input, output_size, True)


def dropout3d(input, p=0.5, training=True, inplace=False):
    """`dropout` of whole channels of (N, C, D, H, W) or (C, D, H, W)."""
    if not 0.0 <= p <= 1.0:
        raise ValueError(f"dropout probability has to be between 0 and 1, but got {p}")
    if not training or p == 0.0:
        return input
    volumes, batched = _batched("dropout3d", input)
    result = _unbatched(dropout2d(volumes.flatten(3), p).reshape(volumes.shape), batched)
    return input._become(result) if inplace else result
