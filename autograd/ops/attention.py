"""Scaled dot-product attention."""

from __future__ import annotations

import numpy as np

from tritonnet.autograd.function import Op, make
from tritonnet.autograd.samples import Sample, samples
from tritonnet.kernels import attention as kernels
from tritonnet.kernels.arrays import full
from tritonnet.kernels.dtypes import FLOATS, bool_


def check(q, k, v, mask, scale):
    """Raise for shapes and types that the kernels do not take."""
    if not q.ndim == k.ndim == v.ndim in (2, 3, 4) or q.shape[-1] != k.shape[-1] or k.shape[-2] != v.shape[-2]:
        raise RuntimeError(f"attention: expected query (…, L, E), key (…, S, E) and value (…, S, V) of two to four "
                           f"dimensions, got {list(q.shape)}, {list(k.shape)} and {list(v.shape)}")
    heads = (q.shape[-3], k.shape[-3]) if q.ndim > 2 else (1, 1)
    if q.shape[:-3] != k.shape[:-3] or k.shape[:-2] != v.shape[:-2] or not heads[1] or heads[0] % heads[1]:
        raise RuntimeError(f"attention: batches and heads of query {list(q.shape)}, key {list(k.shape)} and value "
                           f"{list(v.shape)} do not fit")
    if q.dtype not in FLOATS or not q.dtype == k.dtype == v.dtype or mask is not None and mask.dtype not in (
            q.dtype, bool_):
        raise RuntimeError("attention: expected query, key and value of one float type, and a mask of that or bool")
    if not 0 < scale < float("inf"):
        raise ValueError(f"attention: expected a positive scale, got {scale}")


def with_axes(x):
    """(batch, heads, tokens, width) of two to four axes; a view."""
    return x if x is None or x.ndim == 4 else x[(None,) * (4 - x.ndim)]


def without_axes(x, like):
    """The transpose of that, for a `like` before."""
    return x if x is None or x.ndim == like.ndim else x[(0,) * (4 - like.ndim)]


