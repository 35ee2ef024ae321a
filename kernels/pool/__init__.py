"""Pooling over windows of images (…, H, W).

    max        y_pq = max over the window        dx: dy goes to the window's largest, the first of equals, the last NaN
    average    y_pq = sum / count                dx: dy / count to each pixel
    adaptive   window p of P along an axis of H is [floor(p H / P), ceil((p + 1) H / P))

`Windows` holds kernel, stride, padding, dilation and ceil_mode. Indices count pixels of one image, int64, as PyTorch's.
"""

from __future__ import annotations

import numpy as np

from tritonnet.kernels.arrays import is_host, to_device
from tritonnet.kernels.pool import adaptive, mirror
from tritonnet.kernels.pool.windows import Windows

__all__ = ["Windows", "adaptive_avg_pool2d", "adaptive_avg_pool2d_backward", "adaptive_max_pool2d",
           "adaptive_max_pool2d_backward", "avg_pool2d", "avg_pool2d_backward", "max_pool2d", "max_pool2d_backward"]


def max_pool2d(x, windows, indices=False, rectified=False):
    """(y, where): the largest of each window, and its index in the image (int64).

    Without `indices`, where is whatever `max_pool2d_backward` needs besides x and y: much cheaper. rectified, on a
    device: x is the result of a relu, and dx will be what relu's backward makes of it, 0 where y is not positive.
    """
    if is_host(x):
        return mirror.max_pool2d_mirror(x, windows, indices)
    from tritonnet.kernels.pool import launch

    return launch.max_pool2d(x, None, windows, indices, rectified)


def max_pool2d_backward(dy, x, y, where, windows, indices=False):
    """dx, from what the forward took and returned."""
    if is_host(dy) and not indices:
        return mirror.max_pool2d_backward_mirror(dy, x, y, windows)
    return max_pool2d_scatter(dy, where, x.shape, _last(x), windows, indices)


def max_pool2d_scatter(dy, where, x_shape, last, windows, indices):
    """dx from `where` alone, which on the host must be indices; last: channels last in memory, on a device."""
    if is_host(dy):
        return mirror.scatter_mirror(dy, where, x_shape)
    from tritonnet.kernels.pool import launch

    return launch.max_pool2d_backward(dy, where, x_shape, windows, indices, last)


def max_pool2d_places(where, windows, width):
    """Indices in the image, of images so wide, from the numbers within windows that a device's forward gave."""
    from tritonnet.kernels import elementwise as e

    (P, Q), (sh, sw), (ph, pw), (dh, dw) = where.shape[-2:], windows.stride, windows.padding, windows.dilation
    first = ((np.arange(P) * sh - ph)[:, None] * width + np.arange(Q) * sw - pw).astype(np.int64)
    number, across = e.cast(where, np.dtype(np.int64)), windows.kernel[1]
    down = e.mul(e.floor_divide(number, across), dh * width)
    return e.add(to_device(first, where.device), e.add(down, e.mul(e.remainder(number, across), dw)))


def avg_pool2d(x, windows, include_pad=True, divisor=None):
    """The mean of each window; borders count if include_pad; `divisor` replaces the count."""
    if is_host(x):
        return mirror.avg_pool2d_mirror(x, windows, include_pad, divisor)
    from tritonnet.kernels.pool import launch

    return launch.avg_pool2d(x, None, windows, include_pad, divisor)


def avg_pool2d_backward(dy, x_shape, windows, include_pad=True, divisor=None, last=False):
    """dx; `last`: channels last in memory, on a device."""
    if is_host(dy):
        return mirror.avg_pool2d_backward_mirror(dy, x_shape, windows, include_pad, divisor)
    from tritonnet.kernels.pool import launch

    return launch.avg_pool2d_backward(dy, x_shape, windows, include_pad, divisor, last)


def adaptive_avg_pool2d(x, size):
    """The mean of each of size = (P, Q) windows that cover the image."""
    if is_host(x):
        return adaptive.adaptive_avg_pool2d_mirror(x, size)
    from tritonnet.kernels.pool import launch

    return launch.avg_pool2d(x, tuple(size), None, False, None)


def adaptive_avg_pool2d_backward(dy, x_shape, last=False):
    """dx; `last`: channels last in memory, on a device."""
    if is_host(dy):
        return adaptive.adaptive_avg_pool2d_backward_mirror(dy, x_shape)
    from tritonnet.kernels.pool import launch

    return launch.avg_pool2d_backward(dy, x_shape, None, False, None, last)


def adaptive_max_pool2d(x, size):
    """(y, where): the largest of each of size = (P, Q) windows, and its index in the image."""
    if is_host(x):
        return adaptive.adaptive_max_pool2d_mirror(x, size)
    from tritonnet.kernels.pool import launch

    return launch.max_pool2d(x, tuple(size), None, True)


def adaptive_max_pool2d_backward(dy, where, x_shape, last=False):
    """dx; `last`: channels last in memory, on a device."""
    if is_host(dy):
        return mirror.scatter_mirror(dy, where, x_shape)
    from tritonnet.kernels.pool import launch

    return launch.max_pool2d_backward(dy, where, x_shape, None, True, last)


def _last(x):
    """Whether x lies with its channels innermost, on a device."""
    if is_host(x):
        return False
    from tritonnet.kernels.pool import launch

    return launch.channels_last(x)
