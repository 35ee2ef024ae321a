"""An array on a device: address, shape, strides, dtype, and the owner that keeps the memory alive."""

from __future__ import annotations

import math

import numpy as np

from tritonnet.kernels.arrays import views
from tritonnet.kernels.dtypes import TRITON_NAMES

KINDS = {dtype: "*" + name for dtype, name in TRITON_NAMES.items()}  # of pointers, as Triton writes them


class DeviceArray:
    """What kernels work on. It has no arithmetic: call the functions of `tritonnet.kernels`.

    ptr: address of element [0, …, 0]. strides: in elements, as kernels want them. owner: whoever keeps the memory, an
    allocation of the pool or an exporter from another library. Views share the owner. `ptr`, `kind` and `device` are
    what the dispatcher reads.
    """

    __slots__ = ("ptr", "kind", "shape", "strides", "dtype", "device", "owner", "__weakref__")
    __array_priority__ = 1000  # ndarray's operators leave it alone

    def __init__(self, ptr, shape, strides, dtype, device, owner):
        self.ptr, self.shape, self.strides, self.dtype = ptr, shape, strides, dtype
        self.kind, self.device, self.owner = KINDS[dtype], device, owner

    ndim = property(lambda self: len(self.shape))
    size = property(lambda self: math.prod(self.shape))
    itemsize = property(lambda self: self.dtype.itemsize)
    nbytes = property(lambda self: math.prod(self.shape) * self.dtype.itemsize)
    contiguous = property(lambda self: views.is_contiguous(self.shape, self.strides), doc="whether in C order")

    def __len__(self):
        if not self.shape:
            raise TypeError("len() of a 0-d array")
        return self.shape[0]

    def __repr__(self):
        layout = "" if self.contiguous else f", strides {list(self.strides)}"
        return f"DeviceArray({self.dtype.name}{list(self.shape)} on {self.device}{layout})"

    # NumPy meets a device array only when operands of one operation lie in different places

    def __array_ufunc__(self, *args, **kwargs):
        raise RuntimeError(f"Expected all tensors to be on the same device, but found at least two devices, "
                           f"cuda:{self.device.index} and cpu!")

    def __array_function__(self, *args, **kwargs):
        self.__array_ufunc__()

    def __array__(self, dtype=None, copy=None):
        self.__array_ufunc__()

    # views

    def view(self, shape, strides, offset=0) -> DeviceArray:
        """Another look at the same memory; strides and offset in elements."""
        return DeviceArray(
            self.ptr + offset * self.dtype.itemsize, shape, strides, self.dtype, self.device, self.owner)

    def __getitem__(self, key) -> DeviceArray:
        """A view by NumPy's rules for ints, slices (steps of either sign), None and Ellipsis."""
        return self.view(*views.indexed(self.shape, self.strides, key))

    def transpose(self, *axes) -> DeviceArray:
        """The axes in another order, by default reversed."""
        if len(axes) == 1 and not isinstance(axes[0], int):
            axes = tuple(axes[0]) if axes[0] is not None else ()
        axes = views.permutation(axes, len(self.shape))
        return self.view(tuple(self.shape[a] for a in axes), tuple(self.strides[a] for a in axes))

    T = property(lambda self: self.view(self.shape[::-1], self.strides[::-1]), doc="all axes reversed")

    def reshape(self, *shape) -> DeviceArray:
        """The same elements in C order under another shape: a view where strides allow, else a copy."""
        if len(shape) == 1 and not isinstance(shape[0], (int, np.integer)):
            shape = tuple(shape[0])
        shape = views.completed(shape, self.size)
        strides = views.reshaped_strides(self.shape, self.strides, shape)
        if strides is None:
            return self.copy().view(shape, views.c_strides(shape))
        return self.view(shape, strides)

    def broadcast_to(self, shape) -> DeviceArray:
        """A read-only view repeated along new axes and axes of length 1, whose strides become 0."""
        return self.view(tuple(shape), views.broadcast_strides(self.shape, self.strides, tuple(shape)))

    # copies

    def copy(self) -> DeviceArray:
        """A C-contiguous copy."""
        from tritonnet.kernels.strided import copy_to

        fresh = DeviceArray.empty(self.shape, self.dtype, self.device)
        copy_to(fresh, self)
        return fresh

    def astype(self, dtype, copy=True) -> DeviceArray:
        """The elements as another type, rounded to nearest; float to int truncates. C-contiguous."""
        from tritonnet.kernels.strided import copy_to

        dtype = np.dtype(dtype)
        if dtype == self.dtype and not copy:
            return self
        fresh = DeviceArray.empty(self.shape, dtype, self.device)
        copy_to(fresh, self)
        return fresh

    def numpy(self) -> np.ndarray:
        """A copy on the host, in C order. Waits for the device."""
        from tritonnet.kernels.arrays.transfer import download

        return download(self)

    def item(self):
        """The only element as a Python number. Waits for the device."""
        if self.size != 1:
            raise ValueError(f"item() needs exactly one element, this array has shape {self.shape}")
        return self.numpy().item()

    # other libraries

    def __dlpack_device__(self):
        from tritonnet.kernels.arrays.exchange import dlpack_device

        return dlpack_device(self)

    def __dlpack__(self, *, stream=None, max_version=None, dl_device=None, copy=None):
        """Share the memory by DLPack, without a copy and on the device where it is; see `arrays.from_dlpack`."""
        from tritonnet.kernels.arrays.exchange import dlpack_device, to_dlpack

        if copy or dl_device not in (None, dlpack_device(self)):
            raise BufferError(f"{self} is shared without a copy, where it is; use .numpy() or to_device first")
        return to_dlpack(self, stream)

    @property
    def __cuda_array_interface__(self):
        from tritonnet.kernels.arrays.exchange import cuda_array_interface

        return cuda_array_interface(self)

    @staticmethod
    def empty(shape, dtype, device, name="") -> DeviceArray:
        """Uninitialised memory of the device's pool, in C order."""
        shape, dtype = tuple(shape), np.dtype(dtype)
        owner = device.pool.take(math.prod(shape) * dtype.itemsize, name)
        return DeviceArray(owner.ptr, shape, views.c_strides(shape), dtype, device, owner)
