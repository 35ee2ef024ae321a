"""Pooling as Triton kernels: a program takes BLOCK elements of the result, in the order they lie in memory.

Forward, each element walks over its window. Backward, each pixel gathers from the few windows that cover it, so nothing
is added atomically and the result is the same in every run. Adaptive windows differ in size only.
"""

from __future__ import annotations

from tritonnet.kernels.kernel import jit, kernel, tl
from tritonnet.kernels.rows import walk
from tritonnet.kernels.space import LINES


@jit
def elements(BLOCK: tl.constexpr, FAR: tl.constexpr):
    """What this program computes; counted in 32 bits unless there are 2^31 elements, as 64-bit divisions are slow."""
    if FAR:
        return tl.program_id(0).to(tl.int64) * BLOCK + tl.arange(0, BLOCK)
    else:
        return tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)


@jit
def decode(at, C, HEIGHT, WIDTH, CHANNELS_LAST: tl.constexpr):
    """(n, c, h, w) of an element counted in memory order."""
    if CHANNELS_LAST:
        return at // C // WIDTH // HEIGHT, at % C, at // C // WIDTH % HEIGHT, at // C % WIDTH
    else:
        return at // WIDTH // HEIGHT // C, at // WIDTH // HEIGHT % C, at // WIDTH % HEIGHT, at % WIDTH


@jit
def window(p, size, count, K: tl.constexpr, STRIDE: tl.constexpr, PAD: tl.constexpr, ADAPTIVE: tl.constexpr):
    """(start, end) of window p along an axis; undilated, borders included."""
    if ADAPTIVE:
        return p * size // count, ((p + 1) * size + count - 1) // count
    else:
        return p * STRIDE - PAD, p * STRIDE - PAD + K


@jit
def covering(h, i, size, count, STRIDE: tl.constexpr, PAD: tl.constexpr, ADAPTIVE: tl.constexpr):
    """The i-th of the windows that may cover pixel h."""
    if ADAPTIVE:
        return h * count // size + i
    else:
        return (h + PAD) // STRIDE - i


@kernel(flops=lambda n, R, S: n * R * S, bytes=lambda x, y, where: x.nbytes + y.nbytes + where.nbytes, space=LINES)
def max_pool2d_kernel(x, y, where, floor: tl.float32, n: tl.int64, C, H, W, P, Q, x_n: tl.int64, x_c: tl.int64,
                      x_h: tl.int64, x_w: tl.int64, R: tl.constexpr, S: tl.constexpr, SH: tl.constexpr,
                      SW: tl.constexpr, PH: tl.constexpr, PW: tl.constexpr, DH: tl.constexpr, DW: tl.constexpr,
                      ADAPTIVE: tl.constexpr, INDICES: tl.constexpr, CHANNELS_LAST: tl.constexpr, FAR: tl.constexpr,
                      ACC: tl.constexpr, BLOCK: tl.constexpr):
    """y and where it lies: its index in the image (INDICES), or its number in the window. First of equals, last NaN.

    floor: what is not above it lies nowhere, -1, so that no gradient goes there; NaN: everything lies somewhere.
    """
    at = elements(BLOCK, FAR)
    inside = at < n
    image, c, p, q = decode(at, C, P, Q, CHANNELS_LAST)
    top, bottom = window(p, H, P, R, SH, PH, ADAPTIVE)
    left, right = window(q, W, Q, S, SW, PW, ADAPTIVE)
    first_r, first_s = (tl.maximum(0, -top) + DH - 1) // DH, (tl.maximum(0, -left) + DW - 1) // DW
    best = tl.full((BLOCK,), float("-inf"), ACC)
    if INDICES:
        found = (top + first_r * DH) * W + left + first_s * DW
    else:
        found = first_r * S + first_s
    x += image * x_n + walk(c, x_c)
    for r in range(R):
        for s in range(S):
            h, v = top + r * DH, left + s * DW
            real = inside & (h >= 0) & (h < H) & (v >= 0) & (v < W)
            if ADAPTIVE:
                real &= (h < bottom) & (v < right)
            value = tl.load(x + h * x_h + v * x_w, mask=real, other=float("-inf")).to(ACC)
            better = (value > best) | (value != value)
            best = tl.where(better, value, best)
            if INDICES:
                found = tl.where(better, h * W + v, found)
            else:
                found = tl.where(better, r * S + s, found)
    tl.store(y + at, best.to(y.dtype.element_ty), mask=inside)
    found = tl.where((best > floor) | (floor != floor), found, -1)
    tl.store(where + at, found.to(where.dtype.element_ty), mask=inside)


@kernel(flops=lambda n: n, bytes=lambda dy, where, dx: dy.nbytes + where.nbytes + dx.nbytes,
        space=LINES)
def max_pool2d_backward_kernel(dy, where, dx, n: tl.int64, C, H, W, P, Q, y_n: tl.int64, y_c: tl.int64, y_h: tl.int64,
                               y_w: tl.int64, R: tl.constexpr, S: tl.constexpr, SH: tl.constexpr, SW: tl.constexpr,
                               PH: tl.constexpr, PW: tl.constexpr, DH: tl.constexpr, DW: tl.constexpr,
                               WINDOWS_H: tl.constexpr, WINDOWS_W: tl.constexpr, ADAPTIVE: tl.constexpr,
                               INDICES: tl.constexpr, CHANNELS_LAST: tl.constexpr, FAR: tl.constexpr,
                               ACC: tl.constexpr, BLOCK: tl.constexpr):
    """dx; dy and where have the same strides."""
    at = elements(BLOCK, FAR)
    inside = at < n
    image, c, h, v = decode(at, C, H, W, CHANNELS_LAST)
    total = tl.zeros((BLOCK,), ACC)
    base = image * y_n + walk(c, y_c)
    for i in range(WINDOWS_H):
        for j in range(WINDOWS_W):
            p, q = covering(h, i, H, P, SH, PH, ADAPTIVE), covering(v, j, W, Q, SW, PW, ADAPTIVE)
            real = inside & (p >= 0) & (p < P) & (q >= 0) & (q < Q)
            if INDICES:
                mine = h * W + v
            else:
                down, across = h + PH - p * SH, v + PW - q * SW
                real &= (down % DH == 0) & (down < R * DH) & (across % DW == 0) & (across < S * DW)
                mine = down // DH * S + across // DW
            there = base + p * y_h + q * y_w
            hit = tl.load(where + there, mask=real, other=-1) == mine
            value = tl.load(dy + there, mask=real, other=0.0).to(ACC)  # not only where it hits: lanes load together
            total += tl.where(hit, value, 0.0)
    tl.store(dx + at, total.to(dx.dtype.element_ty), mask=inside)


