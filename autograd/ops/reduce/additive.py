"""Sums, means, products, variances, norms, logsumexp and running sums for the tape."""

from __future__ import annotations

import numpy as np

from tritonnet.autograd.function import Op
from tritonnet.autograd.ops.linear_map import LinearMap
from tritonnet.autograd.ops.reduce.base import Reduction, all_axes, shapes, spread
from tritonnet.autograd.ops.shape import Pad
from tritonnet.autograd.samples import Sample, samples
from tritonnet.kernels import elementwise, reduce
from tritonnet.kernels.reduce.axes import count, normal_axes, reduced_shape


class Sum(Reduction):
    """Sums over axes; integers and bools give int64."""

    def forward(ctx, x, axis=None, keepdims=False, dtype=None):
        ctx.note(x, axis)
        return reduce.sum(x, axis, keepdims, dtype)

    def backward(ctx, dy):
        return spread(ctx.kept(dy), ctx.of)

    def differentiable_backward(ctx, dy):
        return (dy.reshape(reduced_shape(ctx.of, ctx.axes, True)).expand(ctx.of),)


class Mean(Reduction):
    """Means over axes of a float array."""

    def forward(ctx, x, axis=None, keepdims=False, dtype=None):
        ctx.note(x, axis)
        return reduce.mean(x, axis, keepdims, dtype)

    def backward(ctx, dy):
        n = count(ctx.of, ctx.axes)
        return spread(ctx.kept(elementwise.mul(dy, 1 / n if n else float("nan"))), ctx.of)

    def differentiable_backward(ctx, dy):
        return ((dy / count(ctx.of, ctx.axes)).reshape(reduced_shape(ctx.of, ctx.axes, True)).expand(ctx.of),)


class Prod(Reduction):
    """Products over axes; integers and bools give int64."""

    def forward(ctx, x, axis=None, keepdims=False, dtype=None):
        ctx.note(x, axis)
        ctx.x = ctx.save(x)
        return reduce.prod(x, axis, keepdims, dtype)

    def backward(ctx, dy):
        return reduce.prod_backward(ctx.kept(dy), ctx.x, None, ctx.axes)

    def differentiable_backward(ctx, dy):
        others = products_of_others(ctx.input(0, ctx.x), ctx.axes)
        return others * ctx.kept(dy)


def products_of_others(x, axes):
    """For each element of a tensor the product of all others along axes: up a tree of pairs, and down again."""
    order = [i for i in range(x.ndim) if i not in axes] + list(axes)
    moved = x.permute(order)
    rows = moved.reshape(*moved.shape[: x.ndim - len(axes)], count(x.shape, axes))
    n, levels = rows.shape[-1], []
    if n == 0:
        return x
    while rows.shape[-1] > 1:
        if rows.shape[-1] % 2:
            rows = Pad.apply(rows, (0, 1), 1.0)
        levels.append(rows.reshape(*rows.shape[:-1], -1, 2))
        rows = levels[-1].select(-1, 0) * levels[-1].select(-1, 1)
    others = rows.new_ones(rows.shape)
    for pairs in reversed(levels):
        others = (others.narrow(-1, 0, pairs.shape[-2]).unsqueeze(-1) * pairs.flip(-1)).flatten(-2)
    others = others.narrow(-1, 0, n).reshape(moved.shape)
    return others.permute([order.index(i) for i in range(x.ndim)])


class Var(Reduction):
    """Variances over axes, divided by n - correction."""

    def forward(ctx, x, axis=None, correction=1, keepdims=False):
        ctx.note(x, axis)
        ctx.correction, ctx.x = correction, ctx.save(x)
        return reduce.var(x, axis, correction, keepdims)

    def backward(ctx, dy):
        return reduce.var_backward(ctx.kept(dy), ctx.x, ctx.axes, ctx.correction)

    def differentiable_backward(ctx, dy):
        x, n = ctx.input(0, ctx.x), count(ctx.of, ctx.axes) - ctx.correction
        return (x - x.mean(ctx.axes, keepdim=True)) * (ctx.kept(dy) * (2 / n if n > 0 else float("nan")))


