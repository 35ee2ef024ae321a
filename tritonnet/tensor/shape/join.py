"""Joining tensors and taking them apart."""

from __future__ import annotations

import numpy as np

from tritonnet.autograd import function
from tritonnet.autograd.ops.shape import Cat, Cut, Slice, Stack
from tritonnet.kernels.rows import normal_axis
from tritonnet.tensor.shape.sizes import ints

__all__ = [
    "atleast_1d", "atleast_2d", "atleast_3d", "block_diag", "cat", "chunk", "column_stack", "concat", "concatenate",
    "dsplit", "dstack", "hsplit", "hstack", "meshgrid", "row_stack", "split", "stack", "tensor_split", "unbind",
    "vsplit", "vstack",
]


def _checked(tensors, name):
    """A list of tensors on one device."""
    if not isinstance(tensors, (list, tuple)):
        raise TypeError(
            f"{name}(): argument 'tensors' (position 1) must be tuple of Tensors, not {type(tensors).__name__}")
    wrong = [i for i, t in enumerate(tensors) if not isinstance(t, function.Tensor)]
    if wrong:
        raise TypeError(
            f"expected Tensor as element {wrong[0]} in argument 0, but got {type(tensors[wrong[0]]).__name__}")
    if len({t.array.device for t in tensors}) > 1:
        places = " and ".join(dict.fromkeys(str(t.device) for t in tensors))
        raise RuntimeError(
            f"{name}: Expected all tensors to be on the same device, but found at least two devices, {places}!")
    return tensors


def cat(tensors, dim=0, *, axis=None):
    """Tensors behind each other along a dimension; the other sizes must agree. Empty vectors are left out."""
    tensors = _checked(tensors, "cat")
    if not tensors:
        raise ValueError("torch.cat(): expected a non-empty list of Tensors")
    kept = [t for t in tensors if t.array.shape != (0,)] or tensors[:1]
    first = kept[0].array.shape
    d = normal_axis(dim if axis is None else axis, len(first))
    if not first:
        raise RuntimeError("zero-dimensional tensor (at position 0) cannot be concatenated")
    for i, t in enumerate(kept):
        shape = t.array.shape
        if shape == first:
            continue
        if len(shape) != len(first):
            raise RuntimeError(f"Tensors must have same number of dimensions: got {len(first)} and {len(shape)}")
        for k, (n, m) in enumerate(zip(first, shape)):
            if n != m and k != d:
                raise RuntimeError(f"Sizes of tensors must match except in dimension {d}. Expected size {n} but got "
                                   f"size {m} for tensor number {i} in the list.")
    return Cat.apply(*kept, axis=d)


concat = concatenate = cat


def stack(tensors, dim=0, *, axis=None):
    """Tensors of one shape along a new dimension."""
    tensors = _checked(tensors, "stack")
    if not tensors:
        raise RuntimeError("stack expects a non-empty TensorList")
    first = tensors[0].array.shape
    for i, t in enumerate(tensors):
        if t.array.shape != first:
            raise RuntimeError(f"stack expects each tensor to be equal size, but got {list(first)} at entry 0 and "
                               f"{list(t.array.shape)} at entry {i}")
    return Stack.apply(*tensors, axis=normal_axis(dim if axis is None else axis, len(first) + 1))


def atleast_1d(*tensors):
    """Scalars as vectors of one element."""
    return _each(tensors, lambda t: t.reshape(1) if t.ndim == 0 else t)


def atleast_2d(*tensors):
    """Scalars and vectors as matrices of one row."""
    return _each(tensors, lambda t: t if t.ndim > 1 else t.reshape(1, -1))


def atleast_3d(*tensors):
    """At least three dimensions: (1, n, 1) of a vector, (n, m, 1) of a matrix."""
    return _each(tensors, lambda t: t if t.ndim > 2 else t.unsqueeze(-1) if t.ndim == 2 else t.reshape(1, -1, 1))


def _each(tensors, change):
    if len(tensors) == 1 and not isinstance(tensors[0], (list, tuple)):
        return change(tensors[0])
    return tuple(map(change, tensors[0] if len(tensors) == 1 else tensors))


def hstack(tensors):
    """Side by side: along the second dimension, vectors along their only one."""
    tensors = atleast_1d(*tensors) if len(tensors) > 1 else (atleast_1d(tensors[0]),)
    return cat(tensors, 0 if tensors[0].ndim == 1 else 1)


def vstack(tensors):
    """One above the other: along the first dimension, vectors as rows."""
    return cat([atleast_2d(t) for t in tensors], 0)


row_stack = vstack


def dstack(tensors):
    """Behind each other: along the third dimension."""
    return cat([atleast_3d(t) for t in tensors], 2)


