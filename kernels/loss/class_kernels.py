"""The kernels of `loss.classes`: cross-entropy and negative log-likelihood, with their gradient in the same read."""

from __future__ import annotations

from tritonnet.kernels.kernel import jit, kernel, tl
from tritonnet.kernels.rows import DENSE_TILES, walk


@jit
def label_weight(label, weight, cols, ignore, mask, ACC: tl.constexpr):
    """The weight of each label: 0 where it is ignored, NaN where there is no such class."""
    known = (label >= 0) & (label < cols)
    if weight is None:
        w = tl.full(label.shape, 1, ACC)
    else:
        w = tl.load(weight + label, mask=mask & known, other=0).to(ACC)
    return tl.where(label == ignore, 0.0, tl.where(known, w, float("nan")))


@kernel(bytes=lambda target: target.nbytes)
def label_weights_kernel(target, weight, totals, n, cols, ignore: tl.int64, each, ACC: tl.constexpr,
                         BLOCK: tl.constexpr):
    """Program p sums the weights of `each` labels: what a mean divides by."""
    first = tl.program_id(0).to(tl.int64) * each
    total = tl.full((BLOCK,), 0, ACC)
    for start in range(0, each, BLOCK):
        at = first + start + tl.arange(0, BLOCK)
        inside = (at < n) & (at < first + each)
        label = tl.load(target + at, mask=inside, other=0).to(tl.int64)
        total += tl.where(inside, label_weight(label, weight, cols, ignore, inside, ACC), 0.0)
    tl.store(totals + tl.program_id(0), tl.sum(total, axis=0))


@kernel(flops=lambda x: 8 * x.size,
        bytes=lambda x, target, dx: x.nbytes + target.nbytes + (0 if dx is None else dx.nbytes), space=DENSE_TILES)
