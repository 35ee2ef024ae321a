"""Reductions over any axes: sum, mean, prod, max, min and where they are, var, logsumexp, any, all; and cumsum.

    mean  sum_i x_i / n                      var        sum_i (x_i - mean)^2 / (n - correction)
    max   the first NaN, else the largest    logsumexp  m + log sum_i exp(x_i - m),  m = max x

Every function takes an array on either side, axis None (all), an int or a tuple, and keepdims. Sums of integers are
int64. Floats are summed in float32 (float64 stays), on a device in a fixed order: results do not vary.
"""

from tritonnet.kernels.reduce.gradients import amax_backward, logsumexp_backward, prod_backward, var_backward
from tritonnet.kernels.reduce.reduce import (
    all,
    amax,
    amin,
    any,
    argmax,
    argmin,
    logsumexp,
    max,
    mean,
    min,
    prod,
    sum,
    var,
)
from tritonnet.kernels.reduce.scan import cumsum, cumsum_backward

__all__ = [
    "all", "amax", "amax_backward", "amin", "any", "argmax", "argmin", "cumsum", "cumsum_backward", "logsumexp",
    "logsumexp_backward", "max", "mean", "min", "prod", "prod_backward", "sum", "var", "var_backward",
]