class Attention(Op):
    """softmax(scale q k' + mask) v: q (…, L, E), k (…, S, E), v (…, S, V) with two to four axes -> (…, L, V).

    k and v may have fewer heads (axis -3), each for several of q's. mask: bool or q's type, (…, L or 1, S or 1), no
    gradient. causal: key j counts for query i if j <= i. dropout: of the weights.
    """

    def forward(ctx, q, k, v, mask=None, causal=False, scale=1.0, dropout=0.0, generator=None):
        check(q, k, v, mask, scale)
        ctx.options = causal, scale, dropout
        ctx.arrays = q, k, v, mask
        four = tuple(map(with_axes, ctx.arrays))
        o, ctx.lse, ctx.place = kernels.attention(*four, causal, scale, dropout, generator,
                                                   any(p is not None for p in ctx.parents[:3]))
        ctx.o = without_axes(o, q)
        for array in (q, k, v, mask, ctx.o):
            if array is not None:
                ctx.save(array)
        return ctx.o

    def backward(ctx, do):
        q, k, v, mask = map(with_axes, ctx.arrays)
        grads = kernels.attention_backward(with_axes(do), q, k, v, mask, with_axes(ctx.o), ctx.lse, *ctx.options,
                                           ctx.place, tuple(p is not None for p in ctx.parents[:3]))
        return tuple(map(without_axes, grads, ctx.arrays))

    def differentiable_backward(ctx, do):
        """Composed: with all weights in memory."""
        causal, scale, dropout = ctx.options
        q, k, v = (ctx.input(i, ctx.arrays[i]) for i in range(3))
        shared = ctx.arrays[0].ndim > 2 and q.shape[-3] // k.shape[-3] or 1
        if shared > 1:
            k, v = k.repeat_interleave(shared, -3), v.repeat_interleave(shared, -3)
        s = q @ k.transpose(-1, -2) * scale
        mask = ctx.arrays[3]
        if mask is not None:
            m = make(mask)
            s = s.masked_fill(~m, float("-inf")) if mask.dtype == bool_ else s + m
        if causal:
            seen = make(full(tuple(s.shape[-2:]), True, bool_, ctx.arrays[0])).tril()
            s = s.masked_fill(~seen, float("-inf"))
        p = s.softmax(-1)
        if mask is not None:
            p = p.masked_fill((s == float("-inf")).all(-1, keepdim=True), 0.0)
        dp, w = do @ v.transpose(-1, -2), p
        if dropout:
            four = with_axes(ctx.arrays[0])
            keep = make(kernels.kept(four, s.shape[-1], dropout, ctx.place).reshape(tuple(s.shape)))
            dp, w = dp * keep, p * keep
        dv = w.transpose(-1, -2) @ do
        ds = p * (dp - (dp * p).sum(-1, keepdim=True)) * scale
        dq, dk = ds @ k, ds.transpose(-1, -2) @ q
        if shared > 1:
            apart = (*dk.shape[:-3], dk.shape[-3] // shared, shared)
            dk, dv = (g.reshape(*apart, *g.shape[-2:]).sum(-3) for g in (dk, dv))
        return dq, dk, dv


def _torch(torch, q, k, v, mask=None, causal=False, scale=1.0, dropout=0.0):
    return torch.nn.functional.scaled_dot_product_attention(
        q, k, v, mask, dropout, causal, scale=scale, enable_gqa=q.ndim > 2 and q.shape[-3] != k.shape[-3])


@samples(Attention, torch=_torch)
def attention_samples(rand):
    yield Sample(rand(2, 3, 7, 16), rand(2, 3, 5, 16), rand(2, 3, 5, 16), scale=0.25)   # smaller than a tile
    yield Sample(rand(1, 2, 70, 20), rand(1, 2, 130, 20), rand(1, 2, 130, 33), scale=0.3)   # ragged tiles and widths
    yield Sample(rand(1, 2, 130, 16), rand(1, 2, 70, 16), rand(1, 2, 70, 16), None, True)   # on and off the diagonal
    yield Sample(rand(1, 1, 65, 8), rand(1, 1, 140, 8), rand(1, 1, 140, 8), None, True)     # keys nobody sees
    yield Sample(rand(1, 1, 64, 16), rand(1, 1, 128, 16), rand(1, 1, 128, 16))              # whole tiles
    yield Sample(rand(2, 6, 5, 16), rand(2, 2, 9, 16), rand(2, 2, 9, 4))                     # three heads share keys
    hidden = rand.bools(2, 1, 6, 70)
    hidden[0, 0, 2] = False
    yield Sample(rand(2, 2, 6, 16), rand(2, 2, 70, 16), rand(2, 2, 70, 16), hidden)         # a row sees nothing
    yield Sample(rand(2, 2, 6, 16), rand(2, 2, 7, 16), rand(2, 2, 7, 16), rand(2, 1, 1, 7), False, 0.5, grad=False)
    late = np.where(np.arange(80) < 70, -np.inf, 0.0)[None, None, None]
    yield Sample(rand(1, 2, 6, 16), rand(1, 2, 80, 16), rand(1, 2, 80, 16), late, grad=False)   # a block of nothing
    yield Sample(rand(5, 7, 2, 16).transpose(0, 2, 1, 3), rand(5, 4, 2, 16).transpose(0, 2, 1, 3),
                 rand(5, 4, 16, 2).transpose(0, 3, 1, 2))                               # heads within tokens; strides
    yield Sample(rand(9, 4, 16).transpose(1, 0, 2), rand(6, 4, 16).transpose(1, 0, 2), rand(4, 6, 8), rand.bools(9, 6)
                 | np.eye(9, 6, dtype=bool) | (np.arange(9) > 5)[:, None])                   # three axes
    yield Sample(rand(4, 6), rand(5, 6), rand(5, 3), None, True)                             # two
    yield Sample(rand(1, 2, 6, 16) * 60, rand(1, 2, 70, 16) * 60, rand(1, 2, 70, 16), grad=False,
                 dtypes=("float32",), loose=30)      # exp overflows without the maximum; scores of 1e4 lose digits
    yield Sample(rand(2, 2, 0, 4), rand(2, 2, 3, 4), rand(2, 2, 3, 4))                       # no queries
    yield Sample(rand(2, 2, 3, 4), rand(2, 2, 0, 4), rand(2, 2, 0, 4))                       # no keys
    yield Sample(rand(0, 2, 3, 4), rand(0, 2, 3, 4), rand(0, 2, 3, 4))                       # no batch
    yield Sample(rand(1, 2, 3, 4), rand(1, 2, 3, 4), rand(1, 2, 3, 0))                       # nothing in a value
    yield Sample(rand(1, 2, 7, 16), rand(1, 2, 9, 16), rand(1, 2, 9, 16), None, False, 0.25, 1.0)    # all dropped
    yield Sample(rand(2, 3), rand(4, 5), rand(4, 5), raises=RuntimeError)
    yield Sample(rand(2, 3), rand(4, 3), rand(5, 3), raises=RuntimeError)
    yield Sample(rand(3, 2, 3), rand(2, 4, 3), rand(2, 4, 3), raises=RuntimeError)
    yield Sample(rand(2, 3), rand(4, 3).astype("f4"), rand(4, 3), raises=RuntimeError)
    yield Sample(rand(2, 3), rand(4, 3), rand(4, 3), None, False, -1.0, raises=ValueError)
