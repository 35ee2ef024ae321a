"""Reading and writing along one dimension or by mask."""

from __future__ import annotations

from tritonnet.autograd import function
from tritonnet.autograd.function import make
from tritonnet.autograd.ops.index import (
    Gather,
    IndexGet,
    IndexPut,
    IndexSelect,
    MaskedFill,
    MaskedSelect,
    Scatter,
    ScatterAdd,
)
from tritonnet.kernels import index as kernels
from tritonnet.kernels.arrays import is_host
from tritonnet.kernels.dtypes import bool_, int32, int64
from tritonnet.kernels.rows import normal_axis
from tritonnet.tensor.shape.sizes import broadcast

__all__ = [
    "argwhere", "gather", "index_add", "index_copy", "index_fill", "index_put", "index_select", "masked_fill",
    "masked_scatter", "masked_select", "nonzero", "scatter", "scatter_add", "scatter_reduce", "take", "take_along_dim",
]


def _index(name, index, words="int32/int64"):
    """An index tensor of an allowed type, as it is."""
    if not isinstance(index, function.Tensor):
        raise TypeError(f"{name}(): argument 'index' must be Tensor, not {type(index).__name__}")
    if index.array.dtype not in (int64, int32):
        raise RuntimeError(f"{name}(): Expected dtype {words} for index, got {index.dtype}")
    return index


def _vector(name, index):
    """An index tensor of one dimension."""
    if index.ndim > 1:
        raise IndexError(f"{name}(): Index is supposed to be a vector, got shape {list(index.shape)}")
    return _index(name, index, "int32 or int64").reshape(-1)


def _check_rank(name, x, d, index):
    if index.ndim != x.ndim and max(index.ndim, 1) != max(x.ndim, 1):
        raise RuntimeError(f"{name}: Index tensor must have the same number of dimensions as input tensor, got "
                           f"{index.ndim} and {x.ndim}")
    for k, (n, m) in enumerate(zip(index.array.shape, x.array.shape)):
        if k != d and n > m and index.numel():
            raise RuntimeError(f"Size does not match at dimension {k} expected index {list(index.shape)} to be no "
                               f"larger than self {list(x.shape)} apart from dimension {d}")


def gather(input, dim, index, *, sparse_grad=False):
    """out[i][j] = input[index[i][j]][j] for dim 0, and so on: one element for each of the index, in its shape.

    index: int64 or int32, in range, no longer than input along the other dimensions.
    A bad index raises RuntimeError on the CPU and gives NaN (-1 in integers) on a GPU.
    """
    d = normal_axis(dim, input.ndim)
    _check_rank("gather", input, d, _index("gather", index))
    if not input.ndim or not index.ndim:
        return Gather.apply(input.reshape(-1), 0, index.reshape(-1)).reshape(index.shape)
    return Gather.apply(input, d, index)


def _scattered(op, name, input, dim, index, src):
    d = normal_axis(dim, input.ndim)
    _check_rank(name, input, d, _index(name, index))
    if isinstance(src, function.Tensor):
        if src.array.dtype != input.array.dtype:
            raise RuntimeError(f"{name}(): Expected self.dtype to be equal to src.dtype, got {input.dtype} and "
                               f"{src.dtype}")
        if index.numel() and (src.ndim != index.ndim or any(n > m for n, m in zip(index.shape, src.shape))):
            raise RuntimeError(f"Expected index {list(index.shape)} to be no larger than self {list(input.shape)} "
                               f"apart from dimension {d} and to be no larger size than src {list(src.shape)}")
    if not index.numel():
        return input.clone()
    return op.apply(input, d, index, src)


def scatter(input, dim, index, src=None, *, value=None, reduce=None):
    """A copy with out[index[i][j]][j] = src[i][j] for dim 0, and so on; where the index repeats, the last one stays.

    src: a tensor of input's element type, at least as long as index, or a number. reduce="add": like scatter_add.
    """
    src = value if src is None else src
    if src is None:
        raise TypeError("scatter() missing 1 required argument: 'src' or 'value'")
    if reduce not in (None, "add"):
        raise NotImplementedError(f"scatter: reduce={reduce!r} is not offered, only 'add'")
    if reduce == "add" and not isinstance(src, function.Tensor):
        src = input.new_full(index.shape, src)
    return _scattered(ScatterAdd if reduce else Scatter, "scatter", input, dim, index, src)


def scatter_add(input, dim, index, src):
    """A copy with out[index[i][j]][j] += src[i][j] for dim 0, and so on; repetitions add up in a fixed order."""
    return _scattered(ScatterAdd, "scatter_add", input, dim, index, src)


def scatter_reduce(input, dim, index, src, reduce, *, include_self=True):
    """scatter_add by another name: only reduce="sum" with include_self is offered."""
    if reduce != "sum" or not include_self:
        raise NotImplementedError(f"scatter_reduce: reduce={reduce!r}, include_self={include_self} is not offered")
    return scatter_add(input, dim, index, src)


