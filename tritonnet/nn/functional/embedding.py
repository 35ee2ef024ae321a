"""Rows of a table by index, and indices as one-hot rows."""

from __future__ import annotations

import tritonnet
from tritonnet.autograd.mode import no_grad
from tritonnet.autograd.ops.index import Embedding

__all__ = ["embedding", "one_hot"]


def embedding(
    input, weight, padding_idx=None, max_norm=None, norm_type=2.0, scale_grad_by_freq=False, sparse=False
):
    """The rows of `weight` (number, size) at the indices `input`: (*input.shape, size).

    padding_idx: this row gets no gradient.  max_norm: rows that are used and longer than this are shortened in place.
    sparse: accepted; gradients are dense.  scale_grad_by_freq is not offered (NotImplementedError).
    """
    if scale_grad_by_freq:
        raise NotImplementedError("embedding: scale_grad_by_freq=True is not offered")
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
    return Embedding.apply(input, weight, padding_idx)


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
        if tensor.min().item() < 0:
            raise RuntimeError("Class values must be non-negative.")
        largest = tensor.max().item()
        if num_classes == -1:
            num_classes = largest + 1
        elif num_classes <= 0:
            raise RuntimeError("num_classes should be positive")
        elif largest >= num_classes:
            raise RuntimeError("Class values must be smaller than num_classes.")
    classes = tritonnet.arange(num_classes, device=tensor.device)
    return (tensor.unsqueeze(-1) == classes).long()
