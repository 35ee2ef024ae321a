"""Writing by index with a reduction: scatter, scatter_reduce, index_reduce, put."""

from __future__ import annotations

from tritonnet import dtypes as dt
from tritonnet.autograd import function
from tritonnet.autograd.ops.index import IndexPut, Scatter, ScatterAdd, ScatterReduce
from tritonnet.kernels import index as kernels
from tritonnet.kernels.arrays import is_host
from tritonnet.kernels.dtypes import FLOATS
from tritonnet.kernels.rows import normal_axis
from tritonnet.tensor.index.elements import check_index, check_rank, vector

__all__ = ["index_reduce", "put", "scatter", "scatter_add", "scatter_reduce"]


def _check_scattered(name, input, d, index, src):
    check_rank(name, input, d, check_index(name, index))
    if isinstance(src, function.Tensor):
        if src.array.dtype != input.array.dtype:
            raise RuntimeError(f"{name}(): Expected self.dtype to be equal to src.dtype, got {input.dtype} and "
                               f"{src.dtype}")
        if index.numel() and (src.ndim != index.ndim or any(n > m for n, m in zip(index.shape, src.shape))):
            raise RuntimeError(f"Expected index {list(index.shape)} to be no larger than self {list(input.shape)} "
                               f"apart from dimension {d} and to be no larger size than src {list(src.shape)}")


def _scattered(op, name, input, dim, index, src):
    d = normal_axis(dim, input.ndim)
    _check_scattered(name, input, d, index, src)
    if not index.numel():
        return input.clone()
    if not input.ndim or not index.ndim:
        src = src.reshape(-1) if isinstance(src, function.Tensor) else src
        return op.apply(input.reshape(-1), 0, index.reshape(-1), src).reshape(input.shape)
    return op.apply(input, d, index, src)


def scatter(input, dim, index, src=None, *, value=None, reduce=None):
    """A copy with out[index[i][j]][j] = src[i][j] for dim 0, and so on; where the index repeats, the last one stays.

    src: a tensor of input's element type, at least as long as index, or a number. reduce: "add" or "multiply" instead.
    """
    src = value if src is None else src
    if src is None:
        raise TypeError("scatter() missing 1 required argument: 'src' or 'value'")
    if reduce not in (None, "add", "multiply"):
        raise RuntimeError("reduce argument must be either add or multiply.")
    if reduce is None:
        return _scattered(Scatter, "scatter", input, dim, index, src)
    if not isinstance(src, function.Tensor):
        src = input.new_full(index.shape, src)
    return scatter_reduce(input, dim, index, src, {"add": "sum", "multiply": "prod"}[reduce])


def scatter_add(input, dim, index, src):
    """A copy with out[index[i][j]][j] += src[i][j] for dim 0, and so on; repetitions add up in a fixed order."""
    return _scattered(ScatterAdd, "scatter_add", input, dim, index, src)


def scatter_reduce(input, dim, index, src, reduce, *, include_self=True):
    """A copy in which out[index[i][j]][j], for dim 0, is the sum, prod, mean, amax or amin of what src has for it.

    include_self: input's own element counts, too. Elements to which no index points stay. In a fixed order, so that
    results are the same in every run. The gradient of an extreme is shared among equals.
    """
    if reduce not in ("sum", "prod", "mean", "amax", "amin"):
        raise RuntimeError(f"reduce argument must be either sum, prod, mean, amax or amin, got {reduce}")
    d = normal_axis(dim, input.ndim)
    _check_scattered("scatter", input, d, index, src)
    if not index.numel():
        return input.clone()
    if not input.ndim or not index.ndim:
        flat = scatter_reduce(input.reshape(-1), 0, index.reshape(-1), src.reshape(-1), reduce,
                              include_self=include_self)
        return flat.reshape(input.shape)
    if input.dtype is dt.bool:
        return scatter_reduce(input.byte(), d, index, src.byte(), reduce, include_self=include_self).bool()
    if src.array.shape != index.array.shape:
        src = src[tuple(map(slice, index.array.shape))]
    if reduce not in ("sum", "mean"):
        return ScatterReduce.apply(input, d, index, src, reduce, include_self)
    total = ScatterAdd.apply(input if include_self else Scatter.apply(input, d, index, 0), d, index, src)
    if reduce == "sum":
        return total
    ones = src.detach().new_ones(src.shape)
    count = ScatterAdd.apply(input.detach().new_full(input.shape, int(include_self)), d, index, ones)
    count = count if include_self else count.clamp(min=1)
    return total / count if input.array.dtype in FLOATS else total // count


def index_reduce(input, dim, index, source, reduce, *, include_self=True):
    """scatter_reduce of whole slices: source's at the indices, a vector, along dim; prod, mean, amax or amin."""
    if reduce not in ("prod", "mean", "amax", "amin"):
        raise RuntimeError(f"index_reduce(): Expected reduce to be one of prod, mean, amax or amin but got {reduce}.")
    d, index = normal_axis(dim, input.ndim), vector("index_reduce", index)
    if not input.ndim:
        flat = index_reduce(input.reshape(1), 0, index, source.reshape(-1), reduce, include_self=include_self)
        return flat.reshape(())
    if source.shape[d] != index.numel():
        raise RuntimeError(f"index_reduce_(): Number of indices ({index.numel()}) should be equal to source.size(dim): "
                           f"({source.shape[d]}), for dim: {d}")
    index = index.reshape([-1 if k == d else 1 for k in range(source.ndim)]).expand(source.shape)
    return scatter_reduce(input, d, index, source, reduce, include_self=include_self)


def put(input, index, source, accumulate=False):
    """A copy whose elements at the indices of the flattened input are source's (or have source's added).

    index: int64, negative ones count from the end; source: as many elements, of input's type.
    """
    if index.dtype is not dt.int64:
        raise RuntimeError(f"put_(): Expected a long tensor for index, but got {index.dtype}")
    if source.array.dtype != input.array.dtype:
        raise RuntimeError("put_(): self and source expected to have the same dtype, but got self.dtype = "
                           f"{input.dtype} and source.dtype = {source.dtype}")
    if source.numel() != index.numel():
        raise IndexError("put_(): Expected source and index to have the same number of elements, but got "
                         f"source.numel() = {source.numel()}, index.numel() = {index.numel()}")
    if is_host(index.array):
        kernels.check_bounds(index.array, 0, input.numel(), wrap=True)
    flat = IndexPut.apply(input.reshape(-1), (index.array.reshape(-1),), source.reshape(-1), accumulate)
    return flat.reshape(input.shape)
