"""Views and new arrangements of elements, see kernels/shape.py."""

from tritonnet.autograd.ops.shape.arrange import Cat, Flip, Pad, Stack, Tril, Triu
from tritonnet.autograd.ops.shape.cut import Cut
from tritonnet.autograd.ops.shape.views import (
    Copy,
    Diagonal,
    Expand,
    Permute,
    Reshape,
    Slice,
    ToDevice,
    Undiagonal,
    Unslice,
)

__all__ = [
    "Cat", "Copy", "Cut", "Diagonal", "Expand", "Flip", "Pad", "Permute", "Reshape", "Slice", "Stack", "ToDevice",
    "Tril", "Triu", "Undiagonal", "Unslice",
]
