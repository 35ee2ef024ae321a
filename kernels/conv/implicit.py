"""Convolution as a matrix product that never stores its columns: forward, and the gradient of the input.

NHWC inside: x is (N, H, W, groups C), y (N, P, Q, groups O), w (groups O, R, S, C), all dense. Where tuning finds that
it pays (PLANES), x is read as planes, (N, groups C, H, W), and not copied first: then loads are narrow, but for 1 x 1.
 Rows of the product are
pixels of the result, its columns output channels; the sum runs over taps (r, s) and channels, BLOCK_K of them at a
time, and each step loads a dense [pixels, channels] tile at a scalar offset from the pixel's own. Sizes are constexprs:
one compile per layer, and divisions become multiplications.

Both directions are one kernel. Result pixel (i, j) takes for tap (a, b) the source pixel
    (STEP_H i + OFF_H + TAP_H a, STEP_W j + OFF_W + TAP_W b)
forward:  step = stride, off = -padding, tap = dilation
gradient: the pixels of dx fall into stride_h x stride_w phases; in each, only some taps reach a dy, and step is 1.
"""

from __future__ import annotations

import math

from tritonnet.kernels.kernel import kernel, tl
from tritonnet.kernels.matmul.activation import activate
from tritonnet.kernels.matmul.shapes import fits
from tritonnet.kernels.matmul.tile import grouped
from tritonnet.kernels.rows import next_power_of_2
from tritonnet.kernels.space import Space


def sensible(BLOCK_M, BLOCK_N, BLOCK_K, num_warps, num_stages, N, I, J, C, O, itemsize, gpu, PLANES=0) -> bool:
    """Whether a configuration is worth a try: no tile much larger than what there is to compute; where planes are
    gathered, no more than 32 addresses per thread."""
    if PLANES and BLOCK_M * BLOCK_K // (32 * num_warps) > 32:
        return False
    sizes = (BLOCK_M, N * I * J), (BLOCK_N, O), (BLOCK_K, C)
    return (all(block <= max(16, next_power_of_2(n)) for block, n in sizes)
            and fits(BLOCK_M, BLOCK_N, BLOCK_K, num_warps, num_stages, itemsize, gpu))


@kernel(flops=lambda N, I, J, C, O, A, B, GROUPS: 2 * N * I * J * C * O * A * B * GROUPS,
        bytes=lambda x, w, y, N, I, J, O, GROUPS: x.nbytes + w.nbytes + N * I * J * O * GROUPS * y.itemsize,
        space=Space(BLOCK_M=[32, 64, 128, 256], BLOCK_N=[16, 32, 64, 128, 256], BLOCK_K=[16, 32, 64, 128],
                    GROUP_M=[8], PLANES=[0, 1], num_warps=[4, 8], num_stages=[2, 3, 4, 5], where=sensible))
