"""New tensors from data and shapes; random ones are in rng.py, ranges in ranges.py."""

from __future__ import annotations

import numbers

import numpy as np

from tritonnet import dtypes as dt
from tritonnet.autograd.function import make
from tritonnet.devices import place
from tritonnet.kernels import arrays, dtypes
from tritonnet.kernels.arrays import is_host
from tritonnet.tensor.convert import from_dlpack
from tritonnet.tensor.core import Tensor

__all__ = [
    "tensor", "as_tensor", "asarray", "from_numpy", "from_dlpack", "zeros", "ones", "empty", "full", "zeros_like",
    "ones_like", "empty_like", "full_like", "eye", "scalar_tensor",
]


SCALARS = (bool, int, float)


def _host_array(data, dtype=None):
    """A NumPy array of nested lists, arrays, tensors or numbers, Python floats as the default type or the one asked."""
    if isinstance(data, np.ndarray):
        dt.from_numpy_dtype(data.dtype)
        return data if all(s >= 0 for s in data.strides) else data.copy()
    if isinstance(data, Tensor):
        return arrays.to_host(data.array)
    if isinstance(data, np.generic):
        return np.asarray(data)
    if hasattr(data, "__array__") and not isinstance(data, (list, tuple)):
        return np.asarray(data)
    try:
        found = np.array(data)
    except ValueError:
        raise ValueError(_ragged(data)) from None
    if found.dtype == object and isinstance(data, (list, tuple)):
        found = np.array([_host_array(d, dtype) for d in data])
    if found.dtype.kind in "OUSV":
        raise _not_numbers(data)
    if found.dtype.kind == "c":
        raise TypeError("tensor: complex numbers are not offered")
    if dtype is None and found.dtype == np.float64:
        found = found.astype(_float_type(data) if isinstance(data, (list, tuple)) else dtypes.default_float, copy=False)
    if found.dtype == np.uint64 and found.size:
        raise RuntimeError("Overflow when unpacking long: a Python integer does not fit int64")
    return found


def _float_type(data):
    """The type of nested lists that NumPy makes float64: the widest of theirs, Python's floats as the default type."""
    kinds = set(map(type, data)) if isinstance(data, (list, tuple)) else set()
    found = {dtypes.default_float} if float in kinds else set()
    found |= {np.dtype(kind) for kind in kinds if issubclass(kind, np.generic)}
    if any(kind not in SCALARS and not issubclass(kind, np.generic) for kind in kinds):
        for part in data:
            if isinstance(part, (list, tuple)):
                found.add(_float_type(part))
            elif hasattr(part, "__array__"):
                found.add(part.array.dtype if isinstance(part, Tensor) else np.asarray(part).dtype)
    floats = {d for d in found if dtypes.is_float(d)}
    return np.result_type(*floats) if floats else dtypes.default_float


def _not_numbers(data):
    """The error for data that are no numbers, about the first of them."""
    if isinstance(data, (list, tuple)):
        for d in data:
            if not isinstance(d, numbers.Number):
                return _not_numbers(d)
        return ValueError(f"tensor: an integer in {data!r} does not fit int64")
    if isinstance(data, int):
        return ValueError(f"tensor: {data} does not fit int64")
    if isinstance(data, (str, bytes)) or hasattr(data, "shape"):
        given = f"{data!r} ({type(data).__name__})" if not hasattr(data, "shape") else f"an array of {data.dtype}"
        return TypeError(f"tensor: expected numbers, nested lists of numbers or an array, got {given}")
    return RuntimeError(f"Could not infer dtype of {type(data).__name__}: tensor takes numbers, nested lists of them "
                        "and arrays")


def _ragged(data):
    """What is uneven in nested lists."""
    lengths = [len(d) if hasattr(d, "__len__") else None for d in data]
    odd = next((i for i, n in enumerate(lengths) if n != lengths[0]), 0)
    return (f"expected sequence of length {lengths[0]} at dim 1 (got {lengths[odd]})" if None not in lengths
            else "expected nested sequences of equal lengths")


