"""Convolution on the host with kernels of three rows: two rows of the result from four products instead of six.

Winograd's F(2, 3) down the columns of the image. With rows d0 … d3 of x and kernel rows w0, w1, w2:

    m0 = w0 (d0 - d2)    m1 = (w0 + w1 + w2)/2 (d1 + d2)    m2 = (w0 - w1 + w2)/2 (d2 - d1)    m3 = w2 (d1 - d3)
    y0 = m0 + m1 + m2    y1 = m1 - m2 - m3

Along the rows it stays as in columns.py: one run per tap, pitch and all. So each m is a product with columns of a third
of the taps, over half of the pixels: two thirds of the multiplications and of the columns, for a few passes of sums.
Images are kept as two planes, even rows and odd rows, which makes these passes contiguous.

Backward: dx is again such a convolution, of dy with the flipped weights; and the gradient of the transformed weights is
sum over pixels of the same columns with x0, x0 + x1, x0 - x1, -x1, where x0, x1 are the rows of x that m0 … m3 feed.

Errors are as of the plain sum, but for an infinity, which may become NaN in the results that see it: mirror.py asks,
and lets windows.py compute these images again.
"""

from __future__ import annotations

import numpy as np

from tritonnet.kernels.conv.columns import Block, Pixels, flipped
from tritonnet.kernels.runtime import host

MEMORY = 3 << 19             # bytes of columns, products and planes of a block
LEAST = 32                   # channels on either side from which the additions pay


def pays(shape) -> bool:
    """Whether to take this road: three rows, one group, enough channels."""
    return shape.R == 3 and shape.dilation[0] == 1 and shape.groups == 1 and min(shape.C, shape.O) >= LEAST


