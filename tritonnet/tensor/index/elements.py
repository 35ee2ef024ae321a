"""Reading and writing along one dimension or by mask."""

from __future__ import annotations

import tritonnet
from tritonnet.autograd import function
from tritonnet.autograd.function import make
from tritonnet.autograd.ops.index import (
    Gather,
    IndexGet,
    IndexPut,
    IndexSelect,
    MaskedFill,
    MaskedSelect,
)
from tritonnet.kernels import index as kernels
from tritonnet.kernels.arrays import is_host
from tritonnet.kernels.dtypes import bool_, int32, int64
from tritonnet.kernels.rows import normal_axis
from tritonnet.tensor.shape.sizes import broadcast

__all__ = [
    "argwhere", "gather", "index_add", "index_copy", "index_fill", "index_put", "index_select", "masked_fill",
    "masked_scatter", "masked_select", "nonzero", "take", "take_along_dim",
]


def check_index(name, index, words="int32/int64"):
    """An index tensor of an allowed type, as it is."""
    if not isinstance(index, function.Tensor):
        raise TypeError(f"{name}(): argument 'index' must be Tensor, not {type(index).__name__}")
    if index.array.dtype not in (int64, int32):
        raise RuntimeError(f"{name}(): Expected dtype {words} for index, got {index.dtype}")
    return index


def vector(name, index):
    """An index tensor of one dimension."""
    if index.ndim > 1:
        raise IndexError(f"{name}(): Index is supposed to be a vector, got shape {list(index.shape)}")
    return check_index(name, index, "int32 or int64").reshape(-1)


def check_rank(name, x, d, index):
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
    check_rank("gather", input, d, check_index("gather", index))
    if not input.ndim or not index.ndim:
        return Gather.apply(input.reshape(-1), 0, index.reshape(-1)).reshape(index.shape)
    return Gather.apply(input, d, index)


def index_select(input, dim, index):
    """The parts of input at the indices, a vector, along a dimension. A bad index raises IndexError on the CPU."""
    d, index = normal_axis(dim, input.ndim), vector("index_select", index)
    if not input.ndim:
        return IndexSelect.apply(input.reshape(1), 0, index).reshape(())
    return IndexSelect.apply(input, d, index)


def _key(input, dim, index, name, error=None):
    """The key that indexes one dimension; `error`: raised for an index that is negative or too large."""
    d, index = normal_axis(dim, input.ndim), vector(name, index)
    if error is not None and is_host(index.array):
        kernels.check_bounds(index.array, d, input.array.shape[d] if input.ndim else 1, error=error)
    return d, (slice(None),) * d + (index.array,)


def index_add(input, dim, index, source, *, alpha=1):
    """A copy with alpha * source added at the indices, a vector, along a dimension, in a fixed order."""
    if not input.ndim:
        return index_add(input.reshape(1), dim, index, source.reshape(-1), alpha=alpha).reshape(())
    d, key = _key(input, dim, index, "index_add", RuntimeError)
    if (source.shape[d] if source.ndim else 1) != index.numel():
        raise RuntimeError(f"index_add_(): Number of indices ({index.numel()}) should be equal to source.size(dim): "
                           f"({source.shape[d]}), for dim: {d}")
    if source.dtype is not input.dtype:
        raise RuntimeError(f"index_add_(): self ({input.dtype}) and source ({source.dtype}) must have the same scalar "
                           "type")
    _same_slices(input, d, source, "source tensor shape must match self tensor shape, excluding the specified "
                 f"dimension. Got self.shape = {list(input.shape)} source.shape = {list(source.shape)}")
    return IndexPut.apply(input, key, source if alpha == 1 else source * alpha, accumulate=True)


def _same_slices(input, d, source, message):
    """Raise unless the shapes agree apart from one dimension."""
    a, b = input.array.shape, source.array.shape
    if a[:d] + a[d + 1:] != b[:d] + b[d + 1:]:
        raise RuntimeError(message)


def index_copy(input, dim, index, source):
    """A copy with source written at the indices, a vector, along a dimension; of repeated ones the last stays."""
    if not input.ndim:
        return index_copy(input.reshape(1), dim, index, source.reshape(-1)).reshape(())
    d, key = _key(input, dim, index, "index_copy", IndexError)
    if (source.shape[d] if source.ndim else 1) != index.numel():
        raise IndexError(f"index_copy_(): Number of indices ({index.numel()}) should be equal to source.size(dim) "
                         f"({source.shape[d] if source.ndim else 1})")
    if source.dtype is not input.dtype:
        raise RuntimeError("index_copy_(): self and source expected to have the same dtype, but got (self) "
                           f"{input.dtype} and (source) {source.dtype}")
    _same_slices(input, d, source, "index_copy_(): Source/destination tensor must have same slice shapes, got "
                 f"{list(source.shape)} for {list(input.shape)} at dimension {d}")
    return IndexPut.apply(input, key, source)


def index_fill(input, dim, index, value):
    """A copy with value, a number or a tensor without dimensions, at the indices, a vector, along a dimension."""
    if isinstance(value, function.Tensor) and value.ndim:
        raise RuntimeError("index_fill_ only supports a 0-dimensional value tensor, but got tensor with "
                           f"{value.ndim} dimension(s).")
    if not input.ndim:
        return index_fill(input.reshape(1), dim, index, value).reshape(())
    return IndexPut.apply(input, _key(input, dim, index, "index_fill")[1], value)


def index_put(input, indices, values, accumulate=False):
    """A copy with input[indices] = values (or +=); indices: a tuple of tensors of ints or bools."""
    for i, index in enumerate(indices):
        if not isinstance(index, function.Tensor):
            raise TypeError(f"expected Tensor as element {i} in argument 0, but got {type(index).__name__}")
    if not isinstance(values, function.Tensor):
        raise TypeError(f"index_put(): argument 'values' (position 2) must be Tensor, not {type(values).__name__}")
    if values.array.dtype != input.array.dtype:
        raise RuntimeError("Index put requires the source and destination dtypes match, got "
                           f"{input.dtype} for the destination and {values.dtype} for the source.")
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
    if source.dtype is not input.dtype:
        raise RuntimeError("masked_scatter: expected self and source to have same dtypes but got "
                           f"{input.dtype} and {source.dtype}")
    count = int(mask.sum().item())
    if source.numel() < count:
        raise RuntimeError(f"masked_scatter: expected at least {count} elements in source, got {source.numel()}")
    return IndexPut.apply(input.expand(shape), (mask.array,), source.reshape(-1)[:count])


def take(input, index):
    """The elements at the indices of the flattened input, in the shape of index. Negative ones count from the end."""
    return IndexGet.apply(input.reshape(-1), (check_index("take", index, "long").array,))


def take_along_dim(input, indices, dim=None):
    """gather, with input and indices broadcast along the other dimensions; flattened if dim is None."""
    if indices.array.dtype != int64:
        raise RuntimeError(f"torch.take_along_dim(): dtype of indices should be Long but got {indices.dtype}")
    n = input.numel() if dim is None else input.shape[dim] if input.ndim else 1
    indices = tritonnet.where(indices < 0, indices + n, indices)
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
