"""Dropout: zero each element with probability p, scale the others by 1 / (1 - p).

    y = x keep / (1 - p),  dx = dy keep / (1 - p),  keep = word >= p 2^32

On a device `keep` is computed again in the backward, from (seed, offset, element): no mask is stored. The element's
number is its place in memory, so that channels-last activations are read as they lie. On the host the everyday mask
comes from 16-bit pieces of SFC64's words (p is rounded to 1/65536) and is stored, already scaled.
"""

from __future__ import annotations

import numpy as np

from tritonnet.kernels import tuning
from tritonnet.kernels.arrays import contiguous, empty, full, is_host
from tritonnet.kernels.dtypes import accumulator
from tritonnet.kernels.kernel import kernel, tl
from tritonnet.kernels.rng.fills import generator_of
from tritonnet.kernels.rng.generator import Generator, same_stream_everywhere
from tritonnet.kernels.rng.philox import in_order, words_at, words_mirror
from tritonnet.kernels.space import WARPS, Space, fitting


def threshold(p: float) -> int:
    """Words below this are dropped."""
    return min(round(p * 2**32), 2**32 - 1)


def scale_of(p: float) -> float:
    """What is kept is multiplied by this; all is dropped at p = 1."""
    return 1 / (1 - p) if p < 1 else 0.0


def keep_mirror(shape, p, place, dtype):
    """The scaled mask that the kernel computes: 0 or 1 / (1 - p). place: (seed, offset, stream)."""
    acc = accumulator(dtype)
    n = int(np.prod(shape, dtype=np.int64))
    return (words_mirror(n, place) >= np.uint32(threshold(p))).astype(acc).reshape(shape) * acc.type(scale_of(p))


def keep_everyday(shape, p, generator, dtype):
    """A scaled mask from 16 random bits per element."""
    acc = accumulator(dtype)
    n = int(np.prod(shape, dtype=np.int64))
    limit = round(p * 65536)
    mask = empty(shape, acc, None)
    if limit > 65535:
        mask.fill(0)
        return mask
    bits = generator.raw(-(-n // 4)).view(np.uint16)[:n].reshape(shape)
    return np.multiply(bits >= np.uint16(limit), acc.type(scale_of(p)), out=mask)


@kernel(flops=lambda x: 2 * x.size, bytes=lambda x, y: x.nbytes + y.nbytes,
        space=Space(QUADS=[64, 128, 256, 512, 1024, 2048], num_warps=WARPS,
                    where=lambda QUADS, num_warps, n: fitting(4 * QUADS, num_warps, n)),
        do_not_specialize=["offset"])
def dropout_kernel(x, y, n: tl.int64, state, offset: tl.int64, limit: tl.uint32, scale: tl.float32,
                   ACC: tl.constexpr, QUADS: tl.constexpr):
    counter = tl.program_id(0).to(tl.int64) * QUADS + tl.arange(0, QUADS)
    w0, w1, w2, w3 = words_at(counter, state, offset, 0)
    keep = in_order(w0, w1, w2, w3) >= limit
    at = tl.program_id(0).to(tl.int64) * (QUADS * 4) + tl.arange(0, QUADS * 4)
    value = tl.load(x + at, mask=at < n, other=0).to(ACC)
    tl.store(y + at, value * tl.where(keep, scale, 0.0).to(ACC), mask=at < n)


class Place:
    """Where a dropout drew its numbers, and how its input lay in memory: all that the backward needs on a device."""

    __slots__ = ("state", "offset", "order")

    def __init__(self, state, offset, order):
        self.state, self.offset, self.order = state, offset, order


def memory_order(x):
    """The axes from the longest stride to the shortest if x is dense in that order, else as they are."""
    order = tuple(sorted(range(x.ndim), key=lambda i: -x.strides[i] if x.shape[i] > 1 else 0))
    return order if not same_stream_everywhere() and x.transpose(*order).contiguous else tuple(range(x.ndim))


def _dropout_device(x, p, place):
    order = place.order
    x = contiguous(x.transpose(*order) if x.ndim else x)
    y = empty(x.shape, x.dtype, x)
    config = tuning.chosen(dropout_kernel, x.device, x.dtype, x.size) or {
        "QUADS": 16384 if x.device.simulated else 256, "num_warps": 4}
    dropout_kernel[(-(-x.size // (4 * config["QUADS"])),)](
        x, y, x.size, place.state, place.offset, threshold(p), scale_of(p), ACC=accumulator(x.dtype), **config)
    return y.transpose(*sorted(range(y.ndim), key=order.__getitem__)) if y.ndim else y


def dropout(x, p: float, generator: Generator | None = None):
    """(y, what `dropout_backward` needs): the scaled mask on the host, the place in the stream on a device."""
    generator = generator_of(x, generator)
    if not is_host(x):
        place = Place(*generator.reserve(-(-x.size // 4)), memory_order(x))
        return _dropout_device(x, p, place), place
    if same_stream_everywhere():
        mask = keep_mirror(x.shape, p, generator.reserve(-(-x.size // 4)), x.dtype)
    else:
        mask = keep_everyday(x.shape, p, generator, x.dtype)
    return dropout_backward(x, p, mask), mask


def dropout_backward(dy, p: float, place):
    """dx. place: what `dropout` gave beside y."""
    if isinstance(place, Place):
        return _dropout_device(dy, p, place)
    return np.multiply(dy, place, out=empty(dy.shape, place.dtype, None)).astype(dy.dtype, copy=False)


def channel_mask(x, p: float, generator: Generator | None = None):
    """(N, C, 1, …) of 0 or 1 / (1 - p), one draw per channel of each sample: multiply x by it, and dy again."""
    shape = x.shape[:2] + (1,) * (x.ndim - 2)
    return dropout(full(shape, 1, x.dtype, x), p, generator)[0]
