"""Which kernel a convolution gets, and which tiles where nothing was tuned. Nothing here has been timed yet."""

from __future__ import annotations

from tritonnet.kernels.dtypes import HALVES
from tritonnet.kernels.rows import next_power_of_2

FEW, FEW_CHANNELS = 32, 3    # taps x channels, and channels, up to which the forward is no matrix product
GATHERED_CHANNELS = 7        # up to which columns are gathered from x as it lies: 8 halves are the least wide load
WEIGHT_TAPS = 64             # of few channels, that a program takes for the gradient of the weights
TAPS = 16                    # of a depthwise kernel, that a program takes for the gradient of the weights


def few_channels(w_shape, groups) -> bool:
    """Whether x is read as it lies, element by element."""
    return groups == 1 and w_shape[1] <= GATHERED_CHANNELS


def direct(w_shape) -> bool:
    """Whether a layer of few channels has so few taps, too, that its forward is no matrix product."""
    return w_shape[1] <= FEW_CHANNELS and w_shape[1] * w_shape[2] * w_shape[3] <= FEW


def depthwise(w_shape, groups) -> bool:
    """Whether each channel is convolved by itself: a product would have one column."""
    return groups > 1 and w_shape[1] == 1


def splits(device, pixels, block, programs, waves=2) -> int:
    """Into how many parts the pixels are cut: the device is filled `waves` times, and each part has a few steps."""
    if device.simulated:
        return max(1, min(2, pixels // block))
    return max(1, min(waves * device.multi_processor_count // programs, pixels // (4 * block), 256))


def product_tiles(device, dtype, pixels, O, C) -> dict:
    """Tiles of the implicit product."""
    n, k = min(64, max(16, next_power_of_2(O))), max(16, next_power_of_2(C))
    if device.simulated:
        return {"BLOCK_M": min(1024, max(16, next_power_of_2(pixels))), "BLOCK_N": n, "BLOCK_K": min(64, k),
                "GROUP_M": 4, "num_warps": 4, "num_stages": 2}
    if dtype in HALVES:
        wide = O >= 128 and pixels >= 128 * device.multi_processor_count
        return {"BLOCK_M": 128, "BLOCK_N": 128 if wide else n, "BLOCK_K": min(64, k), "GROUP_M": 8,
                "num_warps": 8 if n == 64 else 4, "num_stages": 3}     # more, and threads would load 8 bytes at a time
    wide = C * dtype.itemsize % 16 == 0                  # 16 bytes at a time; else an address per element: more warps
    return {"BLOCK_M": 64, "BLOCK_N": n, "BLOCK_K": min(32, k) if dtype.itemsize == 4 else 16, "GROUP_M": 8,
            "num_warps": 4 if wide else 8, "num_stages": 3}


def weight_tiles(device, dtype, O, C) -> dict:
    """Tiles of [O, C] and pixels per step."""
    o, c = (min(64, max(16, next_power_of_2(n))) for n in (O, C))
    if device.simulated:
        return {"BLOCK_M": 1024, "BLOCK_O": o, "BLOCK_C": c, "num_warps": 4, "num_stages": 2}
    pixels = 64 if dtype in HALVES or o * c <= 512 else 32 if dtype.itemsize == 4 else 16
    return {"BLOCK_M": pixels, "BLOCK_O": o, "BLOCK_C": c, "num_warps": 4, "num_stages": 3}


def direct_tiles(device, pixels, O) -> dict:
    """Pixels and output channels per program."""
    o = max(16, min(64, next_power_of_2(O)))
    if device.simulated:
        return {"BLOCK_M": min(2048, max(16, next_power_of_2(pixels))), "BLOCK_O": o, "num_warps": 4}
    return {"BLOCK_M": 128, "BLOCK_O": o, "num_warps": 4}             # a pixel per thread: less, and all is unrolled


def direct_weight_tiles(device, dtype, O, taps) -> dict:
    """Pixels per step and output channels per program: at most 16 addresses per thread."""
    o = max(16, min(64, next_power_of_2(O)))
    pixels = 1024 if device.simulated else 64 if dtype in HALVES else 32
    return {"BLOCK_M": pixels, "BLOCK_O": o, "num_warps": 4 if taps <= 32 else 8, "num_stages": 2}


def gathered_tiles(device, dtype, pixels, O, taps) -> dict:
    """Tiles of the product whose columns are gathered: at most 16 addresses per thread."""
    n, k = max(16, min(64, next_power_of_2(O))), max(16, next_power_of_2(taps))
    if device.simulated:
        return {"BLOCK_M": min(1024, max(16, next_power_of_2(pixels))), "BLOCK_N": n, "BLOCK_K": min(64, k),
                "num_warps": 4, "num_stages": 2}
    pixels, most = 128 if dtype in HALVES else 64, 32 if dtype.itemsize <= 4 else 16
    return {"BLOCK_M": pixels, "BLOCK_N": n, "BLOCK_K": min(most, k), "num_warps": 8, "num_stages": 2}


def depthwise_tiles(device, dtype, pixels, channels, multiple) -> dict:
    """Pixels and channels per program: 16 results per thread; fewer where each element takes an address of its own."""
    c = min(64, next_power_of_2(channels))
    if device.simulated:
        return {"BLOCK_M": min(65536 // c, next_power_of_2(pixels)), "BLOCK_C": c, "num_warps": 4}
    wide = multiple == 1 and channels * dtype.itemsize % 16 == 0
    return {"BLOCK_M": (2048 if wide else 1024 if multiple == 1 else 512) // c, "BLOCK_C": c, "num_warps": 4}


def depthwise_weight_tiles(device, dtype, pixels, channels, multiple, taps) -> dict:
    """Taps (the bias is one), pixels per step and channels per program: 32 sums per thread, or 16."""
    k, c = min(TAPS, next_power_of_2(taps + 1)), min(32, next_power_of_2(channels))
    wide = multiple == 1 and channels * dtype.itemsize % 16 == 0
    most = 65536 if device.simulated else 4096 if wide else 2048
    return {"BLOCK_T": k, "BLOCK_M": min(most // (k * c), next_power_of_2(pixels)), "BLOCK_C": c, "num_warps": 4}
