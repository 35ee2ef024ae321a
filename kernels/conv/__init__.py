"""Convolution (cross-correlation) over two axes; over one, by an axis of length 1.

    y[n, o, p, q]  = b[o] + sum_{c, r, s} w[o, c, r, s] x[n, c, p sh + r dh - ph, q sw + s dw - pw]
    dx[n, c, h, v] = sum_{o, r, s} w[o, c, r, s] dy[n, o, p, q]     over all (p, q) that read pixel (h, v) at tap (r, s)
    dw[o, c, r, s] = sum_{n, p, q} dy[n, o, p, q] x[n, c, p sh + r dh - ph, q sw + s dw - pw]
    db[o]          = sum_{n, p, q} dy[n, o, p, q]

with stride (sh, sw), padding (ph, pw), dilation (dh, dw); with groups, channels in bands that do not mix. The host
takes columns that stay in the cache (columns.py, windows.py); a device never stores them (implicit.py, weights.py;
direct.py and gathered.py for few channels, depthwise.py for groups of one). im2col.py has the columns as such, which is
the way to understand the others.
"""

from __future__ import annotations

from tritonnet.kernels.arrays import empty, is_host
from tritonnet.kernels.conv.im2col import col2im, im2col
from tritonnet.kernels.conv.mirror import conv2d_backward_mirror, conv2d_mirror

__all__ = [
    "col2im", "conv2d", "conv2d_backward", "conv2d_input_gradient", "conv2d_weight_gradient", "im2col", "laid_out",
    "output_size",
]


def output_size(size, kernel, stride, padding, dilation) -> int:
    """How many positions a kernel has along an axis."""
    return (size + 2 * padding - dilation * (kernel - 1) - 1) // stride + 1


def laid_out(x, w, groups=1, geometry=None) -> tuple:
    """(x, w) copied into the memory order that `conv2d` and `conv2d_backward` want; () where both lie so already.

    Either direction makes these copies where it is not given them, with the same results. On the host there are none.
    geometry: (stride, padding, dilation) of the `conv2d` that follows, which may read x otherwise where tuning says so.
    """
    if is_host(x):
        return ()
    from tritonnet.kernels.conv import launch

    return launch.laid_out(x, w, groups, geometry)


def conv2d(x, w, bias=None, stride=(1, 1), padding=(0, 0), dilation=(1, 1), groups=1, activation=None):
    """y (N, O, P, Q): x (N, C, H, W), w (O, C/groups, R, S), bias (O,) or None. On a device channels last in memory.

    activation: None or "relu", which the kernel applies on its way out; not yet run on a GPU.
    """
    if activation not in (None, "relu"):
        raise ValueError(f"conv2d: activation {activation!r} is neither None nor 'relu'")
    if is_host(x):
        return conv2d_mirror(x, w, bias, stride, padding, dilation, groups, activation)
    from tritonnet.kernels.conv import launch

    return launch.conv2d(x, w, bias, stride, padding, dilation, groups, activation)


def conv2d_backward(dy, x, w, stride=(1, 1), padding=(0, 0), dilation=(1, 1), groups=1, needs=(True, True, True)):
    """(dx, dw, db); those not needed are None."""
    if is_host(x):
        return conv2d_backward_mirror(dy, x, w, stride, padding, dilation, groups, needs)
    from tritonnet.kernels.conv import launch
    from tritonnet.kernels.conv.layouts import channels_last
    from tritonnet.kernels.reduce import sum as total

    if needs[0] and needs[1]:
        dy = channels_last(dy)                                # once for both
    dx = launch.input_gradient(dy, w, x.shape, stride, padding, dilation, groups) if needs[0] else None
    if needs[1]:
        return dx, *launch.weight_gradient(dy, x, w.shape, stride, padding, dilation, groups, needs[2])
    return dx, None, total(dy, axis=(0, 2, 3)) if needs[2] else None


def conv2d_input_gradient(dy, w, x_shape, stride=(1, 1), padding=(0, 0), dilation=(1, 1), groups=1):
    """dx of shape (N, C, H, W) alone: the transposed convolution of dy."""
    if is_host(dy):
        unread = empty(x_shape, dy.dtype, None)  # dx needs no more than its shape
        return conv2d_backward_mirror(dy, unread, w, stride, padding, dilation, groups, (True, False, False))[0]
    from tritonnet.kernels.conv import launch

    return launch.input_gradient(dy, w, x_shape, stride, padding, dilation, groups)


def conv2d_weight_gradient(dy, x, w_shape, stride=(1, 1), padding=(0, 0), dilation=(1, 1), groups=1):
    """dw of shape (O, C/groups, R, S) alone."""
    if is_host(dy):
        unread = empty(w_shape, dy.dtype, None)
        return conv2d_backward_mirror(dy, x, unread, stride, padding, dilation, groups, (False, True, False))[1]
    from tritonnet.kernels.conv import launch

    return launch.weight_gradient(dy, x, w_shape, stride, padding, dilation, groups, False)[0]
