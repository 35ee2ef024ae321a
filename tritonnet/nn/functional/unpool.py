"""What undoes max-pooling, and pooling by p-norms."""

from __future__ import annotations

import math

from tritonnet.nn.functional.conv import per_axis
from tritonnet.nn.functional.pool import avg_pool1d, avg_pool2d
from tritonnet.nn.functional.volume import avg_pool3d

__all__ = ["lp_pool1d", "lp_pool2d", "lp_pool3d", "max_unpool1d", "max_unpool2d", "max_unpool3d"]


def _unpool(ndim, input, indices, kernel_size, stride, padding, output_size):
    """Zeros with each element of the input where its index says."""
    if input.shape != indices.shape:
        raise RuntimeError(f"Expected shape of indices to be same as that of the input tensor ({list(input.shape)}) "
                           f"but got indices tensor with shape: {list(indices.shape)}")
    if input.ndim not in (ndim + 1, ndim + 2):
        raise RuntimeError(f"Input to max_unpooling{ndim}d should be a {ndim + 1}d or {ndim + 2}d Tensor, but got a "
                           f"tensor with {input.ndim} dimensions")
    kernel = per_axis(kernel_size, ndim, "kernel_size")
    stride = kernel if stride is None else per_axis(stride, ndim, "stride")
    padding = per_axis(padding, ndim, "padding")
    usual = [(n - 1) * s - 2 * p + k for n, s, p, k in zip(input.shape[-ndim:], stride, padding, kernel)]
    size = usual if output_size is None else list(output_size)[-ndim:]
    if len(size) != ndim or any(not u - s < n < u + s for n, u, s in zip(size, usual, stride)):
        raise ValueError(f'invalid output_size "{output_size}" (dim 0 must be between '
                         f"{usual[0] - stride[0]} and {usual[0] + stride[0]})")
    flat, places = input.flatten(-ndim), indices.flatten(-ndim)
    if places.numel() and int(places.max()) >= math.prod(size):
        raise RuntimeError(f"Found an invalid max index: {int(places.max())} (output volumes are of size "
                           f"{'x'.join(map(str, size))})")
    whole = flat.new_zeros(*flat.shape[:-1], math.prod(size)).scatter(-1, places, flat)
    return whole.unflatten(-1, tuple(size))


def max_unpool1d(input, indices, kernel_size, stride=None, padding=0, output_size=None):
    """(N, C, L) or (C, L) of what `max_pool1d` gave with its indices: zeros but for the maxima."""
    return _unpool(1, input, indices, kernel_size, stride, padding, output_size)


def max_unpool2d(input, indices, kernel_size, stride=None, padding=0, output_size=None):
    """(N, C, H, W) or (C, H, W) of what `max_pool2d` gave with its indices: zeros but for the maxima."""
    return _unpool(2, input, indices, kernel_size, stride, padding, output_size)


def max_unpool3d(input, indices, kernel_size, stride=None, padding=0, output_size=None):
    """(N, C, D, H, W) or (C, D, H, W) of what `max_pool3d` gave with its indices: zeros but for the maxima."""
    return _unpool(3, input, indices, kernel_size, stride, padding, output_size)


def _lp(pool, ndim, input, norm_type, kernel_size, stride, ceil_mode):
    """(the sum of x^p under a window)^(1/p); NaN of sums below 0, as p may be odd."""
    volume = math.prod(per_axis(kernel_size, ndim, "kernel_size"))
    return (pool(input.pow(norm_type), kernel_size, stride, 0, ceil_mode) * volume).pow(1.0 / norm_type)


def lp_pool1d(input, norm_type, kernel_size, stride=None, ceil_mode=False):
    """The norm_type-norm under a window that moves over (N, C, L) or (C, L)."""
    return _lp(avg_pool1d, 1, input, norm_type, kernel_size, stride, ceil_mode)


def lp_pool2d(input, norm_type, kernel_size, stride=None, ceil_mode=False):
    """The norm_type-norm under a window that moves over (N, C, H, W) or (C, H, W)."""
    return _lp(avg_pool2d, 2, input, norm_type, kernel_size, stride, ceil_mode)


def lp_pool3d(input, norm_type, kernel_size, stride=None, ceil_mode=False):
    """The norm_type-norm under a window that moves over (N, C, D, H, W) or (C, D, H, W)."""
    return _lp(avg_pool3d, 3, input, norm_type, kernel_size, stride, ceil_mode)
