"""Other shapes of the same memory: nothing is copied, unless a reshape has to."""

from __future__ import annotations

import math

from tritonnet import dtypes as dt
from tritonnet.autograd.function import make
from tritonnet.autograd.ops.shape import Copy, Diagonal, Expand, Permute, Reshape, Slice
from tritonnet.kernels.arrays import is_host
from tritonnet.kernels.rows import normal_axis
from tritonnet.tensor.shape.sizes import broadcast, can_view, complete, dims, expanded, ints

__all__ = [
    "adjoint", "broadcast_tensors", "broadcast_to", "clone", "diagonal", "flatten", "movedim", "moveaxis", "narrow",
    "permute", "ravel", "reshape", "select", "squeeze", "swapaxes", "swapdims", "t", "transpose", "unflatten",
    "unsqueeze",
]


def reshape(input, *sizes, shape=None):
    """The elements in C order in another shape, one of whose sizes may be -1; a view where strides allow.

    >>> import tritonnet
    >>> tritonnet.arange(6).reshape(2, -1)
    tensor([[0, 1, 2],
            [3, 4, 5]])
    """
    return Reshape.apply(input, complete(ints(sizes if shape is None else (shape,)), input.array.size))


def view(self, *shape, size=None, dtype=None):
    """The same memory in another shape, one of whose sizes may be -1, or as another element type of the same size.

    Raises RuntimeError where strides do not allow it without a copy: use reshape.
    """
    if size is not None:
        shape = (size,)
    if dtype is not None or len(shape) == 1 and isinstance(shape[0], dt.dtype):
        return _reinterpreted(self, dtype or shape[0])
    array = self.array
    shape = complete(ints(shape), array.size)
    if not can_view(array, shape):
        raise RuntimeError("view size is not compatible with input tensor's size and stride (at least one dimension "
                           "spans across two contiguous subspaces). Use .reshape(...) instead.")
    return Reshape.apply(self, shape)


def _reinterpreted(x, dtype):
    array, wanted = x.array, dt.numpy_dtype(dtype)
    if wanted.itemsize != array.itemsize:
        raise RuntimeError(f"view: {x.dtype} has {array.itemsize} bytes, {dtype} has {wanted.itemsize}: only element "
                           "types of equal size are offered")
    if is_host(array):
        return make(array.view(wanted))
    return make(type(array)(array.ptr, array.shape, array.strides, wanted, array.device, array.owner))


def view_as(self, other):
    """view(other.shape)."""
    return self.view(other.shape)


def reshape_as(self, other):
    """reshape(other.shape)."""
    return self.reshape(other.shape)


def flatten(input, start_dim=0, end_dim=-1):
    """The dimensions from start_dim to end_dim as one."""
    shape = input.array.shape
    start, end = normal_axis(start_dim, len(shape)), normal_axis(end_dim, len(shape))
    if start > end:
        raise RuntimeError("flatten() has invalid args: start_dim cannot come after end_dim")
    if start == end and shape:
        return input
    return Reshape.apply(input, (*shape[:start], math.prod(shape[start:end + 1]), *shape[end + 1:]))


def ravel(input):
    """All elements in one dimension."""
    return flatten(input)


