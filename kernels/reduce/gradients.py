"""Gradients of reductions that need more than broadcasting, out of elementwise functions: the same on either side.

    amax       dx = dy (x = y) / how many are equal         var   dx = dy 2 (x - mean) / (n - correction)
    logsumexp  dx = dy exp(x - y)                           prod  dx = dy y / x, and exclusive products where x = 0

`dy` and `y` keep their reduced axes with length 1.
"""

from __future__ import annotations

import numpy as np

from tritonnet.kernels import elementwise as e
from tritonnet.kernels.dtypes import accumulator
from tritonnet.kernels.quiet import quietly
from tritonnet.kernels.reduce import reduce as r
from tritonnet.kernels.reduce.axes import count
from tritonnet.kernels.runtime.host import SMALL


@quietly
def _amax_backward_small(dy, x, y, axes):
    """Of small arrays of one type on the host."""
    here = x == y
    if not here.any(axes).all():  # NaN
        here |= (x != x) & (y != y)
    return here * (dy / np.add.reduce(here, axes, dy.dtype, None, True))


def amax_backward(dy, x, y, axes):
    """Shared evenly among those equal to the extreme, as PyTorch does."""
    if type(x) is np.ndarray and x.ndim and x.nbytes < SMALL and dy.dtype is x.dtype is accumulator(x.dtype):
        return _amax_backward_small(dy, x, y, tuple(axes))
    here = e.where(e.isnan(y), e.isnan(x), e.eq(x, y))
    return e.mul(here, e.div(dy, r.sum(here, axes, True)))


def prod_backward(dy, x, y, axes):
    """Without division by zero: one zero in a slice receives the product of the others, two receive nothing."""
    zero = e.eq(x, 0)
    zeros = r.sum(zero, axes, True)
    others = e.where(zero, 1, x)
    rest = e.div(r.prod(others, axes, True), others)
    return e.mul(dy, e.where(e.logical_or(e.eq(zeros, 0), e.logical_and(zero, e.eq(zeros, 1))), rest, 0))


def var_backward(dy, x, axes, correction):
    """Of float types; NaN where the variance is."""
    n = count(x.shape, axes)
    factor = 2 / (n - correction) if n > correction else float("nan")
    wide = x.astype(accumulator(x.dtype))
    return e.mul(dy, e.mul(e.sub(wide, r.mean(wide, axes, True)), factor))


def logsumexp_backward(dy, x, y):
    """0 where everything is -inf."""
    return e.mul(dy, e.exp(e.sub(x, e.where(e.eq(y, float("-inf")), 0, y))))
