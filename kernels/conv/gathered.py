"""Convolution of few channels by large kernels (3 x 7 x 7, 3 x 5 x 5): a product whose columns are gathered.

    y[m, o] = b[o] + sum_k columns[m, k] w[o, k],    m = (n, p, q),    k = (c, r, s)

implicit.py takes a tap at a time and its channels side by side. With three channels most of such a step would be
padding, and no load wide. Here taps and channels are one long axis, of which each step gathers BLOCK_K: more addresses,
but a fifth of the steps. x keeps its strides; the gradient of the weights is direct.py's.
"""

from __future__ import annotations

from tritonnet.kernels.kernel import kernel, tl
from tritonnet.kernels.matmul.activation import activate
from tritonnet.kernels.matmul.shapes import fits
from tritonnet.kernels.rows import next_power_of_2
from tritonnet.kernels.space import Space


def sensible(BLOCK_M, BLOCK_N, BLOCK_K, num_warps, num_stages, O, C, R, S, itemsize, gpu) -> bool:
    """Whether a configuration is worth a try."""
    addresses = BLOCK_M * BLOCK_K // (32 * num_warps)          # per thread: one for each gathered element
    sizes = (BLOCK_N, O), (BLOCK_K, C * R * S)
    return (addresses <= 32 and all(block <= max(16, next_power_of_2(n)) for block, n in sizes)
            and fits(BLOCK_M, BLOCK_N, BLOCK_K, num_warps, num_stages, itemsize, gpu))


@kernel(flops=lambda N, P, Q, C, O, R, S: 2 * N * P * Q * C * O * R * S,
        bytes=lambda x, w, y: x.nbytes + w.nbytes + y.nbytes,
        space=Space(BLOCK_M=[32, 64, 128], BLOCK_N=[16, 32, 64, 128], BLOCK_K=[16, 32, 64], num_warps=[4, 8],
                    num_stages=[2, 3], where=sensible))
def conv2d_gathered_kernel(x, w, bias, y, N, H, W, x_n: tl.int64, x_c: tl.int64, x_h: tl.int64, x_w: tl.int64,
                           P: tl.constexpr, Q: tl.constexpr, C: tl.constexpr, O: tl.constexpr, R: tl.constexpr,
                           S: tl.constexpr, SH: tl.constexpr, SW: tl.constexpr, PH: tl.constexpr, PW: tl.constexpr,
                           DH: tl.constexpr, DW: tl.constexpr, ACTIVATION: tl.constexpr, ACC: tl.constexpr,
                           PRECISION: tl.constexpr, BLOCK_M: tl.constexpr, BLOCK_N: tl.constexpr,
                           BLOCK_K: tl.constexpr):
    """y (N, P, Q, O); w (O, C, R, S), dense."""
    m = tl.program_id(0).to(tl.int64) * BLOCK_M + tl.arange(0, BLOCK_M)
    o = tl.program_id(1) * BLOCK_N + tl.arange(0, BLOCK_N)
    inside, wanted = m < N.to(tl.int64) * (P * Q), o < O
    top, left = (m // Q % P).to(tl.int32) * SH - PH, (m % Q).to(tl.int32) * SW - PW
    x_at = x + m // (P * Q) * x_n + top * x_h + left * x_w
    acc = tl.zeros((BLOCK_M, BLOCK_N), dtype=ACC)
    for first in range(0, C * R * S, BLOCK_K):
        k = first + tl.arange(0, BLOCK_K)
        down, across = k // S % R * DH, k % S * DW
        real = inside[:, None] & (k < C * R * S)[None, :]
        if PH + PW != 0:
            h, v = top[:, None] + down[None, :], left[:, None] + across[None, :]
            real = real & (h >= 0) & (h < H) & (v >= 0) & (v < W)
        offset = k // (R * S) * x_c + down * x_h + across * x_w
        columns = tl.load(x_at[:, None] + offset[None, :], mask=real, other=0.0)
        weight = tl.load(w + o[None, :] * (C * R * S) + k[:, None], mask=wanted[None, :] & (k < C * R * S)[:, None],
                         other=0.0)
        acc = tl.dot(columns, weight, acc, input_precision=PRECISION, out_dtype=ACC)
    if bias is not None:
        acc += tl.load(bias + o, mask=wanted, other=0.0).to(ACC)[None, :]
    acc = activate(acc, ACTIVATION)
    tl.store(y + m[:, None] * O + o[None, :], acc.to(y.dtype.element_ty), mask=inside[:, None] & wanted[None, :])
