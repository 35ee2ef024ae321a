"""The backward as Triton kernels, which read the pooled gradient and `taken`: dz never exists.

Wherever implicit.py and weights.py load dy, these load dy of the cell and keep it where that pixel was taken. The
gradient of the input walks over the pixels that read a tap; the gradients of the weights walk over cells, and add one
product for each of the four pixels.
"""

from __future__ import annotations

from tritonnet.kernels.conv import implicit, weights
from tritonnet.kernels.kernel import kernel, tl
from tritonnet.kernels.matmul.gemm import grouped
from tritonnet.kernels.space import Space


def sensible_input(BLOCK_M, BLOCK_N, BLOCK_K, num_warps, num_stages, N, I, J, C, O, itemsize, gpu) -> bool:
    """As for the gradient of the input of any convolution."""
    return implicit.sensible(BLOCK_M, BLOCK_N, BLOCK_K, num_warps, num_stages, N, I, J, C, O, itemsize, gpu)


@kernel(flops=lambda N, I, J, C, O, A, B: 2 * N * I * J * C * O * A * B,
        bytes=lambda dy, taken, w, dx, N, I, J, O: (
            dy.nbytes + taken.nbytes + w.nbytes + N * I * J * O * dx.itemsize),
        space=Space(BLOCK_M=[32, 64, 128], BLOCK_N=[16, 32, 64, 128], BLOCK_K=[16, 32, 64], GROUP_M=[8],
                    num_warps=[4, 8], num_stages=[2, 3, 4], where=sensible_input))
def conv2d_pool_input_kernel(dy, taken, w, dx, N,
                             H: tl.constexpr, W: tl.constexpr, C: tl.constexpr, I: tl.constexpr, J: tl.constexpr,
                             YH: tl.constexpr, YW: tl.constexpr, O: tl.constexpr, R: tl.constexpr, S: tl.constexpr,
                             OFF_H: tl.constexpr, OFF_W: tl.constexpr, TAP_H: tl.constexpr, TAP_W: tl.constexpr,
                             A: tl.constexpr, B: tl.constexpr, A0: tl.constexpr, B0: tl.constexpr,
                             A_STEP: tl.constexpr, B_STEP: tl.constexpr, Y_STEP_H: tl.constexpr,
                             Y_STEP_W: tl.constexpr, Y_OFF_H: tl.constexpr, Y_OFF_W: tl.constexpr,
                             CHECK: tl.constexpr, ACC: tl.constexpr, PRECISION: tl.constexpr, BLOCK_M: tl.constexpr,
                             BLOCK_N: tl.constexpr, BLOCK_K: tl.constexpr, GROUP_M: tl.constexpr):
    """dx (N, YH, YW, O), a phase of I x J of its pixels; dy, taken (N, H, W, C), w (C, R, S, O): as `conv2d_kernel`."""
    pixels = N.to(tl.int64) * (I * J)
    tile_m, tile_n = grouped(tl.program_id(0), tl.cdiv(pixels, BLOCK_M).to(tl.int32), (O + BLOCK_N - 1) // BLOCK_N,
                             GROUP_M)
    m = tile_m.to(tl.int64) * BLOCK_M + tl.arange(0, BLOCK_M)
    n, i, j = m // (I * J), (m // J % I).to(tl.int32), (m % J).to(tl.int32)
    o = tile_n * BLOCK_N + tl.arange(0, BLOCK_N)
    k = tl.arange(0, BLOCK_K)
    image = n * (H * W)
    w_at = w + k[:, None] * (R * S * O) + o[None, :]

    acc = tl.zeros((BLOCK_M, BLOCK_N), dtype=ACC)
    blocks: tl.constexpr = (C + BLOCK_K - 1) // BLOCK_K
    for step in range(A * B * blocks):
        tap, channel = step // blocks, step % blocks * BLOCK_K
        a, b = tap // B, tap % B
        p, q = i + OFF_H + a * TAP_H, j + OFF_W + b * TAP_W
        real, weight = (m < pixels)[:, None], (o < O)[None, :]
        if CHECK:
            real = real & ((p >= 0) & (p < 2 * H) & (q >= 0) & (q < 2 * W))[:, None]
        if C % BLOCK_K != 0:
            real, weight = real & (channel + k < C)[None, :], weight & (channel + k < C)[:, None]
        at = ((image + (p >> 1) * W + (q >> 1)) * C)[:, None] + (channel + k)[None, :]
        g = tl.load(dy + at, mask=real, other=0.0)
        source = tl.where(tl.load(taken + at, mask=real, other=-1) == ((p & 1) * 2 + (q & 1))[:, None], g, 0.0)
        place = ((A0 + a * A_STEP) * S + B0 + b * B_STEP) * O + channel * (R * S * O)
        acc = tl.dot(source.to(w.dtype.element_ty), tl.load(w_at + place, mask=weight, other=0.0), acc,
                     input_precision=PRECISION, out_dtype=ACC)

    dx_at = dx + ((n * YH + i * Y_STEP_H + Y_OFF_H) * YW + j * Y_STEP_W + Y_OFF_W) * O
    tl.store(dx_at[:, None] + o[None, :], acc.to(dx.dtype.element_ty), mask=(m < pixels)[:, None] & (o < O)[None, :])


