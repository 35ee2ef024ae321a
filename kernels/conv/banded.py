"""Both gradients of a convolution on the host where images are hardly wider than kernels and channels are few.

There columns cost more than products. Here the kernel becomes a matrix along the width, w[o, c, r, s] at (q, q + s):

    band[o q, r c v] = w[o, c, r, v - q]        (0 outside the kernel)

so with rows of pixels (channels and columns together) dx is the sum over r of (dy band)[p, r, c v] at the row p + r,
and dw[o, c, r, s] the sum over q of (dy' x)[o q, r c (q + s)]. That multiplies by width / S times as many numbers, most
of them zeros, at the full speed of BLAS, in a dozen calls for many images.

An infinity in dy meets those zeros: mirror.py asks whether dx is finite, and takes windows.py if not.
"""

from __future__ import annotations

import numpy as np

from tritonnet.kernels.runtime import host

BLOCK = 1 << 21  # bytes of products
WIDER, CHANNELS = 3, 1 << 10  # largest width / S, and C O, for which this pays


def pays(shape) -> bool:
    """Whether to take this road."""
    return (shape.groups == 1 and shape.R * shape.S >= 25 and shape.W + 2 * shape.padding[1] <= WIDER * shape.S
            and shape.C * shape.O <= CHANNELS)


def diagonals(band, shape):
    """The view (O, Q, R, C, S) of a band (O, Q, R, C, V) where the kernel lies."""
    o, q, r, c, v = band.strides
    return np.ndarray((*band.shape[:4], shape.S), band.dtype, band, 0, (o, q + v, r, c, v * shape.dilation[1]))


def backward(x, w, dy, shape, dx, dw):
    """Both gradients of the images x, dy; as `columns.backward`."""
    O, C, R, P, Q, (ph, pw) = shape.O, shape.C, shape.R, shape.P, shape.Q, shape.padding
    height, width = shape.H + 2 * ph, shape.W + 2 * pw
    band = host.empty((O, Q, R, C, width), x.dtype)
    band.fill(0)
    diagonals(band, shape)[...] = w.transpose(0, 2, 1, 3)[:, None]
    images = max(1, min(len(x), BLOCK // (P * R * C * width * x.itemsize)))
    products = host.empty((images, P, R, C, width), x.dtype)
    gradient, rows = host.empty((images, P, O, Q), x.dtype), host.empty((images, height, C, width), x.dtype)
    total = 0
    for first in range(0, len(x), images):
        here = slice(first, min(first + images, len(x)))
        n = here.stop - first
        g, z, wide = gradient[:n], products[:n], rows[:n]
        inside = wide[:, ph:ph + shape.H, :, pw:pw + shape.W].transpose(0, 2, 1, 3)
        np.copyto(g, dy[here].transpose(0, 2, 1, 3))
        g, flat = g.reshape(n * P, -1), z.reshape(n * P, -1)
        if dw is not None:
            wide.fill(0)
            np.copyto(inside, x[here])
            image, row, c, v = wide.strides
            np.copyto(z, np.ndarray(z.shape, z.dtype, wide, 0, (image, row, shape.dilation[0] * row, c, v)))
            total += g.T @ flat
        np.matmul(g, band.reshape(g.shape[1], -1), out=flat)
        wide.fill(0)
        for r in range(R):
            wide[:, r * shape.dilation[0]:r * shape.dilation[0] + P] += z[:, :, r]
        np.copyto(dx[here], inside)
    if dw is not None:
        found = diagonals(total.reshape(band.shape), shape).sum(axis=1)
        dw += found[:, ::-1, :, ::-1].transpose(0, 1, 3, 2).reshape(dw.shape)
