"""The functions of scalar expressions on NumPy arrays: f(operands…, out=None), where NumPy has no ufunc that fits."""

from __future__ import annotations

import functools

import numpy as np

from tritonnet.kernels.elementwise.gamma import digamma, erfinv, lgamma, polygamma
from tritonnet.kernels.elementwise.special import erf, erfc, normal_cdf

BITS = {1: np.int8, 2: np.int16, 4: np.int32, 8: np.int64}


def _bits(a, like):
    """The elements of an array, or a number, as integers of the size of `like`'s elements."""
    a = a if isinstance(a, np.ndarray) else np.array(a, like.dtype)
    return a.view(BITS[a.dtype.itemsize])


def _is_zero(a):
    return not isinstance(a, np.ndarray) and a == 0


def select(c, a, b, out=None):
    """a where c, else b. `out` must not share memory with the others.

    Into an `out`, integer arithmetic on the bits does it: exact for infinities and NaN, and several times faster than
    np.where and np.copyto(where=), which branch per element.
    """
    if out is None:
        return np.where(c, a, b)
    if not isinstance(c, np.ndarray) or out.dtype == bool:
        np.copyto(out, b)
        np.copyto(out, a, where=c)
        return out
    bits = _bits(out, out)
    if _is_zero(b):
        np.multiply(_bits(a, out), c, out=bits)
    elif _is_zero(a):
        np.multiply(_bits(b, out), np.logical_not(c), out=bits)
    else:
        b = _bits(b, out)
        np.bitwise_xor(_bits(a, out), b, out=bits)
        np.multiply(bits, c, out=bits)
        np.bitwise_xor(bits, b, out=bits)
    return out


def sign(x, out=None):
    """-1, 0 or 1; 0 for NaN, as in PyTorch."""
    signs = np.asarray(np.greater(x, 0)).view(np.int8) - np.asarray(np.less(x, 0)).view(np.int8)
    if out is None:
        return signs.astype(np.asarray(x).dtype)
    np.copyto(out, signs, casting="unsafe")
    return out


def power(x, y, out=None):
    """x to the y. Integers to negative integers, which NumPy refuses: 1 and -1 have such powers, others give 0."""
    if np.result_type(x, y).kind not in "iu" or not np.any(np.less(y, 0)):
        return np.power(x, y, out=out)
    of_one = np.where(x == 1, 1, np.where(x == -1, 1 - 2 * np.bitwise_and(y, 1), 0))
    result = np.where(np.less(y, 0), of_one, np.power(x, np.maximum(y, 0)))
    if out is None:
        return result.astype(np.result_type(x, y))
    np.copyto(out, result, casting="unsafe")
    return out


def _unless_integer(ufunc):
    """A rounding function that leaves integers as they are."""

    @functools.wraps(ufunc)
    def rounded(x, out=None):
        return np.positive(x, out=out) if np.asarray(x).dtype.kind in "iu" else ufunc(x, out=out)

    return rounded


def _shift(ufunc, overflow):
    """A shift; beyond the width of the type it gives what shifting bit by bit would."""

    def shifted(x, y, out=None):
        width = 8 * np.result_type(x, y).itemsize
        outside = (np.asarray(y) < 0) | (np.asarray(y) >= width)
        result = np.where(outside, overflow(x), ufunc(x, np.where(outside, 0, y))).astype(np.result_type(x, y))
        if out is None:
            return result
        np.copyto(out, result)
        return out

    return shifted


UFUNCS = """abs exp exp2 expm1 log log2 log10 log1p sqrt sin cos tan sinh cosh tanh maximum minimum isinf isfinite fmod
    remainder floor_divide copysign hypot gcd add subtract multiply divide negative bitwise_and bitwise_or bitwise_xor
    invert greater greater_equal less less_equal equal not_equal"""
FUNCTIONS = {name: getattr(np, name) for name in UFUNCS.split()} | {
    "asin": np.arcsin, "acos": np.arccos, "atan": np.arctan, "atan2": np.arctan2, "asinh": np.arcsinh,
    "acosh": np.arccosh, "atanh": np.arctanh, "floor": _unless_integer(np.floor), "ceil": _unless_integer(np.ceil),
    "round": _unless_integer(np.rint), "trunc": _unless_integer(np.trunc), "where": select, "sign": sign, "pow": power,
    "lgamma": lgamma, "digamma": digamma, "polygamma": polygamma, "erfinv": erfinv, "erf": erf, "erfc": erfc,
    "normal_cdf": normal_cdf, "shift_left": _shift(np.left_shift, lambda x: 0),
    "shift_right": _shift(np.right_shift, lambda x: np.where(np.less(x, 0), -1, 0)),
}
#: whose `out` must not be an operand
CAREFUL = {"lgamma", "digamma", "polygamma", "erfinv", "where", "sign",
           "pow", "erf", "erfc", "normal_cdf", "shift_left", "shift_right"}
