"""Attention: fused where the kernels take it, else composed of products and softmax."""

from __future__ import annotations

import math
import warnings

import tritonnet
from tritonnet.autograd.autocast import LOW, listed
from tritonnet.autograd.ops.attention import Attention
from tritonnet.kernels.attention import widest
from tritonnet.nn.functional.conv import linear
from tritonnet.nn.functional.dropout import dropout
from tritonnet.nn.functional.padding import pad
from tritonnet.nn.functional.softmax import softmax

__all__ = ["multi_head_attention_forward", "scaled_dot_product_attention"]


@listed(cuda=LOW, cpu=LOW)
def scaled_dot_product_attention(
    query, key, value, attn_mask=None, dropout_p=0.0, is_causal=False, scale=None, enable_gqa=False
):
    """softmax(query key^T * scale + mask) value.

    query: (…, L, E).  key: (…, S, E).  value: (…, S, V).  attn_mask: bool (True takes part) or added to the scores.
    is_causal: position i sees positions up to i.  scale: 1 / sqrt(E) by default.
    enable_gqa: heads (dimension -3) of key and value are repeated to those of query.  Returns (…, L, V), zeros where
    the mask hides every position.
    """
    if is_causal and attn_mask is not None:
        raise RuntimeError("_scaled_dot_product_attention: Explicit attn_mask should not be set when is_causal=True")
    scale = 1 / math.sqrt(query.shape[-1] or 1) if scale is None else scale
    if _fused(query, key, value, attn_mask, scale, dropout_p, enable_gqa):
        return Attention.apply(query, key, value, attn_mask, is_causal, scale, dropout_p)
    return _composed(query, key, value, attn_mask, dropout_p, is_causal, scale, enable_gqa)


def _fused(query, key, value, mask, scale, dropout_p, enable_gqa):
    """Whether the kernels take this: no mask with a gradient, nothing broadcast but the mask, heads not too wide."""
    q, k, v = query.shape, key.shape, value.shape
    if not (2 <= len(q) == len(k) == len(v) <= 4 and q[:-3] == k[:-3] and k[:-1] == v[:-1] and q[-1] == k[-1]):
        return False
    if q[-3:-2] != k[-3:-2] and not (enable_gqa and len(q) > 2 and k[-3] and q[-3] % k[-3] == 0):
        return False
    if not (query.dtype is key.dtype is value.dtype and query.is_floating_point()
            and 0 < max(q[-1], v[-1]) <= widest(query.array)
            and 0 < scale < math.inf and 0 <= dropout_p <= 1):
        return False
    if not query.device == key.device == value.device:
        return False
    if mask is None:
        return True
    return (mask.dtype in (tritonnet.bool, query.dtype) and not mask.requires_grad and mask.device == query.device
            and 0 < mask.ndim <= len(q)
            and all(n in (1, m) for n, m in zip(mask.shape[::-1], (k[-2], *q[-2::-1]))))


def _composed(query, key, value, attn_mask, dropout_p, is_causal, scale, enable_gqa):
    """The same out of products and softmax, with the scores in memory."""
    if enable_gqa:
        repeats = query.shape[-3] // key.shape[-3]
        key, value = key.repeat_interleave(repeats, -3), value.repeat_interleave(repeats, -3)
    scores = (query * scale) @ key.transpose(-2, -1)
    if is_causal:
        seen = tritonnet.ones(*scores.shape[-2:], dtype=tritonnet.bool, device=query.device).tril()
        scores = scores.masked_fill(~seen, float("-inf"))
    if attn_mask is None:
        return dropout(softmax(scores, -1), dropout_p, dropout_p > 0.0) @ value
    if attn_mask.dtype is tritonnet.bool:
        alone = ~attn_mask.any(-1, keepdim=True)
        scores = scores.masked_fill(~(attn_mask | alone), float("-inf"))
    else:
        alone = (attn_mask == float("-inf")).all(-1, keepdim=True)
        scores = scores + attn_mask.masked_fill(alone, 0.0)
    return (dropout(softmax(scores, -1), dropout_p, dropout_p > 0.0) @ value).masked_fill(alone, 0.0)


