"""The kernels of `norm.row`: forward, backward with partial sums of dw and db, and the sum of those."""

from __future__ import annotations

from tritonnet.kernels.kernel import jit, kernel, tl
from tritonnet.kernels.matmul.activation import activate, slope
from tritonnet.kernels.rows import TILES, sensible_tile, tiles_where

# A row of x is sample * groups + group. `groups` and `span` are None where they are 1.


@jit
def element(group, at, cols, groups, span):
    """Which element of w and b belongs to a column of a group's row."""
    if span is not None:
        return group * (cols // span) + at // span
    else:
        if groups is not None:
            return group * cols + at
        else:
            return at


@kernel(flops=lambda x: 8 * x.size, bytes=lambda x, y: x.nbytes + y.nbytes, space=TILES)
def norm_rows_kernel(x, w, b, y, mean, rstd, rows, cols, groups, span, x_row: tl.int64, eps: tl.float64,
                     CENTER: tl.constexpr, ACTIVATION: tl.constexpr, ACC: tl.constexpr, ROWS: tl.constexpr,
                     BLOCK: tl.constexpr, LOOP: tl.constexpr):
    row = tl.program_id(0) * ROWS + tl.arange(0, ROWS)[:, None]
    col = tl.arange(0, BLOCK)[None, :]
    x += row.to(tl.int64) * x_row
    y += row.to(tl.int64) * cols
    group = 0
    if groups is not None:
        group = row % groups
    center = tl.full((ROWS, 1), 0, ACC)
    spread = tl.full((ROWS, 1), 0, ACC)
    if LOOP:  # statistics of block after block are merged (Chan et al. 1979), so that one read serves for both
        for start in range(0, cols, BLOCK):
            inside = (row < rows) & (start + col < cols)
            v = tl.load(x + start + col, mask=inside, other=0).to(ACC)
            if CENTER:
                n = tl.minimum(cols - start, BLOCK).to(ACC)
                here = tl.sum(v, axis=1, keep_dims=True) / n
                v = tl.where(inside, v - here, 0)
                shift = here - center
                center += shift * (n / (n + start))
                spread += shift * shift * (n / (n + start)) * start
            spread += tl.sum(v * v, axis=1, keep_dims=True)
    else:
        inside = (row < rows) & (col < cols)
        v = tl.load(x + col, mask=inside, other=0).to(ACC)
        if CENTER:
            center = tl.sum(v, axis=1, keep_dims=True) / cols
            v = tl.where(inside, v - center, 0)
        spread = tl.sum(v * v, axis=1, keep_dims=True)
    scale = 1 / tl.sqrt(spread / cols + eps.to(ACC))
    if CENTER:
        tl.store(mean + row, center, mask=row < rows)
    tl.store(rstd + row, scale, mask=row < rows)
    for start in range(0, cols if LOOP else 1, BLOCK):
        at = start + col
        inside = (row < rows) & (at < cols)
        if LOOP:
            v = tl.load(x + at, mask=inside, other=0).to(ACC) - center
        v *= scale
        if w is not None:
            v *= tl.load(w + element(group, at, cols, groups, span), mask=inside, other=0).to(ACC)
        if b is not None:
            v += tl.load(b + element(group, at, cols, groups, span), mask=inside, other=0).to(ACC)
        tl.store(y + at, activate(v, ACTIVATION), mask=inside)


@jit
def normalised(x, mean, rstd, row, at, inside, ACC: tl.constexpr):
    """xhat of a tile, 0 outside; `x` points at its rows."""
    v = tl.load(x + at, mask=inside, other=0).to(ACC)
    if mean is not None:
        v -= tl.load(mean + row, mask=inside, other=0)
    return v * tl.load(rstd + row, mask=inside, other=0)


@jit
def gradient(dy, v, w, b, group, at, inside, cols, groups, span, ACTIVATION: tl.constexpr, ACC: tl.constexpr):
    """dy of a tile, through the activation of v w + b if there is one; `dy` points at its rows, v is xhat."""
    g = tl.load(dy + at, mask=inside, other=0).to(ACC)
    if ACTIVATION is not None:
        if w is not None:
            v *= tl.load(w + element(group, at, cols, groups, span), mask=at < cols, other=0).to(ACC)
        if b is not None:
            v += tl.load(b + element(group, at, cols, groups, span), mask=at < cols, other=0).to(ACC)
        g *= slope(v, ACTIVATION)
    return g


@kernel(flops=lambda x: 14 * x.size,
        bytes=lambda dy, x, dx: x.nbytes + dy.nbytes + (0 if dx is None else dx.nbytes),
        space=tiles_where(lambda ROWS, BLOCK, num_warps, samples, cols: (
            (ROWS == 1 or cols <= BLOCK) and sensible_tile(ROWS, BLOCK, num_warps, samples, cols))))
def norm_rows_backward_kernel(dy, x, w, b, mean, rstd, dx, partial, samples, each, cols, groups, span,
                              dy_row: tl.int64, x_row: tl.int64, BIAS: tl.constexpr, ACTIVATION: tl.constexpr,
                              ACC: tl.constexpr, ROWS: tl.constexpr, BLOCK: tl.constexpr, LOOP: tl.constexpr):
    """dx of `each` samples of one group, and their share of dw and db as one row of `partial` (programs, 2, width)."""
    group, width = tl.program_id(1), tl.num_programs(1) * cols
    first = tl.program_id(0) * each
    col = tl.arange(0, BLOCK)[None, :]
    if partial is not None:
        partial += (tl.program_id(0).to(tl.int64) * 2 * tl.num_programs(1) + group) * cols
    dw = tl.full((1 if LOOP else ROWS, BLOCK), 0, ACC)
    db = tl.full((1 if LOOP else ROWS, BLOCK), 0, ACC)
    for sample in range(first, tl.minimum(first + each, samples), ROWS):
        row = (sample + tl.arange(0, ROWS)[:, None]) * tl.num_programs(1) + group
        present = row < samples * tl.num_programs(1)
        x_here, dy_here = x + row.to(tl.int64) * x_row, dy + row.to(tl.int64) * dy_row
        along = tl.full((ROWS, 1), 0, ACC)  # mean of g xhat
        level = tl.full((ROWS, 1), 0, ACC)  # mean of g
        if LOOP:
            for start in range(0, cols, BLOCK):
                at = start + col
                inside = present & (at < cols)
                v = normalised(x_here, mean, rstd, row, at, inside, ACC)
                g = gradient(dy_here, v, w, b, group, at, inside, cols, groups, span, ACTIVATION, ACC)
                if w is not None:
                    g *= tl.load(w + element(group, at, cols, groups, span), mask=at < cols, other=0).to(ACC)
                along += tl.sum(g * v, axis=1, keep_dims=True)
                level += tl.sum(g, axis=1, keep_dims=True)
        for start in range(0, cols if LOOP else 1, BLOCK):
            at = start + col
            inside = present & (at < cols)
            v = normalised(x_here, mean, rstd, row, at, inside, ACC)
            g = gradient(dy_here, v, w, b, group, at, inside, cols, groups, span, ACTIVATION, ACC)
            if partial is not None:
                if LOOP:  # the sums so far lie in memory
                    later = at < tl.where(sample > first, cols, 0)
                    tl.store(partial + at, tl.load(partial + at, mask=later, other=0) + g * v, mask=at < cols)
                    if BIAS:
                        tl.store(partial + width + at, tl.load(partial + width + at, mask=later, other=0) + g,
                                 mask=at < cols)
                else:
                    dw += g * v
                    if BIAS:
                        db += g
            if dx is not None:
                if w is not None:
                    g *= tl.load(w + element(group, at, cols, groups, span), mask=at < cols, other=0).to(ACC)
                if not LOOP:
                    along = tl.sum(g * v, axis=1, keep_dims=True)
                    level = tl.sum(g, axis=1, keep_dims=True)
                g -= v * (along / cols)
                if mean is not None:
                    g -= level / cols
                g *= tl.load(rstd + row, mask=present, other=0)
                tl.store(dx + row.to(tl.int64) * cols + at, g, mask=inside)
        if LOOP:
            tl.debug_barrier()  # the next sample reads the sums that this one stored
    if partial is not None:
        if not LOOP:
            tl.store(partial + col, tl.sum(dw, axis=0, keep_dims=True), mask=col < cols)
            if BIAS:
                tl.store(partial + width + col, tl.sum(db, axis=0, keep_dims=True), mask=col < cols)


@kernel(flops=lambda partial: partial.size, bytes=lambda partial, out: partial.nbytes + out.nbytes)
def sum_partials_kernel(partial, out, programs, elements, span, ACC: tl.constexpr, BLOCK: tl.constexpr,
                        STEP: tl.constexpr):
    """out[k, e] = the sum of partial[p, k, e * span + s] over p and s, in a fixed order; k is program_id(1)."""
    e = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)[:, None]
    kinds, kind = 2, tl.program_id(1)
    total = tl.full((BLOCK, STEP), 0, ACC)
    if span is None:
        for start in range(0, programs, STEP):
            p = start + tl.arange(0, STEP)[None, :]
            total += tl.load(partial + (p.to(tl.int64) * kinds + kind) * elements + e,
                             mask=(e < elements) & (p < programs), other=0)
    else:
        for p in range(0, programs):
            here = partial + ((p * kinds + kind).to(tl.int64) * elements + e) * span
            for start in range(0, span, STEP):
                s = start + tl.arange(0, STEP)[None, :]
                total += tl.load(here + s, mask=(e < elements) & (s < span), other=0)
    tl.store(out + kind * elements + e, tl.sum(total, axis=1, keep_dims=True), mask=e < elements)
