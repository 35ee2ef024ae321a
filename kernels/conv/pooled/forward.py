"""The forward as Triton kernels: a product without columns, as implicit.py's; and without a product, as direct.py's.

The product's rows are pixels in the order of cells, row = 4 cell + (2 a + b), so that a cell's four results are
neighbours in a tile, whose largest is taken before anything is stored. Without a product each program has four sums,
one for each of a cell's pixels. Either way each result is rounded before it is compared: what is equal in y's type is
equal, and the first is taken.
"""

from __future__ import annotations

from tritonnet.kernels.kernel import jit, kernel, tl
from tritonnet.kernels.matmul.activation import activate
from tritonnet.kernels.matmul.gemm import grouped
from tritonnet.kernels.matmul.shapes import fits
from tritonnet.kernels.rows import next_power_of_2
from tritonnet.kernels.space import Space


def sensible(BLOCK_M, BLOCK_N, BLOCK_K, num_warps, num_stages, N, I, J, C, O, itemsize, gpu) -> bool:
    """Whether a configuration is worth a try: no tile much larger than what there is to compute."""
    sizes = (BLOCK_M, 4 * N * I * J), (BLOCK_N, O), (BLOCK_K, C)
    return (all(block <= max(16, next_power_of_2(n)) for block, n in sizes)
            and fits(BLOCK_M, BLOCK_N, BLOCK_K, num_warps, num_stages, itemsize, gpu))


@jit
def larger(v, i, u, k):
    """Of two results, each with its number in the cell: the larger, the first of equals; NaN before all."""
    first = (v > u) | ((v == u) & (i < k)) | (v != v)
    return tl.where(first, v, u), tl.where(first, i, k)


@kernel(flops=lambda N, I, J, C, O, R, S: 2 * 4 * N * I * J * C * O * R * S,
        bytes=lambda x, w, y, taken: x.nbytes + w.nbytes + y.nbytes + taken.nbytes,
        space=Space(BLOCK_M=[32, 64, 128, 256], BLOCK_N=[16, 32, 64, 128], BLOCK_K=[16, 32, 64, 128], GROUP_M=[8],
                    num_warps=[4, 8], num_stages=[2, 3, 4], where=sensible))
