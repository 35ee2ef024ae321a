"""Products, greatest and least by index: what scatter_reduce does beyond sums and means."""

from __future__ import annotations

import numpy as np

from tritonnet.autograd.function import Op, make
from tritonnet.autograd.ops.elementwise import Cast, Where
from tritonnet.autograd.ops.index.axis import Gather, Scatter, ScatterAdd
from tritonnet.autograd.ops.index.key import beside
from tritonnet.autograd.samples import Sample, samples
from tritonnet.kernels import arrays
from tritonnet.kernels import index as kernels
from tritonnet.kernels.rows import normal_axis

KINDS = {"prod": "prod", "amax": "max", "amin": "min"}


class ScatterReduce(Op):
    """A copy of x with src[…, j, …] multiplied or compared into y[…, index[…, j, …], …]; src: of index's shape.

    reduce: "prod", "amax" or "amin". include_self: whether x counts where an index points. The gradient of an extreme
    is shared among equals, x's included.
    """

    def forward(ctx, x, axis, index, src, reduce, include_self=True):
        ctx.axis, ctx.reduce, ctx.include_self = normal_axis(axis, x.ndim), reduce, include_self
        ctx.x, ctx.index, ctx.src = ctx.save(x), ctx.save(beside(x, index)), ctx.save(src)
        ctx.y = ctx.save(kernels.fold(x, ctx.axis, ctx.index, src, KINDS[reduce], include_self))
        return ctx.y

    def backward(ctx, dy):
        dx, _, _, dsrc = ctx.differentiable_backward(make(dy))
        return dx.array, None, None, dsrc.array

    def differentiable_backward(ctx, dy):
        x, src, y = ctx.input(0, ctx.x), ctx.input(3, ctx.src), ctx.output(ctx.y)
        at = (ctx.axis, make(ctx.index))
        dx, dsrc = (ctx.of_products if ctx.reduce == "prod" else ctx.of_extremes)(x, src, y, at, dy)
        return dx if ctx.include_self else Scatter.apply(dx, *at, 0), None, None, dsrc

    def of_extremes(ctx, x, src, y, at, dy):
        """Equal parts for all that equal the result."""
        mine = Cast.apply(x == y, dy.array.dtype)
        theirs = Cast.apply(src == Gather.apply(y, *at), dy.array.dtype)
        share = dy / ScatterAdd.apply(mine, *at, theirs)
        return mine * share, theirs * Gather.apply(share, *at)

    def of_products(ctx, x, src, y, at, dy):
        """y over the factor; where that is 0, the product of the others: also 0 if there is another 0."""
        zero = src == 0
        zeros = ScatterAdd.apply(make(arrays.zeros(ctx.x.shape, ctx.x.dtype, ctx.x)), *at, Cast.apply(
            zero, dy.array.dtype))
        alone = zero & (Gather.apply(zeros, *at) == 1)
        rest = ScatterReduce.apply(x, *at, Where.apply(alone, 1.0, src), "prod", ctx.include_self)
        dsrc = Where.apply(alone, Gather.apply(dy * rest, *at), Gather.apply(dy * y, *at) / src.masked_fill(zero, 1))
        mine = x.masked_fill(x == 0, 1)
        return dy * ScatterReduce.apply(mine, *at, src, "prod", ctx.include_self) / mine, dsrc


@samples(ScatterReduce, torch=lambda torch, x, axis, index, src, how, include_self=True: torch.scatter_reduce(
    x, axis, index, src, how, include_self=include_self))
def scatter_reduce_samples(rand):
    for how in KINDS:
        yield Sample(rand(4, 7), 1, rand.integers(0, 7, (4, 9)), rand(4, 9), how)
        yield Sample(rand(7, 5).T, 0, rand.integers(0, 5, (8, 4)), rand(8, 4), how, False)        # strides, a corner
        yield Sample(rand(3, 2, 4, 2, 3), 2, rand.integers(0, 4, (2, 1, 5, 1, 2)), rand(2, 1, 5, 1, 2), how)
        yield Sample(rand(5), 0, rand.integers(0, 2, (300,)), rand(300, low=0.9), how)            # long runs
        yield Sample(rand(2, 3), 1, rand.integers(0, 3, (2, 0)), rand(2, 0), how)                 # nothing
        yield Sample(rand.integers(-9, 9, (5,)), 0, rand.integers(0, 5, (9,)), rand.integers(-9, 9, (9,)), how)
        nan = np.array([1.0, np.nan, 3, -np.inf, 2])
        yield Sample(rand(3), 0, np.array([0, 0, 0, 2, 2]), nan, how, False, grad=False)          # NaN stays
    yield Sample(np.array([2.0, 0, 3]), 0, np.array([0, 0, 1, 2, 2]), np.array([0.0, 2, 3, 0, 0]), "prod",
                 grad=False)                                                                      # one zero, and two
    yield Sample(np.array([1.0, 2, 3]), 0, np.array([0, 0, 1]), np.array([1.0, 1, 0]), "amax", grad=False)  # equals
    yield Sample(rand(3, 4), 1, rand.integers(4, 6, (3, 1)), rand(3, 1), "prod", raises=RuntimeError)
