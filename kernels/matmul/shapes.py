"""Which tiles a product gets where nothing was tuned: a few classes of shapes per architecture.

The classes are those of the field (large, skinny, few columns, batched); the numbers have not been timed yet, but
compile without spills. M is the long side: the launcher swaps operands where it is not.
"""

from __future__ import annotations

from tritonnet.kernels.dtypes import HALVES, float64
from tritonnet.kernels.rows import next_power_of_2

FEWEST = 20  # steps along K that are cut into parts
DEEPEST = 4096  # K up to which `unsplit` serves


def tiles(device, dtype, batch, M, N, K, activation=None, wide=True) -> dict:
    """BLOCK_M, BLOCK_N, BLOCK_K, GROUP_M, num_warps and num_stages for [batch, M, K] by [batch, K, N].

    activation: those that are polynomials need registers. wide: whether the operands can be loaded 16 bytes at a time.
    Else each element takes an address, so that large tiles would need more registers than there are: small tiles, and
    more threads to share them.
    """
    narrow = min(64, max(16, next_power_of_2(N)))
    if device.simulated:
        m, n, k = min(64, max(16, next_power_of_2(M))), narrow, min(64, max(16, next_power_of_2(K)))
        return _config(m, n, k, 4, 2)
    if dtype == float64:
        return _config(64, narrow, 16, 4, 3)
    if not wide:
        return _config(64 if N > 16 else 128, narrow, 64 if dtype in HALVES else 32, 8, 3)
    programs = device.multi_processor_count
    datacenter = device.capability in ((8, 0), (9, 0), (10, 0))
    polynomial = activation in ("gelu", "tanh")
    large = N >= 128 and batch * -(-M // 128) * -(-N // 128) >= programs
    if dtype in HALVES:
        if N <= 16:
            return _config(128, 16, 64, 4, 4)
        if not large:
            return _config(64, narrow, 64, 4, 4) if K > 32 else _config(64, narrow, 32, 4, 3)
        if datacenter and not polynomial and N >= 256 and batch * -(-M // 128) * -(-N // 256) >= programs:
            return _config(128, 256, 64, 8, 3)
        return _config(128, 128, 64, 8, 3) if datacenter or polynomial else _config(128, 128, 32, 4, 4)
    if N <= 16:
        return _config(128, 16, 32, 4, 3)
    if not large or polynomial:
        return _config(64, narrow, 32, 8 if device.capability[0] == 10 else 4, 3)
    return _config(128, 64 if device.capability == (8, 0) else 128, 32, 8, 3)


def splits(device, batch, M, N, K, config) -> int:
    """Into how many parts K is cut: until the device is full, each part being four steps at least; a power of two.

    Adding the parts is a launch of its own, which takes as long as about ten steps, so few steps are not cut; but on a
    simulated device they are, so that small samples come here, too.
    """
    steps = K // config["BLOCK_K"]
    if steps < FEWEST and not device.simulated:
        return 1
    programs = batch * -(-M // config["BLOCK_M"]) * -(-N // config["BLOCK_N"])
    most = min(steps // 4, 2 * device.multi_processor_count // max(1, programs), 64)
    return 1 << max(0, most.bit_length() - 1)


def unsplit(dtype) -> dict:
    """Tiles for a product whose K would be cut, in one launch: small ones, so that many programs share the way along K,
    which they go in long steps. Not yet run on a GPU."""
    return _config(32, 16, 128 if dtype in HALVES else 64, 4, 3)


def fits(m, n, k, warps, stages, itemsize, gpu) -> bool:
    """Whether a tile's operands have room in shared memory and its sums in registers, and all threads have work."""
    return 4 <= m * n // (32 * warps) <= 128 and (stages - 1) * (m + n) * k * itemsize <= gpu.max_shared


def describable(capability, itemsize, batch, K, *strides) -> bool:
    """Whether both operands can be read through tensor descriptors: one matrix each, dense along one axis, all lines of
    which begin at multiples of 16 bytes (given that the first does). strides: a pair of each; None stands for 1."""
    if capability < (9, 0) or itemsize not in (2, 4) or batch != 1 or not K:
        return False
    lines = [[s for s in pair if s not in (1, None)] for pair in strides]
    return all(len(long) == 1 and long[0] > 0 and long[0] * itemsize % 16 == 0 for long in lines)


def sensible(BLOCK_M, BLOCK_N, BLOCK_K, SPLIT, RESIDENT, STREAM, DESCRIPTORS, SPECIALIZE, num_warps, num_stages, batch,
             M, N, K, a_m, a_k, b_k, b_n, itemsize, gpu) -> bool:
    """Whether a configuration of `gemm_kernel` is worth a try: no tile much larger than the product; parts of four
    steps at least, and no more of them than fill the device twice; programs that walk only over large tiles, of which
    there are more than programs, or a few waves whose last they share; descriptors where they are possible, and as wide
    as a line of the cache at least."""
    if not fits(BLOCK_M, BLOCK_N, BLOCK_K, num_warps, num_stages, itemsize, gpu):
        return False
    programs = batch * -(-M // BLOCK_M) * -(-N // BLOCK_N)
    most = RESIDENT * gpu.multi_processor_count
    if RESIDENT and (SPLIT > 1 or BLOCK_M * BLOCK_N < 64 * 64 or programs <= most and not STREAM):
        return False
    if STREAM and (not RESIDENT or SPECIALIZE or programs >= 4 * most or programs % most == 0
                   or programs * -(-K // BLOCK_K) < 4 * most):
        return False
    if DESCRIPTORS and (BLOCK_M < 64 or BLOCK_N < 64 or BLOCK_K * itemsize < 64 or not describable(
            gpu.capability, itemsize, batch, K, (a_m, a_k), (b_k, b_n))):
        return False
    if SPECIALIZE and (not DESCRIPTORS or RESIDENT != 1 or gpu.major != 10 or itemsize != 2):
        return False                                     # on sm_90 nothing comes of it; float32 as tf32x3 spills
    return (all(block <= max(16, next_power_of_2(n)) for block, n in ((BLOCK_M, M), (BLOCK_N, N), (BLOCK_K, K)))
            and (SPLIT == 1 or SPLIT * 4 * BLOCK_K <= K and SPLIT * programs <= 4 * gpu.multi_processor_count))


def _config(m, n, k, warps, stages):
    return {"BLOCK_M": m, "BLOCK_N": n, "BLOCK_K": k, "GROUP_M": 8, "num_warps": warps, "num_stages": stages}
