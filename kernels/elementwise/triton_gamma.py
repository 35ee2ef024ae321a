"""The functions of gamma.py in Triton kernels, by the same formulas, and whole numbers' greatest common divisor."""

from __future__ import annotations

from tritonnet.kernels.kernel import jit, libdevice, tl


@jit
def lgamma_(x):
    return libdevice.lgamma(x)


@jit
def erfinv_(x):
    return libdevice.erfinv(x)


@jit
def digamma_(x):
    right = tl.where(x < 0, 1 - x, x)
    found = -1 / right
    for k in tl.static_range(1, 10):
        found -= 1 / (right + k)
    a = right + 10
    b = 1 / (a * a)
    series = b * 0 - 3617 / 8160
    series = series * b + 1 / 12
    series = series * b - 691 / 32760
    series = series * b + 1 / 132
    series = series * b - 1 / 240
    series = series * b + 1 / 252
    series = series * b - 1 / 120
    series = series * b + 1 / 12
    found += libdevice.log(a) - 0.5 / a - b * series
    found = tl.where(x < 0, found - 3.141592653589793 / libdevice.tan(3.141592653589793 * (x - libdevice.trunc(x))),
                     found)
    found = tl.where((x < 0) & (x == libdevice.floor(x)), float("nan"), found)
    return tl.where(x == 0, -1 / x, found)


@jit
def zeta_(s, x):
    """Hurwitz's zeta function, x > -10."""
    found = libdevice.pow(x, -s)
    for k in range(1, 20):
        found += libdevice.pow(x + k, -s)
    a = x + 20
    power = libdevice.pow(a, -s)
    found += a * power / (s - 1) + 0.5 * power
    power = power / a
    factor = s
    found += factor * power / 12
    factor, power = factor * (s + 1) * (s + 2), power / (a * a)
    found -= factor * power / 720
    factor, power = factor * (s + 3) * (s + 4), power / (a * a)
    found += factor * power / 30240
    factor, power = factor * (s + 5) * (s + 6), power / (a * a)
    found -= factor * power / 1209600
    return tl.where((x <= 0) & (x == libdevice.floor(x)), float("inf"), tl.where(x == float("inf"), 0.0, found))


@jit
def polygamma_(x, n):
    """n: a number; 1, or more for x > -10."""
    n = tl.where(x == x, 0.0, 0.0).to(x.dtype) + n  # for each element, in its type
    mirrored = (n == 1) & (x < 0.5)
    found = zeta_(n + 1, tl.where(mirrored, 1 - x, x))
    sine = libdevice.sinpi(x)
    even = libdevice.fmod(n, n * 0 + 2) == 0
    scaled = tl.where(even, -1.0, 1.0) * libdevice.exp(libdevice.lgamma(n + 1)) * found
    scaled = tl.where((n > 1) & (x < -10), float("nan"), scaled)
    at_pole = (x <= 0) & (x == libdevice.floor(x))
    return tl.where(mirrored, tl.where(at_pole, float("inf"), 9.869604401089358 / (sine * sine) - found), scaled)


@jit
def gcd_(a, b):
    """Euclid's algorithm; 92 steps are enough for 64 bits."""
    a, b = tl.abs(a) + b * 0, tl.abs(b) + a * 0  # of one shape
    for _ in range(92):
        rest = tl.where(b == 0, 0, a % tl.where(b == 0, 1, b))
        a, b = tl.where(b == 0, a, b), rest
    return a


FUNCTIONS = {name[:-1]: value for name, value in globals().items() if hasattr(value, "source") and name[-1] == "_"}
