"""Reductions for the tape. A backward gets `dy` with the reduced axes put back as length 1, and broadcasts."""

from __future__ import annotations

import numpy as np

from tritonnet.autograd.function import Op
from tritonnet.autograd.samples import Sample, samples
from tritonnet.kernels import elementwise, index, reduce
from tritonnet.kernels.arrays import is_host, zeros
from tritonnet.kernels.reduce.axes import count, normal_axes, reduced_shape


def spread(array, shape):
    """A view of `array` repeated to `shape`."""
    return np.broadcast_to(array, shape) if is_host(array) else array.broadcast_to(shape)


class _Reduce(Op):
    """What backwards share: the input's shape and the axes."""

    def note(ctx, x, axis):
        ctx.of, ctx.axis = x.shape, axis

    @property
    def axes(ctx):
        return normal_axes(ctx.axis, len(ctx.of))

    def kept(ctx, array):
        """A result, or its gradient, with the reduced axes of length 1."""
        return array.reshape(reduced_shape(ctx.of, ctx.axes, True))


class Sum(_Reduce):
    """Sums over axes; integers and bools give int64."""

    def forward(ctx, x, axis=None, keepdims=False, dtype=None):
        ctx.note(x, axis)
        return reduce.sum(x, axis, keepdims, dtype)

    def backward(ctx, dy):
        return spread(ctx.kept(dy), ctx.of)

    def differentiable_backward(ctx, dy):
        return (dy.reshape(reduced_shape(ctx.of, ctx.axes, True)).expand(ctx.of),)


class Mean(_Reduce):
    """Means over axes of a float array."""

    def forward(ctx, x, axis=None, keepdims=False, dtype=None):
        ctx.note(x, axis)
        return reduce.mean(x, axis, keepdims, dtype)

    def backward(ctx, dy):
        n = count(ctx.of, ctx.axes)
        return spread(ctx.kept(elementwise.mul(dy, 1 / n if n else float("nan"))), ctx.of)

    def differentiable_backward(ctx, dy):
        return ((dy / count(ctx.of, ctx.axes)).reshape(reduced_shape(ctx.of, ctx.axes, True)).expand(ctx.of),)


class Prod(_Reduce):
    """Products over axes; integers and bools give int64."""

    def forward(ctx, x, axis=None, keepdims=False, dtype=None):
        ctx.note(x, axis)
        ctx.x = ctx.save(x)
        return reduce.prod(x, axis, keepdims, dtype)

    def backward(ctx, dy):
        return reduce.prod_backward(ctx.kept(dy), ctx.x, None, ctx.axes)


class _Extreme(_Reduce):
    """The gradient of the largest or smallest over axes, shared evenly among equals."""

    def backward(ctx, dy):
        return reduce.amax_backward(ctx.kept(dy), ctx.x, ctx.kept(ctx.y), ctx.axes)


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


class _Selected(_Reduce):
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


class Var(_Reduce):
    """Variances over axes, divided by n - correction."""

    def forward(ctx, x, axis=None, correction=1, keepdims=False):
        ctx.note(x, axis)
        ctx.correction, ctx.x = correction, ctx.save(x)
        return reduce.var(x, axis, correction, keepdims)

    def backward(ctx, dy):
        return reduce.var_backward(ctx.kept(dy), ctx.x, ctx.axes, ctx.correction)


class LogSumExp(_Reduce):
    """log of the sum of exponentials over axes."""

    def forward(ctx, x, axis, keepdims=False):
        ctx.note(x, axis)
        ctx.x, ctx.y = ctx.save(x), ctx.save(reduce.logsumexp(x, axis, keepdims))
        return ctx.y

    def backward(ctx, dy):
        return reduce.logsumexp_backward(ctx.kept(dy), ctx.x, ctx.kept(ctx.y))


class Norm(_Reduce):
    """The Euclidean norm over axes; its gradient is 0, not NaN, where it is 0."""

    name = "LinalgVectorNormBackward0"

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
        return (x * (dy / y).reshape(reduced_shape(ctx.of, ctx.axes, True)),)


