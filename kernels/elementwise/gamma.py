"""The gamma function's logarithm and its derivatives, and the inverse of erf, on NumPy arrays; computed in float64.

    lgamma x = log |gamma x|,    digamma = lgamma',    polygamma(n) = digamma^(n)

Each is moved SHIFT steps to the right by its recurrence, where Stirling's series (its coefficients are Bernoulli's
numbers) is exact to the last bits; what is negative is reflected: gamma(x) gamma(1 - x) = pi / sin(pi x).
erfinv: a rational approximation, as PyTorch's, made exact by two steps of Newton's method.
"""

from __future__ import annotations

import math

import numpy as np

from tritonnet.kernels.elementwise.special import erf, erfc

SHIFT = 10
BERNOULLI = (1 / 6, -1 / 30, 1 / 42, -1 / 30, 5 / 66, -691 / 2730, 7 / 6, -3617 / 510)
LOG_STIRLING = tuple(b / (2 * j * (2 * j - 1)) for j, b in enumerate(BERNOULLI, 1))  # of x^(1 - 2j) in lgamma
DIGAMMA_STIRLING = tuple(b / (2 * j) for j, b in enumerate(BERNOULLI, 1))  # of -x^(-2j) in digamma
ZETA_STIRLING = tuple(b / math.factorial(2 * j) for j, b in enumerate(BERNOULLI, 1))
LEFT = -SHIFT  # below that, derivatives from the second on are not offered


def _in_float64(function):
    """The function of a float64 array as one of arrays of any type (or numbers), with `out`."""

    def run(x, *args, out=None):
        given = np.asarray(x)
        found = function(np.atleast_1d(given).astype(np.float64), *args).reshape(given.shape)
        if out is None:
            return found.astype(given.dtype if given.dtype.kind == "f" else np.float64, copy=False)
        np.copyto(out, found, casting="unsafe")
        return out

    run.__name__, run.__doc__ = function.__name__, function.__doc__
    return run


def _series(x, coefficients):
    """The sum of c_j x^j."""
    found = np.zeros_like(x)
    for c in reversed(coefficients):
        found = found * x + c
    return found


@_in_float64
def lgamma(x):
    """log |gamma x|; infinite at 0, -1, -2, …"""
    right = np.where(x < 0.5, 1 - x, x)
    product = np.ones_like(x)
    for k in range(SHIFT):
        product *= np.where(right < 1e8, right + k, 1)
    a = np.where(right < 1e8, right + SHIFT, right)
    found = (a - 0.5) * np.log(a) - a + 0.5 * math.log(2 * math.pi) + _series(1 / (a * a), LOG_STIRLING) / a
    found -= np.log(product)
    sine = np.abs(np.sin(np.pi * (x - np.round(x))))
    found = np.where(x < 0.5, np.log(np.pi / sine) - found, found)
    found = np.where((x <= 0) & (x == np.floor(x)) | np.isinf(x), np.inf, found)
    return np.where((x == 1) | (x == 2), 0.0, found)


@_in_float64
def digamma(x):
    """The derivative of lgamma; NaN at -1, -2, …, infinite at 0."""
    right = np.where(x < 0, 1 - x, x)
    found = np.zeros_like(x)
    for k in range(SHIFT):
        found -= 1 / (right + k)
    a = right + SHIFT
    b = 1 / (a * a)
    found += np.log(a) - 0.5 / a - b * _series(b, DIGAMMA_STIRLING)
    found = np.where(x < 0, found - np.pi / np.tan(np.pi * (x - np.trunc(x))), found)
    found = np.where((x < 0) & (x == np.floor(x)), np.nan, found)
    return np.where(x == 0, -1 / x, found)


def zeta(s, x):
    """Hurwitz's zeta function: the sum of (x + k)^-s over k = 0, 1, …; float64, x > LEFT, s > 1 a number."""
    found, steps = np.zeros_like(x), 2 * SHIFT
    for k in range(steps):
        found += (x + k) ** -s
    a = x + steps
    power = a ** -s
    found += a * power / (s - 1) + 0.5 * power
    factor, power = s, power / a
    for j, c in enumerate(ZETA_STIRLING):
        found += c * factor * power
        factor, power = factor * (s + 2 * j + 1) * (s + 2 * j + 2), power / (a * a)
    return np.where((x <= 0) & (x == np.floor(x)), np.inf, np.where(x == np.inf, 0.0, found))


@_in_float64
def polygamma(x, n):
    """The n-th derivative of digamma, n > 0 a whole number; the first everywhere, further ones NaN for x < LEFT."""
    if not x.size:
        return x
    n = float(np.ravel(n)[0])  # a number that went through a buffer is an array
    sign = -1.0 if n % 2 == 0 else 1.0
    if n == 1:
        found = zeta(2.0, np.where(x < 0.5, 1 - x, x))
        sine = np.sin(np.pi * (x - np.round(x)))
        found = np.where(x < 0.5, np.pi**2 / (sine * sine) - found, found)
        return np.where((x <= 0) & (x == np.floor(x)), np.inf, found)
    return np.where(x < LEFT, np.nan, sign * math.gamma(n + 1) * zeta(float(n + 1), x))


CENTRE = ((0.886226899, -1.645349621, 0.914624893, -0.140543331), (1, -2.118377725, 1.442710462, -0.329097515,
                                                                  0.012229801))
TAIL = ((-1.970840454, -1.624906493, 3.429567803, 1.641345311), (1, 3.543889200, 1.637067800))


@_in_float64
def erfinv(y):
    """The x with erf x = y; infinite at -1 and 1, NaN beyond."""
    square = y * y
    x = y * _series(square, CENTRE[0]) / _series(square, CENTRE[1])
    z = np.sqrt(-np.log((1 - np.abs(y)) / 2))
    x = np.where(np.abs(y) > 0.7, np.copysign(_series(z, TAIL[0]) / _series(z, TAIL[1]), y), x)
    for _ in range(2):  # in the tail 1 - |y| is what is exact
        miss = np.where(np.abs(y) > 0.7, np.sign(y) * ((1 - np.abs(y)) - erfc(np.abs(x))), erf(x) - y)
        x = x - miss / (2 / math.sqrt(math.pi) * np.exp(-x * x))
    return np.where(np.abs(y) == 1, np.copysign(np.inf, y), np.where(np.abs(y) > 1, np.nan, x))
