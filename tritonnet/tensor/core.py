"""Tensor: an array, the node that made it, and its gradient."""

from __future__ import annotations

import numpy as np

from tritonnet import dtypes as dt
from tritonnet.autograd import views
from tritonnet.autograd.function import make, wrap_with
from tritonnet.autograd.mode import state
from tritonnet.autograd.ops.shape import Reshape
from tritonnet.devices import device_of
from tritonnet.kernels import arrays
from tritonnet.kernels.arrays import is_host
from tritonnet.kernels.dtypes import FLOATS, bool_, category
from tritonnet.tensor.convert import Convert
from tritonnet.tensor.elementwise import Elementwise
from tritonnet.tensor.fills import Rng
from tritonnet.tensor.gradients import Gradients
from tritonnet.tensor.index import Index
from tritonnet.tensor.linalg import Linalg
from tritonnet.tensor.memory import write
from tritonnet.tensor.moments import Moments
from tritonnet.tensor.out import resize_
from tritonnet.tensor.products import Products
from tritonnet.tensor.reals import Reals
from tritonnet.tensor.reduce import Reduce
from tritonnet.tensor.scan import Scan
from tritonnet.tensor.shape import Shape
from tritonnet.tensor.softmax import Softmax
from tritonnet.tensor.special import Special
from tritonnet.tensor.steps import Steps
from tritonnet.tensor.systems import Systems


class Size(tuple):
    """A shape: a tuple that prints as torch.Size does and knows its number of elements."""

    __slots__ = ()

    def numel(self):
        """The product of the sizes."""
        return int(np.prod(self, dtype=np.int64))

    def __repr__(self):
        return f"tritonnet.Size({list(self)})"

    def __getitem__(self, key):
        found = tuple.__getitem__(self, key)
        return Size(found) if isinstance(key, slice) else found


