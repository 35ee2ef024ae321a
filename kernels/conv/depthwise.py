"""Convolution of each channel by itself (groups == channels): no product, a sum over taps.

    y[n, p, q, o]  = b[o] + sum_{r, s} w[o, r, s] x[n, p sh + r dh - ph, q sw + s dw - pw, o // MULTIPLE]
    dx[n, h, v, c] = sum_{t, r, s} w[c MULTIPLE + t, r, s] dy[n, p, q, c MULTIPLE + t]    over the (p, q) that read it
    dw[o, r, s]    = sum_{n, p, q} dy[n, p, q, o] x[n, p sh + r dh - ph, q sw + s dw - pw, o // MULTIPLE]

Each program takes pixels x channels, channels innermost in memory as everywhere here, so that all loads are wide; the
pixels that neighbouring taps share come from the cache. What is computed is far less than what is read and written.
As an implicit product each group would be a matrix of one column: a 16th of a tensor core, of what little there is.
"""

from __future__ import annotations

from tritonnet.kernels.kernel import kernel, tl
from tritonnet.kernels.matmul.activation import activate
from tritonnet.kernels.space import Space

TILES = Space(BLOCK_M=[16, 32, 64, 128, 256], BLOCK_C=[16, 32, 64], num_warps=[2, 4, 8],
              where=lambda BLOCK_M, BLOCK_C, num_warps: 4 <= BLOCK_M * BLOCK_C // (32 * num_warps) <= 32)


@kernel(flops=lambda N, P, Q, O, R, S: 2 * N * P * Q * O * R * S,
        bytes=lambda x, w, y: x.nbytes + w.nbytes + y.nbytes, space=TILES)
def depthwise_kernel(x, w, bias, y, N, H: tl.constexpr, W: tl.constexpr, P: tl.constexpr, Q: tl.constexpr,
                     O: tl.constexpr, MULTIPLE: tl.constexpr, R: tl.constexpr, S: tl.constexpr, SH: tl.constexpr,
                     SW: tl.constexpr, PH: tl.constexpr, PW: tl.constexpr, DH: tl.constexpr, DW: tl.constexpr,
                     ACTIVATION: tl.constexpr, ACC: tl.constexpr, BLOCK_M: tl.constexpr, BLOCK_C: tl.constexpr):
    """y (N, P, Q, O); x (N, H, W, O / MULTIPLE), w (R, S, O), dense."""
    m = tl.program_id(0).to(tl.int64) * BLOCK_M + tl.arange(0, BLOCK_M)
    o = tl.program_id(1) * BLOCK_C + tl.arange(0, BLOCK_C)
    inside, wanted = m < N.to(tl.int64) * (P * Q), o < O
    top, left = (m // Q % P).to(tl.int32) * SH - PH, (m % Q).to(tl.int32) * SW - PW
    x_at = x + ((m // (P * Q) * H + top) * W + left)[:, None] * (O // MULTIPLE) + (o // MULTIPLE)[None, :]
    acc = tl.zeros((BLOCK_M, BLOCK_C), dtype=ACC)
    for r in range(R):
        for s in tl.static_range(S):
            real = inside
            if PH + PW != 0:
                h, v = top + r * DH, left + s * DW
                real = inside & (h >= 0) & (h < H) & (v >= 0) & (v < W)
            pixel = tl.load(x_at + (r * DH * W + s * DW) * (O // MULTIPLE), mask=real[:, None] & wanted[None, :],
                            other=0.0).to(ACC)
            weight = tl.load(w + (r * S + s) * O + o, mask=wanted, other=0.0).to(ACC)
            acc += pixel * weight[None, :]
    if bias is not None:
        acc += tl.load(bias + o, mask=wanted, other=0.0).to(ACC)[None, :]
    acc = activate(acc, ACTIVATION)
    tl.store(y + m[:, None] * O + o[None, :], acc.to(y.dtype.element_ty), mask=inside[:, None] & wanted[None, :])


@kernel(flops=lambda N, P, Q, C, MULTIPLE, R, S: 2 * N * P * Q * C * MULTIPLE * R * S,
        bytes=lambda dy, w, dx: dy.nbytes + w.nbytes + dx.nbytes, space=TILES)
def depthwise_input_kernel(dy, w, dx, N, H: tl.constexpr, W: tl.constexpr, P: tl.constexpr, Q: tl.constexpr,
                           C: tl.constexpr, MULTIPLE: tl.constexpr, R: tl.constexpr, S: tl.constexpr,
                           SH: tl.constexpr, SW: tl.constexpr, PH: tl.constexpr, PW: tl.constexpr, DH: tl.constexpr,
                           DW: tl.constexpr, ACC: tl.constexpr, BLOCK_M: tl.constexpr, BLOCK_C: tl.constexpr):
    """dx (N, H, W, C); dy (N, P, Q, C MULTIPLE), w (R, S, C MULTIPLE), dense."""
    m = tl.program_id(0).to(tl.int64) * BLOCK_M + tl.arange(0, BLOCK_M)
    c = tl.program_id(1) * BLOCK_C + tl.arange(0, BLOCK_C)
    inside, wanted = m < N.to(tl.int64) * (H * W), c < C
    below, right = (m // W % H).to(tl.int32) + PH, (m % W).to(tl.int32) + PW
    image = m // (H * W) * (P * Q)
    acc = tl.zeros((BLOCK_M, BLOCK_C), dtype=ACC)
    for r in range(R):
        for s in tl.static_range(S):
            down, across = below - r * DH, right - s * DW
            p, q = down // SH, across // SW
            real = inside & (down >= 0) & (p < P) & (across >= 0) & (q < Q)
            if SH * SW != 1:
                real = real & (down % SH == 0) & (across % SW == 0)
            dy_at = dy + (image + p * Q + q)[:, None] * (C * MULTIPLE) + c[None, :] * MULTIPLE
            for t in range(MULTIPLE):
                g = tl.load(dy_at + t, mask=real[:, None] & wanted[None, :], other=0.0).to(ACC)
                weight = tl.load(w + (r * S + s) * (C * MULTIPLE) + c * MULTIPLE + t, mask=wanted, other=0.0).to(ACC)
                acc += g * weight[None, :]
    tl.store(dx + m[:, None] * C + c[None, :], acc.to(dx.dtype.element_ty), mask=inside[:, None] & wanted[None, :])


@kernel(flops=lambda N, P, Q, O, R, S: 2 * N * P * Q * O * R * S,
        bytes=lambda x, dy, parts: x.nbytes + dy.nbytes + parts.nbytes)
def depthwise_weight_kernel(x, dy, parts, N, H: tl.constexpr, W: tl.constexpr, P: tl.constexpr, Q: tl.constexpr,
                            O: tl.constexpr, MULTIPLE: tl.constexpr, R: tl.constexpr, S: tl.constexpr,
                            SH: tl.constexpr, SW: tl.constexpr, PH: tl.constexpr, PW: tl.constexpr, DH: tl.constexpr,
                            DW: tl.constexpr, ACC: tl.constexpr, BLOCK_T: tl.constexpr, BLOCK_M: tl.constexpr,
                            BLOCK_C: tl.constexpr):
    """parts[split] = [dw (O, R, S), db (O)]: tap R S is all ones. x and dy as in the forward."""
    pixels = N.to(tl.int64) * (P * Q)
    steps = tl.cdiv(tl.cdiv(pixels, BLOCK_M), tl.num_programs(0))
    start = tl.program_id(0) * steps * BLOCK_M
    end = tl.minimum(pixels, start + steps * BLOCK_M)
    k = tl.program_id(1) * BLOCK_T + tl.arange(0, BLOCK_T)
    o = tl.program_id(2) * BLOCK_C + tl.arange(0, BLOCK_C)
    down, across = k // S * DH - PH, k % S * DW - PW
    acc = tl.zeros((BLOCK_T, BLOCK_M, BLOCK_C), dtype=ACC)
    for first in range(start, end, BLOCK_M):
        m = first + tl.arange(0, BLOCK_M)
        h = (m // Q % P).to(tl.int32)[None, :] * SH + down[:, None]
        v = (m % Q).to(tl.int32)[None, :] * SW + across[:, None]
        real = (m < end)[None, :] & (k < R * S)[:, None] & (h >= 0) & (h < H) & (v >= 0) & (v < W)
        x_at = x + (((m // (P * Q))[None, :] * H + h) * W + v)[:, :, None] * (O // MULTIPLE)
        pixel = tl.load(x_at + (o // MULTIPLE)[None, None, :], mask=real[:, :, None] & (o < O)[None, None, :],
                        other=0.0)
        pixel = tl.where((k == R * S)[:, None, None], 1.0, pixel.to(ACC))
        g = tl.load(dy + m[:, None] * O + o[None, :], mask=(m < end)[:, None] & (o < O)[None, :], other=0.0).to(ACC)
        acc += pixel * g[None, :, :]
    parts += tl.program_id(0).to(tl.int64) * (O * (R * S + 1))
    at = tl.where((k < R * S)[:, None], o[None, :] * (R * S) + k[:, None], O * R * S + o[None, :])
    tl.store(parts + at, tl.sum(acc, axis=1), mask=(k <= R * S)[:, None] & (o < O)[None, :])
