"""Which kernel a convolution with pooling gets, and which tiles where nothing was tuned. Nothing has been timed yet."""

from __future__ import annotations

from tritonnet.kernels.conv import tiles
from tritonnet.kernels.dtypes import HALVES
from tritonnet.kernels.rows import next_power_of_2

UNROLLED = 25  # taps of a channel, that the kernel without a product writes out


def fused(w_shape, groups) -> bool:
    """Whether a kernel pools what it has convolved. Others take two launches: groups, and large kernels of few
    channels (3 x 7 x 7), whose columns are gathered."""
    return groups == 1 and (w_shape[2] * w_shape[3] <= UNROLLED or not tiles.few_channels(w_shape, groups))


def direct_tiles(device, cells, O) -> dict:
    """Cells and output channels per program: per thread one cell, or two where there are many, and eight channels."""
    o = max(16, min(64, next_power_of_2(O)))
    if device.simulated:
        return {"BLOCK_M": min(512, max(16, next_power_of_2(cells))), "BLOCK_O": o, "num_warps": 4}
    many = cells >= 64 * 8 * device.multi_processor_count
    return {"BLOCK_M": 64 if many else 32, "BLOCK_O": o, "num_warps": max(4, o // 8)}


def input_tiles(device, dtype, pixels, O, C) -> dict:
    """As for any product, of more threads: each element of the left tile takes an address of its own."""
    config = tiles.product_tiles(device, dtype, pixels, O, C)
    return config if device.simulated or dtype not in HALVES else config | {"num_warps": 8}


def weight_tiles(device, dtype, O, C) -> dict:
    """Tiles of [O, C] and cells per step, of which each is four products."""
    o, c = (min(64, max(16, next_power_of_2(n))) for n in (O, C))
    if device.simulated:
        return {"BLOCK_M": 256, "BLOCK_O": o, "BLOCK_C": c, "num_warps": 4, "num_stages": 2}
    return {"BLOCK_M": 32 if dtype in HALVES else 16, "BLOCK_O": o, "BLOCK_C": c, "num_warps": 4, "num_stages": 2}


def direct_weight_tiles(device, dtype, O, taps) -> dict:
    """Cells per step and output channels per program."""
    o = max(16, min(64, next_power_of_2(O)))
    cells = 256 if device.simulated else 32 if dtype in HALVES else 16
    return {"BLOCK_M": cells, "BLOCK_O": o, "num_warps": 4 if taps <= 32 else 8, "num_stages": 2}
