"""Reductions as functions and methods, with PyTorch's overloads: all elements, or along `dim`."""

from __future__ import annotations

import typing

from tritonnet.autograd.autocast import WIDEST, listed
from tritonnet.autograd.ops import reduce as ops
from tritonnet.dtypes import numpy_dtype
from tritonnet.kernels.dtypes import FLOATS, HALVES

__all__ = [
    "sum", "mean", "prod", "amax", "amin", "max", "min", "argmax", "argmin", "var", "std", "var_mean", "std_mean",
    "logsumexp", "any", "all", "cumsum", "norm", "nansum", "count_nonzero", "median", "aminmax",
]


class ValuesAndIndices(typing.NamedTuple):
    """What max, min, sort, … along a dimension return."""

    values: object
    indices: object

    def __repr__(self):
        return f"tritonnet.return_types(\nvalues={self.values},\nindices={self.indices})"


def _dtype(dtype):
    return None if dtype is None else numpy_dtype(dtype)


def _dim(dim):
    return tuple(dim) if isinstance(dim, list) else dim


def sum(x, dim=None, keepdim=False, *, dtype=None, axis=None, keepdims=False):
    """The sum, of everything or along dim (an int or several); integers and bools give int64."""
    found = ops.Sum.apply(x, _dim(axis if dim is None else dim), keepdim or keepdims, _dtype(dtype))
    return found if dtype is None else found._cast(dtype)       # integers are summed in int64


def mean(x, dim=None, keepdim=False, *, dtype=None, axis=None, keepdims=False):
    """The mean, of everything or along dim; float types only."""
    return ops.Mean.apply(x, _dim(axis if dim is None else dim), keepdim or keepdims, _dtype(dtype))


def prod(x, dim=None, keepdim=False, *, dtype=None):
    """The product, of everything or along one dim."""
    found = ops.Prod.apply(x, dim, keepdim, _dtype(dtype))
    return found if dtype is None else found._cast(dtype)


def amax(x, dim=(), keepdim=False):
    """The largest along dim (an int or several); the gradient is shared among equals."""
    return ops.Amax.apply(x, _dim(dim), keepdim)


def amin(x, dim=(), keepdim=False):
    """The smallest along dim (an int or several); the gradient is shared among equals."""
    return ops.Amin.apply(x, _dim(dim), keepdim)


def aminmax(x, *, dim=None, keepdim=False):
    """(the smallest, the largest), of everything or along dim."""
    return amin(x, () if dim is None else dim, keepdim), amax(x, () if dim is None else dim, keepdim)


def _extreme(name, whole, along, pairwise):
    def extreme(x, dim=None, keepdim=False, *, other=None, axis=None, keepdims=False):
        dim, other = (axis if dim is None else dim), (dim if hasattr(dim, "array") else other)
        if other is not None:
            return getattr(x, pairwise)(other)
        if dim is None:
            if x.numel() == 0:
                raise RuntimeError(f"{name}(): Expected reduction dim to be specified for input.numel() == 0. "
                                   "Specify the reduction dim with the 'dim' argument.")
            return whole.apply(x)
        return ValuesAndIndices(*along.apply(x, dim, keepdim or keepdims))

    extreme.__name__ = name
    extreme.__doc__ = (f"{name}(x): the {name}imum of all; {name}(x, dim): (values, indices); "
                       f"{name}(x, other): of each pair.")
    return extreme


max = _extreme("max", ops.Amax, ops.Max, "maximum")
min = _extreme("min", ops.Amin, ops.Min, "minimum")


def _place(name, op):
    def place(x, dim=None, keepdim=False, *, axis=None):
        dim = axis if dim is None else dim
        if dim is None and x.numel() == 0:
            raise IndexError(f"{name}(): Expected reduction dim to be specified for input.numel() == 0. "
                             "Specify the reduction dim with the 'dim' argument.")
        return op.apply(x, dim, keepdim)

    place.__name__, place.__doc__ = name, f"The index of the {name[3:]}imum along dim, or in the flat tensor: int64."
    return place


argmax, argmin = _place("argmax", ops.ArgMax), _place("argmin", ops.ArgMin)


def _of_variance(dim, unbiased, correction):
    """(dim, correction) of PyTorch's overloads."""
    if isinstance(dim, bool):  # var(x, unbiased)
        dim, unbiased = None, dim
    return dim, correction if correction is not None else 0 if unbiased is False else 1


def var(x, dim=None, unbiased=None, keepdim=False, *, correction=None, axis=None):
    """The variance, divided by n - correction (1)."""
    dim, correction = _of_variance(dim, unbiased, correction)
    return ops.Var.apply(x, _dim(axis if dim is None else dim), correction, keepdim)


