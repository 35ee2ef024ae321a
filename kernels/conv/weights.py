"""The gradient of a convolution's weights and bias.

    dw[o, c, r, s] = sum over pixels (n, p, q) of dy[n, o, p, q] x[n, c, p sh + r dh - ph, q sw + s dw - pw]
    db[o] = sum over pixels of dy[n, o, p, q]

The sum is long and the result small: pixels are split over programs, each program takes one tap and a tile of [O, C],
and parts in the accumulator's type are added in fixed order by a second kernel: no atomics, the same result every run.
One more program per split sums dy for the bias.
"""

from __future__ import annotations

from tritonnet.kernels.kernel import kernel, tl
from tritonnet.kernels.matmul.shapes import fits
from tritonnet.kernels.rows import next_power_of_2
from tritonnet.kernels.space import Space


def sensible(BLOCK_M, BLOCK_O, BLOCK_C, num_warps, num_stages, N, P, Q, C, O, itemsize, gpu, PLANES=0) -> bool:
    """Whether a configuration is worth a try: no tile much larger than what there is to compute; where planes are
    gathered, no more than 32 addresses per thread."""
    if PLANES and BLOCK_M * BLOCK_C // (32 * num_warps) > 32:
        return False
    sizes = (BLOCK_M, N * P * Q), (BLOCK_O, O), (BLOCK_C, C)
    return (all(block <= max(16, next_power_of_2(n)) for block, n in sizes)
            and fits(BLOCK_O, BLOCK_C, BLOCK_M, num_warps, num_stages, itemsize, gpu))


@kernel(flops=lambda N, P, Q, C, O, R, S, GROUPS: 2 * N * P * Q * C * O * R * S * GROUPS,
        bytes=lambda x, dy, parts: x.nbytes + dy.nbytes + parts.nbytes,
        space=Space(BLOCK_M=[16, 32, 64, 128], BLOCK_O=[16, 32, 64, 128], BLOCK_C=[16, 32, 64, 128], PLANES=[0, 1],
                    num_warps=[4, 8], num_stages=[2, 3, 4], where=sensible))
def conv2d_weight_kernel(x, dy, parts, N, H: tl.constexpr, W: tl.constexpr, C: tl.constexpr, P: tl.constexpr,
                         Q: tl.constexpr, O: tl.constexpr, R: tl.constexpr, S: tl.constexpr, SH: tl.constexpr,
                         SW: tl.constexpr, PH: tl.constexpr, PW: tl.constexpr, DH: tl.constexpr, DW: tl.constexpr,
                         GROUPS: tl.constexpr, ACC: tl.constexpr, PRECISION: tl.constexpr, BLOCK_M: tl.constexpr,
                         BLOCK_O: tl.constexpr, BLOCK_C: tl.constexpr, PLANES: tl.constexpr):
    """parts[split] = [dw (groups O, C, R, S), db (groups O)]; x and dy are NHWC (PLANES: x is NCHW), C and O per
    group."""
    plane: tl.constexpr = H * W if PLANES else 1         # from a channel to the next, and from a pixel to the next
    beside: tl.constexpr = 1 if PLANES else C * GROUPS
    pixels = N.to(tl.int64) * (P * Q)
    tiles_c: tl.constexpr = (C + BLOCK_C - 1) // BLOCK_C
    split, splits = tl.program_id(2), tl.num_programs(2)
    steps = tl.cdiv(tl.cdiv(pixels, BLOCK_M), splits)
    start = split * steps * BLOCK_M
    end = tl.minimum(pixels, start + steps * BLOCK_M)
    parts += split.to(tl.int64) * (GROUPS * O * (C * R * S + 1))
    which = tl.program_id(1)
    if which < R * S * GROUPS:
        group, r, s = which // (R * S), which // S % R, which % S
        o = tl.program_id(0) // tiles_c * BLOCK_O + tl.arange(0, BLOCK_O)
        c = tl.program_id(0) % tiles_c * BLOCK_C + tl.arange(0, BLOCK_C)
        acc = tl.zeros((BLOCK_O, BLOCK_C), dtype=ACC)
        for first in range(start, end, BLOCK_M):
            m = first + tl.arange(0, BLOCK_M)
            h, v = (m // Q % P).to(tl.int32) * SH - PH + r * DH, (m % Q).to(tl.int32) * SW - PW + s * DW
            real = m < end
            g = tl.load(dy + m[None, :] * (O * GROUPS) + (group * O + o)[:, None],
                        mask=real[None, :] & (o < O)[:, None], other=0.0)
            if PH + PW != 0:
                real = real & (h >= 0) & (h < H) & (v >= 0) & (v < W)
            x_at = x + m // (P * Q) * (H * W * C * GROUPS) + (h * W + v) * beside + group * C * plane
            source = tl.load(x_at[:, None] + (c * plane)[None, :], mask=real[:, None] & (c < C)[None, :], other=0.0)
            acc = tl.dot(g, source, acc, input_precision=PRECISION, out_dtype=ACC)
        at = (((group * O + o)[:, None] * C + c[None, :]) * R + r) * S + s
        tl.store(parts + at, acc, mask=(o < O)[:, None] & (c < C)[None, :])
    else:
        for block in range(tl.program_id(0), (GROUPS * O + BLOCK_O - 1) // BLOCK_O, tl.num_programs(0)):
            channel = block * BLOCK_O + tl.arange(0, BLOCK_O)
            total = tl.zeros((BLOCK_O,), dtype=ACC)
            for first in range(start, end, BLOCK_M):
                m = first + tl.arange(0, BLOCK_M)
                g = tl.load(dy + m[:, None] * (O * GROUPS) + channel[None, :],
                            mask=(m < end)[:, None] & (channel < GROUPS * O)[None, :], other=0.0)
                total += tl.sum(g.to(ACC), axis=0)
            tl.store(parts + GROUPS * O * C * R * S + channel, total, mask=channel < GROUPS * O)


@kernel(flops=lambda n, splits: n * splits, bytes=lambda parts, dw: parts.nbytes + dw.nbytes)
def sum_parts_kernel(parts, dw, db, n, weights, splits, ACC: tl.constexpr, ROWS: tl.constexpr, BLOCK: tl.constexpr):
    """dw and db from so many parts of n elements, the first `weights` of which are dw's; db may be None.

    ROWS parts are read at a time: there are often too few elements to keep a GPU busy one after the other.
    """
    at = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    total = tl.zeros((ROWS, BLOCK), dtype=ACC)
    end = weights if db is None else n  # db's part is not written where it is not asked for
    for first in range(0, splits, ROWS):
        row = first + tl.arange(0, ROWS)
        total += tl.load(parts + row.to(tl.int64)[:, None] * n + at[None, :],
                         mask=(row < splits)[:, None] & (at < end)[None, :], other=0.0)
    total = tl.sum(total, axis=0)
    tl.store(dw + at, total.to(dw.dtype.element_ty), mask=at < weights)
    if db is not None:
        tl.store(db + at - weights, total.to(db.dtype.element_ty), mask=(at >= weights) & (at < n))
