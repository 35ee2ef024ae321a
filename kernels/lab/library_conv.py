"""More convolutions as subjects of the lab: of images that lie as planes, and with what follows them, for which
PyTorch has no name."""

from __future__ import annotations

from tritonnet.kernels.conv import conv2d, conv2d_backward
from tritonnet.kernels.conv.pooled import conv2d_pool, conv2d_pool_backward
from tritonnet.kernels.lab.library import FIRST, SECOND, _conv
from tritonnet.kernels.lab.subjects import ALL_FLOATS, declare, images


def _planes(make, N, C, H, W, O, R, S, stride, padding, groups):
    """x (N, C, H, W), channels first in memory, with w (O, C / groups, R, S) and a bias"""
    _, *others = _conv(make, N, C, H, W, O, R, S, stride, padding, groups)
    return make(N, C, H, W), *others


def _planes_backward(make, N, C, H, W, O, R, S, stride, padding, groups):
    """gradients of weights and bias, of images with channels first in memory"""
    P, Q = ((n + 2 * padding - k) // stride + 1 for n, k in ((H, R), (W, S)))
    x, w, _, *geometry = _planes(make, N, C, H, W, O, R, S, stride, padding, groups)
    return images(make, N, O, P, Q), x, w, *geometry, (False, True, True)


declare("conv2d_planes", conv2d, ALL_FLOATS, **SECOND)(_planes)
declare("conv2d_planes_backward", conv2d_backward, ALL_FLOATS, **SECOND)(_planes_backward)


def _without_groups(dims):
    return {name: size for name, size in dims.items() if name != "groups"}


def _pooled(make, **dims):
    """2 x 2 max-pooling of relu of a convolution of x (N, C, H, W), channels last in memory, with w and a bias"""
    return _conv(make, groups=1, **dims)


def _first_result(*arguments):
    return conv2d_pool(*arguments)[0]


def _backward(dy, x, w, b, *geometry):
    return conv2d_pool_backward(dy, conv2d_pool(x, w, b, *geometry)[1], x, w, *geometry)


def _pooled_backward(make, N, C, H, W, O, R, S, stride, padding):
    """the forward, then gradients of input, weights and bias"""
    I, J = (((n + 2 * padding - k) // stride + 1) // 2 for n, k in ((H, R), (W, S)))
    return images(make, N, O, I, J), *_conv(make, N, C, H, W, O, R, S, stride, padding, 1)


for _name, _dims in (("conv2d_pool", SECOND), ("conv2d_pool_first", FIRST)):
    declare(_name, _first_result, ALL_FLOATS, **_without_groups(_dims))(_pooled)
    declare(f"{_name}_backward", _backward, ALL_FLOATS, **_without_groups(_dims))(_pooled_backward)
