"""The kernels of `norm.channel`: statistics per channel as partial results, and what uses them.

Arrays are (rows, channels, length): element (n, c, l) lies at n * row + c * channel + l. In channels-last order that is
(samples and pixels, channels, 1) with `channel` None for 1; in PyTorch's contiguous order (samples, channels, pixels).
Program (p, t) reads `each` rows of one tile of channels, and writes row p of `partial` (programs, 2, channels).
"""

from __future__ import annotations

from tritonnet.kernels.kernel import jit, kernel, tl
from tritonnet.kernels.matmul.activation import activate, slope
from tritonnet.kernels.rows import walk
from tritonnet.kernels.space import Space


def sensible(BN, BC, BL, num_warps, rows, channels, length, x_channel) -> bool:
    """Whether a tile is worth a try: long where the memory is dense, 4 to 32 elements per thread."""
    if x_channel is None:
        dense = BL == 1 == length and min(channels, 16) <= BC < 2 * channels
    else:
        dense = BC == 1 and min(length, 64) <= BL < 2 * max(length, 1)
    return dense and 2 * rows > BN and 4 <= BN * BC * BL / (32 * num_warps) <= 32


TILES = Space(BN=[1 << n for n in range(10)], BC=[1, 2, 4, 8, 16, 32, 64, 128], BL=[1 << n for n in range(12)],
              num_warps=[4, 8, 16], where=sensible)


@kernel(flops=lambda x: 4 * x.size, bytes=lambda x: x.nbytes, space=TILES)
def moments_kernel(x, partial, rows, channels, length, each, x_row: tl.int64, x_channel: tl.int64,
                   ACC: tl.constexpr, BN: tl.constexpr, BC: tl.constexpr, BL: tl.constexpr):
    """Mean and sum of squared deviations of each channel over this program's rows."""
    first = tl.program_id(0) * each
    last = tl.minimum(first + each, rows)
    c = tl.program_id(1) * BC + tl.arange(0, BC)
    x += walk(c, x_channel)[None, :, None]
    present = (c < channels)[None, :, None]
    n0, l0 = tl.arange(0, BN)[:, None, None], tl.arange(0, BL)[None, None, :]
    # deviations from the mean of the first tile: their squares do not drown in the square of the mean
    inside = (first + n0 < last) & present & (l0 < length)
    v = tl.load(x + walk(first + n0, x_row) + l0, mask=inside, other=0).to(ACC)
    count = (tl.minimum(last - first, BN) * tl.minimum(length, BL)).to(ACC)
    pivot = (tl.sum(tl.sum(v, axis=2), axis=0) / count)[None, :, None]
    total = tl.full((BN, BC, BL), 0, ACC)
    square = tl.full((BN, BC, BL), 0, ACC)
    for n in range(first, last, BN):
        for l in range(0, 1 if BL == 1 else length, BL):
            inside = (n + n0 < last) & present & (l + l0 < length)
            v = tl.load(x + walk(n + n0, x_row) + (l + l0), mask=inside, other=0).to(ACC)
            v = tl.where(inside, v - pivot, 0)
            total += v
            square += v * v
    count = ((last - first) * length).to(ACC)
    total_c = tl.sum(tl.sum(total, axis=2), axis=0)
    square_c = tl.sum(tl.sum(square, axis=2), axis=0)
    partial += tl.program_id(0).to(tl.int64) * 2 * channels + c
    tl.store(partial, tl.sum(tl.sum(pivot, axis=2), axis=0) + total_c / count, mask=c < channels)
    tl.store(partial + channels, square_c - total_c * total_c / count, mask=c < channels)


@jit
def merged_moments(partial, c, rows, channels, length, each, ACC: tl.constexpr, BC: tl.constexpr, STEP: tl.constexpr):
    """Mean and sum of squared deviations over all programs of `moments_kernel`, in a fixed order."""
    programs = tl.cdiv(rows, each)
    mean = tl.full((STEP, BC), 0, ACC)
    for start in range(0, programs, STEP):
        p = start + tl.arange(0, STEP)[:, None]
        count = tl.minimum(rows - p * each, each).to(ACC) * length
        here = tl.load(partial + p.to(tl.int64) * 2 * channels + c, mask=(p < programs) & (c < channels), other=0)
        mean += tl.where(p < programs, here * count, 0)
    mean_c = tl.sum(mean, axis=0, keep_dims=True) / (rows.to(ACC) * length)
    spread = tl.full((STEP, BC), 0, ACC)
    for start in range(0, programs, STEP):
        p = start + tl.arange(0, STEP)[:, None]
        count = tl.minimum(rows - p * each, each).to(ACC) * length
        inside = (p < programs) & (c < channels)
        here = partial + p.to(tl.int64) * 2 * channels + c
        shift = tl.load(here, mask=inside, other=0) - mean_c
        spread += tl.where(inside, tl.load(here + channels, mask=inside, other=0) + count * shift * shift, 0)
    return mean_c, tl.sum(spread, axis=0, keep_dims=True)