def conv2d_pool_kernel(x, w, bias, y, taken, N, H: tl.constexpr, W: tl.constexpr, C: tl.constexpr, I: tl.constexpr,
                       J: tl.constexpr, O: tl.constexpr, R: tl.constexpr, S: tl.constexpr, SH: tl.constexpr,
                       SW: tl.constexpr, PH: tl.constexpr, PW: tl.constexpr, DH: tl.constexpr, DW: tl.constexpr,
                       ACC: tl.constexpr, PRECISION: tl.constexpr, BLOCK_M: tl.constexpr, BLOCK_N: tl.constexpr,
                       BLOCK_K: tl.constexpr, GROUP_M: tl.constexpr):
    """y and taken (N, I, J, O); x (N, H, W, C), w (O, R, S, C), all dense."""
    cells = N.to(tl.int64) * (I * J)
    tile_m, tile_n = grouped(tl.program_id(0), tl.cdiv(cells * 4, BLOCK_M).to(tl.int32), (O + BLOCK_N - 1) // BLOCK_N,
                             GROUP_M)
    m = tl.arange(0, BLOCK_M)
    cell = tile_m.to(tl.int64) * (BLOCK_M // 4) + m // 4
    inside = (cell < cells)[:, None]
    top = ((cell // J % I).to(tl.int32) * 2 + m // 2 % 2) * SH - PH
    left = ((cell % J).to(tl.int32) * 2 + m % 2) * SW - PW
    o = tile_n * BLOCK_N + tl.arange(0, BLOCK_N)
    k = tl.arange(0, BLOCK_K)
    x_at = x + ((cell // (I * J) * H + top) * W + left) * C
    w_at = w + o[None, :] * (R * S * C) + k[:, None]

    acc = tl.zeros((BLOCK_M, BLOCK_N), dtype=ACC)
    blocks: tl.constexpr = (C + BLOCK_K - 1) // BLOCK_K
    for step in range(R * S * blocks):
        tap, channel = step // blocks, step % blocks * BLOCK_K
        r, s = tap // S, tap % S
        real, weight = inside, (o < O)[None, :]
        if PH + PW != 0:
            h, v = top + r * DH, left + s * DW
            real = real & ((h >= 0) & (h < H) & (v >= 0) & (v < W))[:, None]
        if C % BLOCK_K != 0:
            real, weight = real & (channel + k < C)[None, :], weight & (channel + k < C)[:, None]
        source = tl.load(x_at[:, None] + ((r * DH * W + s * DW) * C + channel + k)[None, :], mask=real, other=0.0)
        acc = tl.dot(source, tl.load(w_at + tap * C + channel, mask=weight, other=0.0), acc, input_precision=PRECISION,
                     out_dtype=ACC)

    if bias is not None:
        acc += tl.load(bias + o, mask=o < O, other=0.0).to(ACC)[None, :]
    acc = acc.to(y.dtype.element_ty).to(ACC)
    number = tl.broadcast_to(tl.arange(0, 4)[None, :, None], (BLOCK_M // 4, 4, BLOCK_N))
    best, which = tl.reduce((tl.reshape(acc, (BLOCK_M // 4, 4, BLOCK_N)), number), 1, larger)
    store(y, taken, tile_m.to(tl.int64) * (BLOCK_M // 4) + tl.arange(0, BLOCK_M // 4), cells, o, O, best, which)


@jit
def store(y, taken, cell, cells, o, O: tl.constexpr, best, which):
    """relu of the largest and its number, or NONE."""
    at, wanted = cell[:, None] * O + o[None, :], (cell < cells)[:, None] & (o < O)[None, :]
    tl.store(taken + at, tl.where(best > 0, which, 4).to(tl.int8), mask=wanted)
    tl.store(y + at, activate(best, "relu").to(y.dtype.element_ty), mask=wanted)


@jit
def pixel(x_at, top, left, h, v, H, W, x_h, x_w, inside, CHECK: tl.constexpr, ACC: tl.constexpr):
    """Of each cell the pixel so far down and to the right. The compiler sees which of them are the same."""
    if CHECK:
        inside = inside & (top + h >= 0) & (top + h < H) & (left + v >= 0) & (left + v < W)
    x_at += h * x_h + (v if x_w is None else v * x_w)
    return tl.load(x_at, mask=inside, other=0.0).to(ACC)[None, :]


@kernel(flops=lambda N, I, J, C, O, R, S: 2 * 4 * N * I * J * C * O * R * S,
        bytes=lambda x, w, y, taken: x.nbytes + w.nbytes + y.nbytes + taken.nbytes,
        space=Space(BLOCK_M=[8, 16, 32, 64], BLOCK_O=[16, 32, 64], num_warps=[2, 4, 8],
                    where=lambda BLOCK_M, BLOCK_O, num_warps, O: (
                        2 * max(16, O) > BLOCK_O and 2 <= BLOCK_M * BLOCK_O // (32 * num_warps) <= 16)))
def conv2d_pool_direct_kernel(x, w, bias, y, taken, N, H, W, x_n: tl.int64, x_c: tl.int64, x_h: tl.int64,
                              x_w: tl.int64, I: tl.constexpr, J: tl.constexpr, C: tl.constexpr, O: tl.constexpr,
                              R: tl.constexpr, S: tl.constexpr, SH: tl.constexpr, SW: tl.constexpr, PH: tl.constexpr,
                              PW: tl.constexpr, DH: tl.constexpr, DW: tl.constexpr, ACC: tl.constexpr,
                              BLOCK_M: tl.constexpr, BLOCK_O: tl.constexpr):
    """y and taken (N, I, J, O), BLOCK_M cells of them; x has any strides, w (O, C, R, S) is dense."""
    cells = N.to(tl.int64) * (I * J)
    cell = tl.program_id(0).to(tl.int64) * BLOCK_M + tl.arange(0, BLOCK_M)
    o = tl.program_id(1) * BLOCK_O + tl.arange(0, BLOCK_O)
    inside, wanted = cell < cells, o < O
    top, left = (cell // J % I).to(tl.int32) * (2 * SH) - PH, (cell % J).to(tl.int32) * (2 * SW) - PW
    x_at = x + cell // (I * J) * x_n + top * x_h + (left if x_w is None else left * x_w)
    first = tl.zeros((BLOCK_O, BLOCK_M), dtype=ACC)      # a warp's lanes are cells, and share what they read of w
    second, third, fourth = first, first, first
    check: tl.constexpr = PH + PW != 0
    for row in range(C * R):                             # written out, it would take more registers than there are
        down, here = top + row % R * DH, x_at + row // R * x_c + row % R * DH * x_h
        for s in tl.static_range(S):
            weight = tl.load(w + o * (C * R * S) + row * S + s, mask=wanted, other=0.0).to(ACC)[:, None]
            first += pixel(here, down, left, 0, s * DW, H, W, x_h, x_w, inside, check, ACC) * weight
            second += pixel(here, down, left, 0, s * DW + SW, H, W, x_h, x_w, inside, check, ACC) * weight
            third += pixel(here, down, left, SH, s * DW, H, W, x_h, x_w, inside, check, ACC) * weight
            fourth += pixel(here, down, left, SH, s * DW + SW, H, W, x_h, x_w, inside, check, ACC) * weight
    added = tl.zeros((BLOCK_O, 1), dtype=ACC)
    if bias is not None:
        added = tl.load(bias + o, mask=wanted, other=0.0).to(ACC)[:, None]
    best = (first + added).to(y.dtype.element_ty).to(ACC)
    which = tl.zeros((BLOCK_O, BLOCK_M), dtype=tl.int32)
    for number in tl.static_range(1, 4):
        other = second if number == 1 else third if number == 2 else fourth
        other = (other + added).to(y.dtype.element_ty).to(ACC)
        which = tl.where(other > best, number, which)
        best = tl.maximum(best, other, propagate_nan=tl.PropagateNan.ALL)
    store(y, taken, cell, cells, o, O, tl.trans(best), tl.trans(which))