def std(x, dim=None, unbiased=None, keepdim=False, *, correction=None, axis=None):
    """The standard deviation: the root of var."""
    dim, correction = _of_variance(dim, unbiased, correction)
    return ops.Std.apply(x, _dim(axis if dim is None else dim), correction, keepdim)


def var_mean(x, dim=None, unbiased=None, keepdim=False, *, correction=None):
    """(var, mean)."""
    whole = isinstance(dim, bool)
    return var(x, dim, unbiased, keepdim, correction=correction), mean(x, None if whole else dim, keepdim)


def std_mean(x, dim=None, unbiased=None, keepdim=False, *, correction=None):
    """(std, mean)."""
    whole = isinstance(dim, bool)
    return std(x, dim, unbiased, keepdim, correction=correction), mean(x, None if whole else dim, keepdim)


def logsumexp(x, dim, keepdim=False):
    """log of the sum of exponentials along dim, without overflow."""
    return ops.LogSumExp.apply(x, _dim(dim), keepdim)


def any(x, dim=None, keepdim=False):
    """Whether anything is true, in all or along dim."""
    return ops.Any.apply(x, _dim(dim), keepdim)


def all(x, dim=None, keepdim=False):
    """Whether everything is true, in all or along dim."""
    return ops.All.apply(x, _dim(dim), keepdim)


def cumsum(x, dim, *, dtype=None):
    """Running sums along dim."""
    return ops.CumSum.apply(x, dim) if dtype is None else ops.CumSum.apply(x._cast(dtype), dim)._cast(dtype)


@listed(cuda=WIDEST)
def nansum(x, dim=None, keepdim=False, *, dtype=None):
    """The sum without NaNs."""
    kept = x.where(~x.isnan(), 0.0) if x.array.dtype in FLOATS else x
    return sum(kept, dim, keepdim, dtype=dtype)


def count_nonzero(x, dim=None):
    """How many elements are not zero: int64."""
    return sum(x != 0, dim)


def median(x, dim=None, keepdim=False):
    """The lower median, of everything or (values, indices) along dim; NaN if there is one."""
    if dim is None:
        flat = x.reshape(-1)
        if not flat.numel():
            return x.new_full((), float("nan"))
        values, indices = flat.sort()
        nan = bool(flat.isnan().any())
        return values[-1 if nan else (len(flat) - 1) // 2]
    if not x.ndim:
        values, order = median(x.reshape(1), dim)
        return ValuesAndIndices(values, order)
    values, order = x.sort(dim)
    n = x.shape[dim]
    middle = (n - 1) // 2
    if x.array.dtype in FLOATS:     # NaN are sorted to the end: the first of them
        ordinary = values.isnan().logical_not().sum(dim, keepdim=True)
        place = ordinary.where(ordinary < n, middle)
        values, order = values.gather(dim, place), order.gather(dim, place)
    else:
        values, order = values.narrow(dim, middle, 1), order.narrow(dim, middle, 1)
    return ValuesAndIndices(*(t if keepdim else t.squeeze(dim) for t in (values, order)))


def norm(x, p="fro", dim=None, keepdim=False, *, dtype=None):
    """(sum |x|^p)^(1/p) of everything or along dim; p: a number, inf, -inf, 0 (how many are not zero) or 'fro' (2)."""
    if dtype is not None:
        x = x._cast(dtype)
    if x.array.dtype not in FLOATS:
        raise RuntimeError(f"linalg.vector_norm: Expected a floating point or complex tensor as input. Got {x.dtype}")
    p, dim = 2 if p in ("fro", None) else float(p), _dim(dim)
    if p == 2:
        return ops.Norm.apply(x, dim, keepdim)
    if p in (float("inf"), float("-inf")):
        return (amax if p > 0 else amin)(x.abs(), () if dim is None else dim, keepdim)
    if p == 0:
        return (x != 0).sum(dim, keepdim).to(x.dtype)
    if p == 1:
        return sum(x.abs(), dim, keepdim)
    if x.array.dtype in HALVES:  # powers leave their range soon
        return norm(x.float(), p, dim, keepdim).to(x.dtype)
    size = x.abs()
    if p < 0:
        return sum(size.pow(p), dim, keepdim).pow(1 / p)
    zero = size == 0  # where powers have no slope, the norm's is 0
    total = sum(size.masked_fill(zero, 1.0).pow(p).masked_fill(zero, 0.0), dim, keepdim)
    zero = total == 0
    return total.masked_fill(zero, 1.0).pow(1 / p).masked_fill(zero, 0.0)


class Reduce:
    """The functions of this file as methods of Tensor."""

    __slots__ = ()


for _name in __all__:
    setattr(Reduce, _name, globals()[_name])