def sensible(BLOCK_M, BLOCK_O, BLOCK_C, num_warps, num_stages, N, I, J, C, O, itemsize, gpu) -> bool:
    """As for the gradient of the weights of any convolution, over cells."""
    return weights.sensible(BLOCK_M, BLOCK_O, BLOCK_C, num_warps, num_stages, N, I, J, C, O, itemsize, gpu)


@kernel(flops=lambda N, I, J, C, O, R, S: 2 * 4 * N * I * J * C * O * R * S,
        bytes=lambda x, dy, taken, parts: x.nbytes + dy.nbytes + taken.nbytes + parts.nbytes,
        space=Space(BLOCK_M=[16, 32, 64], BLOCK_O=[16, 32, 64, 128], BLOCK_C=[16, 32, 64, 128], num_warps=[4, 8],
                    num_stages=[2, 3], where=sensible))
def conv2d_pool_weight_kernel(x, dy, taken, parts, N, H: tl.constexpr, W: tl.constexpr, C: tl.constexpr,
                              I: tl.constexpr, J: tl.constexpr, O: tl.constexpr, R: tl.constexpr, S: tl.constexpr,
                              SH: tl.constexpr, SW: tl.constexpr, PH: tl.constexpr, PW: tl.constexpr,
                              DH: tl.constexpr, DW: tl.constexpr, ACC: tl.constexpr, PRECISION: tl.constexpr,
                              BLOCK_M: tl.constexpr, BLOCK_O: tl.constexpr, BLOCK_C: tl.constexpr):
    """parts[split] = [dw (O, C, R, S), db (O)], BLOCK_M cells at a time; x (N, H, W, C), dy and taken (N, I, J, O)."""
    cells = N.to(tl.int64) * (I * J)
    tiles_c: tl.constexpr = (C + BLOCK_C - 1) // BLOCK_C
    split, splits = tl.program_id(2), tl.num_programs(2)
    steps = tl.cdiv(tl.cdiv(cells, BLOCK_M), splits)
    start = split * steps * BLOCK_M
    end = tl.minimum(cells, start + steps * BLOCK_M)
    parts += split.to(tl.int64) * (O * (C * R * S + 1))
    tap = tl.program_id(1)
    if tap < R * S:
        r, s = tap // S, tap % S
        o = tl.program_id(0) // tiles_c * BLOCK_O + tl.arange(0, BLOCK_O)
        c = tl.program_id(0) % tiles_c * BLOCK_C + tl.arange(0, BLOCK_C)
        acc = tl.zeros((BLOCK_O, BLOCK_C), dtype=ACC)
        for first in range(start, end, BLOCK_M):
            cell = first + tl.arange(0, BLOCK_M)
            top = (cell // J % I).to(tl.int32) * (2 * SH) - PH + r * DH
            left = (cell % J).to(tl.int32) * (2 * SW) - PW + s * DW
            x_at = x + (((cell // (I * J)) * H + top) * W + left)[:, None] * C + c[None, :]
            at, given = cell[None, :] * O + o[:, None], (cell < end)[None, :] & (o < O)[:, None]
            g, which = tl.load(dy + at, mask=given, other=0.0), tl.load(taken + at, mask=given, other=-1)
            for number in tl.static_range(4):
                down, across = number // 2 * SH, number % 2 * SW
                real = cell < end
                if PH + PW != 0:
                    h, v = top + down, left + across
                    real = real & (h >= 0) & (h < H) & (v >= 0) & (v < W)
                source = tl.load(x_at + (down * W + across) * C, mask=real[:, None] & (c < C)[None, :], other=0.0)
                acc = tl.dot(tl.where(which == number, g, 0.0).to(x.dtype.element_ty), source, acc,
                             input_precision=PRECISION, out_dtype=ACC)
        at = ((o[:, None] * C + c[None, :]) * R + r) * S + s
        tl.store(parts + at, acc, mask=(o < O)[:, None] & (c < C)[None, :])
    else:
        for block in range(tl.program_id(0), (O + BLOCK_O - 1) // BLOCK_O, tl.num_programs(0)):
            o = block * BLOCK_O + tl.arange(0, BLOCK_O)
            total = tl.zeros((BLOCK_O,), dtype=ACC)
            for first in range(start, end, BLOCK_M):
                cell = first + tl.arange(0, BLOCK_M)
                at, given = cell[:, None] * O + o[None, :], (cell < end)[:, None] & (o < O)[None, :]
                g, which = tl.load(dy + at, mask=given, other=0.0), tl.load(taken + at, mask=given, other=4)
                total += tl.sum(tl.where(which < 4, g, 0.0).to(ACC), axis=0)
            tl.store(parts + O * C * R * S + o, total, mask=o < O)


@kernel(flops=lambda N, I, J, C, O, R, S: 2 * 4 * N * I * J * C * O * R * S,
        bytes=lambda x, dy, taken, parts: x.nbytes + dy.nbytes + taken.nbytes + parts.nbytes,
        space=Space(BLOCK_M=[16, 32, 64], BLOCK_O=[16, 32, 64], num_warps=[2, 4, 8], num_stages=[2, 3],
                    where=lambda BLOCK_O, O: 2 * max(16, O) > BLOCK_O))
def conv2d_pool_direct_weight_kernel(x, dy, taken, parts, N, H, W, x_n: tl.int64, x_c: tl.int64, x_h: tl.int64,
                                     x_w: tl.int64, I: tl.constexpr, J: tl.constexpr, C: tl.constexpr,
                                     O: tl.constexpr, R: tl.constexpr, S: tl.constexpr, SH: tl.constexpr,
                                     SW: tl.constexpr, PH: tl.constexpr, PW: tl.constexpr, DH: tl.constexpr,
                                     DW: tl.constexpr, ACC: tl.constexpr, PRECISION: tl.constexpr,
                                     BLOCK_M: tl.constexpr, BLOCK_O: tl.constexpr, TAPS: tl.constexpr):
    """parts[split] = [dw (O, C, R, S), db (O)]: row C R S of the columns is all ones. x has any strides."""
    cells = N.to(tl.int64) * (I * J)
    steps = tl.cdiv(tl.cdiv(cells, BLOCK_M), tl.num_programs(0))
    start = tl.program_id(0) * steps * BLOCK_M
    end = tl.minimum(cells, start + steps * BLOCK_M)
    o = tl.program_id(1) * BLOCK_O + tl.arange(0, BLOCK_O)
    k = tl.program_id(2) * TAPS + tl.arange(0, TAPS)
    down, across = k // S % R * DH - PH, k % S * DW - PW
    offset = k // (R * S) * x_c + down * x_h + across * x_w
    acc = tl.zeros((TAPS, BLOCK_O), dtype=ACC)
    for first in range(start, end, BLOCK_M):
        cell = first + tl.arange(0, BLOCK_M)
        top, left = (cell // J % I).to(tl.int32) * (2 * SH), (cell % J).to(tl.int32) * (2 * SW)
        x_at = (cell // (I * J) * x_n + top * x_h + left * x_w)[None, :] + offset[:, None]
        at, given = cell[:, None] * O + o[None, :], (cell < end)[:, None] & (o < O)[None, :]
        g, which = tl.load(dy + at, mask=given, other=0.0), tl.load(taken + at, mask=given, other=-1)
        for number in tl.static_range(4):
            h = top[None, :] + (down + number // 2 * SH)[:, None]
            v = left[None, :] + (across + number % 2 * SW)[:, None]
            real = (cell < end)[None, :] & (k < C * R * S)[:, None] & (h >= 0) & (h < H) & (v >= 0) & (v < W)
            columns = tl.load(x + x_at + (number // 2 * SH) * x_h + (number % 2 * SW) * x_w, mask=real, other=0.0)
            columns = tl.where((k == C * R * S)[:, None], 1.0, columns).to(x.dtype.element_ty)
            acc = tl.dot(columns, tl.where(which == number, g, 0.0).to(x.dtype.element_ty), acc,
                         input_precision=PRECISION, out_dtype=ACC)
    parts += tl.program_id(0).to(tl.int64) * (O * (C * R * S + 1))
    at = tl.where((k < C * R * S)[:, None], o[None, :] * (C * R * S) + k[:, None], O * C * R * S + o[None, :])
    tl.store(parts + at, acc, mask=(k <= C * R * S)[:, None] & (o < O)[None, :])
