"""Sorting and selecting the greatest."""

from __future__ import annotations

from tritonnet.autograd.function import Op, make
from tritonnet.autograd.ops.index.axis import Scatter
from tritonnet.autograd.samples import Sample, samples
from tritonnet.kernels import index as kernels
from tritonnet.kernels.arrays import zeros
from tritonnet.kernels.rows import normal_axis


class Sort(Op):
    """(x sorted along an axis, the int64 indices of its elements in x); stable, NaN counts as the greatest."""

    def forward(ctx, x, axis=-1, descending=False):
        ctx.axis, ctx.x_shape = normal_axis(axis, x.ndim), x.shape
        values, ctx.order = kernels.sort(x, ctx.axis if x.ndim else -1, descending)
        ctx.save(ctx.order)
        return values, ctx.order

    def backward(ctx, dy, _):
        if not ctx.x_shape:
            return dy
        dx = zeros(ctx.x_shape, dy.dtype, dy)
        kernels.scatter_into(dx, ctx.axis, ctx.order, dy, distinct=True)
        return dx

    def differentiable_backward(ctx, dy, _):
        if not ctx.x_shape:
            return dy
        return Scatter.apply(make(zeros(ctx.x_shape, dy.array.dtype, dy.array)), ctx.axis, ctx.order, dy)


class TopK(Sort):
    """(the k greatest or least along an axis, in order, their int64 indices); of equal elements the first."""

    def forward(ctx, x, k, axis=-1, largest=True):
        ctx.axis, ctx.x_shape = normal_axis(axis, x.ndim), x.shape
        if not 0 <= k <= (x.shape[ctx.axis] if x.ndim else 1):
            raise RuntimeError(f"topk: k = {k} is not between 0 and the {x.shape[ctx.axis] if x.ndim else 1} elements "
                               f"of axis {axis}: selected index k out of range")
        values, ctx.order = kernels.topk(x, k, ctx.axis if x.ndim else -1, largest)
        ctx.save(ctx.order)
        return values, ctx.order


@samples(Sort, torch=lambda torch, x, axis=-1, descending=False: torch.sort(
    x, dim=axis, descending=descending, stable=True))
def sort_samples(rand):
    yield Sample(rand(3, 781), grad=False)                                  # neighbours closer than finite differences
    yield Sample(rand(5, 4).T, axis=0, descending=True)                     # strides
    yield Sample(rand.integers(0, 4, (3, 50)), descending=True)             # ties keep their order
    yield Sample(rand(0, 3)); yield Sample(rand(3, 0)); yield Sample(rand())     # noqa: E702
    x = rand(2, 9)
    x[0, 3], x[1, 4], x[1, 5] = float("nan"), float("inf"), float("-inf")
    yield Sample(x, grad=False)
    yield Sample(x, descending=True, grad=False)                            # NaN first
    yield Sample(rand(3), axis=1, raises=IndexError)


@samples(TopK, torch=lambda torch, x, k, axis=-1, largest=True: torch.topk(x, k, dim=axis, largest=largest))
def topk_samples(rand):
    yield Sample(rand(3, 781), 5, grad=False)
    yield Sample(rand(5, 4).T, 2, axis=0, largest=False)
    yield Sample(rand(2, 3, 6), 6, axis=-1)                                # all of them
    yield Sample(rand(3, 4), 0)
    yield Sample(rand(3, 4), 5, raises=RuntimeError)