def multi_head_attention_forward(
    query, key, value, embed_dim_to_check, num_heads, in_proj_weight, in_proj_bias, bias_k, bias_v, add_zero_attn,
    dropout_p, out_proj_weight, out_proj_bias, training=True, key_padding_mask=None, need_weights=True, attn_mask=None,
    use_separate_proj_weight=False, q_proj_weight=None, k_proj_weight=None, v_proj_weight=None, static_k=None,
    static_v=None, average_attn_weights=True, is_causal=False,
):
    """What MultiheadAttention computes, from its weights (Vaswani et al. 2017).

    query: (L, N, E) or (L, E).  key, value: (S, N, …) or (S, …).  Returns (L, N, E), and the attention weights
    (N, L, S), or (N, heads, L, S) unless average_attn_weights, or None unless need_weights.
    key_padding_mask: (N, S), attn_mask: (L, S) or (N heads, L, S): bool (True is hidden) or added to the scores.
    """
    batched = _check_shapes(query, key, value, key_padding_mask, attn_mask, num_heads)
    if not batched:
        query, key, value = (x.unsqueeze(1) for x in (query, key, value))
        key_padding_mask = None if key_padding_mask is None else key_padding_mask.unsqueeze(0)
    (length, batch, width), source = query.shape, key.shape[0]
    if key_padding_mask is not None and attn_mask is not None and key_padding_mask.dtype is not attn_mask.dtype:
        warnings.warn("Support for mismatched key_padding_mask and attn_mask is deprecated. Use same type for both "
                      "instead.", stacklevel=2)
    padding = _added(key_padding_mask, "key_padding_mask", query.dtype)
    if is_causal and attn_mask is None:
        raise RuntimeError("Need attn_mask if specifying the is_causal hint. You may use the Transformer module method "
                           "`generate_square_subsequent_mask` to create this mask.")
    causal = is_causal and padding is None and not need_weights
    mask = None if causal else _added(attn_mask, "attn_mask", query.dtype)
    if width != embed_dim_to_check:
        raise AssertionError(f"was expecting embedding dimension of {embed_dim_to_check}, but got {width}")
    if width % num_heads:
        raise AssertionError(f"embed_dim {width} not divisible by num_heads {num_heads}")
    if use_separate_proj_weight:
        if key.shape[:2] != value.shape[:2]:
            raise AssertionError(f"key's sequence and batch dims {key.shape[:2]} do not match value's "
                                 f"{value.shape[:2]}")
        weights = q_proj_weight, k_proj_weight, v_proj_weight
    else:
        if key.shape != value.shape:
            raise AssertionError(f"key shape {key.shape} does not match value shape {value.shape}")
        weights = in_proj_weight.chunk(3)
    if query is key and key is value and not use_separate_proj_weight:
        q, k, v = linear(query, in_proj_weight, in_proj_bias).chunk(3, -1)
    else:
        biases = (None,) * 3 if in_proj_bias is None else in_proj_bias.chunk(3)
        q, k, v = (linear(x, w, b) for x, w, b in zip((query, key, value), weights, biases))
    if mask is not None:
        mask = _check_mask(mask, length, source, batch * num_heads)
    extra = 0
    if bias_k is not None:
        k, v = (tritonnet.cat([x, bias.repeat(1, batch, 1)]) for x, bias in ((k, bias_k), (v, bias_v)))
        extra += 1
    q, k, v = (x.reshape(x.shape[0], batch * num_heads, width // num_heads).transpose(0, 1) for x in (q, k, v))
    k, v = k if static_k is None else static_k, v if static_v is None else static_v
    if add_zero_attn:
        k, v = (tritonnet.cat([x, x.new_zeros(x.shape[0], 1, x.shape[2])], 1) for x in (k, v))
        extra += 1
    mask = mask if mask is None or not extra else pad(mask, (0, extra))
    if padding is not None:
        for axis, (found, wanted) in enumerate(zip(padding.shape, (batch, source))):
            if found != wanted:
                raise AssertionError(f"Expected key_padded_mask.shape[{axis}] to be {wanted}, but got {found}")
        padding = pad(padding, (0, extra)) if extra else padding
        padding = padding.unsqueeze(1).repeat_interleave(num_heads, 0)
        mask = padding if mask is None else mask + padding
    dropout_p = dropout_p if training else 0.0
    seen = None
    if need_weights:
        scores = (q * math.sqrt(1 / q.shape[2])) @ k.transpose(1, 2)
        seen = dropout(softmax(scores if mask is None else scores + mask, -1), dropout_p, dropout_p > 0.0)
        y = seen @ v
        seen = seen.view(batch, num_heads, length, k.shape[1])
        seen = seen.mean(1) if average_attn_weights else seen
        seen = seen if batched else seen.squeeze(0)
    else:
        y = scaled_dot_product_attention(q, k, v, mask, dropout_p, causal)
    y = linear(y.transpose(0, 1).reshape(length, batch, width), out_proj_weight, out_proj_bias)
    return (y if batched else y.squeeze(1)), seen


def _added(mask, name, dtype):
    """A mask as numbers to add to the scores."""
    if mask is None or mask.is_floating_point():
        return mask
    if mask.dtype is not tritonnet.bool:
        raise AssertionError(f"only bool and floating types of {name} are supported")
    return tritonnet.zeros_like(mask, dtype=dtype).masked_fill_(mask, float("-inf"))


def _check_mask(mask, length, source, rows):
    """An attn_mask as (1 or rows, length, source)."""
    wanted = (length, source) if mask.ndim == 2 else (rows, length, source)
    if tuple(mask.shape) != wanted:
        raise RuntimeError(f"The shape of the {mask.ndim}D attn_mask is {mask.shape}, but should be {wanted}.")
    return mask.unsqueeze(0) if mask.ndim == 2 else mask


def _check_shapes(query, key, value, key_padding_mask, attn_mask, heads):
    """Whether there is a batch dimension; AssertionError, as in PyTorch, where the dimensions do not fit."""
    if query.ndim not in (2, 3):
        raise AssertionError("query should be unbatched 2D or batched 3D tensor but received "
                             f"{query.ndim}-D query tensor")
    n = query.ndim
    kind = f"For {'batched' if n == 3 else 'unbatched'} ({n}-D) `query`, expected"
    if key.ndim != n or value.ndim != n:
        raise AssertionError(f"{kind} `key` and `value` to be {n}-D but found {key.ndim}-D and {value.ndim}-D tensors "
                             "respectively")
    if key_padding_mask is not None and key_padding_mask.ndim != n - 1:
        raise AssertionError(f"{kind} `key_padding_mask` to be `None` or {n - 1}-D but found {key_padding_mask.ndim}-D "
                             "tensor instead")
    if attn_mask is not None and attn_mask.ndim not in (2, 3):
        raise AssertionError(f"{kind} `attn_mask` to be `None`, 2-D or 3-D but found {attn_mask.ndim}-D tensor instead")
    if n == 2 and attn_mask is not None and attn_mask.ndim == 3:
        wanted = (heads, query.shape[0], key.shape[0])
        if tuple(attn_mask.shape) != wanted:
            raise AssertionError(f"Expected `attn_mask` shape to be {wanted} but got {attn_mask.shape}")
    return n == 3
