"""Convolution of few channels (the first layer of a network), without a matrix product for the forward.

With C = 1 a tensor core would multiply mostly zeros: each program takes a block of pixels and all output channels, and
adds one outer product per tap. The gradient of the weights is a product again, of TAPS rows at a time; it serves
gathered.py, too. x keeps its strides, y is NHWC.
"""

from __future__ import annotations

from tritonnet.kernels.kernel import kernel, tl
from tritonnet.kernels.matmul.activation import activate
from tritonnet.kernels.space import Space


@kernel(flops=lambda N, P, Q, C, O, R, S: 2 * N * P * Q * C * O * R * S,
        bytes=lambda x, w, y: x.nbytes + w.nbytes + y.nbytes,
        space=Space(BLOCK_M=[32, 64, 128, 256], BLOCK_O=[16, 32, 64], num_warps=[2, 4, 8],
                    where=lambda BLOCK_M, BLOCK_O, num_warps, O: (
                        2 * max(16, O) > BLOCK_O and 4 <= BLOCK_M * BLOCK_O // (32 * num_warps) <= 64)))
def conv2d_direct_kernel(x, w, bias, y, N, H, W, x_n: tl.int64, x_c: tl.int64, x_h: tl.int64, x_w: tl.int64,
                         P: tl.constexpr, Q: tl.constexpr, C: tl.constexpr, O: tl.constexpr, R: tl.constexpr,
                         S: tl.constexpr, SH: tl.constexpr, SW: tl.constexpr, PH: tl.constexpr, PW: tl.constexpr,
                         DH: tl.constexpr, DW: tl.constexpr, ACTIVATION: tl.constexpr, ACC: tl.constexpr,
                         BLOCK_M: tl.constexpr, BLOCK_O: tl.constexpr):
    """y (N, P, Q, O); w (O, C, R, S), dense."""
    m = tl.program_id(0).to(tl.int64) * BLOCK_M + tl.arange(0, BLOCK_M)
    o = tl.program_id(1) * BLOCK_O + tl.arange(0, BLOCK_O)
    inside, wanted = m < N.to(tl.int64) * (P * Q), o < O
    top, left = (m // Q % P).to(tl.int32) * SH - PH, (m % Q).to(tl.int32) * SW - PW
    x_at = x + m // (P * Q) * x_n + top * x_h + left * x_w
    acc = tl.zeros((BLOCK_M, BLOCK_O), dtype=ACC)
    for c in range(C):
        for r in tl.static_range(R):
            for s in tl.static_range(S):
                real = inside
                if PH + PW != 0:
                    h, v = top + r * DH, left + s * DW
                    real = inside & (h >= 0) & (h < H) & (v >= 0) & (v < W)
                pixel = tl.load(x_at + c * x_c + r * DH * x_h + s * DW * x_w, mask=real, other=0.0).to(ACC)
                weight = tl.load(w + o * (C * R * S) + (c * R + r) * S + s, mask=wanted, other=0.0).to(ACC)
                acc += pixel[:, None] * weight[None, :]
    if bias is not None:
        acc += tl.load(bias + o, mask=wanted, other=0.0).to(ACC)[None, :]
    acc = activate(acc, ACTIVATION)
    tl.store(y + m[:, None] * O + o[None, :], acc.to(y.dtype.element_ty), mask=inside[:, None] & wanted[None, :])


@kernel(flops=lambda N, P, Q, C, O, R, S: 2 * N * P * Q * C * O * R * S,
        bytes=lambda x, dy, parts: x.nbytes + dy.nbytes + parts.nbytes,
        space=Space(BLOCK_M=[32, 64, 128], BLOCK_O=[16, 32, 64], num_warps=[2, 4, 8], num_stages=[2, 3],
                    where=lambda BLOCK_O, O: 2 * max(16, O) > BLOCK_O))
def conv2d_direct_weight_kernel(x, dy, parts, N, H, W, x_n: tl.int64, x_c: tl.int64, x_h: tl.int64, x_w: tl.int64,
                                P: tl.constexpr, Q: tl.constexpr, C: tl.constexpr, O: tl.constexpr, R: tl.constexpr,
                                S: tl.constexpr, SH: tl.constexpr, SW: tl.constexpr, PH: tl.constexpr,
                                PW: tl.constexpr, DH: tl.constexpr, DW: tl.constexpr, ACC: tl.constexpr,
                                PRECISION: tl.constexpr, BLOCK_M: tl.constexpr, BLOCK_O: tl.constexpr,
                                TAPS: tl.constexpr):
    """parts[split] = [dw (O, C, R, S), db (O)]: row C R S of the columns is all ones. dy is NHWC."""
    pixels = N.to(tl.int64) * (P * Q)
    steps = tl.cdiv(tl.cdiv(pixels, BLOCK_M), tl.num_programs(0))
    start = tl.program_id(0) * steps * BLOCK_M
    end = tl.minimum(pixels, start + steps * BLOCK_M)
    o = tl.program_id(1) * BLOCK_O + tl.arange(0, BLOCK_O)
    k = tl.program_id(2) * TAPS + tl.arange(0, TAPS)
    down, across = k // S % R * DH - PH, k % S * DW - PW
    offset = k // (R * S) * x_c + down * x_h + across * x_w
    acc = tl.zeros((TAPS, BLOCK_O), dtype=ACC)
    for first in range(start, end, BLOCK_M):
        m = first + tl.arange(0, BLOCK_M)
        top, left = (m // Q % P).to(tl.int32) * SH, (m % Q).to(tl.int32) * SW
        h, v = top[None, :] + down[:, None], left[None, :] + across[:, None]
        real = (m < end)[None, :] & (k < C * R * S)[:, None] & (h >= 0) & (h < H) & (v >= 0) & (v < W)
        columns = tl.load(x + (m // (P * Q) * x_n + top * x_h + left * x_w)[None, :] + offset[:, None], mask=real,
                          other=0.0)
        columns = tl.where((k == C * R * S)[:, None], 1.0, columns).to(x.dtype.element_ty)
        g = tl.load(dy + m[:, None] * O + o[None, :], mask=(m < end)[:, None] & (o < O)[None, :], other=0.0)
        acc = tl.dot(columns, g, acc, input_precision=PRECISION, out_dtype=ACC)
    parts += tl.program_id(0).to(tl.int64) * (O * (C * R * S + 1))
    at = tl.where((k < C * R * S)[:, None], o[None, :] * (C * R * S) + k[:, None], O * C * R * S + o[None, :])
    tl.store(parts + at, acc, mask=(k <= C * R * S)[:, None] & (o < O)[None, :])
