"""PyTorch's old typed constructors: FloatTensor(2, 3), LongTensor([1, 2]), cuda.FloatTensor([1.0])."""

from __future__ import annotations

from tritonnet.tensor.convert import LEGACY
from tritonnet.tensor.core import Tensor
from tritonnet.tensor.creation import legacy


class _Typed(type):
    """isinstance(x, FloatTensor) asks for the element type and the place."""

    def __instancecheck__(cls, x):
        return isinstance(x, Tensor) and x.dtype is cls.dtype and x.device.type == cls.place

    def __call__(cls, *data, device=None):
        return legacy(Tensor, data, cls.dtype, cls.place if device is None else device)


def constructor(name, place="cpu"):
    """The class of an old type's name, such as 'FloatTensor'."""
    kind = name.removesuffix("Tensor")
    if not name.endswith("Tensor") or kind not in LEGACY:
        raise AttributeError(f"no tensor type {name!r}: expected one of {', '.join(k + 'Tensor' for k in LEGACY)}")
    doc = f"Tensors of {LEGACY[kind]} on {place}."
    return _Typed(name, (), {"dtype": LEGACY[kind], "place": place, "__doc__": doc})