def class_loss_kernel(x, target, weight, loss, dx, totals, rows, cols, ignore: tl.int64, smoothing: tl.float64,
                      divisor: tl.float64, x_batch: tl.int64, x_row: tl.int64, x_col: tl.int64, t_batch: tl.int64,
                      t_row: tl.int64, t_col: tl.int64, dx_batch: tl.int64, dx_row: tl.int64, dx_col: tl.int64,
                      LOGITS: tl.constexpr, SOFT: tl.constexpr, SMOOTH: tl.constexpr, REDUCTION: tl.constexpr,
                      TOTALS: tl.constexpr, ALONE: tl.constexpr, ACC: tl.constexpr, ROWS: tl.constexpr,
                      BLOCK: tl.constexpr, LOOP: tl.constexpr):
    """Loss of a tile of rows, and its gradient for a gradient of 1.

    loss: one per row if REDUCTION is "none"; the result itself if this program is ALONE; else one sum per program.
    totals: TOTALS sums of label weights, for the mean over labels; None: the mean divides by `divisor`.
    """
    batch = (tl.program_id(0) // tl.cdiv(rows, ROWS)).to(tl.int64)
    row = tl.program_id(0) % tl.cdiv(rows, ROWS) * ROWS + tl.arange(0, ROWS)[:, None]
    col = tl.arange(0, BLOCK)[None, :]
    present = row < rows
    flat = batch * rows + row
    x += batch * x_batch + walk(row, x_row)
    top = tl.full((ROWS, 1), 0, ACC)
    total = tl.full((ROWS, 1), 1, ACC)
    spread = smoothing.to(ACC) / cols  # what each class gets by smoothing
    sharp = 1 - smoothing.to(ACC)

    # largest logit and sum of exponentials
    if not LOOP:
        v = tl.load(x + walk(col, x_col), mask=present & (col < cols), other=float("-inf")).to(ACC)
    if LOGITS:
        if LOOP:
            top = tl.full((ROWS, 1), float("-inf"), ACC)
            total = tl.full((ROWS, 1), 0, ACC)
            for start in range(0, cols, BLOCK):
                at = start + col
                v = tl.load(x + walk(at, x_col), mask=present & (at < cols), other=float("-inf")).to(ACC)
                above = tl.maximum(top, tl.max(v, axis=1, keep_dims=True))
                shift = tl.where(above == float("-inf"), 0.0, above)
                total = total * tl.exp(top - shift) + tl.sum(tl.exp(v - shift), axis=1, keep_dims=True)
                top = above
        else:
            top = tl.max(v, axis=1, keep_dims=True)
            total = tl.sum(tl.exp(v - top), axis=1, keep_dims=True)

    # `share`: the sum of all that the classes of a row are weighted with
    share = tl.full((ROWS, 1), 0, ACC)
    if SOFT:
        target += batch * t_batch + walk(row, t_row)
        for start in range(0, cols, BLOCK):
            at = start + col
            inside = present & (at < cols)
            q = tl.load(target + walk(at, t_col), mask=inside, other=0).to(ACC) * sharp + tl.where(inside, spread, 0.0)
            if weight is not None:
                q *= tl.load(weight + at, mask=at < cols, other=0).to(ACC)
            share += tl.sum(q, axis=1, keep_dims=True)
        losses = share * tl.log(total)
        scale = 1 / divisor.to(ACC)
    else:
        label = tl.load(target + flat, mask=present, other=0).to(tl.int64)
        w = tl.where(present, label_weight(label, weight, cols, ignore, present, ACC), 0.0)
        share = w * sharp
        if SMOOTH:
            every = cols.to(ACC)
            if weight is not None:
                every = 0.0
                for start in range(0, cols, BLOCK):
                    every += tl.sum(tl.load(weight + start + col, mask=start + col < cols, other=0).to(ACC))
            share = tl.where(label == ignore, 0.0, share + spread * every)
        hit = tl.load(x + walk(label, x_col), mask=present & (label >= 0) & (label < cols), other=0).to(ACC) - top
        losses = share * tl.log(total) - tl.where(w == 0, 0.0, w * sharp * hit)
        if ALONE:
            whole = tl.sum(w)
        else:
            whole = divisor.to(ACC)
            if totals is not None:
                p = tl.arange(0, TOTALS)
                whole = tl.sum(tl.load(totals + p), axis=0)
        scale = 1 / whole
        if REDUCTION == "mean":
            scale = tl.where(whole == 0, 0.0, scale)  # nothing but ignored labels: NaN, but no gradient

    # gradient, and the loss of what is not a single class
    if dx is not None:
        dx += batch * dx_batch + walk(row, dx_row)
    for start in range(0, cols if LOOP else 1, BLOCK):
        at = start + col
        inside = present & (at < cols)
        if LOOP:
            v = tl.load(x + walk(at, x_col), mask=inside, other=0).to(ACC)
        v = tl.where(inside, v - top, 0.0)
        d = tl.full((ROWS, BLOCK), 0, ACC)
        if LOGITS:
            d = tl.exp(v) * (share / total)
        if SOFT:
            q = tl.load(target + walk(at, t_col), mask=inside, other=0).to(ACC) * sharp + tl.where(inside, spread, 0.0)
            if weight is not None:
                q *= tl.load(weight + at, mask=at < cols, other=0).to(ACC)
            losses -= tl.sum(q * v, axis=1, keep_dims=True)
            d -= q
        else:
            if SMOOTH:
                q = tl.where(inside & (label != ignore), spread, 0.0)
                if weight is not None:
                    q *= tl.load(weight + at, mask=at < cols, other=0).to(ACC)
                losses -= tl.sum(q * v, axis=1, keep_dims=True)
                d -= q
            d = tl.where(at == label, d - w * sharp, d)
            d = tl.where(w == w, d, w)  # no such class: NaN
        if dx is not None:
            if REDUCTION == "mean":
                d *= scale
            tl.store(dx + walk(at, dx_col), d, mask=inside)

    if REDUCTION == "none":
        tl.store(loss + flat, losses, mask=present)
    else:
        here = tl.sum(tl.where(present, losses, 0.0))
        if ALONE:
            if REDUCTION == "mean":
                here = here / divisor.to(ACC) if SOFT else here / whole
        tl.store(loss + tl.program_id(0), here)


@kernel(bytes=lambda partial: partial.nbytes)
def total_loss_kernel(partial, totals, loss, n, divisor: tl.float64, TOTALS: tl.constexpr, ACC: tl.constexpr,
                      BLOCK: tl.constexpr):
    """The sum of the programs' losses over the sum of `totals`, or over `divisor`; in a fixed order."""
    total = tl.full((BLOCK,), 0, ACC)
    for start in range(0, n, BLOCK):
        at = start + tl.arange(0, BLOCK)
        total += tl.load(partial + at, mask=at < n, other=0)
    whole = divisor.to(ACC)
    if totals is not None:
        whole = tl.sum(tl.load(totals + tl.arange(0, TOTALS)), axis=0)
    tl.store(loss, tl.sum(total, axis=0) / whole)