@jit
def size_of(p, size, count, K: tl.constexpr, STRIDE: tl.constexpr, PAD: tl.constexpr, ADAPTIVE: tl.constexpr,
            INCLUDE_PAD: tl.constexpr):
    """Along one axis, the pixels that window p averages over."""
    start, end = window(p, size, count, K, STRIDE, PAD, ADAPTIVE)
    if INCLUDE_PAD:
        return tl.minimum(end, size + PAD) - start
    else:
        return tl.minimum(end, size) - tl.maximum(start, 0)


@kernel(flops=lambda n, R, S: n * R * S, bytes=lambda x, y: x.nbytes + y.nbytes, space=LINES)
def avg_pool2d_kernel(x, y, n: tl.int64, C, H, W, P, Q, x_n: tl.int64, x_c: tl.int64, x_h: tl.int64, x_w: tl.int64,
                      R: tl.constexpr, S: tl.constexpr, SH: tl.constexpr, SW: tl.constexpr, PH: tl.constexpr,
                      PW: tl.constexpr, ADAPTIVE: tl.constexpr, INCLUDE_PAD: tl.constexpr, DIVISOR: tl.constexpr,
                      CHANNELS_LAST: tl.constexpr, FAR: tl.constexpr, ACC: tl.constexpr,
                      BLOCK: tl.constexpr):
    """y: the mean of each window, or its sum over DIVISOR."""
    at = elements(BLOCK, FAR)
    inside = at < n
    image, c, p, q = decode(at, C, P, Q, CHANNELS_LAST)
    top, bottom = window(p, H, P, R, SH, PH, ADAPTIVE)
    left, right = window(q, W, Q, S, SW, PW, ADAPTIVE)
    total = tl.zeros((BLOCK,), ACC)
    x += image * x_n + walk(c, x_c)
    for r in range(R):
        for s in range(S):
            h, v = top + r, left + s
            real = inside & (h >= 0) & (h < tl.minimum(H, bottom)) & (v >= 0) & (v < tl.minimum(W, right))
            total += tl.load(x + h * x_h + v * x_w, mask=real, other=0.0).to(ACC)
    if DIVISOR is None:
        total /= (size_of(p, H, P, R, SH, PH, ADAPTIVE, INCLUDE_PAD)
                  * size_of(q, W, Q, S, SW, PW, ADAPTIVE, INCLUDE_PAD)).to(ACC)
    else:
        total /= DIVISOR
    tl.store(y + at, total.to(y.dtype.element_ty), mask=inside)


@kernel(flops=lambda n: n, bytes=lambda dy, dx: dy.nbytes + dx.nbytes, space=LINES)
def avg_pool2d_backward_kernel(dy, dx, n: tl.int64, C, H, W, P, Q, y_n: tl.int64, y_c: tl.int64, y_h: tl.int64,
                               y_w: tl.int64, R: tl.constexpr, S: tl.constexpr, SH: tl.constexpr, SW: tl.constexpr,
                               PH: tl.constexpr, PW: tl.constexpr, WINDOWS_H: tl.constexpr, WINDOWS_W: tl.constexpr,
                               ADAPTIVE: tl.constexpr, INCLUDE_PAD: tl.constexpr, DIVISOR: tl.constexpr,
                               CHANNELS_LAST: tl.constexpr, FAR: tl.constexpr, ACC: tl.constexpr,
                               BLOCK: tl.constexpr):
    at = elements(BLOCK, FAR)
    inside = at < n
    image, c, h, v = decode(at, C, H, W, CHANNELS_LAST)
    total = tl.zeros((BLOCK,), ACC)
    dy += image * y_n + walk(c, y_c)
    for i in range(WINDOWS_H):
        for j in range(WINDOWS_W):
            p, q = covering(h, i, H, P, SH, PH, ADAPTIVE), covering(v, j, W, Q, SW, PW, ADAPTIVE)
            top, bottom = window(p, H, P, R, SH, PH, ADAPTIVE)
            left, right = window(q, W, Q, S, SW, PW, ADAPTIVE)
            real = inside & (p >= 0) & (p < P) & (q >= 0) & (q < Q)
            real &= (top <= h) & (h < bottom) & (left <= v) & (v < right)
            value = tl.load(dy + p * y_h + q * y_w, mask=real, other=0.0).to(ACC)
            if DIVISOR is None:
                size = (size_of(p, H, P, R, SH, PH, ADAPTIVE, INCLUDE_PAD)
                        * size_of(q, W, Q, S, SW, PW, ADAPTIVE, INCLUDE_PAD)).to(ACC)
                total += tl.where(real, value / tl.where(real, size, 1.0), 0.0)
            else:
                total += value / DIVISOR
    tl.store(dx + at, total.to(dx.dtype.element_ty), mask=inside)