def _finish(host, device, requires_grad):
    """A leaf from a host array that nobody else holds."""
    where = place(device)
    made = make(host if where is None else arrays.to_device(host, where))
    return made.requires_grad_() if requires_grad else made


def tensor(data, *, dtype=None, device=None, requires_grad=False, pin_memory=False):
    """A new leaf with a copy of data: numbers, nested lists, NumPy arrays or tensors.

    Python floats become float32 (the default type), integers int64; NumPy arrays keep their type.

    >>> import tritonnet
    >>> tritonnet.tensor([[1, 2], [3, 4]]).dtype
    tritonnet.int64
    """
    host = _host_array(data, dtype)
    if dtype is None and isinstance(data, (list, tuple)) and not host.size and not hasattr(data, "dtype"):
        host = host.astype(dtypes.default_float)
    wanted = None if dtype is None else dt.numpy_dtype(dtype)
    if wanted is not None and isinstance(data, int) and wanted.kind in "iu":
        limits = np.iinfo(wanted)
        if not limits.min - (limits.max + 1 if wanted.kind == "u" else 0) <= data <= limits.max:
            raise RuntimeError(f"value cannot be converted to type {wanted.name} without overflow: {data}")
    host = np.array(host, dtype=wanted, order="C")
    if device is None and isinstance(data, Tensor) and not is_host(data.array):
        device = data.device
    return _finish(host, device, requires_grad)


def as_tensor(data, dtype=None, device=None):
    """A tensor of data, without a copy where none is needed: a tensor stays itself, a NumPy array is shared."""
    if isinstance(data, Tensor):
        made = data if dtype is None else data._cast(dtype)
        return made if device is None else made.to(device)
    host = _host_array(data, dtype)
    wanted = host.dtype if dtype is None else dt.numpy_dtype(dtype)
    return _finish(host if host.dtype == wanted else host.astype(wanted), device, False)


def asarray(obj, *, dtype=None, device=None, copy=None, requires_grad=False):
    """As as_tensor; copy=True copies always."""
    made = tensor(obj, dtype=dtype, device=device) if copy else as_tensor(obj, dtype=dtype, device=device)
    return made.requires_grad_() if requires_grad else made


def from_numpy(array):
    """A tensor on the memory of a NumPy array."""
    if not isinstance(array, np.ndarray):
        raise TypeError(f"expected np.ndarray (got {type(array).__name__})")
    dt.from_numpy_dtype(array.dtype)
    if any(s < 0 for s in array.strides):
        raise ValueError("At least one stride in the given numpy array is negative, and tensors with negative strides "
                         "are not currently supported: make a copy of it with array.copy().")
    return make(array)


def shape_of(size):
    """A shape given as integers, one sequence, or tensors."""
    if len(size) == 1 and not isinstance(size[0], (int, np.integer)) and hasattr(size[0], "__iter__"):
        size = tuple(size[0])
    try:
        size = tuple(int(n.__index__()) for n in size)
    except (TypeError, AttributeError):
        raise TypeError(f"a shape must be integers, got {size}") from None
    for n in size:
        if n < 0:
            raise RuntimeError(f"Trying to create tensor with negative dimension {n}: {list(size)}")
    return size


def _filled(shape, value, dtype, device, requires_grad):
    array = arrays.full(shape, value, dt.numpy_dtype(dtype), place(device))
    made = make(array)
    return made.requires_grad_() if requires_grad else made


def _default(dtype):
    return dtypes.default_float if dtype is None else dtype


def zeros(*shape, size=None, dtype=None, device=None, requires_grad=False):
    """A tensor of zeros."""
    return _filled(shape_of(shape if size is None else size), 0, _default(dtype), device, requires_grad)


def ones(*shape, size=None, dtype=None, device=None, requires_grad=False):
    """A tensor of ones."""
    return _filled(shape_of(shape if size is None else size), 1, _default(dtype), device, requires_grad)


