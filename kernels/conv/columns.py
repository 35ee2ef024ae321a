"""Convolution on the host, fast: columns that stay in the cache, a product per block of them, images over the threads.

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
SMALL, TILE = 10 ** 6, 96    # multiply-adds of a product that OpenBLAS computes without packing; columns of such a one


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

    @property
    def tile(self):
        """Columns per product: TILE where OpenBLAS need not pack (a third faster for few channels), else 1: all."""
        return TILE if self.O // self.groups * (self.taps + 1) * TILE <= SMALL else 1

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


class Block:
    """Columns of some rows of the results of some images, and where their product goes: views of given memory."""

    __slots__ = ("images", "length", "rows", "taps", "cols", "kept", "tiles", "products")

    def __init__(self, shape, images, rows, memory, result):
        G, C = shape.groups, shape.C // shape.groups
        self.length = (rows - 1) * shape.pitch + shape.Q             # one image's
        inner, size = images * self.length, memory.itemsize
        self.cols = memory[:, :, :inner]
        self.taps = self.cols[:, :shape.taps].reshape(G, C, shape.R, shape.S, images, self.length, copy=False)
        self.kept = np.ndarray((shape.O, images, rows, shape.Q), result.dtype, result, 0,
                               (memory.shape[2] * size, self.length * size, shape.pitch * size, size))
        if shape.tile == 1:
            self.tiles, self.products = self.cols[:, None], result[:, None, :, :inner]
        else:
            tiles = -(-inner // shape.tile)
            self.tiles, self.products = (
                a[:, :, :tiles * shape.tile].reshape(G, -1, tiles, shape.tile, copy=False).transpose(0, 2, 1, 3)
                for a in (memory, result))

    def multiply(self, weights):
        """weights (groups, O/groups, taps) times the columns; returns the view of what belongs to y."""
        np.matmul(weights[:, None], self.tiles, out=self.products)
        return self.kept


class Columns:
    """Goes through the columns of images x (n, C, H, W) block by block.

        for block in Columns(shape, x): block.cols (groups, taps, images L), of x[block.images], rows block.rows of y

    ones: with a row of ones below.  block.multiply(weights) is their product, (O, images, rows, Q) without what wraps
    around.
    """

    def __init__(self, shape, x, ones=False):
        self.shape, self.x, n = shape, x, len(x)
        self.images, self.rows = shape.block(n, x.itemsize)
        length = self.images * ((self.rows - 1) * shape.pitch + shape.Q)
        length = -(-length // shape.tile) * shape.tile
        self.memory = host.empty((shape.groups, shape.taps + ones, length), x.dtype)
        self.memory[:, shape.taps:] = 1
        self.memory[:, :, length - shape.tile:] = 1      # the last tile is multiplied whole
        self.result = host.empty((shape.groups, shape.O // shape.groups, length), x.dtype)
        self.blocks = {}
        ph, pw = shape.padding
        self.plane, self.borders = shape.H * shape.W, None
        if ph or pw:                                     # images are copied into zeroed memory, whose borders stay zero
            self.plane = (shape.H + 2 * ph) * shape.pitch + pw
            self.borders = host.empty((self.images, shape.C, self.plane), x.dtype)
            self.borders.fill(0)

    def __iter__(self):
        shape, n = self.shape, len(self.x)
        for first in range(0, n, self.images):
            images = min(self.images, n - first)
            source, at = self._spread(self.x[first:first + images]), 0
            for row in range(0, shape.P, self.rows):
                rows = min(self.rows, shape.P - row)
                block = self.blocks.get((images, rows))
                if block is None:
                    block = self.blocks[images, rows] = Block(shape, images, rows, self.memory, self.result)
                at = row * shape.pitch * source.itemsize
                np.copyto(block.taps, self._runs(source, images, block.length, at))
                block.images, block.rows = slice(first, first + images), slice(row, row + rows)
                yield block

    def _spread(self, x):
        """Images with rows of one pitch, in memory without gaps: x itself where there is no padding."""
        if self.borders is None:
            return x
        n, C, H, W = x.shape
        (ph, pw), pitch, size = self.shape.padding, self.shape.pitch, x.itemsize
        inside = np.ndarray(x.shape, x.dtype, self.borders, (ph * pitch + pw) * size,
                            (C * self.plane * size, self.plane * size, pitch * size, size))
        np.copyto(inside, x)
        return self.borders

    def _runs(self, source, images, length, at):
        """For each channel, tap and image the run of pixels that the tap meets, from a byte on."""
        shape, size, plane = self.shape, source.itemsize, self.plane * source.itemsize
        G, C, (dh, dw) = shape.groups, shape.C // shape.groups, shape.dilation
        return np.ndarray((G, C, shape.R, shape.S, images, length), source.dtype, source, at,
                          (C * plane, plane, dh * shape.pitch * size, dw * size, shape.C * plane, size))


def forward(x, w, bias, shape, y):
    """y of the images x; one thread's part."""
    weights = w.reshape(shape.groups, -1, shape.taps)
    if bias is not None:
        weights = np.concatenate([weights, bias.reshape(shape.groups, -1, 1)], axis=2)
    channels_first = y.transpose(1, 0, 2, 3)
    for block in Columns(shape, x, ones=bias is not None):
        np.copyto(channels_first[:, block.images, block.rows], block.multiply(weights))


