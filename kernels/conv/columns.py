"""Convolution on the host, fast: a block of columns that stays in the cache, one product per block, images over threads

Columns keep the wrap-around: with image rows of pitch P = W + padding, one border serves a row's end and the next row's
start, and the column of a tap (r, s) is one contiguous run of the padded image, from (r dh) P + s dw on. The result has
rows of pitch P too; dropping the P - Q columns in between is one copy, which the result needs anyway. The bias is a row
of ones below the columns.

Backward, one set of columns of dy serves both products: dx is the convolution of dy with the flipped weights and
padding (k - 1) d - padding, which has the same pitch, and dw[o, :, r, s] = (columns of dy)[o, flipped r, s] . x.

Stride 1 only; any dilation and groups; padding at most (k - 1) d.
"""
from __future__ import annotations

from typing import NamedTuple

import numpy as np
from tritonnet.kernels.runtime import host

BLOCK = 1 << 20              # bytes of columns: half of a core's L2


class Planes(NamedTuple):
    """Padded images in rows of one pitch: element (n, c, h, w) at offset + n image + c channel + h pitch + w."""

    buffer: np.ndarray
    offset: int
    image: int
    channel: int
    pitch: int

    def view(self, shape, strides, at=0):
        """The elements from `at` on with these shape and strides (in elements)."""
        size = self.buffer.itemsize
        return np.ndarray(shape, self.buffer.dtype, self.buffer, (self.offset + at) * size, [s * size for s in strides])


