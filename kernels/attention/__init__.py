"""Attention, without its scores in memory.

    s = scale q k' + mask       p = softmax(s)       o = p v        lse_i = log sum_j exp(s_ij)
    dp = do v'    delta_i = sum_j do_ij o_ij    ds_ij = p_ij (dp_ij - delta_i)
    dq = scale ds k        dk = scale ds' q        dv = p' do

The backward makes p again, tile by tile, from q, k and lse. Dropout multiplies p by keep / (1 - p) where it meets v,
and dp in the backward; on a device `keep` is computed again from (seed, offset, place). Source: Dao et al. 2022,
"FlashAttention: Fast and Memory-Efficient Exact Attention with IO-Awareness", and Dao 2023.
"""

from __future__ import annotations

from tritonnet.kernels.arrays import full, is_host
from tritonnet.kernels.attention import mirror
from tritonnet.kernels.attention.tiles import widest
from tritonnet.kernels.rng.dropout import Place, dropout_backward, keep_everyday, keep_mirror
from tritonnet.kernels.rng.fills import generator_of
from tritonnet.kernels.rng.generator import same_stream_everywhere

__all__ = ["attention", "attention_backward", "kept", "widest"]


def attention(q, k, v, mask=None, causal=False, scale=1.0, p=0.0, generator=None, save=True):
    """(o, lse, place): o (B, H, L, V), the logarithms lse (B, H, L), and what the backward needs to drop the same.

    q: (B, H, L, E).  k: (B, h, S, E) and v: (B, h, S, V), each head of theirs for H / h of q's; one float type, any
    strides.  mask: bool (True takes part), or floats that are added, of shape (B or 1, H or 1, L or 1, S or 1); rows
    that it hides are 0.  causal: key j counts for query i if j <= i.  scale: positive.  p: of dropout.
    o lies in memory in q's order of axes. save: a backward will follow; on the host, where the scores are few, lse are
    then the weights themselves.
    """
    place = _drawn(q, k.shape[2], p, generator) if p else None
    if is_host(q):
        o, lse = mirror.forward(q, k, v, mask, causal, scale, place, save)
        return o, lse, place
    from tritonnet.kernels.attention import launch

    return *launch.forward(q, k, v, mask, causal, scale, p, place), place


def attention_backward(do, q, k, v, mask, o, lse, causal=False, scale=1.0, p=0.0, place=None, needs=(True,) * 3):
    """(dq, dk, dv) from do and what `attention` took and gave."""
    if is_host(q):
        return mirror.backward(do, q, k, v, mask, o, lse, causal, scale, place)
    from tritonnet.kernels.attention import launch

    return launch.backward(do, q, k, v, mask, o, lse, causal, scale, p, place, needs)


def _quads(S):
    """Counters of a row: four words each, none shared with the next row."""
    return -(-S // 4)


def _drawn(q, S, p, generator):
    """What the weights are multiplied by, on the host; where the stream is read, on a device."""
    generator = generator_of(q, generator)
    (B, H, L, _), quads = q.shape, _quads(S)
    if not is_host(q):
        return generator.reserve(B * H * L * quads)
    draw, reserved = keep_everyday, generator
    if same_stream_everywhere():
        draw, reserved = keep_mirror, generator.reserve(B * H * L * quads)
    return draw((B, H, L, 4 * quads), p, reserved, q.dtype)[..., :S]


def kept(q, S, p, place):
    """(B, H, L, S) of 0 or 1 / (1 - p), in q's type: what the weights were multiplied by."""
    if is_host(q):
        return place.astype(q.dtype, copy=False)
    shape = *q.shape[:3], 4 * _quads(S)
    return dropout_backward(full(shape, 1, q.dtype, q), p, Place(*place, (0, 1, 2, 3)))[..., :S]
