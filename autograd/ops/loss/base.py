"""What losses share: each computes its gradient in the forward, in the same read; the backward weighs it."""

from __future__ import annotations

from tritonnet.autograd.tape import is_one
from tritonnet.kernels import elementwise
from tritonnet.kernels.arrays import is_host


def wants(ctx, i):
    """Whether argument i needs a gradient."""
    return i < len(ctx.parents) and ctx.parents[i] is not None


def weighed(d, dy):
    """The gradient d (for a gradient of 1) for the gradient dy."""
    return d if is_one(dy) or (is_host(d) and dy.ndim == 0 and dy == 1) else elementwise.mul(d, dy)