def column_stack(tensors):
    """Vectors as the columns of a matrix, matrices side by side."""
    return cat([t.reshape(-1, 1) if t.ndim < 2 else t for t in tensors], 1)


def block_diag(*tensors):
    """Matrices along the diagonal of one, zeros elsewhere."""
    from tritonnet.autograd.ops.shape import Pad

    tensors = [atleast_2d(t) for t in tensors]
    width, before, rows = sum(t.shape[1] for t in tensors), 0, []
    for t in tensors:
        rows.append(Pad.apply(t, (before, width - before - t.shape[1])))
        before += t.shape[1]
    return cat(rows, 0)


def meshgrid(*tensors, indexing="ij"):
    """Vectors as coordinates of a grid: one tensor of the grid's shape for each. indexing="xy": first two swapped."""
    if len(tensors) == 1 and isinstance(tensors[0], (list, tuple)):
        tensors = tensors[0]
    for t in tensors:
        if t.ndim > 1:
            raise RuntimeError(f"torch.meshgrid: Expected 0D or 1D tensor in the tensor list but got: {t}")
    if indexing not in ("ij", "xy"):
        raise RuntimeError(f'torch.meshgrid: indexing must be one of "xy" or "ij", but received: {indexing}')
    swap = indexing == "xy" and len(tensors) > 1
    order = [1, 0, *range(2, len(tensors))] if swap else range(len(tensors))
    places = {k: axis for axis, k in enumerate(order)}
    shape = tuple(tensors[k].numel() for k in order)
    return tuple(t.reshape([-1 if axis == places[k] else 1 for axis in range(len(shape))]).expand(shape)
                 for k, t in enumerate(tensors))


def split(tensor, split_size_or_sections, dim=0):
    """Views of pieces of a given size, the last one possibly smaller, or of given sizes."""
    shape = tensor.array.shape
    d = normal_axis(dim, len(shape))
    n = shape[d]
    if isinstance(split_size_or_sections, int):
        size = split_size_or_sections
        if size < 0:
            raise RuntimeError(f"split expects split_size be non-negative, but got split_size={size}")
        if size == 0 and n:
            raise RuntimeError(f"split_size can only be 0 if dimension size is 0, but got dimension size of {n}")
        ends = [*range(size, n, size), n] if size else [n]
    else:
        sizes = ints((split_size_or_sections,), "split_sizes")
        if sum(sizes) != n or any(s < 0 for s in sizes):
            raise RuntimeError(f"split_with_sizes expects split_sizes to sum exactly to {n} (input tensor's size at "
                               f"dimension {d}), but got split_sizes={list(sizes)}")
        ends = np.cumsum(sizes).tolist()
    return Cut.apply(tensor, d, ends)


def chunk(input, chunks, dim=0):
    """Views of at most `chunks` pieces of equal size, the last one possibly smaller."""
    if chunks <= 0:
        raise RuntimeError(f"chunk expects `chunks` to be greater than 0, got: {chunks}")
    n = input.array.shape[normal_axis(dim, input.ndim)]
    return split(input, max(-(-n // chunks), 1), dim) if n else split(input, [0] * chunks, dim)


def tensor_split(input, indices_or_sections, dim=0):
    """Views of so many pieces, sizes differing by at most one, or cut at given indices."""
    d = normal_axis(dim, input.ndim)
    n = input.array.shape[d]
    if isinstance(indices_or_sections, int):
        parts = indices_or_sections
        if parts <= 0:
            raise RuntimeError(f"number of sections must be larger than 0, got {parts}")
        ends = np.cumsum([n // parts + (i < n % parts) for i in range(parts)]).tolist()
        return Cut.apply(input, d, ends)
    cuts = ints((indices_or_sections,), "indices")
    before = (slice(None),) * d
    return tuple(Slice.apply(input, (*before, slice(a, b))) for a, b in zip([0, *cuts], [*cuts, n]))


def hsplit(input, indices_or_sections):
    """tensor_split along the second dimension, of vectors along their only one."""
    return tensor_split(input, indices_or_sections, 0 if input.ndim == 1 else 1)


def vsplit(input, indices_or_sections):
    """tensor_split along the first dimension."""
    return tensor_split(input, indices_or_sections, 0)


def dsplit(input, indices_or_sections):
    """tensor_split along the third dimension."""
    return tensor_split(input, indices_or_sections, 2)


def unbind(input, dim=0):
    """Views at each index of a dimension."""
    shape = input.array.shape
    d = normal_axis(dim, len(shape))
    if not shape:
        raise IndexError("Dimension specified as 0 but tensor has no dimensions")
    return Cut.apply(input, d)
