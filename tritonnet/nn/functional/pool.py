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
    return _max_pool(2, input, kernel_size, stride, padding, dilation, ceil_mode, return_indices)


def max_pool2d_with_indices(
    input, kernel_size, stride=None, padding=0, dilation=1, ceil_mode=False, return_indices=True
):
    """`max_pool2d` with the indices."""
    return _max_pool(2, input, kernel_size, stride, padding, dilation, ceil_mode, True)


def max_pool1d(input, kernel_size, stride=None, padding=0, dilation=1, ceil_mode=False, return_indices=False):
    """The largest element under a window that moves over (N, C, L) or (C, L)."""
    return _max_pool(1, input, kernel_size, stride, padding, dilation, ceil_mode, return_indices)


def max_pool1d_with_indices(
    input, kernel_size, stride=None, padding=0, dilation=1, ceil_mode=False, return_indices=True
):
    """`max_pool1d` with the indices."""
    return _max_pool(1, input, kernel_size, stride, padding, dilation, ceil_mode, True)


def avg_pool2d(
    input, kernel_size, stride=None, padding=0, ceil_mode=False, count_include_pad=True, divisor_override=None
):
    """The mean under a window that moves over (N, C, H, W) or (C, H, W).

    count_include_pad: zeros of the padding count.  divisor_override: divide the sum by this instead.
    """
    kernel, stride, padding = _window(2, kernel_size, stride, padding)
    images, restore = _as_images(2, input)
    return restore(AvgPool2d.apply(images, kernel, stride, padding, ceil_mode, count_include_pad, divisor_override))


def avg_pool1d(input, kernel_size, stride=None, padding=0, ceil_mode=False, count_include_pad=True):
    """The mean under a window that moves over (N, C, L) or (C, L)."""
    kernel, stride, padding = _window(1, kernel_size, stride, padding)
    images, restore = _as_images(1, input)
    return restore(AvgPool2d.apply(images, kernel, stride, padding, ceil_mode, count_include_pad))


def adaptive_avg_pool2d(input, output_size):
    """Means over a grid of `output_size` windows that cover (…, H, W); None keeps a size."""
    images, restore = _as_images(2, input)
    return restore(AdaptiveAvgPool2d.apply(images, _output_size(2, output_size, images)))


def adaptive_avg_pool1d(input, output_size):
    """Means over `output_size` windows that cover (…, L)."""
    images, restore = _as_images(1, input)
    return restore(AdaptiveAvgPool2d.apply(images, _output_size(1, output_size, images)))


def adaptive_max_pool2d(input, output_size, return_indices=False):
    """Maxima over a grid of `output_size` windows that cover (…, H, W); None keeps a size."""
    result = adaptive_max_pool2d_with_indices(input, output_size)
    return result if return_indices else result[0]


def adaptive_max_pool2d_with_indices(input, output_size, return_indices=True):
    """`adaptive_max_pool2d` with the indices."""
    images, restore = _as_images(2, input)
    return tuple(map(restore, AdaptiveMaxPool2d.apply(images, _output_size(2, output_size, images))))


def adaptive_max_pool1d(input, output_size, return_indices=False):
    """Maxima over `output_size` windows that cover (…, L)."""
    result = adaptive_max_pool1d_with_indices(input, output_size)
    return result if return_indices else result[0]


def adaptive_max_pool1d_with_indices(input, output_size, return_indices=True):
    """`adaptive_max_pool1d` with the indices."""
    images, restore = _as_images(1, input)
    return tuple(map(restore, AdaptiveMaxPool2d.apply(images, _output_size(1, output_size, images))))


def _max_pool(ndim, input, kernel_size, stride, padding, dilation, ceil_mode, indices):
    kernel, stride, padding = _window(ndim, kernel_size, stride, padding)
    dilation = (1,) * (2 - ndim) + per_axis(dilation, ndim, "dilation")
    images, restore = _as_images(ndim, input)
    result = MaxPool2d.apply(images, kernel, stride, padding, dilation, ceil_mode, indices)
    return tuple(map(restore, result)) if indices else restore(result)


def _window(ndim, kernel_size, stride, padding):
    """Kernel, stride and padding for two axes; one-dimensional windows get a first axis of size 1."""
    kernel = per_axis(kernel_size, ndim, "kernel_size")
    stride = kernel if stride is None or stride == [] else per_axis(stride, ndim, "stride")
    padding = per_axis(padding, ndim, "padding")
    if any(p < 0 or 2 * p > k for p, k in zip(padding, kernel)):
        raise RuntimeError(
            f"pad should be at most half of effective kernel size, but got pad={list(padding)} and "
            f"kernel_size={list(kernel)}"
        )
    if any(s <= 0 for s in stride):
        raise RuntimeError("stride should not be zero")
    if ndim == 1:
        return (1, *kernel), (1, *stride), (0, *padding)
    return kernel, stride, padding


def _as_images(ndim, input):
    """`input` as (N, C, H, W), and the function that gives a result the dimensions of `input`."""
    if input.ndim == 4 and ndim == 2:
        return input, _same
    if input.ndim not in (ndim + 1, ndim + 2):
        raise RuntimeError(
            f"Expected {ndim + 1}D or {ndim + 2}D (batch mode) tensor for input, but got: {list(input.shape)}"
        )
    added = [] if input.ndim == ndim + 2 else [0]
    if ndim == 1:
        added.append(2)
    for axis in added:
        input = input.unsqueeze(axis)

    def restore(result):
        for axis in reversed(added):
            result = result.squeeze(axis)
        return result

    return input, restore


def _same(result):
    return result


def _output_size(ndim, size, images):
    """The output size for two axes, None replaced by the input's."""
    size = tuple(size) if isinstance(size, (tuple, list)) else (size,)
    size = size * ndim if len(size) == 1 else size
    if len(size) != ndim:
        raise RuntimeError(f"adaptive pooling: output_size must be {ndim}-dimensional, got {size}")
    size = (1,) * (2 - ndim) + size
    return tuple(n if given is None else given for given, n in zip(size, images.shape[2:]))
