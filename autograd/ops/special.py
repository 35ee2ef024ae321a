"""Elementwise operations of statistics and number theory: the gamma function's logarithm and its derivatives, …"""

from __future__ import annotations

import numpy as np

from tritonnet.autograd.ops.elementwise import BY_DEFINITION, SPECIAL, binary, unary
from tritonnet.autograd.samples import Sample, samples
from tritonnet.autograd.scalar_op import scalar_op

Lgamma = unary("Lgamma", "lgamma", low=0.2, high=9, doc="log |gamma x|, element by element.")
Digamma = unary("Digamma", "digamma", low=0.2, high=9, doc="The derivative of lgamma, element by element.", loose=10)
Erfinv = unary("Erfinv", "erfinv", low=-0.95, high=0.95, doc="The y with erf y = x, element by element.")
Logit = unary("Logit", "logit", low=0.05, high=0.95, doc="log(x / (1 - x)), element by element.", loose=4)
Entr = unary("Entr", "entr", low=0.1, doc="-x log x; 0 at 0, -infinity below.")
Hypot = binary("Hypot", "hypot", doc="sqrt(x^2 + y^2), without overflow.", floats=True)
Xlogy = binary("Xlogy", "xlogy", doc="x log y, and 0 where x is 0 and y is not NaN.")
Gcd = binary("Gcd", "gcd", bits=True, doc="The greatest common divisor of whole numbers.")
Polygamma = BY_DEFINITION["polygamma"] = scalar_op(
    "Polygamma", "polygamma", "The n-th derivative of digamma, n > 0; from the second on NaN for x < -10.")


@samples(Polygamma, torch=lambda torch, x, n: torch.polygamma(n, x))
def polygamma_samples(rand):
    # float32 near the poles: the series is a difference of large numbers there
    yield Sample(rand(3, 50, low=0.3, high=9), 1, loose=20)
    yield Sample(rand(3, 50, low=-0.9, high=-0.1)[:, ::7].T, 1, loose=20)
    yield Sample(rand(3, 50, low=0.3, high=9), 2, loose=20)
    yield Sample(rand(50, low=-3.9, high=-3.1), 3, loose=50, dtypes=("float32", "bfloat16"))  # too large for float16
    yield Sample(np.empty((0, 3)), 1)
    yield Sample(np.append(SPECIAL[:2], [0.0]), 1, grad=False)
    yield Sample(rand.integers(1, 5, (3, 4)), 2, grad=False)