class Any(Op):
    """Whether anything is not zero."""

    def forward(ctx, x, axis=None, keepdims=False):
        return reduce.any(x, axis, keepdims)


class All(Op):
    """Whether everything is not zero."""

    def forward(ctx, x, axis=None, keepdims=False):
        return reduce.all(x, axis, keepdims)


class CumSum(Op):
    """Running sums along one axis."""

    def forward(ctx, x, axis):
        ctx.axis = axis
        return reduce.cumsum(x, axis)

    def backward(ctx, dy):
        return reduce.cumsum_backward(dy, ctx.axis)


def _dim(torch, name, x, axis, keepdims, **more):
    """PyTorch's call for our arguments."""
    call = getattr(torch, name)
    return call(x, **more) if axis is None and not keepdims else call(
        x, dim=tuple(range(x.ndim)) if axis is None else axis, keepdim=keepdims, **more)


def _shapes(rand):
    """What breaks reductions: odd sizes, strides, axes in the middle and apart, nothing to reduce."""
    yield Sample(rand(3, 781))  # not a power of two, everything
    yield Sample(rand(3, 781), axis=-1)
    yield Sample(rand(517, 3), axis=0, keepdims=True)  # the long axis is strided
    yield Sample(rand(4, 5, 6).transpose(2, 0, 1), axis=1)  # strides
    yield Sample(rand(2, 3, 4, 5), axis=(0, 2))  # axes apart
    yield Sample(rand(2, 3, 4, 5), axis=(1, -1), keepdims=True)
    yield Sample(rand(4, 3)[:, ::2], axis=1)  # gaps
    yield Sample(rand())  # a number
    yield Sample(rand(2, 3), axis=2, raises=IndexError)


def _additive(rand):
    yield from _shapes(rand)
    yield Sample(rand(3, 0, 2), axis=1, grad=False)  # nothing in a slice
    yield Sample(rand(0, 3), axis=1)  # no slices
    yield Sample(rand(2, 3), axis=(0, 0), raises=RuntimeError)
    yield Sample(np.array([1.0, np.nan, np.inf]), grad=False)


@samples(Sum, torch=lambda torch, x, axis=None, keepdims=False: _dim(torch, "sum", x, axis, keepdims))
def sum_samples(rand):
    yield from _additive(rand)
    yield Sample(rand.integers(-9, 9, (3, 50)), axis=1)
    yield Sample(rand.bools(3, 50), axis=0)  # counts
    yield Sample(rand(7, 5000), axis=None, device=False)  # in pieces, by both threads on the host


@samples(Mean, torch=lambda torch, x, axis=None, keepdims=False: _dim(torch, "mean", x, axis, keepdims))
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


def _largest(rand):
    yield from _shapes(rand)
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


def _truth(rand):
    yield Sample(rand.bools(3, 50), axis=1)
    yield Sample(rand(3, 5))
    yield Sample(np.array([[0.0, 0], [0, np.nan], [1, 2]]), axis=1, keepdims=True)
    yield Sample(rand.integers(0, 2, (4, 3)), axis=0)
    yield Sample(rand(0, 3), axis=0)


@samples(Any, torch=lambda torch, x, axis=None, keepdims=False: _dim(torch, "any", x, axis, keepdims))
def any_samples(rand):
    yield from _truth(rand)


@samples(All, torch=lambda torch, x, axis=None, keepdims=False: _dim(torch, "all", x, axis, keepdims))
def all_samples(rand):
    yield from _truth(rand)


@samples(CumSum, torch=lambda torch, x, axis: torch.cumsum(x, axis))
def cumsum_samples(rand):
    yield Sample(rand(3, 781), 1)
    yield Sample(rand(5, 4).T, 0)
    yield Sample(rand(2, 1500), -1, dtypes=("float32",))  # more than one block
    yield Sample(rand(3, 4, 2), 1)
    yield Sample(rand.integers(-5, 5, (3, 4)), 0)
    yield Sample(rand(0, 3), 1)
    yield Sample(rand(2, 3), 2, raises=IndexError)
