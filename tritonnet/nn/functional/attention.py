"""Attention, composed of products and softmax."""

from __future__ import annotations

import math

import tritonnet
from tritonnet.nn.functional.dropout import dropout
from tritonnet.nn.functional.softmax import softmax

__all__ = ["scaled_dot_product_attention"]


def scaled_dot_product_attention(
    query, key, value, attn_mask=None, dropout_p=0.0, is_causal=False, scale=None, enable_gqa=False
):
    """softmax(query key^T * scale + mask) value.

    query: (…, L, E).  key: (…, S, E).  value: (…, S, V).  attn_mask: bool (True takes part) or added to the scores.
    is_causal: position i sees positions up to i.  scale: 1 / sqrt(E) by default.
    enable_gqa: heads (dimension -3) of key and value are repeated to those of query.  Returns (…, L, V).
    """
    if is_causal and attn_mask is not None:
        raise RuntimeError("_scaled_dot_product_attention: Explicit attn_mask should not be set when is_causal=True")
    if enable_gqa:
        repeats = query.shape[-3] // key.shape[-3]
        key, value = key.repeat_interleave(repeats, -3), value.repeat_interleave(repeats, -3)
    scale = 1 / math.sqrt(query.shape[-1]) if scale is None else scale
    scores = (query * scale) @ key.transpose(-2, -1)
    if is_causal:
        attn_mask = tritonnet.ones(*scores.shape[-2:], dtype=tritonnet.bool, device=query.device).tril()
    if attn_mask is not None:
        hidden = attn_mask.dtype is tritonnet.bool
        scores = scores.masked_fill(~attn_mask, float("-inf")) if hidden else scores + attn_mask
    return dropout(softmax(scores, -1), dropout_p, dropout_p > 0.0) @ value
