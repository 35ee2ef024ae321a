"""Elements in new places: repeated, turned round, rolled, cut to triangles, put on diagonals."""

from __future__ import annotations

import numpy as np

from tritonnet.autograd import function
from tritonnet.autograd.ops.index import IndexSelect
from tritonnet.autograd.ops.shape import Expand, Flip, Reshape, Tril, Triu, Undiagonal
from tritonnet.kernels import arrays
from tritonnet.kernels.rows import normal_axis
from tritonnet.tensor.shape.join import cat
from tritonnet.tensor.shape.sizes import distinct, ints
from tritonnet.tensor.shape.views import diagonal

__all__ = [
    "diag", "diag_embed", "diagflat", "flip", "fliplr", "flipud", "repeat_interleave", "roll", "rot90", "tile", "tril",
    "tril_indices", "triu", "triu_indices",
]


def repeat(self, *counts, repeats=None):
    """The whole tensor so many times along each dimension; new ones come first."""
    repeats, shape = ints(counts if repeats is None else (repeats,), "repeats"), self.array.shape
    if len(repeats) < len(shape):
        raise RuntimeError(
            "Number of dimensions of repeat dims can not be smaller than number of dimensions of tensor")
    shape = (1,) * (len(repeats) - len(shape)) + shape
    if all(r == 1 for r in repeats):
        return Reshape.apply(self, shape).clone()
    apart = Reshape.apply(self, tuple(k for n in shape for k in (1, n)))
    spread = Expand.apply(apart, tuple(k for r, n in zip(repeats, shape) for k in (r, n)))
    return Reshape.apply(spread, tuple(r * n for r, n in zip(repeats, shape))).contiguous()


def tile(input, *counts, dims=None):
    """repeat, with missing repeats in front counting as 1."""
    repeats = ints(counts if dims is None else (dims,), "dims")
    return repeat(input, (1,) * (input.ndim - len(repeats)) + repeats)


def repeat_interleave(input, repeats=None, dim=None, *, output_size=None):
    """Each element so many times in a row, along a dimension or of the flattened tensor.

    repeats: an int, or a tensor with a number for each element.  With one tensor: the indices that it repeats.
    """
    if repeats is None:
        counts = arrays.to_host(input.array)
        return _like(input, np.repeat(np.arange(counts.size), counts))
    x, d = (input.reshape(-1), 0) if dim is None else (input, normal_axis(dim, input.ndim))
    shape = x.array.shape
    if isinstance(repeats, function.Tensor) and repeats.numel() == 1:
        repeats = int(repeats)
    if isinstance(repeats, int):
        if repeats < 0:
            raise RuntimeError("Repeats must be non-negative")
        before, after = shape[:d + 1], shape[d + 1:]
        spread = Expand.apply(Reshape.apply(x, (*before, 1, *after)), (*before, repeats, *after))
        return Reshape.apply(spread, (*before[:-1], before[-1] * repeats, *after)).contiguous()
    counts = arrays.to_host(repeats.array) if isinstance(repeats, function.Tensor) else np.asarray(repeats)
    if counts.shape != (shape[d],):
        raise RuntimeError(f"repeats must have the same size as input along dim, but got repeats.size(0) = "
                           f"{counts.size} and input.size({d}) = {shape[d]}")
    if counts.size and counts.min() < 0:
        raise RuntimeError("repeats can not be negative")
    return IndexSelect.apply(x, d, np.repeat(np.arange(shape[d]), counts))


def _like(x, host):
    """A tensor of a host array, on the device of x."""
    return function.make(host if arrays.is_host(x.array) else arrays.to_device(host, x.array.device))


def flip(input, *axes, dims=None):
    """Turned round along the given dimensions; a copy."""
    axes = ints(axes if dims is None else (dims,), "dims")
    return Flip.apply(input, distinct(tuple([normal_axis(d, input.ndim) for d in axes])))


def fliplr(input):
    """Turned round along the second dimension."""
    if input.ndim < 2:
        raise RuntimeError(f"Input must be >= 2-d, got {input.ndim}-d")
    return flip(input, 1)


def flipud(input):
    """Turned round along the first dimension."""
    return flip(input, 0)


