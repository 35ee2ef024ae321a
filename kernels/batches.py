"""Batches of data that lie on the device: gathered there, normalised and shifted on the way.

    y[i, c, h, w] = f_c x[order[b B + i], c, h - dh_i, w - dw_i] + g_c,     dh, dw in [-s, s] at random, 0 outside of x

b is the number of the batch within its epoch. It lies in device memory (`Counter`), so that a captured step goes on to
the next batch by itself. f and g: scale / std and -mean / std of each channel.
"""

from __future__ import annotations

import math

import numpy as np

from tritonnet.kernels.arrays import empty, is_host
from tritonnet.kernels.dtypes import float32
from tritonnet.kernels.kernel import kernel, tl
from tritonnet.kernels.rng.philox import words_at, words_mirror


def batch_mirror(data, places, factor=None, bias=None, shift=0, draws=None):
    """The samples at `places` (int64). draws: (seed, offset, stream) of the words that shifts come from."""
    x = data[places]
    if shift:
        span = np.uint32(2 * shift + 1)
        moves = (words_mirror(4 * len(x), draws).reshape(-1, 4)[:, :2] % span).astype(np.int64) - shift
        shifted = np.zeros_like(x)
        H, W = x.shape[-2:]
        for i, (dh, dw) in enumerate(moves):
            to = np.s_[..., max(dh, 0):max(min(H + dh, H), 0), max(dw, 0):max(min(W + dw, W), 0)]
            of = np.s_[..., max(-dh, 0):max(min(H - dh, H), 0), max(-dw, 0):max(min(W - dw, W), 0)]
            shifted[i][to] = x[i][of]
        x = shifted
    if factor is None:
        return x
    channels = (-1,) + (1,) * (x.ndim - 2)
    return x.astype(float32) * factor.reshape(channels) + bias.reshape(channels)


@kernel(bytes=lambda data, out: out.nbytes + math.prod(out.shape) * data.itemsize,
        do_not_specialize=["offset", "batches", "draw"])
def batch_kernel(data, order, number, offset: tl.int64, batches: tl.int64, rows: tl.int64, factor, bias, draws,
                 draw: tl.int64, out, size: tl.int64, H, W, SHIFT: tl.constexpr, BLOCK: tl.constexpr):
    """Each program a block of one sample. size: elements per sample; H, W: of its planes."""
    row = tl.program_id(0).to(tl.int64)
    place = ((tl.load(number) + offset) % batches) * rows + row
    if order is not None:
        place = tl.load(order + place)
    col = tl.program_id(1) * BLOCK + tl.arange(0, BLOCK)
    inside = col < size
    source, seen = col.to(tl.int64), inside
    if SHIFT:
        w0, w1, w2, w3 = words_at(row + tl.zeros([1], tl.int64), draws, draw, 0)
        dh = tl.sum((w0 % (2 * SHIFT + 1)).to(tl.int32), axis=0) - SHIFT
        dw = tl.sum((w1 % (2 * SHIFT + 1)).to(tl.int32), axis=0) - SHIFT
        h, w = col // W % H - dh, col % W - dw
        seen = inside & (h >= 0) & (h < H) & (w >= 0) & (w < W)
        source -= dh * W + dw
    value = tl.load(data + place * size + source, mask=seen, other=0)
    if factor is not None:
        channel = col // (H * W)
        value = (value.to(tl.float32) * tl.load(factor + channel, mask=inside, other=0)
                 + tl.load(bias + channel, mask=inside, other=0))
    tl.store(out + row * size + col, value, mask=inside)


def batch(data, order, number, batches, rows, count, factor=None, bias=None, shift=0, draws=None):
    """Samples of one batch: (count, …) in data's type, or float32 where there is a factor.

    data: (N, …) in C order.  order: (N,) int64, or None for 0, 1, ….  number: (array, offset) of a `Counter` on a
    device, else an int: the batch is number % batches, and begins at `rows` times that.  factor, bias: (C,) float32.
    shift: the most pixels that the last two axes are moved by.  draws: what `Generator.reserve(count)` gave.
    """
    if is_host(data):
        places = number % batches * rows + np.arange(count)
        return batch_mirror(data, places if order is None else order[places], factor, bias, shift, draws)
    out = empty((count, *data.shape[1:]), data.dtype if factor is None else float32, data)
    size = math.prod(data.shape[1:])
    H, W = data.shape[-2:] if data.ndim > 2 else (1, size)
    block = min(1 << max(size - 1, 0).bit_length(), 65536 if data.device.simulated else 1024)
    drawn = draws or (None, 0)
    batch_kernel[(count, -(-size // block))](data, order, *number, batches, rows, factor, bias, *drawn, out, size, H, W,
                                             SHIFT=shift, BLOCK=block, num_warps=4)
    return out
