"""Random permutations, each element found by itself: no sorting, no memory.

    element i is F(F(… F(i))), until it is below n;  F: a Feistel network on the next power of two, keyed by the seed

F permutes its whole range, so walking along its cycle until back inside permutes what is inside.
Source: Black & Rogaway 2002, "Ciphers with arbitrary finite domains", cycle walking.
"""

from __future__ import annotations

import numpy as np

from tritonnet.kernels.arrays import empty, is_host
from tritonnet.kernels.kernel import jit, kernel, tl
from tritonnet.kernels.rng.fills import everyday, generator_of
from tritonnet.kernels.rng.generator import Generator
from tritonnet.kernels.rng.philox import philox, philox_mirror

ROUNDS = 12  # of the Feistel network


def permutation_mirror(n, place):
    """0 … n-1 in random order, int64."""
    seed, offset, stream = place
    bits = max(2, (n - 1).bit_length())
    left_bits, right_bits = bits // 2, bits - bits // 2
    left_mask, right_mask = np.uint64((1 << left_bits) - 1), np.uint64((1 << right_bits) - 1)

    def word(half, i):
        return philox_mirror((half << np.uint64(8)) + np.uint64(i), seed, stream, (offset + 2) & 0xFFFFFFFF)[0]

    def shuffle(x):
        left, right = x >> np.uint64(right_bits), x & right_mask
        for i in range(0, ROUNDS, 2):
            left = left ^ word(right, i) & left_mask
            right = right ^ word(left, i + 1) & right_mask
        return left << np.uint64(right_bits) | right

    found = shuffle(np.arange(n, dtype=np.uint64))
    while (outside := found >= n).any():
        found[outside] = shuffle(found[outside])
    return found.view(np.int64)


@jit
def feistel_word(half, key, stream, draw, round):
    """A random word (uint64) for one half (uint64) in one round."""
    counter = (half << 8) + round
    zero = (counter * 0).to(tl.uint32)
    w0, w1, w2, w3 = philox(counter.to(tl.uint32), (counter >> 32).to(tl.uint32), zero + stream.to(tl.uint32),
                            zero + draw.to(tl.uint32), zero + key.to(tl.uint32), zero + (key >> 32).to(tl.uint32))
    return w0.to(tl.uint64)


@jit
def feistel(x, key, stream, draw, LEFT: tl.constexpr, RIGHT: tl.constexpr, ROUNDS: tl.constexpr):
    """A bijection on LEFT + RIGHT bits."""
    left, right = x >> RIGHT, x & ((1 << RIGHT) - 1)
    for i in range(0, ROUNDS, 2):
        left = left ^ (feistel_word(right, key, stream, draw, i) & ((1 << LEFT) - 1))
        right = right ^ (feistel_word(left, key, stream, draw, i + 1) & ((1 << RIGHT) - 1))
    return (left << RIGHT) | right


@kernel(bytes=lambda out: out.nbytes, do_not_specialize=["offset"])
def permutation_kernel(out, n: tl.int64, state, offset: tl.int64, LEFT: tl.constexpr, RIGHT: tl.constexpr,
                       ROUNDS: tl.constexpr, BLOCK: tl.constexpr):
    at = tl.program_id(0).to(tl.int64) * BLOCK + tl.arange(0, BLOCK)
    key, stream = tl.load(state).to(tl.uint64, bitcast=True), tl.load(state + 2)
    draw = (tl.load(state + 1) + offset + 2).to(tl.uint64, bitcast=True)
    inside = at < n
    found = feistel(tl.where(inside, at, 0).to(tl.uint64, bitcast=True), key, stream, draw, LEFT, RIGHT, ROUNDS)
    while tl.max((found >= n).to(tl.int32), axis=0) > 0:
        found = tl.where(found >= n, feistel(found, key, stream, draw, LEFT, RIGHT, ROUNDS), found)
    tl.store(out + at, found.to(tl.int64, bitcast=True), mask=inside)


def permutation(n: int, like=None, generator: Generator | None = None):
    """0 … n-1 in random order: an int64 array where `like` lives."""
    if n < 0:
        raise RuntimeError(f"n must be non-negative, got {n}")
    out = empty((n,), np.dtype(np.int64), like)
    generator = generator_of(out, generator)
    if everyday(out):
        out[...] = generator.numpy.permutation(n)
        return out
    if is_host(out):
        out[...] = permutation_mirror(n, generator.reserve(1))
        return out
    bits, block = max(2, (n - 1).bit_length()), 16384 if out.device.simulated else 512
    state, offset = generator.reserve(1)
    permutation_kernel[(-(-n // block),)](out, n, state, offset, LEFT=bits // 2, RIGHT=bits - bits // 2,
                                          ROUNDS=ROUNDS, BLOCK=block)
    return out
