"""Convolution, relu and 2 x 2 max-pooling as one operation: what is not pooled never exists in a device's memory.

    z = conv2d(x, w, b)                                                            (N, O, P, Q), not kept
    y[n, o, i, j] = max over the 2 x 2 cell (i, j) of relu(z[n, o])                (N, O, P // 2, Q // 2)
    taken[n, o, i, j] = 2 a + b of the first pixel (2 i + a, 2 j + b) that is y;  NONE where no pixel is above 0
    dz[n, o, 2 i + a, 2 j + b] = dy[n, o, i, j] if taken[n, o, i, j] == 2 a + b else 0

and dx, dw and db follow from dz as in any convolution. `taken` (int8) is all that the backward needs to know of the
results: relu's mask is in it, and where NaN is the result no gradient flows, as relu's derivative has it here. Rows and
columns that fill no cell are left out, as max_pool2d leaves them.
"""

from __future__ import annotations

from tritonnet.kernels.arrays import is_host
from tritonnet.kernels.conv.pooled import mirror
from tritonnet.kernels.conv.pooled.cells import NONE, gathered, spread

__all__ = ["NONE", "conv2d_pool", "conv2d_pool_backward", "gathered", "spread"]


def conv2d_pool(x, w, bias=None, stride=(1, 1), padding=(0, 0), dilation=(1, 1), groups=1, marked=True):
    """(y, taken), both (N, O, P // 2, Q // 2): arguments as `conv2d`'s. On a device channels last in memory.

    marked: whether `taken` is wanted; without, the host gives None for it.
    """
    if is_host(x):
        return mirror.conv2d_pool_mirror(x, w, bias, stride, padding, dilation, groups, marked)
    from tritonnet.kernels.conv.pooled import launch

    return launch.conv2d_pool(x, w, bias, stride, padding, dilation, groups)


def conv2d_pool_backward(dy, taken, x, w, stride=(1, 1), padding=(0, 0), dilation=(1, 1), groups=1,
                         needs=(True, True, True)):
    """(dx, dw, db) from the gradient of y and from `taken`; those not needed are None."""
    if is_host(x):
        return mirror.conv2d_pool_backward_mirror(dy, taken, x, w, stride, padding, dilation, groups, needs)
    from tritonnet.kernels.conv.pooled import launch

    return launch.conv2d_pool_backward(dy, taken, x, w, stride, padding, dilation, groups, needs)