class Std(Reduction):
    """Standard deviations over axes, the roots of Var; the gradient is 0, not NaN, where it is 0."""

    def forward(ctx, x, axis=None, correction=1, keepdims=False):
        ctx.note(x, axis)
        ctx.correction, ctx.x = correction, ctx.save(x)
        ctx.y = ctx.save(elementwise.sqrt(reduce.var(x, axis, correction, keepdims)))
        return ctx.y

    def backward(ctx, dy):
        y = ctx.kept(ctx.y)
        dvar = elementwise.where(elementwise.eq(y, 0), 0.0, elementwise.div(ctx.kept(dy), elementwise.mul(y, 2)))
        return reduce.var_backward(dvar, ctx.x, ctx.axes, ctx.correction)

    def differentiable_backward(ctx, dy):
        x, y, n = ctx.input(0, ctx.x), ctx.output(ctx.y), count(ctx.of, ctx.axes) - ctx.correction
        zero = y == 0
        scale = dy.masked_fill(zero, 0) / (y.masked_fill(zero, 1) * (n if n > 0 else float("nan")))
        return (x - x.mean(ctx.axes, keepdim=True)) * ctx.kept(scale)


class LogSumExp(Reduction):
    """log of the sum of exponentials over axes."""

    def forward(ctx, x, axis, keepdims=False):
        ctx.note(x, axis)
        ctx.x, ctx.y = ctx.save(x), ctx.save(reduce.logsumexp(x, axis, keepdims))
        return ctx.y

    def backward(ctx, dy):
        return reduce.logsumexp_backward(ctx.kept(dy), ctx.x, ctx.kept(ctx.y))

    def differentiable_backward(ctx, dy):
        return (ctx.input(0, ctx.x) - ctx.kept(ctx.output(ctx.y))).exp() * ctx.kept(dy)


class Norm(Reduction):
    """The Euclidean norm over axes; its gradient is 0, not NaN, where it is 0."""

    def forward(ctx, x, axis=None, keepdims=False):
        ctx.note(x, axis)
        ctx.x = ctx.save(x)
        ctx.y = ctx.save(elementwise.sqrt(reduce.sum(elementwise.square(x), axis, keepdims)))
        return ctx.y

    def backward(ctx, dy):
        y = ctx.kept(ctx.y)
        scale = elementwise.where(elementwise.eq(y, 0), 0.0, elementwise.div(ctx.kept(dy), y))
        return elementwise.mul(ctx.x, scale)

    def differentiable_backward(ctx, dy):
        x, y = ctx.input(0, ctx.x), ctx.output(ctx.y)
        zero = y == 0
        scale = dy.masked_fill(zero, 0) / y.masked_fill(zero, 1)
        return (x * scale.reshape(reduced_shape(ctx.of, ctx.axes, True)),)


class CumSum(Op):
    """Running sums along one axis."""

    def forward(ctx, x, axis):
        ctx.axis = axis
        return reduce.cumsum(x, axis)

    def backward(ctx, dy):
        return reduce.cumsum_backward(dy, ctx.axis)

    def differentiable_backward(ctx, dy):
        axis = ctx.axis
        return LinearMap.apply(dy, lambda dy: reduce.cumsum_backward(dy, axis), lambda x: reduce.cumsum(x, axis))


def _additive(rand):
    yield from shapes(rand)
    yield Sample(rand(3, 0, 2), axis=1, grad=False)  # nothing in a slice
    yield Sample(rand(0, 3), axis=1)  # no slices
    yield Sample(rand(2, 3), axis=(0, 0), raises=RuntimeError)
    yield Sample(np.array([1.0, np.nan, np.inf]), grad=False)


