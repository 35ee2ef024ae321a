"""Out of a tensor and into others: element types, devices, NumPy, Python numbers, DLPack."""

from __future__ import annotations

import numpy as np

from tritonnet import devices as places
from tritonnet import dtypes as dt
from tritonnet.autograd.function import make
from tritonnet.kernels import arrays
from tritonnet.kernels.arrays import is_host
from tritonnet.kernels.dtypes import is_float


class Convert:
    """Methods of Tensor that change its element type or its place, or turn it into something else."""

    __slots__ = ()

    def _cast(self, dtype):
        from tritonnet.autograd.ops.elementwise import Cast

        wanted = dt.numpy_dtype(dtype)
        return self if self.array.dtype == wanted else Cast.apply(self, wanted)

    def _move(self, place):
        from tritonnet.autograd.ops.shape import ToDevice

        here = None if is_host(self.array) else self.array.device
        return self if here is place else ToDevice.apply(self, place)

    def to(self, *args, dtype=None, device=None, non_blocking=False, copy=False, memory_format=None):
        """This tensor with another element type, on another device, or as another tensor is; itself if nothing changes.

        to(dtype), to(device), to(device, dtype), to(other).
        """
        for a in args:
            if isinstance(a, bool):  # non_blocking and copy, by position
                continue
            if isinstance(a, Convert):
                dtype, device = a.dtype, a.device
            elif isinstance(a, (str, int, places.device)):
                device = a
            elif a is not None:
                dtype = a
        out = self
        if dtype is not None:
            out = out._cast(dtype)
        if device is not None:
            out = out._move(places.place(device))
        if memory_format is not None:
            out = out.contiguous(memory_format=memory_format)
        return out.clone() if copy and out is self else out

    def type(self, dtype=None, non_blocking=False):
        """The name of this tensor's type, such as 'torch.FloatTensor'; with a dtype, the tensor cast to it."""
        if dtype is None:
            return legacy_name(self)
        if isinstance(dtype, str):
            return of_legacy_name(self, dtype)
        if hasattr(dtype, "place"):  # an old class such as LongTensor
            return of_legacy_name(self, ("cuda." if dtype.place == "cuda" else "") + dtype.__name__)
        return self._cast(dtype)

    def type_as(self, other):
        """Cast to the element type of another tensor, and moved to its device."""
        return self.to(other)

    def cpu(self, memory_format=None):
        """On the host."""
        return self._move(None)

    def cuda(self, device=None, non_blocking=False, memory_format=None):
        """On a GPU: the current one, or the one given."""
        return self._move(places.place(places.device("cuda") if device is None else device))

    def pin_memory(self, device=None):
        """Itself: copies to the device do not need page-locked memory here."""
        return self

    def is_pinned(self):
        """Whether the memory is page-locked: it never is."""
        return False

    def share_memory_(self):
        """Move the elements into memory that other processes see; returns this tensor. See `multiprocessing`."""
        return processes().share(self)

    def is_shared(self):
        """Whether other processes see the memory."""
        return processes().is_shared(self)

    def numpy(self, *, force=False):
        """The NumPy array that shares this tensor's memory. force=True detaches, and copies from a device."""
        if force:
            return arrays.to_host(self.array)
        if self.requires_grad:
            raise RuntimeError("Can't call numpy() on Tensor that requires grad. Use tensor.detach().numpy() instead.")
        if not is_host(self.array):
            raise TypeError(f"can't convert {self.device} device type tensor to numpy. Use Tensor.cpu() to copy the "
                            "tensor to host memory first.")
        return self.array

    def __array__(self, dtype=None, copy=None):
        host = self.numpy()
        if dtype is not None and host.dtype != dtype:
            return host.astype(dtype)
        return host.copy() if copy else host

    def __array_wrap__(self, array, context=None, return_scalar=False):
        """What a NumPy function of tensors returns: a tensor again."""
        return make(array.astype(np.uint8) if array.dtype == bool else array)

    def item(self):
        """The only element as a Python number."""
        a = self.array
        if a.size != 1:
            raise RuntimeError(f"a Tensor with {a.size} elements cannot be converted to Scalar")
        value = a.item()
        return value if isinstance(value, (bool, int, float)) else float(value)

    def tolist(self):
        """Nested lists of Python numbers; a number for a tensor without dimensions."""
        host = arrays.to_host(self.array)
        return (host if host.dtype.kind in "biuf" else host.astype(np.float64)).tolist()

    def _number(self):
        """The only element, for Python's conversions."""
        if self.array.size != 1:
            raise ValueError("only one element tensors can be converted to Python scalars")
        return self.item()

    def __float__(self):
        array = self.array
        return float(array.item() if array.size == 1 else self._number())

    def __int__(self):
        array = self.array
        return int(array.item() if array.size == 1 else self._number())

    def __complex__(self):
        return complex(self._number())

    def __index__(self):
        if is_float(self.array.dtype) or self.array.size != 1:
            raise TypeError("only integer tensors of a single element can be converted to an index")
        return int(self.item())

    def __bool__(self):
        n = self.array.size
        if n == 0:
            raise RuntimeError("Boolean value of Tensor with no values is ambiguous")
        if n > 1:
            raise RuntimeError("Boolean value of Tensor with more than one value is ambiguous")
        return bool(self.item())

    def __len__(self):
        if not self.array.shape:
            raise TypeError("len() of a 0-d tensor")
        return self.array.shape[0]

    def __repr__(self):
        from tritonnet.tensor.printing import text

        return text(self)

    def __format__(self, spec):
        return format(self.item(), spec) if not self.array.shape else object.__format__(self, spec)

    # exchange without a copy

    def __dlpack__(self, *, stream=None, max_version=None, dl_device=None, copy=None):
        if self.requires_grad:
            raise BufferError("Can't export tensors that require gradient, use tensor.detach()")
        if is_host(self.array):
            return self.array.__dlpack__(max_version=max_version, dl_device=dl_device, copy=copy)
        return self.array.__dlpack__(stream=stream)

    def __dlpack_device__(self):
        return self.array.__dlpack_device__()

    @property
    def __cuda_array_interface__(self):
        if is_host(self.array):
            raise AttributeError(f"Can't get __cuda_array_interface__ on non-CUDA tensor type: {legacy_name(self)}")
        return self.array.__cuda_array_interface__

    def storage_offset(self):
        """Elements between the start of the memory and the first element."""
        if not is_host(self.array):
            return (self.array.ptr - self.array.owner.ptr) // self.array.itemsize
        from tritonnet.autograd.tape import root

        return (self.array.ctypes.data - root(self.array).ctypes.data) // self.array.dtype.itemsize


