"""Any linear function with its transpose: what the second derivatives of linear operations are made of."""

from __future__ import annotations

from tritonnet.autograd.function import Op
from tritonnet.autograd.samples import Sample, samples
from tritonnet.kernels import elementwise


class LinearMap(Op):
    """function(x), linear in the array x; transpose(dy) is its gradient. Both have derivatives of any order."""

    def forward(ctx, x, function, transpose):
        ctx.function, ctx.transpose = function, transpose
        return function(x)

    def backward(ctx, dy):
        return ctx.transpose(dy)

    def differentiable_backward(ctx, dy):
        return LinearMap.apply(dy, ctx.transpose, ctx.function)


def _twice(x):
    return elementwise.mul(x, 2)


@samples(LinearMap, torch=lambda torch, x, function, transpose: 2 * x)
def linear_map_samples(rand):
    yield Sample(rand(3, 5), _twice, _twice)
