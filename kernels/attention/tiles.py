"""Which tiles attention gets where nothing was tuned. They compile without spills; none has been timed on a GPU."""

from __future__ import annotations

from tritonnet.kernels.arrays import is_host
from tritonnet.kernels.dtypes import HALVES, float64
from tritonnet.kernels.rows import next_power_of_2
from tritonnet.kernels.space import Space


def padded(width) -> int:
    """A head's width as tiles have it: a power of two that tensor cores take."""
    return max(16, next_power_of_2(width))


def sensible(BLOCK_M, BLOCK_N, num_warps, num_stages, L, S, DIM, VDIM, itemsize, gpu) -> bool:
    """Whether a configuration is worth a try: tiles not much longer than the rows, room for operands and sums."""
    held, walked = max(BLOCK_M, BLOCK_N), min(BLOCK_M, BLOCK_N)
    return (max(16, next_power_of_2(L)) >= BLOCK_M and max(16, next_power_of_2(S)) >= BLOCK_N
            and (held + num_stages * walked) * (DIM + VDIM) * itemsize <= gpu.max_shared
            and 4 <= BLOCK_M * BLOCK_N // (32 * num_warps) <= 128
            and held * (DIM + VDIM) // (32 * num_warps) <= 256)


SPACE = Space(BLOCK_M=[16, 32, 64, 128], BLOCK_N=[16, 32, 64, 128], num_warps=[4, 8], num_stages=[1, 2, 3, 4],
              where=sensible)


def widest(x) -> int:
    """The widest head that the kernels take of an array's type without spilling registers; on the host any will do."""
    return 1 << 30 if is_host(x) else 256 if x.dtype in HALVES else 128 if x.dtype == float64 else 64


def tiles(device, dtype, L, S, DIM, VDIM, precision) -> dict:
    """BLOCK_M, BLOCK_N, num_warps and num_stages of the forward."""
    wide = max(DIM, VDIM)
    if device.simulated:
        return _config(64, 64, 4, 2)
    if dtype == float64:
        return _config(32, 16, 4, 1, L, S)
    if dtype not in HALVES:
        return _config(*((32, 32) if precision == "ieee" else (64, 16)), 8, 1, L, S)
    if wide <= 64:
        return _config(128, 64, 4 if device.capability[0] > 8 else 8, 3, L, S)
    if wide <= 128:
        return _config(128 if device.capability[0] > 8 else 64, 64, 8, 2, L, S)
    return _config(64, 32, 8, 2, L, S)


def backward_tiles(device, dtype, L, S, DIM, VDIM, precision, drops, keys) -> dict:
    """The same for dq, which holds BLOCK_M queries, or (keys) for dk and dv, which holds BLOCK_N keys."""
    wide = max(DIM, VDIM)
    if device.simulated:
        return _config(64, 64, 4, 2)
    if dtype == float64:
        held, walked, warps, stages = 16, 16, 4, 1
    elif dtype not in HALVES:
        held, walked, warps, stages = (32, 16, 8, 1) if precision == "ieee" else (16, 16 if keys else 32, 4, 1)
    elif wide <= 64:
        held, walked, warps, stages = 128, 64, 8, 2
    elif wide <= 128:
        held, walked, warps, stages = 64, 64, 8, 2
    else:
        held, walked, warps, stages = 32, 32, 8, 1
    if drops and walked > 32:
        walked //= 2                                             # random words take registers, too
    return _config(*((walked, held) if keys else (held, walked)), warps, stages, L, S)


def _config(m, n, warps, stages, L=1 << 30, S=1 << 30):
    """No longer than the rows."""
    m, n = min(m, max(16, next_power_of_2(L))), min(n, max(16, next_power_of_2(S)))
    return {"BLOCK_M": m, "BLOCK_N": n, "num_warps": warps, "num_stages": stages}
