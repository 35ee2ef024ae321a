"""Philox4x32-10: four random words from a counter and a key, with nothing to remember.

    one round: (c0, c1, c2, c3) -> (hi(M1 c2) ^ c1 ^ k0, lo(M1 c2), hi(M0 c0) ^ c3 ^ k1, lo(M0 c0)); k += (W0, W1)

The key is the seed; the counter is (64-bit offset, stream, word set). Element 4 i + j of a fill takes word j of counter
offset + i, so any element can be computed again, alone, and in the same bits on every device.
Source: Salmon et al. 2011, "Parallel random numbers: as easy as 1, 2, 3".
"""

from __future__ import annotations

import numpy as np

from tritonnet.kernels.kernel import jit, tl

M0, M1 = 0xD2511F53, 0xCD9E8D57
W0, W1 = 0x9E3779B9, 0xBB67AE85
LOW = 0xFFFFFFFF


def philox_mirror(counters, seed, stream=0, words=0):
    """Four uint32 arrays: the words of each counter (int64). `words`: 0, or 1 for four more of the same counter."""
    counters = counters.astype(np.uint64)
    c0, c1 = counters & LOW, counters >> np.uint64(32)
    c2, c3 = np.full_like(c0, stream), np.full_like(c0, words)
    k0, k1 = seed & LOW, seed >> 32
    for _ in range(10):
        a, b = c0 * np.uint64(M0), c2 * np.uint64(M1)
        c0, c1, c2, c3 = (b >> np.uint64(32)) ^ c1 ^ k0, b & LOW, (a >> np.uint64(32)) ^ c3 ^ k1, a & LOW
        k0, k1 = (k0 + W0) & LOW, (k1 + W1) & LOW
    return tuple(c.astype(np.uint32) for c in (c0, c1, c2, c3))


def words_mirror(n, place, words=0):
    """The first n words of a stream as one uint32 array. place: (seed, offset, stream)."""
    seed, offset, stream = place
    counters = np.arange(offset, offset + -(-n // 4), dtype=np.int64)
    return np.stack(philox_mirror(counters, seed, stream, words), axis=-1).reshape(-1)[:n]


@jit
def philox(c0, c1, c2, c3, k0, k1):
    """Four words (uint32) of a counter and a key (uint32 each)."""
    for _ in tl.static_range(10):
        a, b = c0, c2
        c0 = tl.umulhi(b, tl.full(b.shape, 0xCD9E8D57, tl.uint32)) ^ c1 ^ k0
        c1 = b * tl.full(b.shape, 0xCD9E8D57, tl.uint32)
        c2 = tl.umulhi(a, tl.full(a.shape, 0xD2511F53, tl.uint32)) ^ c3 ^ k1
        c3 = a * tl.full(a.shape, 0xD2511F53, tl.uint32)
        k0 = k0 + tl.full(k0.shape, 0x9E3779B9, tl.uint32)
        k1 = k1 + tl.full(k1.shape, 0xBB67AE85, tl.uint32)
    return c0, c1, c2, c3


@jit
def words_at(counter, state, offset, WORDS: tl.constexpr):
    """The four words of each counter (int64 block), from `state` = (seed, base, stream) and this fill's offset."""
    seed = tl.load(state).to(tl.uint64, bitcast=True)
    counter = (counter + tl.load(state + 1) + offset).to(tl.uint64, bitcast=True)
    zero = (counter * 0).to(tl.uint32)
    c0, c1 = counter.to(tl.uint32), (counter >> 32).to(tl.uint32)
    c2 = zero + tl.load(state + 2).to(tl.uint32)
    return philox(c0, c1, c2, zero + WORDS, zero + seed.to(tl.uint32), zero + (seed >> 32).to(tl.uint32))


@jit
def in_order(w0, w1, w2, w3):
    """One block with word j of counter i at 4 i + j."""
    return tl.interleave(tl.interleave(w0, w2), tl.interleave(w1, w3))
