"""erf and erfc on NumPy arrays, which NumPy lacks.

float64: the rational approximations of FreeBSD's s_erf.c (Sun Microsystems, 1993; error below 1 ulp), by region.
float32: erf x = tanh(x P(x^2)), with P fitted by us; relative error below 3e-7, in 16 passes of which one is a tanh.
Likewise the normal distribution function, where an absolute error of 1e-7 will do.
"""

from __future__ import annotations

import numpy as np

from tritonnet.kernels.compiled import loops_for
from tritonnet.kernels.runtime import host

_ERX = 8.45062911510467529297e-01
_PP = (1.28379167095512558561e-01, -3.25042107247001499370e-01, -2.84817495755985104766e-02,
       -5.77027029648944159157e-03, -2.37630166566501626084e-05)
_QQ = (1, 3.97917223959155352819e-01, 6.50222499887672944485e-02, 5.08130628187576562776e-03,
       1.32494738004321644526e-04, -3.96022827877536812320e-06)
_PA = (-2.36211856075265944077e-03, 4.14856118683748331666e-01, -3.72207876035701323847e-01,
       3.18346619901161753674e-01, -1.10894694282396677476e-01, 3.54783043256182359371e-02,
       -2.16637559486879084300e-03)
_QA = (1, 1.06420880400844228286e-01, 5.40397917702171048937e-01, 7.18286544141962662868e-02,
       1.26171219808761642112e-01, 1.36370839120290507362e-02, 1.19844998467991074170e-02)
_RA = (-9.86494403484714822705e-03, -6.93858572707181764372e-01, -1.05586262253232909814e+01,
       -6.23753324503260060396e+01, -1.62396669462573470355e+02, -1.84605092906711035994e+02,
       -8.12874355063065934246e+01, -9.81432934416914548592e+00)
_SA = (1, 1.96512716674392571292e+01, 1.37657754143519042600e+02, 4.34565877475229228821e+02,
       6.45387271733267880336e+02, 4.29008140027567833386e+02, 1.08635005541779435134e+02,
       6.57024977031928170135e+00, -6.04244152148580987438e-02)
_RB = (-9.86494292470009928597e-03, -7.99283237680523006574e-01, -1.77579549177547519889e+01,
       -1.60636384855821916062e+02, -6.37566443368389627722e+02, -1.02509513161107724954e+03,
       -4.83519191608651397019e+02)
_SB = (1, 3.03380607434824582924e+01, 3.25792512996573918826e+02, 1.53672958608443695994e+03,
       3.19985821950859553908e+03, 2.55305040643316442583e+03, 4.74528541206955367215e+02,
       -2.24409524465858183362e+01)

def _polynomial(x, coefficients):
    """The sum of c_k x^k."""
    y = np.full_like(x, coefficients[-1])
    for c in coefficients[-2::-1]:
        y *= x
        y += c
    return y


def _erfc_tail(a):
    """erfc for a >= 1.25 in float64: exp(-a^2) times a rational function of 1/a^2, the square split to stay exact."""
    a = np.minimum(a, 28)  # where it is 0
    high = (a.view(np.int64) & ~0xFFFFFFFF).view(np.float64)
    s = 1 / (a * a)
    near, far = (_polynomial(s, p) / _polynomial(s, q) for p, q in ((_RA, _SA), (_RB, _SB)))
    exponent = (high - a) * (high + a) + np.where(a < 1 / 0.35, near, far)
    return np.exp(-high * high - 0.5625) * np.exp(exponent) / a


def _erfc64(x):
    """erfc of a float64 array."""
    a = np.abs(x)
    small, middle, tail = a < 0.84375, (a >= 0.84375) & (a < 1.25), a >= 1.25
    y = x + 1  # NaN stays
    s = x[small]
    z = s * s
    r = s + s * (_polynomial(z, _PP) / _polynomial(z, _QQ))
    y[small] = np.where(s < 0.25, 1 - r, 0.5 - (s - 0.5 + s * (_polynomial(z, _PP) / _polynomial(z, _QQ))))
    m = a[middle] - 1
    p = _polynomial(m, _PA) / _polynomial(m, _QA)
    y[middle] = np.where(x[middle] > 0, 1 - _ERX - p, 1 + _ERX + p)
    t = _erfc_tail(a[tail])
    y[tail] = np.where(x[tail] > 0, t, 2 - t)
    return y