def index_select(input, dim, index):
    """The parts of input at the indices, a vector, along a dimension. A bad index raises IndexError on the CPU."""
    d, index = normal_axis(dim, input.ndim), _vector("index_select", index)
    if not input.ndim:
        return IndexSelect.apply(input.reshape(1), 0, index).reshape(())
    return IndexSelect.apply(input, d, index)


def _key(input, dim, index, name, error=None):
    """The key that indexes one dimension; `error`: raised for an index that is negative or too large."""
    d, index = normal_axis(dim, input.ndim), _vector(name, index)
    if error is not None and is_host(index.array):
        kernels.check_bounds(index.array, d, input.array.shape[d] if input.ndim else 1, error=error)
    return d, (slice(None),) * d + (index.array,)


def index_add(input, dim, index, source, *, alpha=1):
    """A copy with alpha * source added at the indices, a vector, along a dimension, in a fixed order."""
    d, key = _key(input, dim, index, "index_add", RuntimeError)
    if source.shape[d] != index.numel():
        raise RuntimeError(f"index_add_(): Number of indices ({index.numel()}) should be equal to source.size(dim): "
                           f"({source.shape[d]}), for dim: {d}")
    return IndexPut.apply(input, key, source if alpha == 1 else source * alpha, accumulate=True)


def index_copy(input, dim, index, source):
    """A copy with source written at the indices, a vector, along a dimension; of repeated ones the last stays."""
    _, key = _key(input, dim, index, "index_copy", IndexError)
    return IndexPut.apply(input, key, source)


def index_fill(input, dim, index, value):
    """A copy with value, a number or a tensor without dimensions, at the indices, a vector, along a dimension."""
    return IndexPut.apply(input, _key(input, dim, index, "index_fill")[1], value)


def index_put(input, indices, values, accumulate=False):
    """A copy with input[indices] = values (or +=); indices: a tuple of tensors of ints or bools."""
    return IndexPut.apply(input, tuple(i.array for i in indices), values, accumulate)


def _mask(name, mask):
    if mask.array.dtype != bool_:
        raise RuntimeError(f"{name}: expected BoolTensor for mask, got {mask.dtype}")
    return mask


def masked_fill(input, mask, value):
    """value, a number or a tensor without dimensions, where mask is true, else input; both broadcast."""
    if isinstance(value, function.Tensor) and value.ndim:
        raise RuntimeError("masked_fill_ only supports a 0-dimensional value tensor, but got tensor with "
                           f"{value.ndim} dimension(s).")
    broadcast(input.array.shape, mask.array.shape)
    return MaskedFill.apply(input, _mask("masked_fill", mask), value)


def masked_select(input, mask):
    """The elements where mask is true, in one dimension; both broadcast. Waits for the GPU."""
    broadcast(input.array.shape, mask.array.shape)
    return MaskedSelect.apply(input, _mask("masked_select", mask))


def masked_scatter(input, mask, source):
    """A copy with the elements of source, in order, where mask is true."""
    shape = broadcast(input.array.shape, mask.array.shape)
    mask = _mask("masked_scatter", mask).expand(shape)
    count = int(mask.sum().item())
    if source.numel() < count:
        raise RuntimeError(f"masked_scatter: expected at least {count} elements in source, got {source.numel()}")
    return IndexPut.apply(input.expand(shape), (mask.array,), source.reshape(-1)[:count])


def take(input, index):
    """The elements at the indices of the flattened input, in the shape of index. Negative ones count from the end."""
    return IndexGet.apply(input.reshape(-1), (_index("take", index, "long").array,))


def take_along_dim(input, indices, dim=None):
    """gather, with input and indices broadcast along the other dimensions; flattened if dim is None."""
    if dim is None:
        return gather(input.reshape(-1), 0, indices.reshape(-1))
    if input.ndim != indices.ndim:
        raise RuntimeError("torch.take_along_dim(): input and indices should have the same number of dimensions, but "
                           f"got {input.ndim} dimensions for input, and {indices.ndim} dimensions for indices")
    d = normal_axis(dim, input.ndim)
    shape = list(broadcast(*[tuple(1 if k == d else n for k, n in enumerate(t.array.shape)) for t in (input, indices)]))
    here, there = list(shape), list(shape)
    here[d], there[d] = input.array.shape[d], indices.array.shape[d]
    return gather(input.expand(here), d, indices.expand(there))


def nonzero(input, *, as_tuple=False):
    """The indices of what is not zero: (count, dimensions) int64, or as_tuple one tensor per dimension.

    Waits for the GPU.
    """
    array = input.array
    if as_tuple:
        return tuple(map(make, kernels.nonzero(array)))
    if not array.ndim:
        return make(kernels.nonzero(array)[0]).reshape(-1, 1)[:, :0]
    from tritonnet.tensor.shape import stack

    return stack(list(map(make, kernels.nonzero(array)))).t()


def argwhere(input):
    """The indices of what is not zero: (count, dimensions) int64."""
    return nonzero(input)
