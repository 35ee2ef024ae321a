"""What this machine can do at best, measured in the same run: the bandwidth of a copy, the rate of a product.

A percentage of a data sheet says little: clocks, power and cooling differ. These are the roofs of the roofline.
"""

from __future__ import annotations

import time
import typing

import numpy as np

from tritonnet.kernels import matmul
from tritonnet.kernels.arrays import copy_to, empty, zeros
from tritonnet.kernels.dtypes import bfloat16
from tritonnet.kernels.lab.device_timing import Replays, calls_for, eager_us

HOST_COPY, HOST_PRODUCT = 64 << 20, 1024  # bytes; rows of a square matrix
DEVICE_COPY, DEVICE_PRODUCT = 1 << 30, 4096
LATENCY = 0.25  # below this share of its roof a kernel is held up by neither bytes nor flops


class Ceilings(typing.NamedTuple):
    """copy: bytes read and written per second. products: {dtype: flops per second}. Empty where not measurable."""

    copy: float | None
    products: dict
    note: str = ""

    def floor(self, flops, nbytes, dtype) -> tuple[float, str] | None:
        """(the least seconds that work can take here, "bytes" or "flops": what decides); None where unknown."""
        if self.copy is None or nbytes is None:
            return None
        moving = nbytes / self.copy
        rate = self.products.get(dtype) or self.products.get("float32")
        computing = (flops or 0) / rate if rate else 0.0
        return (computing, "flops") if computing > moving else (moving, "bytes")


def measured(device=None) -> Ceilings:
    """Of a device, or of the host (None): about 0.3 s."""
    if device is None:
        return _of_host()
    if device.simulated:
        return Ceilings(None, {}, "a simulated device has no ceilings")
    return _of_device(device)


def _of_host() -> Ceilings:
    source, target = np.ones(HOST_COPY, np.uint8), np.empty(HOST_COPY, np.uint8)
    copy = 2 * HOST_COPY / _best(lambda: np.copyto(target, source))
    products = {}
    for dtype in ("float32", "float64"):
        x = np.ones((HOST_PRODUCT, HOST_PRODUCT), dtype)
        products[dtype] = 2 * HOST_PRODUCT**3 / _best(lambda x=x: matmul.matmul(x, x))
    return Ceilings(copy, products)


def _best(step, times=5) -> float:
    """Seconds of the fastest of several calls, the first not counted."""
    step()
    taken = []
    for _ in range(times):
        began = time.perf_counter()
        step()
        taken.append(time.perf_counter() - began)
    return min(taken)


def _of_device(device) -> Ceilings:
    size = min(DEVICE_COPY, device.memory_info()[0] // 8)
    source, target = zeros(size // 4, np.float32, device), empty(size // 4, np.float32, device)
    copy, products = 2 * size / (1e-6 * _replayed(device, lambda: copy_to(target, source))), {}
    for dtype in (np.dtype("float32"), np.dtype("float16"), np.dtype(bfloat16)):
        x = zeros((DEVICE_PRODUCT, DEVICE_PRODUCT), dtype, device)
        products[str(dtype)] = 2 * DEVICE_PRODUCT**3 / (1e-6 * _replayed(device, lambda x=x: matmul.matmul(x, x)))
    return Ceilings(copy, products)


def _replayed(device, step) -> float:
    """Microseconds per call, the best of a few graphs."""
    replays = Replays(device, step, calls_for(eager_us(step, device.synchronize)))
    return min(replays.sample() for _ in range(5))
