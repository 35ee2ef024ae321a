"""Sorting, selecting the greatest, counting and finding equal elements."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from tritonnet.autograd import function
from tritonnet.autograd.function import make
from tritonnet.autograd.ops.index import Sort, TopK
from tritonnet.kernels import index as kernels
from tritonnet.kernels.arrays import full, is_host, to_device, to_host
from tritonnet.kernels.dtypes import HALVES, float64, int64, is_float
from tritonnet.kernels.rows import normal_axis

__all__ = [
    "argsort", "bincount", "bucketize", "isin", "kthvalue", "msort", "searchsorted", "sort", "topk", "unique",
    "unique_consecutive",
]


class Sorted(NamedTuple):
    """What sort, topk and kthvalue return."""

    values: object
    indices: object


def sort(input, dim=-1, descending=False, stable=False):
    """(values, indices): sorted along a dimension, always stably; NaN counts as greatest.

    >>> import tritonnet
    >>> tritonnet.sort(tritonnet.tensor([3, 1, 2])).indices
    tensor([1, 2, 0])
    """
    return Sorted(*Sort.apply(input, normal_axis(dim, input.ndim), descending))


def msort(input):
    """The values sorted along the first dimension."""
    return sort(input, 0).values


def argsort(input, dim=-1, descending=False, stable=False):
    """The int64 indices that sort along a dimension."""
    return sort(input, dim, descending).indices


def topk(input, k, dim=-1, largest=True, sorted=True):
    """(values, indices): the k greatest or least along a dimension, in order; of equal ones the first.

    Raises RuntimeError unless 0 <= k <= the size of the dimension.
    """
    return Sorted(*TopK.apply(input, int(k), normal_axis(dim, input.ndim), largest))


def kthvalue(input, k, dim=-1, keepdim=False):
    """(values, indices): the k-th least along a dimension, counted from 1."""
    d = normal_axis(dim, input.ndim)
    n = input.array.shape[d] if input.ndim else 1
    if not 1 <= k <= n:
        raise RuntimeError(f"kthvalue(): selected number k out of range for dimension {d}: got {k}, expected 1 to {n}")
    found = sort(input, d)
    if not input.ndim:
        return found
    return Sorted(*[t.narrow(d, k - 1, 1) if keepdim else t.select(d, k - 1) for t in found])


def _back(x, host):
    """A tensor of a host result beside x."""
    return make(host if is_host(x.array) else to_device(host, x.array.device))


def _host(x):
    """Values on the host in a type that NumPy sorts; halves as float32."""
    host = to_host(x.array)
    return host.astype(np.float32) if host.dtype in HALVES else host


def unique(input, sorted=True, return_inverse=False, return_counts=False, dim=None):
    """The different values, sorted; or the different parts along a dimension.

    return_inverse: also where each element is found among them; return_counts: also how often each occurs.
    How many there are is known on the host only: values on a GPU make the round trip.
    """
    if dim is not None:
        dim = normal_axis(dim, input.ndim)
    values, inverse, counts = np.unique(_host(input), return_inverse=True, return_counts=True, axis=dim,
                                        equal_nan=False)
    inverse = inverse.reshape(input.shape if dim is None else (-1,))
    return _chosen(input, values, inverse, counts, return_inverse, return_counts)


def unique_consecutive(input, return_inverse=False, return_counts=False, dim=None):
    """The values with repetitions that follow each other left out. Values on a GPU make the round trip to the host."""
    host = _host(input)
    rows = host.reshape(-1) if dim is None else np.moveaxis(host, normal_axis(dim, input.ndim), 0)
    flat = rows.reshape(len(rows), -1)
    starts = np.ones(len(rows), bool)
    starts[1:] = (flat[1:] != flat[:-1]).any(1)
    at = np.flatnonzero(starts)
    values = rows[at] if dim is None else np.moveaxis(rows[at], 0, dim)
    inverse = (np.cumsum(starts) - 1).reshape(host.shape if dim is None else (-1,))
    return _chosen(input, values, inverse, np.diff(np.append(at, len(rows))), return_inverse, return_counts)


def _chosen(x, values, inverse, counts, return_inverse, return_counts):
    found = [np.ascontiguousarray(values).astype(x.array.dtype, copy=False)]
    found += [inverse.astype(np.int64, copy=False)] if return_inverse else []
    found += [counts.astype(np.int64, copy=False)] if return_counts else []
    found = [_back(x, f) for f in found]
    return found[0] if len(found) == 1 else tuple(found)


def bincount(input, weights=None, minlength=0):
    """How often each of the numbers 0, 1, … occurs in a vector, or the sums of their weights.

    Sums are added up in a fixed order. Waits for the GPU, which knows the largest number.
    """
    if input.ndim != 1 or is_float(input.array.dtype):
        raise RuntimeError("bincount only supports 1-d non-negative integral inputs, got "
                           f"{input.dtype}{list(input.shape)}")
    n = 0
    if input.numel():
        if int(input.min().item()) < 0:
            raise RuntimeError("bincount only supports 1-d non-negative integral inputs, got a negative number")
        n = int(input.max().item()) + 1
    if weights is not None and weights.shape != input.shape:
        raise RuntimeError(f"weights should be 1-d and have the same length as input: got {list(weights.shape)} and "
                           f"{list(input.shape)}")
    dtype = int64 if weights is None else weights.array.dtype if is_float(weights.array.dtype) else float64
    counts = full((max(n, minlength),), 0, dtype, input.array)
    kernels.put_into(counts, (input.array,), 1 if weights is None else weights.array, accumulate=True)
    return make(counts)


def searchsorted(sorted_sequence, values, *, out_int32=False, right=False, side=None, sorter=None):
    """Where values would go into sorted sequences (along their last dimension) to keep them sorted.

    right, or side="right": behind equal elements. sorter: the order that sorts the sequences, as argsort gives it.
    Values on a GPU make the round trip to the host.
    """
    if side not in (None, "left", "right"):
        raise RuntimeError(f"torch.searchsorted(): side can only be 'left' or 'right' but got {side}")
    if right and side == "left":
        raise RuntimeError("torch.searchsorted(): side and right can't be set to opposites, got side of left while "
                           "right was True")
    if sorter is not None:
        if sorter.shape != sorted_sequence.shape or sorter.array.dtype != int64:
            raise RuntimeError("torch.searchsorted(): boundary and sorter must have the same size and sorter must be a "
                               f"tensor of long dtype, got {list(sorted_sequence.shape)} and "
                               f"{list(sorter.shape)} {sorter.dtype}")
        sorted_sequence = sorted_sequence.gather(-1, sorter)
    right = right or side == "right"
    sequence = _host(sorted_sequence)
    given = values.array if isinstance(values, function.Tensor) else np.asarray(values)
    wanted = to_host(given)
    wanted = wanted.astype(np.float32) if wanted.dtype in HALVES else wanted
    where = "right" if right else "left"
    if sequence.ndim == 1:
        found = np.asarray(np.searchsorted(sequence, wanted, where))
    else:
        if sequence.shape[:-1] != wanted.shape[:-1]:
            raise RuntimeError("torch.searchsorted(): boundaries tensor should be 1 dimension or the first N-1 "
                               "dimensions of boundaries tensor and input value tensor must match, but we got "
                               f"boundaries tensor {list(sequence.shape)} and input value tensor {list(wanted.shape)}")
        lines = zip(sequence.reshape(-1, sequence.shape[-1]), wanted.reshape(-1, wanted.shape[-1]))
        found = np.array([np.searchsorted(s, v, where) for s, v in lines], np.int64).reshape(wanted.shape)
    return _back(sorted_sequence, found.astype(np.int32 if out_int32 else np.int64))


def bucketize(input, boundaries, *, out_int32=False, right=False):
    """The number of the bucket between sorted boundaries that each element falls into."""
    return searchsorted(boundaries, input, out_int32=out_int32, right=right)


def isin(elements, test_elements, *, assume_unique=False, invert=False):
    """Which elements are among the test elements. Values on a GPU make the round trip to the host."""
    x = elements if isinstance(elements, function.Tensor) else test_elements
    first, second = [_host(t) if isinstance(t, function.Tensor) else np.asarray(t) for t in (elements, test_elements)]
    return _back(x, np.asarray(np.isin(first, second, assume_unique=assume_unique, invert=invert)))
