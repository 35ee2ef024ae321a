"""Attention on the host: scores of as many heads, or rows of one, as stay in the cache; products by BLAS."""

from __future__ import annotations

import numpy as np

from tritonnet.kernels.dtypes import accumulator, bool_
from tritonnet.kernels.matmul.mirror import ones
from tritonnet.kernels.runtime.host import empty, parallel

PIECE = 1 << 17          # scores at a time
KEPT = 1 << 22           # scores up to which the backward finds the weights in memory instead of making them again
TINY, HUGE = 1e-4, 1e12  # sums of exp(s) between which no term that counts has under- or overflown in float32


def like(x, shape):
    """An empty array, its axes in memory in x's order."""
    order = sorted(range(x.ndim), key=lambda i: -x.strides[i] if x.shape[i] > 1 else 0)
    return empty(tuple(shape[i] for i in order), x.dtype).transpose(*np.argsort(order))


def pieces(B, H, L, S):
    """Lists of index tuples (batches, heads, rows), a list for all that share keys."""
    if H * L * S <= PIECE:
        step = max(1, PIECE // max(1, H * L * S))
        return [[(slice(b, b + step), slice(None), slice(0, L))] for b in range(0, B, step)]
    step, rows = max(1, PIECE // (L * S)), L if L * S <= PIECE else max(16, PIECE // S)
    return [[(slice(b, b + 1), slice(h, h + step), slice(i, min(L, i + rows))) for i in range(0, L, rows)]
            for b in range(B) for h in range(0, H, step)]


class Scores:
    """The scores of a piece, in the accumulator's type, as one sees them with the mask."""

    def __init__(self, q, k, mask, causal, scale):
        self.q, self.k, self.causal, self.scale, self.acc = q, k, causal, scale, accumulator(q.dtype)
        self.shape = *q.shape[:3], k.shape[2]
        self.mask = None if mask is None else np.broadcast_to(mask, self.shape)
        self.hides = mask is not None and mask.dtype == bool_

    def operands(self, at):
        """(scaled queries, keys) of a piece."""
        end = min(self.shape[3], at[2].stop) if self.causal else self.shape[3]
        return (self.q[at].astype(self.acc) * self.acc.type(self.scale),
                self.k[at[:2]][:, :, :end].astype(self.acc, copy=False))

    def __call__(self, at, x, y, out=None):
        """The scores of a piece from these."""
        rows, end = at[2], y.shape[2]
        s = np.matmul(x, y.swapaxes(-1, -2), out=out)
        if self.mask is not None:
            m = self.mask[at]
            if self.hides:
                np.copyto(s, -np.inf, where=~m)
            else:
                s += m.astype(self.acc, copy=False)
        if self.causal and rows.start < end:
            hidden = np.arange(rows.start, end) > np.arange(rows.start, rows.stop)[:, None]
            np.copyto(s[..., rows.start:end], -np.inf, where=hidden)
        return s


def sums(e):
    """Along the last axis."""
    if not e.size:
        return e.sum(-1)
    return e.reshape(-1, e.shape[-1]).dot(ones(e.shape[-1], e.dtype)[0]).reshape(e.shape[:-1])


def forward(q, k, v, mask, causal, scale, keep, save):
    """(o, lse). keep: (B, H, L, S) of 0 or 1 / (1 - p), what dropout multiplies the weights by, or None.

    save: a backward follows; if there are few scores it gets the weights (B, H, L, S) in the place of lse.
    """
    (B, H, L, _), acc = q.shape, accumulator(q.dtype)
    k, v = shared(k, H), shared(v, H)
    S = k.shape[2]
    o, lse = like(q, (B, H, L, v.shape[3])), empty((B, H, L), acc)
    weights = empty((B, H, L, S), acc) if save and B * H * L * S <= KEPT else None
    scores, all_pieces = Scores(q, k, mask, causal, scale), [at for group in pieces(B, H, L, S) for at in group]

    def part(first, last):
        for at in all_pieces[first:last]:
            x, y = scores.operands(at)
            end = y.shape[2]
            e = scores(at, x, y)
            total, log = sums(np.exp(e, out=e)), 0
            if e.size and not (total.min() > TINY and total.max() < HUGE):  # also where one is NaN
                e = scores(at, x, y, e)
                top = e.max(-1, keepdims=True)
                if mask is not None:
                    top[top == -np.inf] = 0
                e -= top
                total, log = sums(np.exp(e, out=e)), top[..., 0]
            if mask is not None or not S:
                nothing = total == 0
                total[nothing] = np.inf
            z = v[at[:2]][:, :, :end].astype(acc, copy=False)
            factor = (1 / total)[..., None]
            if weights is None:
                np.add(np.log(total), log, out=lse[at])
            else:
                e = np.multiply(e, factor, out=weights[at][..., :end])
            if keep is not None:
                e = e * keep[at][..., :end]
            y = np.matmul(e, z)
            if weights is None:
                y *= factor
            o[at] = y

    with np.errstate(all="ignore"):
        parallel(part, len(all_pieces), B * H * L * S * (q.shape[3] + v.shape[3]) // 200, uses_blas=True)
    return o, lse if weights is None else weights


def backward(do, q, k, v, mask, o, lse, causal, scale, keep):
    """(dq, dk, dv). lse: or the weights."""
    (B, H, L, _), acc, heads = q.shape, accumulator(q.dtype), k.shape[1]
    k, v = shared(k, H), shared(v, H)
    S = k.shape[2]
    dq, dk, dv = like(q, q.shape), like(k, k.shape), like(v, v.shape)
    scores, groups = Scores(q, k, mask, causal, scale), pieces(B, H, L, S)

    def part(first, last):
        for group in groups[first:last]:
            one = group[0][:2]
            several = len(group) > 1
            if several:
                dk_sum, dv_sum = (np.zeros(a[one].shape, acc) for a in (k, v))
            for at in group:
                x, y = scores.operands(at)
                end = y.shape[2]
                if lse.ndim == 4:
                    p = lse[at][..., :end]
                else:
                    p = scores(at, x, y)
                    p -= lse[at][..., None]
                    np.exp(p, out=p)
                g = do[at].astype(acc, copy=False)
                d = np.matmul(g, v[one][:, :, :end].astype(acc, copy=False).swapaxes(-1, -2))
                w = p
                if keep is not None:
                    d *= keep[at][..., :end]
                    w = p * keep[at][..., :end]
                d -= np.vecdot(g, o[at].astype(acc, copy=False))[..., None]
                d *= p
                dx = np.matmul(d, y)
                dx *= acc.type(scale)
                dq[at] = dx
                dy, dz = np.matmul(d.swapaxes(-1, -2), x), np.matmul(w.swapaxes(-1, -2), g)
                if several:
                    dk_sum[:, :, :end] += dy
                    dv_sum[:, :, :end] += dz
                else:
                    dk[one][:, :, :end], dv[one][:, :, :end] = dy, dz
                    dk[one][:, :, end:] = dv[one][:, :, end:] = 0
            if several:
                dk[one], dv[one] = dk_sum, dv_sum

    with np.errstate(all="ignore"):
        parallel(part, len(groups), B * H * L * S * (q.shape[3] + v.shape[3]) // 80, uses_blas=True)
        if not L:
            dk[...] = dv[...] = 0
        return dq, summed(dk, heads), summed(dv, heads)


def shared(x, heads):
    """Heads of keys or values, each as often as queries look at it."""
    return x if x.shape[1] == heads else np.repeat(x, heads // x.shape[1], axis=1)


def summed(dx, heads):
    """The transpose of that."""
    if dx.shape[1] == heads:
        return dx
    B, H, S, E = dx.shape
    return dx.reshape(B, heads, H // heads, S, E).sum(2, dtype=accumulator(dx.dtype)).astype(dx.dtype, copy=False)