def _erf64(x):
    """erf of a float64 array."""
    a = np.abs(x)
    y = 1 - _erfc64(np.maximum(a, 0.84375))
    np.copysign(y, x, out=y)
    small = a < 0.84375
    s = x[small]
    z = s * s
    y[small] = s + s * (_polynomial(z, _PP) / _polynomial(z, _QQ))
    return y


_P32 = (1.1283792743369205, 0.10276905487953661, -1.918271453029783e-04, -6.197893704590056e-04, 8.763978866686667e-05,
        -5.669014571189171e-06, 1.4189293090333734e-07)


# for 2 normal_cdf(x) - 1; x P(x^2) rises up to infinity, so that no x is too big
CDF32 = (0.7978850590341431, 0.036332602187982434, -3.207159986442973e-05, -5.55265210593818e-05,
          4.005624579706961e-06, -1.355835806117978e-07, 1.8513616967744795e-09)
INV_SQRT_2PI = 0.3989422804014327


def _tanh_of_odd(x, square, coefficients, out):
    """tanh(x P(square)) of a float32 array, into `out`, which is another one."""
    np.multiply(square, coefficients[-1], out=out)
    for c in coefficients[-2:0:-1]:
        np.add(out, c, out=out)
        np.multiply(out, square, out=out)
    np.add(out, coefficients[0], out=out)
    np.multiply(out, x, out=out)
    return np.tanh(out, out=out)


def _normal_cdf32(x, square, out):
    """The normal distribution function of a float32 array, into `out`; square: x^2."""
    _tanh_of_odd(x, square, CDF32, out)
    np.multiply(out, 0.5, out=out)
    return np.add(out, 0.5, out=out)


def gelu_with_slope32(x, y, slope):
    """x normal_cdf(x) and its derivative, of a float32 array into two others."""
    loops = loops_for(x)
    if loops and all(a.flags.c_contiguous for a in (x, y, slope)):
        loops.gelu_with_slope(x.reshape(-1), y.reshape(-1), slope.reshape(-1))
        return
    density = host.empty(y.shape, y.dtype)
    np.multiply(x, x, out=density)
    _normal_cdf32(x, density, slope)
    np.multiply(x, slope, out=y)
    np.multiply(density, -0.5, out=density)
    np.exp(density, out=density)
    np.multiply(density, x, out=density)
    np.multiply(density, INV_SQRT_2PI, out=density)
    np.add(slope, density, out=slope)


def erf(x, out=None):
    """The error function of a float32 or float64 array (or NumPy scalar) or number."""
    x = np.asarray(x)
    out = np.empty_like(x) if out is None else out
    if not x.ndim:
        out[()] = erf(x.reshape(1))[0]
    elif out.dtype == np.float32:
        square = np.multiply(x, x, out=host.empty(out.shape, out.dtype))
        np.minimum(square, 16, out=square)  # from 4 on erf is 1 in float32, and P was not fitted
        _tanh_of_odd(x, square, _P32, out)
    else:
        out[...] = _erf64(x)
    return out


def normal_cdf(x, out=None):
    """The standard normal distribution function, (1 + erf(x / sqrt 2)) / 2."""
    x = np.asarray(x)
    out = np.empty_like(x) if out is None else out
    if x.ndim and out.dtype == np.float32:
        return _normal_cdf32(x, np.multiply(x, x, out=host.empty(out.shape, out.dtype)), out)
    erf(x * 0.7071067811865476, out=out)
    np.multiply(out, 0.5, out=out)
    return np.add(out, 0.5, out=out)


def erfc(x, out=None):
    """1 - erf, without the cancellation; computed in float64."""
    x = np.asarray(x)
    result = _erfc64(np.atleast_1d(x).astype(np.float64)).reshape(x.shape)
    if out is None:
        return result.astype(x.dtype, copy=False)
    out[...] = result
    return out