class Shape(NamedTuple):
    """A convolution of stride 1: from (C, H, W) by O x C/groups x R x S weights to (O, P, Q)."""

    C: int
    H: int
    W: int
    O: int
    R: int
    S: int
    padding: tuple
    dilation: tuple
    groups: int

    @property
    def P(self):
        return self.H + 2 * self.padding[0] - (self.R - 1) * self.dilation[0]

    @property
    def Q(self):
        return self.W + 2 * self.padding[1] - (self.S - 1) * self.dilation[1]

    @property
    def pitch(self):
        return self.W + self.padding[1]

    @property
    def taps(self):
        """Rows of the columns, per group."""
        return self.C // self.groups * self.R * self.S

    def transposed(self):
        """The convolution that takes dy to dx."""
        padding = tuple((k - 1) * d - p for k, d, p in zip((self.R, self.S), self.dilation, self.padding))
        return Shape(self.O, self.P, self.Q, self.C, self.R, self.S, padding, self.dilation, self.groups)

    def block(self, images, itemsize):
        """How many images, or else rows of the result, fit into a block: (images, rows)."""
        row = max(1, self.C * self.R * self.S * self.pitch * itemsize)
        if row * self.P <= BLOCK:
            return min(images, BLOCK // (row * self.P)), self.P
        parts = -(-row * self.P // BLOCK)
        return 1, max(1, -(-self.P // parts))


def fits(shape):
    """Whether this road is open to a convolution of stride 1."""
    return all(0 <= p <= (k - 1) * d for k, d, p in zip((shape.R, shape.S), shape.dilation, shape.padding))


def spread(x, shape, scratch=None):
    """Images (n, C, H, W) as planes with their borders; without padding they are that already."""
    n, C, H, W = x.shape
    ph, pw = shape.padding
    if not ph and not pw:
        return Planes(x, 0, C * H * W, H * W, W)
    pitch = shape.pitch
    plane = (H + 2 * ph) * pitch + pw
    planes = Planes(scratch, 0, plane, n * plane, pitch)
    np.copyto(planes.view((C, n, H, W), (n * plane, plane, pitch, 1), ph * pitch + pw), x.transpose(1, 0, 2, 3))
    return planes


def border(images, shape, dtype):
    """Zeroed memory for `spread`: what is written into it later leaves the borders alone."""
    ph, pw = shape.padding
    scratch = host.empty((shape.C * images * ((shape.H + 2 * ph) * shape.pitch + pw),), dtype)
    scratch.fill(0)
    return scratch


def columns(planes, shape, images, row, rows, out):
    """The columns of some rows of the result, (groups, taps, images * L), written below `out`; returns that view."""
    L = (rows - 1) * shape.pitch + shape.Q
    C, G, (dh, dw) = shape.C // shape.groups, shape.groups, shape.dilation
    runs = planes.view((G, C, shape.R, shape.S, images, L),
                       (C * planes.channel, planes.channel, dh * planes.pitch, dw, planes.image, 1), row * planes.pitch)
    block = out[:, :, :images * L]
    np.copyto(block[:, :shape.taps].reshape(G, C, shape.R, shape.S, images, L, copy=False), runs)
    return block


def drop_wrap(block, shape, images, row, rows, y):
    """Copy the result of a block, (O, images * L) in rows of pitch `pitch`, into y (n, O, P, Q)."""
    L, size = (rows - 1) * shape.pitch + shape.Q, block.itemsize
    kept = np.ndarray((shape.O, images, rows, shape.Q), block.dtype, block, 0,
                      (images * L * size, L * size, shape.pitch * size, size))
    np.copyto(y[:, :, row:row + rows].transpose(1, 0, 2, 3), kept)


def forward(x, w, bias, shape, y):
    """y of the images x; one thread's part."""
    n, G, dtype = len(x), shape.groups, x.dtype
    images, rows = shape.block(n, x.itemsize)
    L, K = (rows - 1) * shape.pitch + shape.Q, shape.taps
    weights = w.reshape(G, shape.O // G, K)
    if bias is not None:
        weights = np.concatenate([weights, bias.reshape(G, -1, 1)], axis=2)
    scratch = border(images, shape, dtype) if any(shape.padding) else None
    block = host.empty((G, weights.shape[2], images * L), dtype)
    block[:, K:] = 1
    result = host.empty((shape.O * images * L,), dtype)
    for i in range(0, n, images):
        part = x[i:i + images]
        planes = spread(part, shape, scratch)
        for row in range(0, shape.P, rows):
            here = min(rows, shape.P - row)
            cols = columns(planes, shape, len(part), row, here, block)
            out = result[:shape.O * cols.shape[2]].reshape(G, -1, cols.shape[2])
            np.matmul(weights, cols, out=out)
            drop_wrap(out, shape, len(part), row, here, y[i:i + images])


def backward(x, w, dy, shape, dx, dw):
    """Both gradients of the images x, dy from one set of columns; one thread's part.

    dx: (n, C, H, W), written, or None.  dw: (groups, O/groups R S, C/groups), added to, or None; `unflip` orders it.
    """
    n, G, dtype, back = len(x), shape.groups, x.dtype, shape.transposed()
    images, rows = back.block(n, x.itemsize)
    L, K, C = (rows - 1) * back.pitch + back.Q, back.taps, shape.C // G
    scratch = border(images, back, dtype) if any(back.padding) else None
    block = host.empty((G, K, images * L), dtype)
    result = host.empty((shape.C * images * L,), dtype) if dx is not None else None
    weights = flipped(w, G)
    if dw is not None:
        pixels = host.empty((G, images * L, C), dtype)           # x with channels innermost, 0 between the rows
        pixels.fill(0)
        product = np.empty((G, K, C), dtype)
    for i in range(0, n, images):
        part = dy[i:i + images]
        planes = spread(part, back, scratch)
        for row in range(0, back.P, rows):
            here = min(rows, back.P - row)
            cols = columns(planes, back, len(part), row, here, block)
            if dx is not None:
                out = result[:shape.C * cols.shape[2]].reshape(G, -1, cols.shape[2])
                np.matmul(weights, cols, out=out)
                drop_wrap(out, back, len(part), row, here, dx[i:i + images])
            if dw is not None:
                inner = pixels[:, :cols.shape[2]]
                _fill_pixels(inner, x[i:i + images, :, row:row + here], back.pitch)
                dw += np.matmul(cols, inner, out=product)


def _fill_pixels(pixels, x, pitch):
    """pixels[g, n L + h pitch + w, c] = x[n, g C + c, h, w]."""
    n, channels, H, W = x.shape
    G, length, C = pixels.shape
    group, pixel, channel = pixels.strides
    target = np.ndarray((n, G, C, H, W), pixels.dtype, pixels.base if pixels.base is not None else pixels,
                        0, (length // n * pixel, group, channel, pitch * pixel, pixel))
    np.copyto(target, x.reshape(n, G, C, H, W))


def flipped(w, groups):
    """Weights of the transposed convolution: (G, C/G, O/G R S), taps turned around."""
    O, C, R, S = w.shape
    w = w.reshape(groups, O // groups, C, R, S)[..., ::-1, ::-1]
    return np.ascontiguousarray(w.transpose(0, 2, 1, 3, 4)).reshape(groups, C, -1)


def unflip(dw, w_shape):
    """What `backward` has summed, as the gradient of weights of this shape."""
    O, C, R, S = w_shape
    dw = dw.reshape(O, R, S, C)[:, ::-1, ::-1]
    return np.ascontiguousarray(dw.transpose(0, 3, 1, 2))
