"""Padding layers for one, two and three dimensions."""

from __future__ import annotations

from tritonnet.nn import functional as F
from tritonnet.nn.modules.module import Module
from tritonnet.nn.modules.sizes import ntuple


class _Pad(Module):
    """Pads the last `ndim` dimensions; padding: one number, or (left, right) of each, the last one first."""

    ndim, mode, value = 0, "constant", None

    def __init__(self, padding):
        super().__init__()
        self.padding = ntuple(padding, 2 * self.ndim)

    def forward(self, input):
        return F.pad(input, self.padding, self.mode, self.value)

    def extra_repr(self):
        return f"{self.padding}"


class _ConstantPad(_Pad):
    def __init__(self, padding, value):
        super().__init__(padding)
        self.value = value

    def extra_repr(self):
        return f"padding={self.padding}, value={self.value}"


class ConstantPad1d(_ConstantPad):
    """Pads (…, L) with `value`."""

    ndim = 1


class ConstantPad2d(_ConstantPad):
    """Pads (…, H, W) with `value`."""

    ndim = 2


class ConstantPad3d(_ConstantPad):
    """Pads (…, D, H, W) with `value`."""

    ndim = 3


class ZeroPad1d(_Pad):
    """Pads (…, L) with zeros."""

    ndim, value = 1, 0.0


class ZeroPad2d(_Pad):
    """Pads (…, H, W) with zeros."""

    ndim, value = 2, 0.0


class ZeroPad3d(_Pad):
    """Pads (…, D, H, W) with zeros."""

    ndim, value = 3, 0.0


class ReflectionPad1d(_Pad):
    """Pads (…, L) with its own reflection."""

    ndim, mode = 1, "reflect"


class ReflectionPad2d(_Pad):
    """Pads (…, H, W) with its own reflection."""

    ndim, mode = 2, "reflect"


class ReflectionPad3d(_Pad):
    """Pads (…, D, H, W) with its own reflection."""

    ndim, mode = 3, "reflect"


class ReplicationPad1d(_Pad):
    """Pads (…, L) with its border."""

    ndim, mode = 1, "replicate"


class ReplicationPad2d(_Pad):
    """Pads (…, H, W) with its border."""

    ndim, mode = 2, "replicate"


class ReplicationPad3d(_Pad):
    """Pads (…, D, H, W) with its border."""

    ndim, mode = 3, "replicate"


class CircularPad1d(_Pad):
    """Pads (…, L) with its other end."""

    ndim, mode = 1, "circular"


class CircularPad2d(_Pad):
    """Pads (…, H, W) with its other end."""

    ndim, mode = 2, "circular"


class CircularPad3d(_Pad):
    """Pads (…, D, H, W) with its other end."""

    ndim, mode = 3, "circular"
