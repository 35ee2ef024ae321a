"""The gradients of a convolution on the host for kernels that are large beside the image.

There the columns of dy that columns.py takes are many more than those of x: with borders of k - 1 a result of 8 x 8 has
12 x 12 of them, for each output channel. Here both products are with the columns of x: dw = columns(x) . dy', and
w' . dy has the form of columns, of dx: each run of them is added where im2col would take it from.
"""

from __future__ import annotations

import numpy as np

from tritonnet.kernels.conv.columns import Columns, Pixels, rows_without_packing
from tritonnet.kernels.runtime import host


def pays(shape) -> bool:
    """Whether dy has so many more columns than x that adding runs one by one is the lesser evil."""
    return shape.R * shape.S >= 25 and shape.O * shape.H * shape.W > 4 * shape.C * shape.P * shape.Q


def backward(x, w, dy, shape, dx, dw):
    """Both gradients of the images x, dy; as `columns.backward`."""
    G, K, O = shape.groups, shape.taps, shape.O // shape.groups
    weights = np.ascontiguousarray(w.reshape(G, O, K).transpose(0, 2, 1))
    columns = Columns(shape, x)
    pixels = Pixels(columns.images, columns.rows, shape.transposed(), x.dtype)
    (ph, pw), pitch, size = shape.padding, shape.pitch, x.itemsize
    plane = (shape.H + 2 * ph) * pitch + pw
    planes = host.empty((columns.images, shape.C, plane), x.dtype)
    total, product = np.zeros((G, K, O), x.dtype), np.empty((G, K, O), x.dtype)
    for block in columns:
        inner = pixels.filled(dy[block.images, :, block.rows], block.length)
        if dw is not None:
            few = rows_without_packing(K, inner.shape[1] * O)
            tiles = block.cols.reshape(G, -1, few, inner.shape[1], copy=False)
            np.matmul(tiles, inner[:, None], out=product.reshape(G, -1, few, O))
            total += product
        np.matmul(weights, inner.transpose(0, 2, 1), out=block.cols)
        images, first = block.images.stop - block.images.start, block.rows.start
        if first == 0:
            planes.fill(0)
        for r, s in np.ndindex(shape.R, shape.S):
            at = (first + r * shape.dilation[0]) * pitch + s * shape.dilation[1]
            run = np.ndarray((G, shape.C // G, images, block.length), x.dtype, planes, at * size,
                             (shape.C // G * plane * size, plane * size, shape.C * plane * size, size))
            run += block.taps[:, :, r, s]
        if block.rows.stop == shape.P:
            inside = np.ndarray((images, shape.C, shape.H, shape.W), x.dtype, planes, (ph * pitch + pw) * size,
                                (shape.C * plane * size, plane * size, pitch * size, size))
            np.copyto(dx[block.images], inside)
    if dw is not None:
        total = total.reshape(G, shape.C // G, shape.R, shape.S, O)[:, :, ::-1, ::-1]
        dw += total.transpose(0, 4, 2, 3, 1).reshape(dw.shape)
