"""Rows of a table by index, one by one or in bags, and indices as one-hot rows."""

from __future__ import annotations

import numpy as np

import tritonnet
from tritonnet.autograd.function import make
from tritonnet.autograd.mode import no_grad
from tritonnet.autograd.ops.index import Embedding
from tritonnet.kernels.arrays import is_host

__all__ = ["embedding", "embedding_bag", "one_hot"]


def embedding(
    input, weight, padding_idx=None, max_norm=None, norm_type=2.0, scale_grad_by_freq=False, sparse=False
):
    """The rows of `weight` (number, size) at the indices `input`: (*input.shape, size).

    padding_idx: this row gets no gradient.  max_norm: rows that are used and longer than this are shortened in place.
    scale_grad_by_freq: the gradient of a row is divided by how often it is used.  sparse: accepted; gradients are
    dense.
    """
    if input.dtype not in (tritonnet.int64, tritonnet.int32):
        raise RuntimeError(
            "Expected tensor for argument #1 'indices' to have one of the following scalar types: Long, Int; "
            f"but got {input.type()} instead (while checking arguments for embedding)"
        )
    if weight.ndim != 2:
        raise RuntimeError(f"'weight' must be 2-D, got shape {list(weight.shape)}")
    rows = weight.shape[0]
    if padding_idx is not None:
        if not -rows <= padding_idx < rows:
            raise AssertionError("Padding_idx must be within num_embeddings")
        padding_idx %= rows
    if max_norm is not None:
        with no_grad():
            _shorten(weight, input.reshape(-1).long(), max_norm, norm_type)
    return Embedding.apply(input, weight, padding_idx, scale_grad_by_freq)


def embedding_bag(
    input, weight, offsets=None, max_norm=None, norm_type=2.0, scale_grad_by_freq=False, mode="mean", sparse=False,
    per_sample_weights=None, include_last_offset=False, padding_idx=None
):
    """The sum, mean or maximum of the rows of `weight` in each bag of indices: (bags, size).

    input: (bags, n), or all bags in a row, with `offsets` where each begins (include_last_offset: and where the last
    ends).  per_sample_weights: as input, factors of the rows; only for mode="sum".  padding_idx: this row does not
    count, and gets no gradient.  An empty bag gives zeros.  Other arguments as in `embedding`.
    """
    if mode not in ("sum", "mean", "max"):
        raise ValueError("mode has to be one of sum, mean or max")
    if per_sample_weights is not None:
        if mode != "sum":
            raise NotImplementedError("embedding_bag: per_sample_weights was not None. per_sample_weights is only "
                                      f"supported for mode='sum' (got mode='{mode}').")
        if per_sample_weights.shape != input.shape:
            raise ValueError(f"embedding_bag: If per_sample_weights ({tuple(per_sample_weights.shape)}) is not None, "
                             f"then it must have the same shape as the input ({tuple(input.shape)})")
    bag, bags = _bags(input, offsets, include_last_offset)
    input, factors = input.reshape(-1), None if per_sample_weights is None else per_sample_weights.reshape(-1)
    rows = embedding(input, weight, padding_idx, max_norm, norm_type, scale_grad_by_freq, sparse)
    counts = tritonnet.ones_like(input, dtype=rows.dtype)
    if padding_idx is not None:
        counts = (input != padding_idx % weight.shape[0]).to(rows.dtype)
    if mode == "max":
        used = counts.nonzero().squeeze(1)
        where = bag[used].unsqueeze(1).expand(-1, weight.shape[1])
        return rows.new_zeros(bags, weight.shape[1]).scatter_reduce(0, where, rows[used], "amax", include_self=False)
    rows = rows * (counts if factors is None else counts * factors).unsqueeze(1)
    total = rows.new_zeros(bags, weight.shape[1]).index_add(0, bag, rows)
    if mode == "sum":
        return total
    return total / counts.new_zeros(bags).index_add(0, bag, counts).clamp(min=1).unsqueeze(1)


def _bags(input, offsets, include_last_offset):
    """The bag of every index, and how many bags there are."""
    if input.ndim == 2:
        if offsets is not None:
            raise ValueError("if input is 2D, then offsets has to be None, as input is treated is a mini-batch of "
                             f"fixed length sequences. However, found offsets of type {type(offsets)}")
        bags = tritonnet.arange(input.shape[0], device=input.device)
        return bags.unsqueeze(1).expand(input.shape).reshape(-1), input.shape[0]
    if input.ndim != 1:
        raise ValueError(f"input has to be 1D or 2D Tensor, but got Tensor of dimension {input.ndim}")
    if offsets is None or offsets.ndim != 1:
        given = "None" if offsets is None else f"Tensor of dimension {offsets.ndim}"
        raise ValueError(f"offsets has to be a 1D Tensor but got {given}")
    if include_last_offset:
        if not offsets.numel():
            raise RuntimeError("include_last_offset: number of offsets should be at least 1")
        offsets = offsets[:-1]
    places = tritonnet.arange(input.shape[0], device=input.device)
    return tritonnet.searchsorted(offsets.long(), places, right=True) - 1, offsets.shape[0]


def _shorten(weight, index, max_norm, norm_type):
    """Scale the rows at `index` down to length max_norm, in place."""
    used = weight[index]
    length = used.norm(norm_type, 1, keepdim=True)
    weight[index] = tritonnet.where(length > max_norm, used * (max_norm / (length + 1e-7)), used)


def one_hot(tensor, num_classes=-1):
    """int64 indices (…) as rows of zeros with a one: (…, num_classes); by default one more than the largest index."""
    if tensor.dtype is not tritonnet.int64:
        raise RuntimeError("one_hot is only applicable to index tensor of type LongTensor.")
    if tensor.numel() == 0:
        if num_classes <= 0:
            raise RuntimeError("Can not infer total number of classes from empty tensor.")
    else:
        x = tensor.array
        lowest, largest = (x.min().item(), x.max().item()) if is_host(x) else (tensor.min().item(), tensor.max().item())
        if lowest < 0:
            raise RuntimeError("Class values must be non-negative.")
        if num_classes == -1:
            num_classes = largest + 1
        elif num_classes <= 0:
            raise RuntimeError("num_classes should be positive")
        elif largest >= num_classes:
            raise RuntimeError("Class values must be smaller than num_classes.")
    if is_host(tensor.array):
        rows = np.zeros((tensor.array.size, num_classes), np.int64)
        rows[np.arange(len(rows)), tensor.array.reshape(-1)] = 1
        return make(rows.reshape(*tensor.array.shape, num_classes))
    classes = tritonnet.arange(num_classes, device=tensor.device)
    return (tensor.unsqueeze(-1) == classes).long()