class Tensor(Gradients, Elementwise, Reduce, Scan, Moments, Shape, Index, Linalg, Products, Steps, Softmax,
             Special, Systems, Reals, Convert, Rng):
    """An n-dimensional array on the CPU or a GPU that records what is computed with it.

    `array` is the NumPy or device array below; `node` the operation that made it, None for a leaf; `base` how it is a
    view of another tensor. Methods carry PyTorch's names; operators broadcast and promote as PyTorch does.

    >>> import tritonnet
    >>> x = tritonnet.tensor([1.0, 2.0], requires_grad=True)
    >>> (x * x).sum().backward()
    >>> x.grad
    tensor([2., 4.])
    """

    __slots__ = ("array", "_grad", "_requires_grad", "node", "base", "__dict__", "__weakref__")
    __array_priority__ = 1000
    __hash__ = object.__hash__
    is_sparse = is_quantized = is_mkldnn = is_meta = False

    def __new__(cls, *data, dtype=None, device=None):
        """The old constructor: a nested list or an array gives float32, integers give an uninitialised shape."""
        from tritonnet.tensor.creation import legacy

        return legacy(cls, data, dtype, device)

    def __init__(self, *data, **options):  # subclasses may call it: everything was done in __new__
        pass

    # what it is

    @property
    def shape(self):
        return Size(self.array.shape)

    @property
    def dtype(self):
        return dt.DTYPES[self.array.dtype]

    @property
    def device(self):
        return device_of(self.array)

    @property
    def ndim(self):
        return self.array.ndim

    @property
    def is_cuda(self):
        return not is_host(self.array)

    @property
    def is_cpu(self):
        return is_host(self.array)

    @property
    def layout(self):
        return "tritonnet.strided"

    @property
    def itemsize(self):
        return self.array.dtype.itemsize

    @property
    def nbytes(self):
        return self.array.size * self.array.dtype.itemsize

    def size(self, dim=None):
        """The shape, or one of its sizes."""
        if dim is None:
            return Size(self.array.shape)
        if not -self.ndim <= dim < self.ndim:
            raise IndexError(f"Dimension out of range (expected to be in range of [{-self.ndim}, {self.ndim - 1}], "
                             f"but got {dim})")
        return self.array.shape[dim]

    def dim(self):
        """The number of dimensions."""
        return self.array.ndim

    ndimension = dim

    def numel(self):
        """The number of elements."""
        return self.array.size

    nelement = numel

    def element_size(self):
        """Bytes of one element."""
        return self.array.dtype.itemsize

    def stride(self, dim=None):
        """Steps between elements along each dimension, in elements."""
        item = self.array.dtype.itemsize
        steps = tuple(s // item for s in self.array.strides) if is_host(self.array) else tuple(self.array.strides)
        return steps if dim is None else steps[dim]

    def is_contiguous(self, memory_format=None):
        """Whether elements lie in C order without gaps (channels-last order on request)."""
        if memory_format is not None and str(memory_format).endswith("channels_last"):
            return self.ndim == 4 and self.permute(0, 2, 3, 1).is_contiguous()
        return self.array.flags.c_contiguous if is_host(self.array) else self.array.contiguous

    def data_ptr(self):
        """The address of the first element."""
        return self.array.ctypes.data if is_host(self.array) else self.array.ptr

    def is_floating_point(self):
        """Whether the element type is a floating-point one."""
        return self.array.dtype in FLOATS

    def is_complex(self):
        """Never: there are no complex types."""
        return False

    def is_signed(self):
        """Whether elements can be negative."""
        return self.dtype.is_signed

    def get_device(self):
        """The device's index, -1 on the CPU."""
        return -1 if is_host(self.array) else self.array.device.index

    # in-place changes

    resize_ = resize_

    def _inplace(self, op, *args, **kwargs):
        """Replace the contents by op(self, …), history included."""
        self._check_inplace()
        if self.base is not None:
            views.current_node(self)  # the base may have gained a history since this view was made
        return self._become(op.apply(self, *args, **kwargs))

    def _check_inplace(self):
        if state.grad:
            if self.requires_grad and self.node is None:
                raise RuntimeError("a leaf Variable that requires grad is being used in an in-place operation.")
            if self.base is not None and self.base.root.requires_grad:
                if self.base.root.node is None:
                    raise RuntimeError("a view of a leaf Variable that requires grad is being used in an in-place "
                                       "operation.")
                if not self.requires_grad:
                    raise RuntimeError("A view was created in no_grad mode and is being modified inplace with grad "
                                       "mode enabled. Given that this use case is ambiguous and error-prone, it is "
                                       "forbidden. You can clarify your code by moving both the view and the inplace "
                                       "either both inside the no_grad block (if you don't want the inplace to be "
                                       "tracked) or both outside (if you want the inplace to be tracked).")

    def _become(self, out):
        """Take over the value and the history of `out`, keeping memory, shape and element type."""
        mine, new = self.array, out.array
        if new.shape != mine.shape:
            raise RuntimeError(f"output with shape {list(mine.shape)} doesn't match the broadcast shape "
                               f"{list(new.shape)}")
        if new.dtype != mine.dtype:
            if category(new.dtype) > category(mine.dtype) and not (mine.dtype == bool_ and new.dtype == bool_):
                raise RuntimeError(f"result type {out.dtype} can't be cast to the desired output type {self.dtype}")
            out = out._cast(self.dtype)
        if out.node is None:
            if out.requires_grad:  # a leaf: its gradient goes to it, not to this tensor
                out = Reshape.apply(out, new.shape)
        elif out.node.saved:
            out.node.save_copy_of(mine)
        write(mine, out.array)
        if state.grad and (out.requires_grad or self.requires_grad):
            views.rebase(self, out)
        return self

    def __deepcopy__(self, memo):
        if self.grad_fn is not None:
            raise RuntimeError("Only Tensors created explicitly by the user (graph leaves) support the deepcopy "
                               "protocol at the moment.")
        if id(self) not in memo:
            copied = memo[id(self)] = self._like(self.array.copy())
            copied._requires_grad = self._requires_grad
            copied.grad = None if self.grad is None else self.grad.__deepcopy__(memo)
            copied.__dict__.update(self.__dict__)
        return memo[id(self)]

    def _like(self, array):
        """A leaf of the same class around another array."""
        made = make(array)
        if type(self) is not Tensor:
            made.__class__ = type(self)
        return made

    def __reduce_ex__(self, protocol):
        host = arrays.to_host(self.array)
        return rebuild, (type(self), host, self.requires_grad, str(self.device)), self.__dict__ or None


def rebuild(cls, host, requires_grad, device):
    """Unpickle: a tensor from its host copy."""
    made = make(host)
    if device != "cpu":
        made = made.to(device)
    made.__class__, made._requires_grad = cls, requires_grad
    return made


wrap_with(Tensor)