@samples(Sum, torch=lambda torch, x, axis=None, keepdims=False: all_axes(torch, "sum", x, axis, keepdims))
def sum_samples(rand):
    yield from _additive(rand)
    yield Sample(rand.integers(-9, 9, (3, 50)), axis=1)
    yield Sample(rand.bools(3, 50), axis=0)  # counts
    yield Sample(rand(7, 5000), axis=None, device=False)  # in pieces, by both threads on the host


@samples(Mean, torch=lambda torch, x, axis=None, keepdims=False: all_axes(torch, "mean", x, axis, keepdims))
def mean_samples(rand):
    yield from _additive(rand)
    yield Sample(rand.integers(0, 9, (3,)), raises=RuntimeError)


def _torch_prod(torch, x, axis=None, keepdims=False):
    axes = sorted(normal_axes(axis, x.ndim), reverse=True)
    if axis is None and not keepdims:
        return torch.prod(x)
    for a in axes:
        x = torch.prod(x, dim=a, keepdim=keepdims)
    return x


@samples(Prod, torch=_torch_prod)
def prod_samples(rand):
    yield Sample(rand(3, 37, low=0.9, high=1.1), axis=1)
    yield Sample(rand(4, 5, 6), axis=(0, 2), keepdims=True)
    yield Sample(np.array([[2.0, 0, 3, 4], [0, 5, 0, 1], [1, 2, 3, 4]]), axis=1)  # one zero, two zeros, none
    yield Sample(rand(0, 3), axis=0)
    yield Sample(rand.integers(-3, 3, (3, 5)), axis=0)


@samples(Std, torch=lambda torch, x, axis=None, correction=1, keepdims=False: torch.std(
    x, axis, correction=correction, keepdim=keepdims))
@samples(Var, torch=lambda torch, x, axis=None, correction=1, keepdims=False: torch.var(
    x, axis, correction=correction, keepdim=keepdims))
def var_samples(rand):
    yield Sample(rand(3, 781), axis=1)
    yield Sample(rand(3, 81) + 100, axis=1, correction=0, dtypes=("float32",), loose=10)  # loses digits
    yield Sample(rand(4, 5, 6).transpose(2, 0, 1), axis=(0, 2), keepdims=True)
    yield Sample(rand(7, 5))
    yield Sample(rand(3, 1), axis=1, grad=False)  # n = correction: NaN
    yield Sample(rand.integers(0, 9, (3,)), raises=RuntimeError)


@samples(LogSumExp, torch=lambda torch, x, axis, keepdims=False: torch.logsumexp(
    x, tuple(range(x.ndim)) if axis is None else axis, keepdims))
def logsumexp_samples(rand):
    yield Sample(rand(3, 781), axis=1)
    yield Sample(rand(4, 5, 6).transpose(2, 0, 1), axis=(0, 2), keepdims=True)
    yield Sample(rand(2, 3) * 1e3, axis=1)  # overflows without the maximum
    yield Sample(np.array([[-np.inf, -np.inf], [np.inf, 1], [np.nan, 1]]), axis=1, grad=False)
    yield Sample(rand(3, 0), axis=1, grad=False)


@samples(Norm, torch=lambda torch, x, axis=None, keepdims=False: torch.linalg.vector_norm(x, 2, axis, keepdims))
def norm_samples(rand):
    yield Sample(rand(3, 781), axis=1)
    yield Sample(rand(4, 5, 6).transpose(2, 0, 1), axis=(0, 2), keepdims=True)
    yield Sample(rand(3, 5))
    yield Sample(np.zeros((2, 3)), axis=1, grad=False)
    yield Sample(rand(0, 3))


@samples(CumSum, torch=lambda torch, x, axis: torch.cumsum(x, axis))
def cumsum_samples(rand):
    yield Sample(rand(3, 781), 1)
    yield Sample(rand(5, 4).T, 0)
    yield Sample(rand(2, 1500), -1, dtypes=("float32",))  # more than one block
    yield Sample(rand(3, 4, 2), 1)
    yield Sample(rand.integers(-5, 5, (3, 4)), 0)
    yield Sample(rand(0, 3), 1)
    yield Sample(rand(2, 3), 2, raises=IndexError)
