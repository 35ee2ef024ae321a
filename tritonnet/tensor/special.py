"""The gamma function's family, logarithms of probabilities, whole numbers' divisors, and the like, of each element."""

from __future__ import annotations

import math
import typing

import numpy as np

import tritonnet
from tritonnet.autograd import function
from tritonnet.autograd.function import make
from tritonnet.autograd.ops import elementwise as ops
from tritonnet.autograd.ops import special
from tritonnet.kernels.arrays import is_host, to_device, to_host
from tritonnet.tensor.operators import in_place, in_place_method

__all__ = ["round", "lgamma", "digamma", "polygamma", "mvlgamma", "erfinv", "hypot", "xlogy", "logit", "gcd", "lcm",
           "ldexp", "frexp", "logaddexp2", "nextafter"]


class MantissaAndExponent(typing.NamedTuple):
    """What frexp returns."""

    mantissa: object
    exponent: object


def tensors(name, **given):
    """Raise TypeError, with PyTorch's words, unless the arguments are tensors."""
    for place, (argument, value) in enumerate(given.items(), 1):
        if not isinstance(value, function.Tensor):
            raise TypeError(f"{name}(): argument '{argument}' (position {place}) must be Tensor, not "
                            f"{type(value).__name__}")


def round(input, *, decimals=0):
    """The nearest whole number, halves to the even one; or the nearest with so many decimals (negative: tens, …)."""
    if not decimals:
        return ops.Round.apply(input)
    if not input.is_floating_point():
        raise NotImplementedError(f"round with decimals is not implemented for {input.dtype}")
    scale = 10.0 ** abs(decimals)
    return ops.Round.apply(input * scale) / scale if decimals > 0 else ops.Round.apply(input / scale) * scale


def lgamma(input):
    """log |gamma(input)|."""
    return special.Lgamma.apply(input)


def digamma(input):
    """The derivative of lgamma."""
    return special.Digamma.apply(input)


def polygamma(n, input):
    """The n-th derivative of digamma; from the second on NaN for input < -10."""
    if not isinstance(n, int):
        n, input = input, n  # x.polygamma(n)
    if n < 0:
        raise RuntimeError("polygamma(n, x) does not support negative n.")
    return special.Polygamma.apply(input, n) if n else special.Digamma.apply(input)


def mvlgamma(input, p):
    """log of the gamma function of p dimensions: p (p - 1) / 4 log pi + the sum of lgamma(input - i / 2), i < p."""
    if p < 1:
        raise RuntimeError("p has to be greater than or equal to 1")
    steps = tritonnet.arange(p, dtype=input.dtype if input.is_floating_point() else None, device=input.device) / 2
    return lgamma(input.unsqueeze(-1) - steps).sum(-1) + p * (p - 1) / 4 * math.log(math.pi)


def erfinv(input):
    """The y with erf(y) = input."""
    return special.Erfinv.apply(input)


def hypot(input, other):
    """The length of the hypotenuse, sqrt(input^2 + other^2), without overflow."""
    tensors("hypot", input=input, other=other)
    return special.Hypot.apply(input, other)


def xlogy(input, other):
    """input log(other), and 0 where input is 0 and other is not NaN; one of them may be a number."""
    if not any(isinstance(a, function.Tensor) for a in (input, other)):
        raise TypeError("xlogy() received an invalid combination of arguments - got "
                        f"({type(input).__name__}, {type(other).__name__}): one must be a Tensor")
    return special.Xlogy.apply(input, other)


def logit(input, eps=None):
    """log(x / (1 - x)), with x first clamped to [eps, 1 - eps]."""
    if eps is not None:
        input = ops.Clamp.apply(input if input.is_floating_point() else input.to(tritonnet.get_default_dtype()),
                                eps, 1 - eps)
    return special.Logit.apply(input)


def gcd(input, other):
    """The greatest common divisor of whole numbers."""
    tensors("gcd", input=input, other=other)
    return special.Gcd.apply(input, other)


def lcm(input, other):
    """The least common multiple of whole numbers; 0 where one of them is."""
    divisor = gcd(input, other)
    return abs(tritonnet.floor_divide(input, divisor.masked_fill(divisor == 0, 1)) * other)


def ldexp(input, other):
    """input times 2 to the power other."""
    return input * tritonnet.exp2(other.to(input.dtype if input.is_floating_point() else tritonnet.float32))


def frexp(input):
    """(mantissa, exponent): input = mantissa 2^exponent with |mantissa| in [0.5, 1); exponents are int32.

    What is on a GPU makes the round trip to the host.
    """
    if not input.is_floating_point():
        raise RuntimeError("torch.frexp() only supports floating-point dtypes")
    host = to_host(input.array)
    exponent = np.asarray(np.frexp(host.astype(np.float64))[1], np.int32)
    exponent = make(exponent if is_host(input.array) else to_device(exponent, input.array.device))
    half = tritonnet.div(exponent, 2, rounding_mode="floor")  # in two steps: 2^149 is no float32
    wide = input.double()
    mantissa = wide / tritonnet.exp2(half.double()) / tritonnet.exp2((exponent - half).double())
    mantissa = tritonnet.where(wide.isfinite(), mantissa, wide)
    return MantissaAndExponent(mantissa.to(input.dtype), exponent)


def logaddexp2(input, other):
    """log2(2^input + 2^other), without overflow."""
    tensors("logaddexp2", input=input, other=other)
    larger, difference = tritonnet.maximum(input, other), abs(input - other)
    both = larger + tritonnet.log1p(tritonnet.exp2(-difference)) / math.log(2)
    return tritonnet.where(input == other, larger + 1, both)


def nextafter(input, other):
    """The next number of the element type after input in the direction of other. No gradient."""
    tensors("nextafter", input=input, other=other)
    if not input.is_floating_point() or input.dtype is not other.dtype:
        raise NotImplementedError(f"nextafter is not implemented for {input.dtype} and {other.dtype}")
    x, y = (t.contiguous() for t in tritonnet.broadcast_tensors(input.detach(), other.detach()))
    bits = x.view({2: tritonnet.int16, 4: tritonnet.int32, 8: tritonnet.int64}[x.itemsize])
    away = (y > x) == (x > 0)  # from zero: the next bit pattern is the next number
    stepped = tritonnet.where(away, bits + 1, bits - 1).view(x.dtype)
    least = tritonnet.ones_like(bits).view(x.dtype)
    stepped = tritonnet.where(x == 0, tritonnet.copysign(least, y), stepped)
    return tritonnet.where(x == y, y, tritonnet.where(x.isnan() | y.isnan(), x + y, stepped))


class Special:
    """The functions of this file as methods of Tensor."""

    __slots__ = ()

    def polygamma(self, n):
        """The n-th derivative of digamma."""
        return polygamma(n, self)


for _f in (round, lgamma, digamma, mvlgamma, erfinv, hypot, xlogy, logit, gcd, lcm, ldexp, frexp, logaddexp2,
           nextafter):
    setattr(Special, _f.__name__, _f)
    if _f not in (frexp, logaddexp2):
        setattr(Special, f"{_f.__name__}_", in_place(_f))
Special.polygamma_ = in_place(Special.polygamma)
for _name, _op in {"lgamma_": special.Lgamma, "digamma_": special.Digamma, "erfinv_": special.Erfinv}.items():
    setattr(Special, _name, in_place_method(_op))