def unflatten(input, dim, sizes):
    """One dimension as several, one of which may be -1."""
    shape, sizes = input.array.shape, ints((sizes,))
    d = normal_axis(dim, len(shape))
    known = math.prod(n for n in sizes if n != -1)
    if sizes.count(-1) > 1 or (known != shape[d] if -1 not in sizes else not known or shape[d] % known):
        raise RuntimeError(f"unflatten: Provided sizes {list(sizes)} don't multiply up to the size of dim {dim} "
                           f"({shape[d]}) in the input tensor")
    sizes = [shape[d] // known if n == -1 else n for n in sizes]
    return Reshape.apply(input, (*shape[:d], *sizes, *shape[d + 1:]))


def squeeze(input, dim=None):
    """Without dimensions of size 1: all of them, or those among `dim` (an int or several)."""
    shape = input.array.shape
    chosen = range(len(shape)) if dim is None else dims(dim, len(shape))
    return Reshape.apply(input, tuple([n for d, n in enumerate(shape) if n != 1 or d not in chosen]))


def unsqueeze(input, dim):
    """A new dimension of size 1 at `dim`."""
    shape = input.array.shape
    d = normal_axis(dim, len(shape) + 1)
    return Reshape.apply(input, (*shape[:d], 1, *shape[d:]))


def permute(input, *order, dims=None):
    """The dimensions in another order."""
    order, ndim = ints(order if dims is None else (dims,), "dims"), input.ndim
    if len(order) != ndim:
        raise RuntimeError("permute: number of dimensions in the tensor input does not match the length of the desired "
                           f"ordering of dimensions i.e. input.dim() = {ndim} is not equal to len(dims) = {len(order)}")
    order = tuple([normal_axis(d, ndim) for d in order])
    if len(set(order)) < ndim:
        raise RuntimeError("permute(): duplicate dims are not allowed.")
    return Permute.apply(input, order)


def transpose(input, dim0, dim1):
    """Two dimensions swapped."""
    ndim = input.array.ndim
    a, b = normal_axis(dim0, ndim), normal_axis(dim1, ndim)
    order = list(range(ndim))
    if ndim:
        order[a], order[b] = b, a
    return Permute.apply(input, tuple(order))


swapaxes = swapdims = transpose


def t(input):
    """A matrix transposed; vectors and scalars as they are."""
    if input.ndim > 2:
        raise RuntimeError(f"t() expects a tensor with <= 2 dimensions, but self is {input.ndim}D")
    return Permute.apply(input, tuple(range(input.ndim))[::-1])


def adjoint(input):
    """The last two dimensions swapped."""
    if input.ndim < 2:
        raise RuntimeError(
            f"tensor.mT is only supported on matrices or batches of matrices. Got {input.ndim}-D tensor.")
    return transpose(input, -2, -1)


def movedim(input, source, destination):
    """The dimensions `source` moved to the places `destination`, the others in their order."""
    ndim = input.ndim
    source, destination = ints((source,)), ints((destination,))
    if len(source) != len(destination):
        raise RuntimeError(f"movedim: Invalid source or destination dims: source ({list(source)} dims) should contain "
                           f"the same number of dims as destination ({list(destination)} dims)")
    a, b = dims(source, ndim), dims(destination, ndim)
    for name, given, normal in (("source", source, a), ("destination", destination, b)):
        if len(set(normal)) < len(normal):
            raise RuntimeError(f"movedim: repeated dim in `{name}` ({list(given)})")
    rest = [d for d in range(ndim) if d not in a]
    moved = dict(zip(b, a))
    return Permute.apply(input, tuple([moved[d] if d in moved else rest.pop(0) for d in range(ndim)]))


moveaxis = movedim


def expand(self, *sizes, size=None):
    """Repeated along dimensions of size 1 and new leading ones, without a copy; -1 keeps a size."""
    return Expand.apply(self, expanded(ints(sizes if size is None else (size,)), self.array.shape))


def expand_as(self, other):
    """expand(other.shape)."""
    return expand(self, other.shape)


def broadcast_to(input, size):
    """Repeated to a larger shape, without a copy."""
    return expand(input, size)


def broadcast_tensors(*tensors):
    """The tensors in the shape to which they broadcast together; a list."""
    if len(tensors) == 1 and isinstance(tensors[0], (list, tuple)):
        tensors = tensors[0]
    shape = broadcast(*[t.array.shape for t in tensors])
    return [t.expand(shape) for t in tensors]


def narrow(input, dim, start, length):
    """The stretch of `length` from `start` on along a dimension."""
    shape = input.array.shape
    if not shape:
        raise RuntimeError("narrow() cannot be applied to a 0-dim tensor.")
    d, start = normal_axis(dim, len(shape)), int(start)
    n = shape[d]
    if length < 0:
        raise RuntimeError("narrow(): length must be non-negative.")
    if not -n <= start <= n:
        raise IndexError(f"Dimension out of range (expected to be in range of [{-n}, {n}], but got {start})")
    start += n if start < 0 else 0
    if start + length > n:
        raise RuntimeError(f"start ({start}) + length ({length}) exceeds dimension size ({n}).")
    return Slice.apply(input, (slice(None),) * d + (slice(start, start + length),))


def select(input, dim, index):
    """The part at one index of a dimension, which goes away."""
    shape = input.array.shape
    if not shape:
        raise IndexError("select() cannot be applied to a 0-dim tensor.")
    d, index = normal_axis(dim, len(shape)), int(index)
    if not -shape[d] <= index < shape[d]:
        raise IndexError(f"select(): index {index} out of range for tensor of size {list(shape)} at dimension {dim}")
    return Slice.apply(input, (slice(None),) * d + (index,))


def diagonal(input, offset=0, dim1=0, dim2=1):
    """A view of the diagonals of the matrices in two dimensions, as the last one. offset > 0: above the main one."""
    a, b = normal_axis(dim1, input.ndim), normal_axis(dim2, input.ndim)
    if a == b:
        raise RuntimeError(f"diagonal dimensions cannot be identical {dim1}, {dim2}")
    return Diagonal.apply(input, offset, a, b)


def contiguous(self, memory_format=None):
    """This tensor, or a copy if its elements do not lie in C order (or in channels-last order, if asked for)."""
    if self.is_contiguous(memory_format=memory_format):
        return self
    if memory_format is not None and str(memory_format).endswith("channels_last"):
        if self.ndim != 4:
            raise RuntimeError("required rank 4 tensor to use channels_last format")
        return Copy.apply(self.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)
    return Copy.apply(self)


def clone(input, *, memory_format=None):
    """A copy, through which gradients flow: of images that lie channels last in the same order, else in C order, or in
    the order that is asked for."""
    kept = memory_format is None or str(memory_format).endswith("preserve_format")
    if input.ndim == 4 and (str(memory_format).endswith("channels_last") or kept and not input.is_contiguous()
                            and input.is_contiguous(memory_format="channels_last")):
        return Copy.apply(input.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)
    return Copy.apply(input)
