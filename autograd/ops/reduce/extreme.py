"""The largest, the smallest, where they are, and truth, for the tape."""

from __future__ import annotations

import numpy as np

from tritonnet.autograd.function import Op, make
from tritonnet.autograd.ops.index import ScatterAdd
from tritonnet.autograd.ops.reduce.base import Reduction, all_axes, shapes
from tritonnet.autograd.samples import Sample, samples
from tritonnet.kernels import index, reduce
from tritonnet.kernels.arrays import full, zeros


class _Extreme(Reduction):
    """The gradient of the largest or smallest over axes, shared evenly among equals."""

    def backward(ctx, dy):
        return reduce.amax_backward(ctx.kept(dy), ctx.x, ctx.kept(ctx.y), ctx.axes)

    def differentiable_backward(ctx, dy):
        y = ctx.kept(ctx.y)
        shares = reduce.amax_backward(full(y.shape, 1, y.dtype, y), ctx.x, y, ctx.axes)
        return make(shares) * ctx.kept(dy)


class Amax(_Extreme):
    """The largest over axes; NaN if there is one."""

    def forward(ctx, x, axis=None, keepdims=False):
        ctx.note(x, axis)
        ctx.x, ctx.y = ctx.save(x), ctx.save(reduce.amax(x, axis, keepdims))
        return ctx.y


class Amin(_Extreme):
    """The smallest over axes; NaN if there is one."""

    def forward(ctx, x, axis=None, keepdims=False):
        ctx.note(x, axis)
        ctx.x, ctx.y = ctx.save(x), ctx.save(reduce.amin(x, axis, keepdims))
        return ctx.y


class _Selected(Reduction):
    """The gradient of an element that was selected along one axis."""

    def place(ctx, x, axis, found):
        ctx.note(x, axis)
        ctx.where = found[1]
        return found

    def backward(ctx, dy, _):
        if not ctx.of:
            return dy
        dx = zeros(ctx.of, dy.dtype, dy)
        return index.scatter(dx, ctx.axes[0], ctx.kept(ctx.where), ctx.kept(dy))

    def differentiable_backward(ctx, dy, _):
        if not ctx.of:
            return dy
        dx = make(zeros(ctx.of, dy.array.dtype, dy.array))
        return ScatterAdd.apply(dx, ctx.axes[0], ctx.kept(ctx.where), ctx.kept(dy))


class Max(_Selected):
    """(the largest, int64 places) along one axis; the gradient goes to that place alone."""

    def forward(ctx, x, axis, keepdims=False):
        return ctx.place(x, axis, reduce.max(x, axis, keepdims))


class Min(_Selected):
    """(the smallest, int64 places) along one axis; the gradient goes to that place alone."""

    def forward(ctx, x, axis, keepdims=False):
        return ctx.place(x, axis, reduce.min(x, axis, keepdims))


class ArgMax(Op):
    """int64 places of the largest; of the flat array for axis None."""

    def forward(ctx, x, axis=None, keepdims=False):
        return reduce.argmax(x, axis, keepdims)


class ArgMin(Op):
    """int64 places of the smallest; of the flat array for axis None."""

    def forward(ctx, x, axis=None, keepdims=False):
        return reduce.argmin(x, axis, keepdims)


class Any(Op):
    """Whether anything is not zero."""

    def forward(ctx, x, axis=None, keepdims=False):
        return reduce.any(x, axis, keepdims)


class All(Op):
    """Whether everything is not zero."""

    def forward(ctx, x, axis=None, keepdims=False):
        return reduce.all(x, axis, keepdims)


def _largest(rand):
    yield from shapes(rand)
    yield Sample(np.array([[1.0, 3, 3], [2, 2, 2]]), axis=1, grad=False)  # ties
    yield Sample(np.array([[1.0, np.nan, 3], [-np.inf, -np.inf, -np.inf]]), axis=1, grad=False)
    yield Sample(rand.integers(-9, 9, (3, 50)), axis=1)
    yield Sample(rand.bools(3, 5), axis=0)
    yield Sample(rand(3, 0), axis=1, raises=IndexError)


@samples(Amax, torch=lambda torch, x, axis=(), keepdims=False: torch.amax(x, axis, keepdims))
def amax_samples(rand):
    yield from _largest(rand)


@samples(Amin, torch=lambda torch, x, axis=(), keepdims=False: torch.amin(x, axis, keepdims))
def amin_samples(rand):
    yield from _largest(rand)


def _along_one(rand):
    yield Sample(rand(3, 781), axis=-1)
    yield Sample(rand(517, 3), axis=0, keepdims=True)
    yield Sample(rand(4, 5, 6).transpose(2, 0, 1), axis=1)
    yield Sample(np.array([[1.0, 3, 3], [2, 2, 2]]), axis=1, grad=False)  # the first of equals
    yield Sample(np.array([[1.0, np.nan, 3, np.nan], [0, -np.inf, 1, np.inf]]), axis=1, grad=False)  # the first NaN
    yield Sample(rand.integers(-9, 9, (3, 50)), axis=1)
    yield Sample(rand(0, 3), axis=1)
    yield Sample(rand(), axis=0)
    yield Sample(rand(3, 0), axis=1, raises=IndexError)
    yield Sample(rand(3, 2), axis=2, raises=IndexError)


@samples(Max, torch=lambda torch, x, axis, keepdims=False: torch.max(x, axis, keepdims))
def max_samples(rand):
    yield from _along_one(rand)


@samples(Min, torch=lambda torch, x, axis, keepdims=False: torch.min(x, axis, keepdims))
def min_samples(rand):
    yield from _along_one(rand)


@samples(ArgMax, torch=lambda torch, x, axis=None, keepdims=False: torch.argmax(x, axis, keepdims))
def argmax_samples(rand):
    yield from _along_one(rand)
    yield Sample(rand(3, 50))


@samples(ArgMin, torch=lambda torch, x, axis=None, keepdims=False: torch.argmin(x, axis, keepdims))
def argmin_samples(rand):
    yield from _along_one(rand)
    yield Sample(rand(3, 50))


def _truth(rand):
    yield Sample(rand.bools(3, 50), axis=1)
    yield Sample(rand(3, 5))
    yield Sample(np.array([[0.0, 0], [0, np.nan], [1, 2]]), axis=1, keepdims=True)
    yield Sample(rand.integers(0, 2, (4, 3)), axis=0)
    yield Sample(rand(0, 3), axis=0)


@samples(Any, torch=lambda torch, x, axis=None, keepdims=False: all_axes(torch, "any", x, axis, keepdims))
def any_samples(rand):
    yield from _truth(rand)


@samples(All, torch=lambda torch, x, axis=None, keepdims=False: all_axes(torch, "all", x, axis, keepdims))
def all_samples(rand):
    yield from _truth(rand)
