"""Parameter and Buffer: tensors that a Module takes as its own when they are assigned to it; also without a shape."""

from __future__ import annotations

import tritonnet
from tritonnet.tensor.core import Tensor


class Parameter(Tensor):
    """A tensor to be trained; shares memory with `data` and requires gradients unless told otherwise."""

    def __new__(cls, data=None, requires_grad=True):
        return _adopt(cls, data, requires_grad)


class Buffer(Tensor):
    """A tensor that belongs to a Module but is not trained; a persistent one is part of its state_dict."""

    persistent = True

    def __new__(cls, data=None, *, persistent=True):
        buffer = _adopt(cls, data, data is not None and data.requires_grad)
        if not persistent:
            buffer.persistent = False
        return buffer


def _adopt(cls, data, requires_grad):
    """A leaf of class `cls` over the memory of `data`."""
    data = tritonnet.empty(0) if data is None else data
    if not isinstance(data, Tensor):
        raise TypeError(f"{cls.__name__}: argument 'data' must be Tensor, not {type(data).__name__}")
    made = data.detach()
    made.__class__ = cls
    return made.requires_grad_(requires_grad)


class UninitializedParameter(Parameter):
    """A parameter of a lazy layer whose shape is not known yet; optimizers may hold it already."""

    def __new__(cls, requires_grad=True, device=None, dtype=None):
        return super().__new__(cls, tritonnet.empty(0, device=device, dtype=dtype), requires_grad)

    def materialize(self, shape):
        """Memory of this shape, not yet initialised; the same object, now an ordinary Parameter."""
        self.array = tritonnet.empty(tuple(shape), device=self.device, dtype=self.dtype).array
        self.__class__ = Parameter

    def __repr__(self):
        return "<UninitializedParameter>"


class UninitializedBuffer(Buffer):
    """A buffer of a lazy layer whose shape is not known yet."""

    def __new__(cls, requires_grad=False, device=None, dtype=None, persistent=True):
        return super().__new__(cls, tritonnet.empty(0, device=device, dtype=dtype), persistent=persistent)

    def materialize(self, shape):
        """Memory of this shape, not yet initialised; an ordinary tensor from now on."""
        self.array = tritonnet.empty(tuple(shape), device=self.device, dtype=self.dtype).array
        self.__class__ = tritonnet.Tensor

    def __repr__(self):
        return "<UninitializedBuffer>"