def backward(x, w, dy, shape, dx, dw):
    """Both gradients of the images x, dy from one set of columns; one thread's part.

    dx: (n, C, H, W), written.  dw: (groups, O/groups R S, C/groups), added to, or None; `unflip` orders it.
    """
    back, weights = shape.transposed(), flipped(w, shape.groups)
    columns, channels_first = Columns(back, dy), dx.transpose(1, 0, 2, 3)
    if dw is not None:
        pixels = Pixels(columns.images, columns.rows, shape, x.dtype)
        product = np.empty_like(dw)
    for block in columns:
        np.copyto(channels_first[:, block.images, block.rows], block.multiply(weights))
        if dw is not None:
            inner = pixels.filled(x[block.images, :, block.rows], block.length)
            few = rows_without_packing(back.taps, inner.shape[1] * inner.shape[2])
            tiles = block.cols.reshape(back.groups, -1, few, inner.shape[1], copy=False)
            np.matmul(tiles, inner[:, None], out=product.reshape(back.groups, -1, few, inner.shape[2]))
            dw += product


class Pixels:
    """x with its channels innermost and rows of the columns' pitch: (groups, images L, C), zeros between the rows."""

    def __init__(self, images, rows, shape, dtype):
        self.shape, self.pitch = shape, shape.pitch
        self.memory = host.empty((images * ((rows - 1) * self.pitch + shape.W) * shape.C,), dtype)
        self.memory.fill(0)
        self.filled_last = None

    def filled(self, x, length):
        """Write the images x (n, C, rows, W), L = length."""
        n, C, rows, W = x.shape
        G, size = self.shape.groups, x.itemsize
        if self.filled_last not in (None, (n, rows, length)):        # other gaps than before
            self.memory.fill(0)
        self.filled_last, c = (n, rows, length), C // G
        pixels = self.memory[:n * length * C].reshape(G, n * length, c)
        inside = np.ndarray((n, G, c, rows, W), x.dtype, self.memory, 0,
                            (length * c * size, n * length * c * size, size, self.pitch * c * size, c * size))
        np.copyto(inside, x.reshape(n, G, c, rows, W))
        return pixels


def rows_without_packing(rows, work):
    """The largest divisor of `rows` whose products of `work` multiply-adds a row are small; all of them if too few."""
    return next((n for n in range(min(rows, SMALL // max(1, work)), 15, -1) if rows % n == 0), rows)


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
