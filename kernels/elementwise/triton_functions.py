"""The functions of scalar expressions in Triton kernels, for float32, float64 and integers.

Where Triton offers a fast and a correctly rounded version, these are the latter: what is limited by memory does not
notice. Minima and maxima keep NaN. An expression's `exp` is `exp_` here: names are looked up by the text of a function,
and `libdevice.exp` inside a function `exp` would be taken for that function.
"""

from __future__ import annotations

from tritonnet.kernels.elementwise import triton_gamma
from tritonnet.kernels.kernel import jit, libdevice, tl


@jit
def divide_(a, b):
    if b.dtype == tl.float32:
        return tl.div_rn(a, b)
    else:
        return a / b


@jit
def sqrt_(a):
    if a.dtype == tl.float32:
        return tl.sqrt_rn(a)
    else:
        return tl.sqrt(a)


@jit
def maximum_(a, b):
    return tl.where((a > b) | (a != a), a, b)


@jit
def minimum_(a, b):
    return tl.where((a < b) | (a != a), a, b)


@jit
def where_(c, a, b):
    return tl.where(c, a, b)


@jit
def abs_(a):
    return tl.abs(a)


@jit
def sign_(a):
    return (a > 0).to(a.dtype) - (a < 0).to(a.dtype)


@jit
def isinf_(a):
    if a.dtype.is_floating():
        return tl.abs(a) == float("inf")
    else:
        return a != a


@jit
def isfinite_(a):
    if a.dtype.is_floating():
        return tl.abs(a) < float("inf")
    else:
        return a == a


@jit
def exp_(a):
    return libdevice.exp(a)


@jit
def exp2_(a):
    return libdevice.exp2(a)


@jit
def expm1_(a):
    return libdevice.expm1(a)


@jit
def log_(a):
    return libdevice.log(a)


@jit
def log2_(a):
    return libdevice.log2(a)


@jit
def log10_(a):
    return libdevice.log10(a)


@jit
def log1p_(a):
    return libdevice.log1p(a)


@jit
def sin_(a):
    return libdevice.sin(a)


@jit
def cos_(a):
    return libdevice.cos(a)


@jit
def tan_(a):
    return libdevice.tan(a)


@jit
def asin_(a):
    return libdevice.asin(a)


@jit
def acos_(a):
    return libdevice.acos(a)


@jit
def atan_(a):
    return libdevice.atan(a)


@jit
def atan2_(a, b):
    return libdevice.atan2(a, b)


@jit
def copysign_(a, b):
    return libdevice.copysign(a, b)


@jit
def sinh_(a):
    return libdevice.sinh(a)


@jit
def cosh_(a):
    return libdevice.cosh(a)


@jit
def tanh_(a):
    return libdevice.tanh(a)


@jit
def asinh_(a):
    return libdevice.asinh(a)


@jit
def acosh_(a):
    return libdevice.acosh(a)


@jit
def atanh_(a):
    return libdevice.atanh(a)


@jit
def erf_(a):
    return libdevice.erf(a)


@jit
def erfc_(a):
    return libdevice.erfc(a)


@jit
def hypot_(a, b):
    return libdevice.hypot(a, b)


@jit
def normal_cdf_(a):
    return 0.5 + 0.5 * libdevice.erf(a * 0.7071067811865476)


@jit
def floor_(a):
    if a.dtype.is_floating():
        return libdevice.floor(a)
    else:
        return a


@jit
def ceil_(a):
    if a.dtype.is_floating():
        return libdevice.ceil(a)
    else:
        return a


@jit
def round_(a):
    if a.dtype.is_floating():
        return libdevice.rint(a)
    else:
        return a


@jit
def trunc_(a):
    if a.dtype.is_floating():
        return libdevice.trunc(a)
    else:
        return a


@jit
def fmod_(a, b):
    if a.dtype.is_floating():
        return libdevice.fmod(a, b)
    else:
        return a % b


@jit
def remainder_(a, b):
    """What is left of a after taking out floor(a / b) times b: it has b's sign."""
    r = fmod_(a, b)
    return tl.where((r != 0) & ((r < 0) != (b < 0)), r + b, r)


@jit
def floor_divide_(a, b):
    """floor(a / b), exact also where a / b rounds up to an integer; for floats by 0 it is a / b."""
    if a.dtype.is_floating():
        r = libdevice.fmod(a, b)
        q = (a - r) / b
        q = tl.where((r != 0) & ((r < 0) != (b < 0)), q - 1, q)
        whole = libdevice.floor(q)
        whole = tl.where(q - whole > 0.5, whole + 1, whole)
        return tl.where(b == 0, a / b, whole)
    else:
        q = a // b
        return tl.where((a % b != 0) & ((a < 0) != (b < 0)), q - 1, q)


@jit
def pow_(a, b):
    if a.dtype.is_floating():
        return libdevice.pow(a, b)
    else:
        power = a * 0 + b * 0 + 1  # squaring and multiplying, in the width of the type
        base, left = power * a, power * b
        for _ in range(63):
            power = tl.where((left & 1) != 0, power * base, power)
            base = base * base
            left = tl.where(left > 0, left >> 1, left)
        if a.dtype.is_int_signed():
            of_minus_one = tl.where((b & 1) != 0, -1, 1)
            power = tl.where(b >= 0, power, tl.where(a == 1, 1, tl.where(a == -1, of_minus_one, 0)))
        return power


@jit
def shift_left_(a, b):
    return tl.where((b < 0) | (b >= a.dtype.primitive_bitwidth), 0, a << b)


@jit
def shift_right_(a, b):
    return tl.where((b < 0) | (b >= a.dtype.primitive_bitwidth), tl.where(a < 0, -1, 0), a >> b)


FUNCTIONS = triton_gamma.FUNCTIONS | {
    name[:-1]: value for name, value in globals().items() if hasattr(value, "source") and name[-1] == "_"}
