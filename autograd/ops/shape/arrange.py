"""Elements in new places: joined, framed, turned round, cut to triangles."""

from __future__ import annotations

import numpy as np

from tritonnet.autograd.function import Op
from tritonnet.autograd.ops.shape.views import Slice
from tritonnet.autograd.samples import Sample, samples
from tritonnet.kernels import shape as kernels
from tritonnet.kernels.rows import normal_axis


class Cat(Op):
    """The arrays behind each other along an axis, in their common type."""

    def forward(ctx, *xs, axis=0):
        ctx.axis = normal_axis(axis, xs[0].ndim)
        ctx.sizes = [x.shape[ctx.axis] for x in xs]
        return kernels.cat(xs, ctx.axis)

    def pieces(ctx, ndim):
        """The keys of what each argument became."""
        ends = np.cumsum(ctx.sizes).tolist()
        return [kernels.spanning(ndim, ctx.axis, end - n, end) for n, end in zip(ctx.sizes, ends)]

    def backward(ctx, dy):
        return tuple([dy[key] if p is not None else None for key, p in zip(ctx.pieces(dy.ndim), ctx.parents)])

    def differentiable_backward(ctx, dy):
        return tuple([Slice.apply(dy, key) for key in ctx.pieces(dy.ndim)])


@samples(Cat, torch=lambda torch, *xs, axis=0: torch.cat(xs, axis))
def cat_samples(rand):
    yield Sample(rand(2, 3), rand(4, 3), rand(1, 3))
    yield Sample(rand(3, 2).T, rand(2, 5), axis=-1)         # strides
    yield Sample(rand(2, 3, 4), rand(2, 0, 4), axis=1)      # one is empty
    yield Sample(rand(3))                                   # a single one
    yield Sample(rand(2, 3), rand.integers(0, 9, (2, 3)))   # integers become floats
    yield Sample(rand(2, 3), rand(2, 3), axis=2, raises=IndexError)


class Stack(Op):
    """Arrays of one shape along a new axis."""

    def forward(ctx, *xs, axis=0):
        ctx.axis = normal_axis(axis, xs[0].ndim + 1)
        return kernels.stack(xs, ctx.axis)

    def piece(ctx, i):
        """The key of argument i in the result."""
        return (slice(None),) * ctx.axis + (i, ...)

    def backward(ctx, dy):
        return tuple([dy[ctx.piece(i)] if p is not None else None for i, p in enumerate(ctx.parents)])

    def differentiable_backward(ctx, dy):
        return tuple([Slice.apply(dy, ctx.piece(i)) for i in range(len(ctx.parents))])


@samples(Stack, torch=lambda torch, *xs, axis=0: torch.stack(xs, axis))
def stack_samples(rand):
    yield Sample(rand(2, 3), rand(2, 3), rand(2, 3))
    yield Sample(rand(3, 2).T, rand(2, 3), axis=-1)
    yield Sample(rand(), rand(), axis=0)
    yield Sample(rand(2, 0), rand(2, 0), axis=1)


class Pad(Op):
    """x framed with a constant. pad: (before, after) of the last axis, of the one before it, …; negative cuts off."""

    def forward(ctx, x, pad, value=0.0):
        pairs = [(pad[i], pad[i + 1]) for i in range(0, len(pad), 2)]
        ctx.x_shape, ctx.pad = x.shape, pad
        ctx.widths = [(0, 0)] * (x.ndim - len(pairs)) + pairs[::-1]
        if any(n + before + after < 0 for n, (before, after) in zip(x.shape, ctx.widths)):
            raise RuntimeError(f"pad: {pad} cuts off more than there is in shape {list(x.shape)}: narrow(): length "
                               "must be non-negative.")
        return kernels.pad(x, ctx.widths, value)

    def backward(ctx, dy):
        return kernels.pad_backward(dy, ctx.x_shape, ctx.widths)

    def differentiable_backward(ctx, dy):
        return Pad.apply(dy, tuple(-n for n in ctx.pad))


@samples(Pad, torch=lambda torch, x, pad, value=0.0: torch.nn.functional.pad(x, pad, value=value))
def pad_samples(rand):
    yield Sample(rand(2, 3, 5), (1, 2))
    yield Sample(rand(5, 4).T, (1, 0, 2, 3), value=2.5)
    yield Sample(rand(4, 5), (-1, 2, 0, -2))                # cut off and frame
    yield Sample(rand(2, 0), (1, 1), value=float("inf"), grad=False)    # nothing but the frame
    yield Sample(rand(2, 3), (-2, -2), raises=RuntimeError)


class Flip(Op):
    """x turned round along axes."""

    def forward(ctx, x, axes):
        ctx.axes = tuple(normal_axis(a, x.ndim) for a in axes)
        return kernels.flip(x, ctx.axes)

    def backward(ctx, dy):
        return kernels.flip(dy, ctx.axes)

    def differentiable_backward(ctx, dy):
        return Flip.apply(dy, ctx.axes)


@samples(Flip, torch=lambda torch, x, axes: torch.flip(x, axes))
def flip_samples(rand):
    yield Sample(rand(3, 7), (0,))
    yield Sample(rand(3, 4, 5).T, (-1, 0))
    yield Sample(rand(0, 3), (1,))
    yield Sample(rand(2, 3), (2,), raises=IndexError)


class Tril(Op):
    """The lower triangle of matrices, from the k-th diagonal down; 0 above."""

    upper = False

    def forward(ctx, x, k=0):
        ctx.k = k
        return kernels.tril(x, k, ctx.upper)

    def backward(ctx, dy):
        return kernels.tril(dy, ctx.k, ctx.upper)

    def differentiable_backward(ctx, dy):
        return type(ctx).apply(dy, ctx.k)


class Triu(Tril):
    """The upper triangle of matrices, from the k-th diagonal up; 0 below."""

    upper = True


def triangle_samples(rand):
    yield Sample(rand(5, 7))
    yield Sample(rand(7, 5).T, 2)
    yield Sample(rand(2, 3, 4, 4), -1)                      # several matrices
    yield Sample(rand(3, 4), 40)                            # beyond the matrix
    yield Sample(rand(2, 0, 3))
    yield Sample(np.array([[np.nan, np.inf], [np.inf, np.nan]]), grad=False)    # what is cut off is 0 even so


samples(Tril, torch=lambda torch, x, k=0: torch.tril(x, k))(triangle_samples)
samples(Triu, torch=lambda torch, x, k=0: torch.triu(x, k))(triangle_samples)