def rot90(input, k=1, dims=(0, 1)):
    """Turned by k quarters in the plane of two dimensions, from the first towards the second."""
    a, b = (normal_axis(d, input.ndim) for d in dims)
    if a == b:
        raise RuntimeError(f"expected rotation dims to be different, but got dim0 = {dims[0]} and dim1 = {dims[1]}")
    if k % 4 == 2:
        return flip(input, a, b)
    if k % 4 == 0:
        return input.clone()
    return flip(input, b).transpose(a, b) if k % 4 == 1 else flip(input, a).transpose(a, b)


def roll(input, shifts, dims=None):
    """Elements moved on along dimensions, the last ones coming round to the front; flattened if no dims are given."""
    shifts = ints((shifts,), "shifts")
    if dims is None or dims == ():
        return roll(input.reshape(-1), shifts, 0).reshape(input.shape)
    axes = ints((dims,), "dims")
    if len(shifts) != len(axes):
        raise RuntimeError(f"shifts and dimensions must align. shifts: {len(shifts)}, dims:{len(axes)}")
    rolled = input
    for shift, axis in zip(shifts, axes):
        d = normal_axis(axis, input.ndim)
        n = input.array.shape[d]
        if n and shift % n:
            at = n - shift % n
            rolled = cat([rolled.narrow(d, at, n - at), rolled.narrow(d, 0, at)], d)
    return rolled if rolled is not input else input.clone()


def _matrices(name, x):
    if x.ndim < 2:
        raise RuntimeError(f"{name}: input tensor must have at least 2 dimensions")
    return x


def tril(input, diagonal=0):
    """The lower triangle of matrices, from a diagonal down; 0 above it."""
    return Tril.apply(_matrices("tril", input), diagonal)


def triu(input, diagonal=0):
    """The upper triangle of matrices, from a diagonal up; 0 below it."""
    return Triu.apply(_matrices("triu", input), diagonal)


def tril_indices(row, col, offset=0, *, dtype=None, device=None):
    """The row and column numbers of the lower triangle of a (row, col) matrix: (2, count) int64."""
    return _indices(np.tril_indices(row, offset, col), dtype, device)


def triu_indices(row, col, offset=0, *, dtype=None, device=None):
    """The row and column numbers of the upper triangle of a (row, col) matrix: (2, count) int64."""
    return _indices(np.triu_indices(row, offset, col), dtype, device)


def _indices(pair, dtype, device):
    made = function.make(np.stack(pair).astype(np.int64))
    return made.to(dtype=dtype, device=device) if dtype is not None or device is not None else made


def diag(input, diagonal=0):
    """The diagonal of a matrix; or the matrix with a vector on its diagonal."""
    if input.ndim == 1:
        return diag_embed(input, diagonal)
    if input.ndim != 2:
        raise RuntimeError(f"diag(): Supports 1D or 2D tensors. Got {input.ndim}D")
    return _diagonal(input, diagonal).clone()


_diagonal = diagonal  # the parameters called so hide it


def fill_diagonal_(self, fill_value, wrap=False):
    """The main diagonal of a matrix becomes `fill_value`, in place."""
    if self.ndim != 2 or wrap:
        raise NotImplementedError(f"fill_diagonal_: only matrices and wrap=False are offered, got {self.ndim}-D")
    _diagonal(self).fill_(fill_value)
    return self


def diagflat(input, offset=0):
    """The matrix with all elements on its diagonal."""
    return diag_embed(input.reshape(-1), offset)


def diag_embed(input, offset=0, dim1=-2, dim2=-1):
    """Matrices, in two new dimensions, with the last dimension on their diagonals; 0 elsewhere."""
    ndim = input.ndim + 1
    a, b = normal_axis(dim1, ndim), normal_axis(dim2, ndim)
    if a == b:
        raise RuntimeError(f"diagonal dimensions cannot be identical {dim1}, {dim2}")
    n = input.array.shape[-1] + abs(offset)
    rest = list(input.array.shape[:-1])
    shape = tuple(n if d in (a, b) else rest.pop(0) for d in range(ndim))
    return Undiagonal.apply(input, shape, offset, a, b)
