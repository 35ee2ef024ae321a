"""Moving a Module's tensors to another device or type, and switching gradients on and off."""

from __future__ import annotations

import tritonnet
from tritonnet.autograd.mode import no_grad
from tritonnet.tensor.core import Tensor


def parse_to(args, kwargs):
    """(device, dtype) out of the arguments of `.to()`: a device, a dtype, both, or a tensor to follow."""
    kwargs = dict(kwargs)
    device, dtype, other = (kwargs.pop(name, None) for name in ("device", "dtype", "other"))
    for name in ("non_blocking", "copy", "memory_format"):
        kwargs.pop(name, None)
    if kwargs:
        raise TypeError(f"to() received an invalid keyword argument {next(iter(kwargs))!r}")
    for value in (*args, other):
        if isinstance(value, Tensor):
            device, dtype = value.device, value.dtype
        elif isinstance(value, tritonnet.dtype):
            dtype = value
        elif isinstance(value, (str, int, tritonnet.device)) and not isinstance(value, bool):
            device = value
        elif value is not None and not isinstance(value, bool):  # a bool is non_blocking
            raise TypeError(f"to() received an invalid combination of arguments - got {type(value).__name__}")
    return None if device is None else tritonnet.device(device), dtype


class Conversion:
    """The part of Module that applies one function to all of its tensors."""

    def _apply(self, fn, recurse=True):
        """Replace every parameter, gradient and buffer by `fn(it)`; parameters stay the same objects."""
        if recurse:
            for child in self.children():
                child._apply(fn)
        with no_grad():
            for param in self._parameters.values():
                if param is not None:
                    param.data = fn(param)
                    if param.grad is not None:
                        grad, requires_grad = param.grad, param.grad.requires_grad
                        param.grad = fn(grad).requires_grad_(requires_grad)
            for name, buffer in self._buffers.items():
                if buffer is not None:
                    self._buffers[name] = fn(buffer)
        return self

    def apply(self, fn):
        """Call `fn(module)` on every module below and then on this one; typical use: initialisation."""
        for child in self.children():
            child.apply(fn)
        fn(self)
        return self

    def to(self, *args, **kwargs):
        """Move to a device and/or change the floating-point type, in place; integer tensors keep their type.

        to(device), to(dtype), to(device, dtype), to(tensor); also by keyword. Returns the module.
        """
        device, dtype = parse_to(args, kwargs)
        if dtype is not None and not dtype.is_floating_point:
            raise TypeError(
                f"nn.Module.to only accepts floating point or complex dtypes, but got desired dtype={dtype}"
            )

        def convert(tensor):
            kind = dtype if tensor.is_floating_point() else None
            if device is None:
                return tensor if kind is None else tensor.to(kind)
            return tensor.to(device) if kind is None else tensor.to(device, kind)

        return self._apply(convert)

    def cuda(self, device=None):
        """Move to a GPU, the current one by default."""
        return self._apply(lambda t: t.cuda(device))

    def cpu(self):
        """Move to the host."""
        return self._apply(lambda t: t.cpu())

    def type(self, dst_type):
        """Cast all parameters and buffers to `dst_type`."""
        return self._apply(lambda t: t.type(dst_type))

    def _cast(self, dtype):
        return self._apply(lambda t: t.to(dtype) if t.is_floating_point() else t)

    def float(self):
        """Cast the floating-point tensors to float32."""
        return self._cast(tritonnet.float32)

    def double(self):
        """Cast the floating-point tensors to float64."""
        return self._cast(tritonnet.float64)

    def half(self):
        """Cast the floating-point tensors to float16."""
        return self._cast(tritonnet.float16)

    def bfloat16(self):
        """Cast the floating-point tensors to bfloat16."""
        return self._cast(tritonnet.bfloat16)

    def to_empty(self, *, device, recurse=True):
        """Move to a device without copying: the values are whatever lies in the fresh memory."""
        return self._apply(lambda t: tritonnet.empty_like(t, device=device), recurse=recurse)

    def share_memory(self):
        """Move parameters and buffers into memory that other processes see; see `tritonnet.multiprocessing`."""
        return self._apply(lambda t: t.share_memory_())

    def requires_grad_(self, requires_grad=True):
        """Switch gradients on or off for all parameters, as when part of a network is frozen."""
        for param in self.parameters():
            param.requires_grad_(requires_grad)
        return self

    def zero_grad(self, set_to_none=True):
        """Forget the gradients of all parameters; with set_to_none=False fill them with zeros."""
        for param in self.parameters():
            if param.grad is not None:
                if set_to_none:
                    param.grad = None
                else:
                    param.grad = param.grad.detach()
                    param.grad.zero_()
