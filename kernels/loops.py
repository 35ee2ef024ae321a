"""Loops over rows that numba compiles: one pass where NumPy makes eight to twenty. Asked for by `compiled.loops_for`.

float32 in C order alone; each works on the rows it is given and lets go of the GIL, so that `host.parallel` runs it on
all cores. They compute what their mirrors do up to rounding, NaN and infinities included: LLVM may change the order of
sums, in the functions that only sum, and nothing else.
"""

from __future__ import annotations

import numba
import numpy as np

from tritonnet.kernels.elementwise.special import CDF32, INV_SQRT_2PI

f32 = np.float32
loop = numba.njit(nogil=True, cache=True, error_model="numpy", fastmath={"contract"})
summing = numba.njit(nogil=True, cache=True, error_model="numpy", fastmath={"contract", "reassoc", "nsz"})

LOG2_E, LN2_HIGH, LN2_LOW = f32(1.44269504), f32(0.693359375), f32(-2.12194440e-4)
E6, E5, E4, E3, E2, E1 = map(f32, (1.9875691500e-4, 1.3981999507e-3, 8.3334519073e-3, 4.1665795894e-2, 1.6666665459e-1,
                                   5.0000001201e-1))
C0, C1, C2, C3, C4, C5, C6 = map(f32, CDF32)
LEAST, MOST = f32(-104), f32(89)  # beyond them exp is 0 and infinite
DENSITY = f32(INV_SQRT_2PI)


@loop
def power_of_two(n):
    """2^n for n in -126 … 127, from the bits of a float."""
    return np.int32((n + 127) << 23).view(np.float32)


@loop
def exp(x):
    """exp x, to 2 ulp: 2^n exp r with |r| <= ln 2 / 2 (Cephes' expf); NaN stays."""
    x = LEAST if x < LEAST else x
    x = MOST if x > MOST else x
    n = np.rint(x * LOG2_E)
    r = x - n * LN2_HIGH - n * LN2_LOW
    p = (((((E6 * r + E5) * r + E4) * r + E3) * r + E2) * r + E1) * (r * r) + r + f32(1)
    whole = np.int32(n)
    half = np.int32(whole >> 1)
    return p * power_of_two(half) * power_of_two(whole - half)  # in two steps: 2^n alone may not be a float


@summing
def summed(x):
    """The sum of a vector."""
    total = f32(0)
    for j in range(x.size):
        total += x[j]
    return total


@summing
def products(x, shift, y, level):
    """The sum of (x - shift) (y - level), of two vectors."""
    total = f32(0)
    for j in range(x.size):
        total += (x[j] - shift) * (y[j] - level)
    return total


@summing
def deviations(x, level):
    """The sum of x - level."""
    total = f32(0)
    for j in range(x.size):
        total += x[j] - level
    return total


@loop
def softmax(x, y):
    """y = softmax of the rows of x."""
    for i in range(x.shape[0]):
        top = x[i, 0]
        for j in range(x.shape[1]):
            top = x[i, j] if x[i, j] > top else top
        for j in range(x.shape[1]):
            y[i, j] = exp(x[i, j] - top)
        share = f32(1) / summed(y[i])
        for j in range(x.shape[1]):
            y[i, j] *= share


@loop
def softmax_backward(dy, y, dx):
    """dx = y (dy - sum dy y), row by row."""
    for i in range(y.shape[0]):
        along = products(dy[i], f32(0), y[i], f32(0))
        for j in range(y.shape[1]):
            dx[i, j] = y[i, j] * (dy[i, j] - along)


@loop
def norm(x, w, b, eps, center, y, mean, rstd):
    """y = (x - mean) rstd w + b, row by row; without center mean is 0 and not written. mean, rstd: (rows,)."""
    share = f32(1) / f32(x.shape[1])
    for i in range(x.shape[0]):
        m = f32(0)
        if center:  # from the first element, or the digits of a mean far from zero would be lost
            m = x[i, 0] + share * deviations(x[i], x[i, 0])
            mean[i] = m
        r = f32(1) / np.sqrt(products(x[i], m, x[i], m) * share + f32(eps))
        rstd[i] = r
        for j in range(x.shape[1]):
            y[i, j] = (x[i, j] - m) * r * w[j] + b[j]


@loop
def norm_backward(dy, x, w, mean, rstd, center, dx, dw, db):
    """dx = rstd (dy w - mean(dy w) - z mean(dy w z)), z = (x - mean) rstd, row by row; to dw and db (cols,) it adds."""
    share = f32(1) / f32(x.shape[1])
    for i in range(x.shape[0]):
        m, r = mean[i] if center else f32(0), rstd[i]
        for j in range(x.shape[1]):
            dw[j] += dy[i, j] * ((x[i, j] - m) * r)
            db[j] += dy[i, j]
            dx[i, j] = dy[i, j] * w[j]
        level = summed(dx[i]) * share if center else f32(0)
        along = products(dx[i], f32(0), x[i], m) * r * share
        for j in range(x.shape[1]):
            dx[i, j] = r * (dx[i, j] - level - (x[i, j] - m) * r * along)


@loop
def gelu_with_slope(x, y, slope):
    """x cdf(x) and its derivative, of vectors; cdf: the normal distribution function, as `special.normal_cdf`."""
    for i in range(x.size):
        v = x[i]
        s = v * v
        u = v * ((((((C6 * s + C5) * s + C4) * s + C3) * s + C2) * s + C1) * s + C0)
        cdf = f32(1) / (f32(1) + exp(f32(-2) * u))  # (1 + tanh u) / 2
        y[i] = v * cdf
        slope[i] = cdf + v * exp(f32(-0.5) * s) * DENSITY