@kernel(flops=lambda x: 3 * x.size, bytes=lambda x, y: x.nbytes + y.nbytes, space=TILES)
def batch_norm_kernel(x, y, w, b, running_mean, running_var, batches, mean, rstd, partial, rows, channels, length,
                      each, x_row: tl.int64, x_channel: tl.int64, y_row: tl.int64, y_channel: tl.int64,
                      momentum: tl.float64, eps: tl.float64, ACTIVATION: tl.constexpr, ACC: tl.constexpr,
                      BN: tl.constexpr, BC: tl.constexpr, BL: tl.constexpr, STEP: tl.constexpr):
    """y; and by the first program of each tile of channels mean, rstd and the running statistics.

    batches: None, or an integer to which the first program of all adds 1.
    partial: of `moments_kernel` over the same grid in training, None in evaluation.
    """
    first = tl.program_id(0) * each
    last = tl.minimum(first + each, rows)
    c = tl.program_id(1) * BC + tl.arange(0, BC)[None, :]
    head = (c < channels) & (tl.program_id(0) == 0)
    if partial is not None:
        center, spread = merged_moments(partial, c, rows, channels, length, each, ACC, BC, STEP)
        count = rows.to(ACC) * length
        variance = spread / count
        if running_mean is not None:
            m = momentum.to(ACC)
            old = tl.load(running_mean + c, mask=head, other=0).to(ACC)
            tl.store(running_mean + c, old * (1 - m) + center * m, mask=head)
            old = tl.load(running_var + c, mask=head, other=0).to(ACC)
            tl.store(running_var + c, old * (1 - m) + spread / (count - 1) * m, mask=head)
        if batches is not None:
            first_of_all = (tl.program_id(0) == 0) & (tl.program_id(1) == 0)
            tl.store(batches, tl.load(batches, mask=first_of_all, other=0) + 1, mask=first_of_all)
    else:
        center = tl.load(running_mean + c, mask=c < channels, other=0).to(ACC)
        variance = tl.load(running_var + c, mask=c < channels, other=1).to(ACC)
    scale = 1 / tl.sqrt(variance + eps.to(ACC))
    tl.store(mean + c, center, mask=head)
    tl.store(rstd + c, scale, mask=head)
    shift = tl.full((1, BC), 0, ACC)
    if w is not None:
        scale *= tl.load(w + c, mask=c < channels, other=0).to(ACC)
    if b is not None:
        shift += tl.load(b + c, mask=c < channels, other=0).to(ACC)
    x += walk(c, x_channel)[:, :, None]
    y += walk(c, y_channel)[:, :, None]
    present = (c < channels)[:, :, None]
    n0, l0 = tl.arange(0, BN)[:, None, None], tl.arange(0, BL)[None, None, :]
    for n in range(first, last, BN):
        for l in range(0, 1 if BL == 1 else length, BL):
            inside = (n + n0 < last) & present & (l + l0 < length)
            v = tl.load(x + walk(n + n0, x_row) + (l + l0), mask=inside, other=0).to(ACC)
            v = (v - center[:, :, None]) * scale[:, :, None] + shift[:, :, None]
            tl.store(y + walk(n + n0, y_row) + (l + l0), activate(v, ACTIVATION), mask=inside)


@jit
def before_activation(c, channels, w, b, rstd, ACTIVATION: tl.constexpr, ACC: tl.constexpr):
    """(scale, shift) of channels c: what was activated is (x - mean) scale + shift."""
    scale = tl.load(rstd + c, mask=c < channels, other=0)
    shift = tl.zeros_like(scale)
    if ACTIVATION is not None:
        if w is not None:
            scale *= tl.load(w + c, mask=c < channels, other=0).to(ACC)
        if b is not None:
            shift += tl.load(b + c, mask=c < channels, other=0).to(ACC)
    return scale, shift