def conv2d_kernel(x, w, bias, y, N,
                  H: tl.constexpr, W: tl.constexpr, C: tl.constexpr, I: tl.constexpr, J: tl.constexpr,
                  YH: tl.constexpr, YW: tl.constexpr, O: tl.constexpr, R: tl.constexpr, S: tl.constexpr,
                  STEP_H: tl.constexpr, STEP_W: tl.constexpr, OFF_H: tl.constexpr, OFF_W: tl.constexpr,
                  TAP_H: tl.constexpr, TAP_W: tl.constexpr, A: tl.constexpr, B: tl.constexpr,
                  A0: tl.constexpr, B0: tl.constexpr, A_STEP: tl.constexpr, B_STEP: tl.constexpr,
                  Y_STEP_H: tl.constexpr, Y_STEP_W: tl.constexpr, Y_OFF_H: tl.constexpr, Y_OFF_W: tl.constexpr,
                  GROUPS: tl.constexpr, TRANSPOSED: tl.constexpr, CHECK: tl.constexpr,
                  ACTIVATION: tl.constexpr, ACC: tl.constexpr, PRECISION: tl.constexpr, BLOCK_M: tl.constexpr,
                  BLOCK_N: tl.constexpr, BLOCK_K: tl.constexpr, GROUP_M: tl.constexpr, PLANES: tl.constexpr):
    """C channels in, O out, per group; A x B taps (A0 + a A_STEP, …) of the R x S; CHECK: taps may fall outside."""
    pixels = N.to(tl.int64) * (I * J)
    tile_m, tile_n = grouped(tl.program_id(0), tl.cdiv(pixels, BLOCK_M).to(tl.int32), (O + BLOCK_N - 1) // BLOCK_N,
                             GROUP_M)
    group = tl.program_id(1)
    m = tile_m.to(tl.int64) * BLOCK_M + tl.arange(0, BLOCK_M)
    n, i, j = m // (I * J), (m // J % I).to(tl.int32), (m % J).to(tl.int32)
    o = tile_n * BLOCK_N + tl.arange(0, BLOCK_N)
    k = tl.arange(0, BLOCK_K)
    top, left = i * STEP_H + OFF_H, j * STEP_W + OFF_W
    plane: tl.constexpr = H * W if PLANES else 1         # from a channel to the next, and from a pixel to the next
    beside: tl.constexpr = 1 if PLANES else C * GROUPS
    if PLANES and A * B == 1 and I * J == H * W:         # 1 x 1: pixels are as dense as in the result
        x_at = x + (n * (C * GROUPS) + group * C) * plane + m % (H * W)
    else:
        x_at = x + n * (H * W * C * GROUPS) + (top * W + left) * beside + group * C * plane
    if TRANSPOSED:                                       # w[k, r, s, o]
        w_at = w + (group * C + k)[:, None] * (R * S * O) + o[None, :]
    else:                                                # w[o, r, s, k]
        w_at = w + (group * O + o)[None, :] * (R * S * C) + k[:, None]

    acc = tl.zeros((BLOCK_M, BLOCK_N), dtype=ACC)
    blocks: tl.constexpr = (C + BLOCK_K - 1) // BLOCK_K
    for step in range(A * B * blocks):
        tap, channel = step // blocks, step % blocks * BLOCK_K
        a, b = tap // B, tap % B
        real = (m < pixels)[:, None]
        if CHECK:
            h, v = top + a * TAP_H, left + b * TAP_W
            real = real & ((h >= 0) & (h < H) & (v >= 0) & (v < W))[:, None]
        if C % BLOCK_K != 0:
            real = real & (channel + k < C)[None, :]
        source = tl.load(x_at[:, None] + ((a * TAP_H * W + b * TAP_W) * beside + (channel + k) * plane)[None, :],
                         mask=real, other=0.0)
        weight = (o < O)[None, :]
        if C % BLOCK_K != 0:
            weight = weight & (channel + k < C)[:, None]
        place = (A0 + a * A_STEP) * S + B0 + b * B_STEP
        if TRANSPOSED:
            place = place * O + channel * (R * S * O)
        else:
            place = place * C + channel
        acc = tl.dot(source, tl.load(w_at + place, mask=weight, other=0.0), acc, input_precision=PRECISION,
                     out_dtype=ACC)

    if bias is not None:
        acc += tl.load(bias + group * O + o, mask=o < O, other=0.0).to(ACC)[None, :]
    acc = activate(acc, ACTIVATION)
    y_at = y + ((n * YH + i * Y_STEP_H + Y_OFF_H) * YW + j * Y_STEP_W + Y_OFF_W) * (O * GROUPS) + group * O
    tl.store(y_at[:, None] + o[None, :], acc.to(y.dtype.element_ty), mask=(m < pixels)[:, None] & (o < O)[None, :])


def forward_axis(size, kernel, stride, padding, dilation) -> dict:
    """The constexprs of one axis, forward, without the axis's letter."""
    count = (size + 2 * padding - (kernel - 1) * dilation - 1) // stride + 1
    return {"count": count, "STEP": stride, "OFF": -padding, "TAP": dilation, "taps": kernel, "first": 0, "every": 1,
            "Y_STEP": 1, "Y_OFF": 0, "check": padding > 0}


def gradient_phases(size, outputs, kernel, stride, padding, dilation) -> list[dict]:
    """The constexprs of one axis for each phase of the input gradient.

    Pixel h = phase + stride i takes dy[(h + padding - r dilation) / stride] where that is whole: r = first + a every.
    """
    found = []
    every = stride // math.gcd(stride, dilation)
    for phase in range(min(stride, size)):
        first = next((r for r in range(min(every, kernel)) if (phase + padding - r * dilation) % stride == 0), None)
        taps = 0 if first is None else -(-(kernel - first) // every)
        off, tap = 0, 1
        if taps:
            off, tap = (phase + padding - first * dilation) // stride, -(every * dilation // stride)
        count = -(-(size - phase) // stride)
        low, high = off + min(0, (taps - 1) * tap), count - 1 + off
        found.append({"count": count, "STEP": 1, "OFF": off, "TAP": tap, "taps": taps, "first": first or 0,
                      "every": every, "Y_STEP": stride, "Y_OFF": phase, "check": low < 0 or high >= outputs})
    return found


def constants(rows: dict, columns: dict) -> dict:
    """The constexprs of `conv2d_kernel` that two axes determine."""
    made = {"I": rows["count"], "J": columns["count"], "A": rows["taps"], "B": columns["taps"], "A0": rows["first"],
            "B0": columns["first"], "A_STEP": rows["every"], "B_STEP": columns["every"],
            "CHECK": rows["check"] or columns["check"]}
    for name in ("STEP", "OFF", "TAP", "Y_STEP", "Y_OFF"):
        made |= {f"{name}_H": rows[name], f"{name}_W": columns[name]}
    return made
