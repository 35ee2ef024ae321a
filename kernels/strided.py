"""Copies, casts and fills of arrays with any strides.

    copy_to(y, x): y_i = x_i for every index i, converted to y's type; x is broadcast by strides of 0.

Neighbouring axes that lie densely behind each other in both arrays become one; what remains, up to six axes, is
walked in the order of y's memory. Where x and y are dense along different axes, tiles serve both (`transpose.py`).
"""

from __future__ import annotations

import math

import numpy as np

from tritonnet.kernels.arrays.device_array import DeviceArray
from tritonnet.kernels.arrays.views import is_contiguous
from tritonnet.kernels.dtypes import int32, int64
from tritonnet.kernels.kernel import kernel, tl
from tritonnet.kernels.plans import planned
from tritonnet.kernels.rows import walk
from tritonnet.kernels.transpose import converted, tile_axes, transposing

MAX_RANK = 6


@kernel(flops=lambda n: 0, bytes=lambda x, y, n: n * (x.itemsize + y.itemsize))
def copy_kernel(
    x, y, n: tl.int64, n1: tl.int64, n2: tl.int64, n3: tl.int64, n4: tl.int64, n5: tl.int64,
    x0: tl.int64, x1: tl.int64, x2: tl.int64, x3: tl.int64, x4: tl.int64, x5: tl.int64,
    y0: tl.int64, y1: tl.int64, y2: tl.int64, y3: tl.int64, y4: tl.int64, y5: tl.int64,
    INT: tl.constexpr, RANK: tl.constexpr, BLOCK: tl.constexpr,
):
    """y[i] = x[i] over `RANK` axes, n1 … n5 their lengths from the second on, x0 … and y0 … their strides (None is 1).

    INT: the type that elements are counted in; division by int64 is several times slower and takes all registers.
    """
    at = tl.program_id(0).to(INT) * BLOCK + tl.arange(0, BLOCK).to(INT)
    inside = at < n
    source = tl.zeros([BLOCK], tl.int64)
    target = tl.zeros([BLOCK], tl.int64)
    if RANK > 5:
        source += walk(at % n5.to(INT), x5)
        target += walk(at % n5.to(INT), y5)
        at = at // n5.to(INT)
    if RANK > 4:
        source += walk(at % n4.to(INT), x4)
        target += walk(at % n4.to(INT), y4)
        at = at // n4.to(INT)
    if RANK > 3:
        source += walk(at % n3.to(INT), x3)
        target += walk(at % n3.to(INT), y3)
        at = at // n3.to(INT)
    if RANK > 2:
        source += walk(at % n2.to(INT), x2)
        target += walk(at % n2.to(INT), y2)
        at = at // n2.to(INT)
    if RANK > 1:
        source += walk(at % n1.to(INT), x1)
        target += walk(at % n1.to(INT), y1)
        at = at // n1.to(INT)
    source += walk(at, x0)
    target += walk(at, y0)
    tl.store(y + target, converted(tl.load(x + source, mask=inside), y.dtype.element_ty), mask=inside)


@kernel(flops=lambda n: 0, bytes=lambda y, n: n * y.itemsize)
def fill_kernel(y, value: tl.int64, n: tl.int64, BLOCK: tl.constexpr):
    """y[i] = value, eight bytes each: what a driver's fill cannot do."""
    at = tl.program_id(0).to(tl.int64) * BLOCK + tl.arange(0, BLOCK)
    tl.store(y + at, tl.full([BLOCK], 0, tl.int64) + value, mask=at < n)


def collapsed(shape, *strides):
    """(shape, strides…) with axes of length 1 dropped and neighbours merged that lie densely in every array."""
    axes = [(n, *s) for n, *s in zip(shape, *strides) if n != 1]
    merged = []
    for n, *steps in axes:
        if merged and all(outer == n * inner for outer, inner in zip(merged[-1][1:], steps)):
            merged[-1] = (merged[-1][0] * n, *steps)
        else:
            merged.append((n, *steps))
    return tuple(zip(*merged)) if merged else ((1,), *((1,) for _ in strides))


def block_of(device, n):
    """Elements per program."""
    return min(65536, max(16, 1 << (n - 1).bit_length())) if device.simulated else 1024


def copy_to(y, x):
    """y[...] = x, with x broadcast to y's shape and converted to y's type. Both on the same device."""
    if x.shape != y.shape:
        x = x.broadcast_to(y.shape)
    copy_plan(y.device, y.shape, y.strides, x.strides, y.dtype == x.dtype)(y, x)


@planned
def copy_plan(device, shape, ys, xs, same_type):
    """copy(y, x) for arrays of one shape with these strides."""
    n = math.prod(shape)
    if not n:
        return lambda y, x: None
    if same_type and is_contiguous(shape, xs) and is_contiguous(shape, ys):
        return _whole
    lengths, ys, xs = collapsed(shape, ys, xs)
    if len(lengths) > MAX_RANK:
        return _slice_by_slice
    if (axes := tile_axes(lengths, xs, ys)) is not None:
        variant, grid, numbers = transposing(device, lengths, xs, ys, *axes)
    else:
        pad, block = (0,) * (MAX_RANK - len(lengths)), block_of(device, n)
        xs, ys = (tuple(None if step == 1 else step for step in steps) for steps in (xs, ys))
        numbers = (n, *(lengths + (1,) * len(pad))[1:], *xs, *pad, *ys, *pad)
        grid = (-(-n // block),)
        variant = copy_kernel.variant(device, INT=int64 if n + block >= 2**31 else int32, RANK=len(lengths),
                                      BLOCK=block)
    return lambda y, x: variant(grid, x, y, *numbers)


def _whole(y, x):
    device = y.device
    if device.pool.capturing:
        device.pool.capturing.hold(x, y)
    device.driver.copy(y.ptr, x.ptr, y.nbytes, device.stream.handle)


def _slice_by_slice(y, x):
    for i in range(y.shape[0]):
        copy_to(y[i], x[i])


def fill(y, value):
    """y[...] = value."""
    if not y.size:
        return
    if not y.contiguous:
        one = DeviceArray.empty((1,), y.dtype, y.device)
        fill(one, value)
        copy_to(y, one)
        return
    bits = np.asarray(value, y.dtype).tobytes()
    if len(set(bits)) == 1:
        unit = np.frombuffer(bits, np.uint8)[0]
    elif len(bits) <= 4:
        unit = np.frombuffer(bits, f"u{len(bits)}")[0]
    else:
        words = DeviceArray(y.ptr, (y.size,), (1,), int64, y.device, y.owner)
        block = block_of(y.device, y.size)
        fill_kernel[(-(-y.size // block),)](words, int.from_bytes(bits, "little", signed=True), y.size, BLOCK=block)
        return
    if y.device.pool.capturing:
        y.device.pool.capturing.hold(y)
    y.device.driver.fill(y.ptr, unit, y.nbytes // unit.itemsize, y.device.stream.handle)