@kernel(flops=lambda x: 5 * x.size, bytes=lambda x, dy: x.nbytes + dy.nbytes, space=TILES)
def batch_norm_sums_kernel(dy, x, w, b, mean, rstd, partial, rows, channels, length, each, dy_row: tl.int64,
                           dy_channel: tl.int64, x_row: tl.int64, x_channel: tl.int64, ACTIVATION: tl.constexpr,
                           ACC: tl.constexpr, BN: tl.constexpr, BC: tl.constexpr, BL: tl.constexpr):
    """Sums of dy (through the activation, if there is one) and of dy xhat of each channel over this program's rows."""
    first = tl.program_id(0) * each
    last = tl.minimum(first + each, rows)
    c = tl.program_id(1) * BC + tl.arange(0, BC)
    center = tl.load(mean + c, mask=c < channels, other=0)[None, :, None]
    x += walk(c, x_channel)[None, :, None]
    dy += walk(c, dy_channel)[None, :, None]
    present = (c < channels)[None, :, None]
    n0, l0 = tl.arange(0, BN)[:, None, None], tl.arange(0, BL)[None, None, :]
    scale, shift = before_activation(c, channels, w, b, rstd, ACTIVATION, ACC)
    total = tl.full((BN, BC, BL), 0, ACC)
    along = tl.full((BN, BC, BL), 0, ACC)
    for n in range(first, last, BN):
        for l in range(0, 1 if BL == 1 else length, BL):
            inside = (n + n0 < last) & present & (l + l0 < length)
            g = tl.load(dy + walk(n + n0, dy_row) + (l + l0), mask=inside, other=0).to(ACC)
            v = tl.load(x + walk(n + n0, x_row) + (l + l0), mask=inside, other=0).to(ACC) - center
            if ACTIVATION is not None:
                g *= slope(v * scale[None, :, None] + shift[None, :, None], ACTIVATION)
            total += g
            along += g * v
    along_c = tl.sum(tl.sum(along, axis=2), axis=0) * tl.load(rstd + c, mask=c < channels, other=0)
    partial += tl.program_id(0).to(tl.int64) * 2 * channels + c
    tl.store(partial, tl.sum(tl.sum(total, axis=2), axis=0), mask=c < channels)
    tl.store(partial + channels, along_c, mask=c < channels)


@jit
def merged_sums(partial, c, programs, channels, ACC: tl.constexpr, BC: tl.constexpr, STEP: tl.constexpr):
    """The sum of `partial` over programs, in a fixed order."""
    total = tl.full((STEP, BC), 0, ACC)
    for start in range(0, programs, STEP):
        p = start + tl.arange(0, STEP)[:, None]
        total += tl.load(partial + p.to(tl.int64) * 2 * channels + c, mask=(p < programs) & (c < channels), other=0)
    return tl.sum(total, axis=0, keep_dims=True)


@kernel(flops=lambda x: 6 * x.size, bytes=lambda x, dy: x.nbytes + 2 * dy.nbytes, space=TILES)
def batch_norm_backward_kernel(dy, x, w, b, mean, rstd, partial, dx, dw, db, rows, channels, length, each, programs,
                               dy_row: tl.int64, dy_channel: tl.int64, x_row: tl.int64, x_channel: tl.int64,
                               dx_row: tl.int64, dx_channel: tl.int64, TRAIN: tl.constexpr, ACTIVATION: tl.constexpr,
                               ACC: tl.constexpr, BN: tl.constexpr, BC: tl.constexpr, BL: tl.constexpr,
                               STEP: tl.constexpr):
    """dx; and by the first program of each tile of channels dw and db, from the partial sums."""
    first = tl.program_id(0) * each
    last = tl.minimum(first + each, rows)
    c = tl.program_id(1) * BC + tl.arange(0, BC)[None, :]
    head = (c < channels) & (tl.program_id(0) == 0)
    scale = tl.load(rstd + c, mask=c < channels, other=0)
    along = tl.full((1, BC), 0, ACC)
    level = tl.full((1, BC), 0, ACC)
    if partial is not None:
        level = merged_sums(partial, c, programs, channels, ACC, BC, STEP)
        along = merged_sums(partial + channels, c, programs, channels, ACC, BC, STEP)
        if dw is not None:
            tl.store(dw + c, along, mask=head)
        if db is not None:
            tl.store(db + c, level, mask=head)
    if dx is not None:
        count = rows.to(ACC) * length
        center = tl.load(mean + c, mask=c < channels, other=0)[:, :, None]
        pull = (along * scale / count)[:, :, None]  # of xhat, whose rstd is in here
        level = (level / count)[:, :, None]
        if w is not None:
            scale *= tl.load(w + c, mask=c < channels, other=0).to(ACC)
        scale = scale[:, :, None]
        _, shift = before_activation(c, channels, w, b, rstd, ACTIVATION, ACC)
        present = (c < channels)[:, :, None]
        x += walk(c, x_channel)[:, :, None]
        dy += walk(c, dy_channel)[:, :, None]
        dx += walk(c, dx_channel)[:, :, None]
        n0, l0 = tl.arange(0, BN)[:, None, None], tl.arange(0, BL)[None, None, :]
        for n in range(first, last, BN):
            for l in range(0, 1 if BL == 1 else length, BL):
                inside = (n + n0 < last) & present & (l + l0 < length)
                g = tl.load(dy + walk(n + n0, dy_row) + (l + l0), mask=inside, other=0).to(ACC)
                if TRAIN or ACTIVATION is not None:
                    v = tl.load(x + walk(n + n0, x_row) + (l + l0), mask=inside, other=0).to(ACC) - center
                if ACTIVATION is not None:
                    g *= slope(v * scale + shift[:, :, None], ACTIVATION)
                if TRAIN:
                    g -= level + v * pull
                tl.store(dx + walk(n + n0, dx_row) + (l + l0), g * scale, mask=inside)
