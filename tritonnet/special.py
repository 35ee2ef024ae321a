"""`torch.special`: the special functions of statistics, by their names there."""

from __future__ import annotations

import math

import tritonnet
from tritonnet.autograd.ops.special import Entr
from tritonnet.nn.functional import log_softmax, softmax
from tritonnet.tensor.special import digamma, erfinv, lgamma, logit, mvlgamma, polygamma, round, tensors, xlogy

__all__ = ["digamma", "entr", "erf", "erfc", "erfinv", "exp2", "expit", "expm1", "gammaln", "log1p", "log_ndtr",
           "log_softmax", "logit", "logsumexp", "multigammaln", "ndtr", "ndtri", "polygamma", "psi", "round", "sinc",
           "softmax", "xlog1py", "xlogy"]

erf, erfc, exp2, expm1, log1p = tritonnet.erf, tritonnet.erfc, tritonnet.exp2, tritonnet.expm1, tritonnet.log1p
expit, sinc, logsumexp = tritonnet.sigmoid, tritonnet.sinc, tritonnet.logsumexp
gammaln, psi, multigammaln = lgamma, digamma, mvlgamma


def entr(input):
    """-input log(input); 0 at 0, -infinity below."""
    tensors("special_entr", input=input)
    return Entr.apply(input)


def xlog1py(input, other):
    """input log(1 + other), and 0 where input is 0 and other is not NaN."""
    like = input if isinstance(input, tritonnet.Tensor) else other
    tensors("special_xlog1py", input=like)
    input, other = (t if isinstance(t, tritonnet.Tensor) else tritonnet.tensor(t, device=like.device)
                    for t in (input, other))
    zero = (input == 0) & ~other.isnan()
    logarithm = log1p(other.to(tritonnet.get_default_dtype()) if not other.is_floating_point() else other)
    return tritonnet.where(zero, 0.0, input * tritonnet.where(zero, 0.0, logarithm))


def ndtr(input):
    """The standard normal distribution function."""
    return erfc(-input * math.sqrt(0.5)) / 2


def ndtri(input):
    """The x below which a share `input` of the standard normal distribution lies."""
    return erfinv(2 * input - 1) * math.sqrt(2)


def log_ndtr(input):
    """log of the standard normal distribution function, also far to the left, where that is 0."""
    if input.dtype not in (tritonnet.float32, tritonnet.float64):
        found = log_ndtr(input.float())
        return found.to(input.dtype) if input.is_floating_point() else found
    x, border = input, -30.0 if input.dtype is tritonnet.float64 else -11.0
    far = x < border
    left = x.masked_fill(~far, border)
    square = 1 / (left * left)  # the first terms of the asymptotic series
    series = 1.0
    for k in range(13, 0, -2):
        series = 1 - k * square * series
    tail = -0.5 * left * left - tritonnet.log(-left) - 0.5 * math.log(2 * math.pi) + tritonnet.log(series)
    right = x > 0
    near = tritonnet.log(ndtr(x.masked_fill(far | right, -1.0)))
    return tritonnet.where(far, tail, tritonnet.where(right, log1p(-ndtr(-x.masked_fill(~right, 1.0))), near))