def empty(*shape, size=None, dtype=None, device=None, requires_grad=False, memory_format=None, pin_memory=False):
    """A tensor with whatever was in its memory."""
    array = arrays.empty(shape_of(shape if size is None else size), dt.numpy_dtype(_default(dtype)), place(device))
    made = make(array)
    return made.requires_grad_() if requires_grad else made


def full(size, fill_value, *, dtype=None, device=None, requires_grad=False):
    """A tensor of one value; its element type follows the value (bool, int64, or the default float)."""
    if isinstance(fill_value, Tensor):
        fill_value = fill_value.item()
    if not isinstance(fill_value, numbers.Number):
        raise TypeError(f"full(): argument 'fill_value' must be Number, not {type(fill_value).__name__}")
    if dtype is None:
        dtype = type(fill_value) if isinstance(fill_value, (bool, int)) else dtypes.default_float
    return _filled(shape_of((size,)), fill_value, dtype, device, requires_grad)


def scalar_tensor(value, *, dtype=None, device=None, requires_grad=False):
    """A tensor without dimensions."""
    return full((), value, dtype=_default(dtype), device=device, requires_grad=requires_grad)


def _like(x, value, dtype, device, requires_grad):
    made = make(arrays.full(x.array.shape, value, x.array.dtype if dtype is None else dt.numpy_dtype(dtype),
                            x.array if device is None else place(device)))
    return made.requires_grad_() if requires_grad else made


def zeros_like(x, *, dtype=None, device=None, requires_grad=False, memory_format=None):
    """Zeros in the shape, type and place of another tensor."""
    return _like(x, 0, dtype, device, requires_grad)


def ones_like(x, *, dtype=None, device=None, requires_grad=False, memory_format=None):
    """Ones in the shape, type and place of another tensor."""
    return _like(x, 1, dtype, device, requires_grad)


def full_like(x, fill_value, *, dtype=None, device=None, requires_grad=False, memory_format=None):
    """One value in the shape, type and place of another tensor."""
    return _like(x, fill_value, dtype, device, requires_grad)


def empty_like(x, *, dtype=None, device=None, requires_grad=False, memory_format=None):
    """Uninitialised, in the shape, type and place of another tensor."""
    made = make(arrays.empty(x.array.shape, x.array.dtype if dtype is None else dt.numpy_dtype(dtype),
                             x.array if device is None else place(device)))
    return made.requires_grad_() if requires_grad else made


def eye(n, m=None, *, dtype=None, device=None, requires_grad=False):
    """Ones on the diagonal, zeros elsewhere."""
    for name, size in (("n", n), ("m", 0 if m is None else m)):
        if size < 0:
            raise RuntimeError(f"{name} must be greater or equal to 0, got {size}")
    return _finish(np.eye(n, m, dtype=dt.numpy_dtype(_default(dtype))), device, requires_grad)


def legacy(cls, data, dtype, device):
    """Tensor(2, 3) is uninitialised, Tensor([…]) holds data, both of the default float type."""
    if len(data) == 1 and not isinstance(data[0], (int, np.integer)):
        made = as_tensor(data[0], device=device)
        made = make(made._cast(dtype or dtypes.default_float).array)
    else:
        made = empty(*data, dtype=dtype, device=device) if data else empty(0, dtype=dtype, device=device)
    made.__class__ = cls
    return made


def _new(name, fill):
    def method(self, *size, dtype=None, device=None, requires_grad=False):
        return fill(*size, dtype=self.dtype if dtype is None else dtype,
                    device=self.device if device is None else device, requires_grad=requires_grad)

    method.__name__, method.__doc__ = name, f"As tritonnet.{fill.__name__}, in this tensor's type and place."
    return method


for _fill in (zeros, ones, empty, full, tensor):
    setattr(Tensor, f"new_{_fill.__name__}", _new(f"new_{_fill.__name__}", _fill))


def _old_new(self, *data, device=None):
    """As new_empty of a shape, or new_tensor of data: PyTorch's old spelling."""
    device = self.device if device is None else device
    return legacy(Tensor, data, self.dtype, device)


Tensor.new = _old_new
