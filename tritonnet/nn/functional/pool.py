"""Pooling over one or two dimensions; inputs with or without the batch dimension."""

from __future__ import annotations

from tritonnet.autograd.ops.pool import AdaptiveAvgPool2d, AdaptiveMaxPool2d, AvgPool2d, MaxPool2d
from tritonnet.nn.functional.conv import per_axis

__all__ = [
    "adaptive_avg_pool1d", "adaptive_avg_pool2d", "adaptive_max_pool1d", "adaptive_max_pool1d_with_indices",
    "adaptive_max_pool2d", "adaptive_max_pool2d_with_indices", "avg_pool1d", "avg_pool2d", "max_pool1d",
    "max_pool1d_with_indices", "max_pool2d", "max_pool2d_with_indices",
]


def max_pool2d(input, kernel_size, stride=None, padding=0, dilation=1, ceil_mode=False, return_indices=False):
    """The largest element under a window that moves over (N, C, H, W) or (C, H, W).

    stride: kernel_size unless given.  return_indices: also where it lies in the plane, row-major.
    """
    kernel = per_axis(kernel_size, 2, "kernel_size")
    return MaxPool2d.apply(
        input, kernel, kernel if stride is None else per_axis(stride, 2, "stride"), per_axis(padding, 2, "padding"),
        per_axis(dilation, 2, "dilation"), ceil_mode, return_indices,
    )


def max_pool2d_with_indices(
    input, kernel_size, stride=None, padding=0, dilation=1, ceil_mode=False, return_indices=True
):
    """`max_pool2d` with the indices."""
    return max_pool2d(input, kernel_size, stride, padding, dilation, ceil_mode, True)


def max_pool1d(input, kernel_size, stride=None, padding=0, dilation=1, ceil_mode=False, return_indices=False):
    """The largest element under a window that moves over (N, C, L) or (C, L); see `max_pool2d`."""
    result = MaxPool2d.apply(
        _as_images(input), *_as_rows(kernel_size, stride, padding), (1, *per_axis(dilation, 1, "dilation")), ceil_mode,
        return_indices,
    )
    return tuple(t.squeeze(-2) for t in result) if return_indices else result.squeeze(-2)


def max_pool1d_with_indices(
    input, kernel_size, stride=None, padding=0, dilation=1, ceil_mode=False, return_indices=True
):
    """`max_pool1d` with the indices."""
    return max_pool1d(input, kernel_size, stride, padding, dilation, ceil_mode, True)


def avg_pool2d(
    input, kernel_size, stride=None, padding=0, ceil_mode=False, count_include_pad=True, divisor_override=None
):
    """The mean under a window that moves over (N, C, H, W) or (C, H, W).

    count_include_pad: zeros of the padding count.  divisor_override: divide the sum by this instead.
    """
    kernel = per_axis(kernel_size, 2, "kernel_size")
    return AvgPool2d.apply(
        input, kernel, kernel if stride is None else per_axis(stride, 2, "stride"), per_axis(padding, 2, "padding"),
        ceil_mode, count_include_pad, divisor_override,
    )


def avg_pool1d(input, kernel_size, stride=None, padding=0, ceil_mode=False, count_include_pad=True):
    """The mean under a window that moves over (N, C, L) or (C, L); see `avg_pool2d`."""
    rows = _as_rows(kernel_size, stride, padding)
    return AvgPool2d.apply(_as_images(input), *rows, ceil_mode, count_include_pad).squeeze(-2)


def adaptive_avg_pool2d(input, output_size):
    """Means over a grid of `output_size` windows that cover (…, H, W); None keeps a size."""
    return AdaptiveAvgPool2d.apply(input, _output_size(output_size, input.shape[-2:]))


def adaptive_avg_pool1d(input, output_size):
    """Means over `output_size` windows that cover (…, L)."""
    return AdaptiveAvgPool2d.apply(_as_images(input), (1, *per_axis(output_size, 1, "output_size"))).squeeze(-2)


def adaptive_max_pool2d(input, output_size, return_indices=False):
    """Maxima over a grid of `output_size` windows that cover (…, H, W); None keeps a size."""
    result = AdaptiveMaxPool2d.apply(input, _output_size(output_size, input.shape[-2:]))
    return result if return_indices else result[0]


def adaptive_max_pool2d_with_indices(input, output_size, return_indices=True):
    """`adaptive_max_pool2d` with the indices."""
    return adaptive_max_pool2d(input, output_size, True)


def adaptive_max_pool1d(input, output_size, return_indices=False):
    """Maxima over `output_size` windows that cover (…, L)."""
    result = AdaptiveMaxPool2d.apply(_as_images(input), (1, *per_axis(output_size, 1, "output_size")))
    return tuple(t.squeeze(-2) for t in result) if return_indices else result[0].squeeze(-2)


def adaptive_max_pool1d_with_indices(input, output_size, return_indices=True):
    """`adaptive_max_pool1d` with the indices."""
    return adaptive_max_pool1d(input, output_size, True)


def _as_images(input):
    """(N, C, L) or (C, L) as images of one row."""
    if input.ndim not in (2, 3):
        raise RuntimeError(f"Expected 2D or 3D (batch mode) tensor for input, but got: {list(input.shape)}")
    return input.unsqueeze(-2)


def _as_rows(kernel_size, stride, padding):
    """Kernel, stride and padding of a window over images of one row."""
    kernel = per_axis(kernel_size, 1, "kernel_size")
    stride = kernel if stride is None else per_axis(stride, 1, "stride")
    return (1, *kernel), (1, *stride), (0, *per_axis(padding, 1, "padding"))


def _output_size(size, sizes):
    """The output size for both axes, None replaced by the input's."""
    size = tuple(size) if isinstance(size, (tuple, list)) else (size, size)
    if len(size) != 2:
        raise RuntimeError(f"adaptive pooling: output_size must be 2-dimensional, got {size}")
    return tuple(n if given is None else given for given, n in zip(size, sizes))