def processes():
    """What shares memory among processes, loaded when it is first asked for."""
    from tritonnet import processes as module

    return module


def _cast_method(name, dtype):
    def cast(self, memory_format=None):
        return self._cast(dtype)

    cast.__name__, cast.__doc__ = name, f"Cast to {dtype}."
    return cast


for _name in ("float", "double", "half", "bfloat16", "int", "long", "short", "bool"):
    setattr(Convert, _name, _cast_method(_name, getattr(dt, _name)))
Convert.byte, Convert.char = _cast_method("byte", dt.uint8), _cast_method("char", dt.int8)

LEGACY = {"Float": dt.float32, "Double": dt.float64, "Half": dt.float16, "BFloat16": dt.bfloat16, "Byte": dt.uint8,
          "Char": dt.int8, "Short": dt.int16, "Int": dt.int32, "Long": dt.int64, "Bool": dt.bool}


def legacy_name(tensor):
    """The old name of a tensor's type, spelt as PyTorch does."""
    name = next((n for n, d in LEGACY.items() if d is tensor.dtype), tensor.dtype.name)
    return f"torch.{'cuda.' if tensor.is_cuda else ''}{name}Tensor"


def of_legacy_name(tensor, name):
    """The tensor cast and moved to a type given by its old name."""
    bare = name.removeprefix("torch.").removeprefix("tritonnet.")
    kind = bare.removeprefix("cuda.").removesuffix("Tensor")
    if kind not in LEGACY:
        raise ValueError(f"invalid type: {name!r}: expected one such as 'torch.FloatTensor' or "
                         "'torch.cuda.FloatTensor'")
    cast = tensor._cast(LEGACY[kind])
    return cast.cuda() if bare.startswith("cuda.") else cast.cpu()


def from_dlpack(source):
    """A tensor on the memory of any object that speaks DLPack; nothing is copied."""
    if isinstance(source, np.ndarray):
        return make(source)
    kind = source.__dlpack_device__()[0]
    if int(kind) == 1:
        return make(np.from_dlpack(source))
    return make(arrays.from_dlpack(source))
