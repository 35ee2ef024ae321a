"""Convolution, relu and pooling on a device."""

from __future__ import annotations

from tritonnet.kernels import elementwise
from tritonnet.kernels.conv import conv2d, conv2d_backward
from tritonnet.kernels.conv.pooled.cells import CELLS, NONE, spread
from tritonnet.kernels.pool import max_pool2d


def conv2d_pool(x, w, bias, stride, padding, dilation, groups):
    """(y, taken), channels last in memory."""
    y, where = max_pool2d(conv2d(x, w, bias, stride, padding, dilation, groups, "relu"), CELLS)
    return y, elementwise.where(elementwise.gt(y, 0), where, NONE)


def conv2d_pool_backward(dy, taken, x, w, stride, padding, dilation, groups, needs):
    """(dx, dw, db); those not needed are None."""
    axes = zip(x.shape[2:], w.shape[2:], stride, padding, dilation)
    size = tuple((n + 2 * p - d * (k - 1) - 1) // s + 1 for n, k, s, p, d in axes)
    return conv2d_backward(spread(dy, taken, size), x, w, stride, padding, dilation, groups, needs)
