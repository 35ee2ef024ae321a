"""Functions of each element that are made of others: steps, signs, extremes that pass over NaN."""

from __future__ import annotations

import math

import tritonnet
from tritonnet.tensor.operators import in_place
from tritonnet.tensor.special import tensors

__all__ = ["fmax", "fmin", "heaviside", "positive", "signbit", "sinc"]


def fmax(input, other):
    """The larger of two; NaN only where both are."""
    tensors("fmax", input=input, other=other)
    return tritonnet.where(other.isnan() | (input >= other), input, other)


def fmin(input, other):
    """The smaller of two; NaN only where both are."""
    tensors("fmin", input=input, other=other)
    return tritonnet.where(other.isnan() | (input <= other), input, other)


def heaviside(input, values):
    """0 below zero (and for NaN), 1 above, `values` at zero."""
    tensors("heaviside", input=input, values=values)
    if input.dtype is not values.dtype:
        raise RuntimeError("heaviside is not yet implemented for tensors with different dtypes.")
    above = (input > 0).to(input.dtype)
    return tritonnet.where(input == 0, values, above)


def positive(input):
    """The input itself; not for bools."""
    if input.dtype is tritonnet.bool:
        raise RuntimeError("The `+` operator, on a bool tensor is not supported.")
    return input


def signbit(input):
    """Whether an element is negative, -0 included."""
    return tritonnet.copysign(tritonnet.ones_like(input), input) < 0 if input.is_floating_point() else input < 0


def sinc(input):
    """sin(pi x) / (pi x), 1 at 0."""
    x = input * math.pi
    zero = x == 0
    return tritonnet.where(zero, tritonnet.ones_like(x), x.sin() / x.masked_fill(zero, 1.0))


class Steps:
    """The functions of this file as methods of Tensor."""

    __slots__ = ()


for _f in (fmax, fmin, heaviside, positive, signbit, sinc):
    setattr(Steps, _f.__name__, _f)
for _f in (heaviside, sinc):
    setattr(Steps, f"{_f.__name__}_", in_place(_f))