class Tiles:
    """Goes through images x (n, C, H, W) in blocks of pairs of rows of the result.

        for block in Tiles(shape, x):
            for f in range(4):
                block.columns(f)                 # of m_f, in memory that the next ones overwrite
                block.multiply(f, weights[f])
            block.results(y)
    """

    def __init__(self, shape, x, ones=False):
        self.shape, self.x, n, pitch = shape, x, len(x), shape.pitch
        self.pairs = -(-shape.P // 2)
        row = (shape.C * shape.S + 4 * shape.O + 3 * shape.C) * pitch * x.itemsize
        self.images = max(1, min(n, MEMORY // (row * self.pairs)))
        parts = -(-row * self.pairs // MEMORY) if self.images == 1 else 1
        self.band = -(-self.pairs // parts)
        self.half = shape._replace(R=1, padding=(0, shape.padding[1]), H=self.pairs)     # its P is the number of pairs
        length = self.images * ((self.band - 1) * pitch + shape.Q)
        length = -(-length // self.half.tile) * self.half.tile
        self.memory = host.empty((1, self.half.taps + ones, length), x.dtype)
        self.memory[:, :, length - self.half.tile:] = 1
        self.memory[:, self.half.taps:] = 1
        self.results = host.empty((4, 1, shape.O, length), x.dtype)
        self.plane = (self.pairs + 1) * pitch + (shape.S - 1) * shape.dilation[1] + shape.padding[1]
        self.planes = host.empty((2, self.images, shape.C, self.plane), x.dtype)
        self.planes.fill(0)
        self.sums = host.empty((self.images * shape.C * self.plane,), x.dtype)
        self.blocks = {}

    def __iter__(self):
        n = len(self.x)
        for first in range(0, n, self.images):
            images = min(self.images, n - first)
            self._spread(self.x[first:first + images])
            for pair in range(0, self.pairs, self.band):
                pairs = min(self.band, self.pairs - pair)
                key = images, pairs
                if key not in self.blocks:
                    self.blocks[key] = [Block(self.half, images, pairs, self.memory, m) for m in self.results]
                yield Pairs(self, slice(first, first + images), pair, pairs, self.blocks[key])

    def _spread(self, x):
        """Even and odd rows of the padded images, in planes of their own."""
        (n, C, H, W), (ph, pw), pitch, size = x.shape, self.shape.padding, self.shape.pitch, x.itemsize
        for parity in (0, 1):
            first = (parity - ph) % 2
            at = parity * self.planes[0].size + (first + ph) // 2 * pitch + pw
            inside = np.ndarray((n, C, -(-(H - first) // 2), W), x.dtype, self.planes, at * size,
                                (C * self.plane * size, self.plane * size, pitch * size, size))
            np.copyto(inside, x[:, :, first::2])


class Pairs:
    """One block: some images, some pairs of rows."""

    __slots__ = ("tiles", "images", "pair", "pairs", "parts", "length")

    def __init__(self, tiles, images, pair, pairs, parts):
        self.tiles, self.images, self.pair, self.pairs, self.parts = tiles, images, pair, pairs, parts
        self.length = parts[0].length

    def columns(self, f):
        """The columns that m_f is a product with: (1, C S, images L)."""
        tiles, shape = self.tiles, self.tiles.shape
        n, C, pitch = self.images.stop - self.images.start, shape.C, shape.pitch
        width = self.length + (shape.S - 1) * shape.dilation[1]
        at = self.pair * pitch
        even, odd = tiles.planes[0, :n, :, at:], tiles.planes[1, :n, :, at:]
        d0, d1, d2 = even[:, :, :width], odd[:, :, :width], even[:, :, pitch:pitch + width]
        sums = tiles.sums[:n * C * width].reshape(n, C, width)
        if f == 0:
            np.subtract(d0, d2, out=sums)
        elif f == 1:
            np.add(d1, d2, out=sums)
        elif f == 2:
            np.subtract(d2, d1, out=sums)
        else:
            np.subtract(d1, odd[:, :, pitch:pitch + width], out=sums)
        size, taps = sums.itemsize, self.parts[f].taps
        np.copyto(taps, np.ndarray(taps.shape, sums.dtype, sums, 0,
                                   (0, width * size, 0, shape.dilation[1] * size, C * width * size, size)))
        return self.parts[f].cols

    def multiply(self, f, weights):
        """m_f, kept in the block."""
        self.parts[f].multiply(weights)

    def results(self, y):
        """Write the rows that m0 … m3 make into y (O, n, P, Q)."""
        m0, m1, m2, m3 = self.tiles.results
        m0 += m1
        m0 += m2
        m1 -= m2
        m1 -= m3
        first = 2 * self.pair
        y = y[:, self.images, first:first + 2 * self.pairs]
        np.copyto(y[:, :, 0::2], self.parts[0].kept)
        np.copyto(y[:, :, 1::2], self.parts[1].kept[:, :, :y.shape[2] // 2])


def transformed(w):
    """The four weights (4, 1, O, C S) of w (O, C, 3, S)."""
    w0, w1, w2 = w.transpose(2, 0, 1, 3).reshape(3, 1, w.shape[0], -1)
    half, middle = (w0 + w2) / 2, w1 / 2
    return np.stack([w0, half + middle, half - middle, w2])


def forward(x, w, bias, shape, y):
    """y of the images x; one thread's part."""
    weights = transformed(w)
    if bias is not None:                                 # in m1, which both rows have once
        column = np.zeros((4, 1, shape.O, 1), w.dtype)
        column[1, 0, :, 0] = bias
        weights = np.concatenate([weights, column], axis=3)
    channels_first = y.transpose(1, 0, 2, 3)
    for block in Tiles(shape, x, ones=bias is not None):
        for f in range(4):
            block.columns(f)
            block.multiply(f, weights[f])
        block.results(channels_first)


def backward(x, w, dy, shape, dx, dw):
    """Both gradients of the images x, dy; as `columns.backward`."""
    back = shape.transposed()
    weights = transformed(flipped(w, 1).reshape(shape.C, shape.O, 3, shape.S))
    tiles, channels_first = Tiles(back, dy), dx.transpose(1, 0, 2, 3)
    if dw is not None:
        even, odd = (Pixels(tiles.images, tiles.band, shape, x.dtype) for _ in range(2))
        total, product = np.zeros((4, shape.O * shape.S, shape.C), x.dtype), np.empty_like(dw[0, ::3])
    for block in tiles:
        if dw is not None:
            first, last = 2 * block.pair, 2 * (block.pair + block.pairs)
            x0 = even.filled(x[block.images, :, first:last:2], block.length)[0]
            x1 = odd.filled(x[block.images, :, first + 1:last:2], block.length)[0]
            factors = x0, x0 + x1, x0 - x1, x1
        for f in range(4):
            cols = block.columns(f)
            block.multiply(f, weights[f])
            if dw is not None:
                total[f] += np.matmul(cols[0], factors[f], out=product)
        block.results(channels_first)
    if dw is not None:
        m0, m1, m2, m3 = total.reshape(4, shape.O, 1, shape.S, shape.C)
        half = (m1 + m2) / 2
        dw += np.concatenate([m0 + half, (m1 - m2) / 2, half - m3], axis=1).reshape(dw.shape)
