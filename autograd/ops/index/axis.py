"""Indexing along one axis: gather, scatter, index_select, embedding."""

from __future__ import annotations

import numpy as np

from tritonnet.autograd.function import Op, make
from tritonnet.autograd.ops.index.key import IndexPut, beside
from tritonnet.autograd.ops.shape import Unslice
from tritonnet.autograd.samples import Sample, samples
from tritonnet.kernels import elementwise
from tritonnet.kernels import index as kernels
from tritonnet.kernels.arrays import zeros
from tritonnet.kernels.rows import normal_axis
from tritonnet.kernels.shape import unslice


class Gather(Op):
    """y[…, j, …] = x[…, index[…, j, …], …]; the index has x's rank and may be shorter along the other axes."""

    def forward(ctx, x, axis, index):
        ctx.axis, ctx.x_shape, ctx.index = normal_axis(axis, x.ndim), x.shape, ctx.save(beside(x, index))
        return kernels.gather(x, ctx.axis, ctx.index)

    def backward(ctx, dy):
        dx = zeros(ctx.x_shape, dy.dtype, dy)
        kernels.scatter_into(dx, ctx.axis, ctx.index, dy, add=True)
        return dx

    def differentiable_backward(ctx, dy):
        return ScatterAdd.apply(make(zeros(ctx.x_shape, dy.array.dtype, dy.array)), ctx.axis, ctx.index, dy)


@samples(Gather, torch=lambda torch, x, axis, index: torch.gather(x, axis, index))
def gather_samples(rand):
    yield Sample(rand(5, 7), 1, rand.integers(0, 7, (5, 1)))                # one of each row: a loss does this
    yield Sample(rand(7, 4, 5).T, 1, rand.integers(0, 4, (3, 9, 2)))        # strides; a corner of x, with repetitions
    yield Sample(rand(4, 5), 0, rand.integers(0, 4, (6, 5)))
    yield Sample(rand(3, 2, 4, 2, 3), 2, rand.integers(0, 4, (2, 1, 3, 1, 2)))    # many separate axes
    yield Sample(rand(4, 5), -1, rand.integers(0, 4, (4, 0)))               # nothing
    yield Sample(rand(5), 0, rand.integers(0, 2, (400,)))                   # long runs of equal destinations
    yield Sample(rand(3, 4), 1, rand.integers(4, 6, (3, 1)), raises=RuntimeError)
    yield Sample(rand(3, 4), 2, rand.integers(0, 3, (3, 1)), raises=IndexError)


class Scatter(Op):
    """A copy of x with y[…, index[…, j, …], …] = src[…, j, …]; where the index repeats, the last one stays."""

    add = False

    def forward(ctx, x, axis, index, src):
        ctx.axis, ctx.index = normal_axis(axis, x.ndim), ctx.save(beside(x, index))
        ctx.src_shape = getattr(src, "shape", ())
        return kernels.scatter(x, ctx.axis, ctx.index, src, ctx.add)

    def backward(ctx, dy):
        wants_x, _, _, wants_src = ctx.needs_input_grad
        dx = dy if ctx.add or not wants_x else kernels.scatter(dy, ctx.axis, ctx.index, 0)
        if not wants_src:
            return dx
        dsrc = kernels.gather(dy, ctx.axis, ctx.index)
        if ctx.src_shape and dsrc.shape != ctx.src_shape:       # only a corner of src was used
            dsrc = unslice(dsrc, ctx.src_shape, tuple(map(slice, dsrc.shape)))
        return dx, None, None, dsrc

    def differentiable_backward(ctx, dy):
        dx = dy if ctx.add else Scatter.apply(dy, ctx.axis, ctx.index, 0)
        dsrc = Gather.apply(dy, ctx.axis, ctx.index)
        if ctx.src_shape and dsrc.array.shape != ctx.src_shape:
            dsrc = Unslice.apply(dsrc, ctx.src_shape, tuple(map(slice, dsrc.array.shape)))
        return dx, None, None, dsrc


class ScatterAdd(Scatter):
    """A copy of x with y[…, index[…, j, …], …] += src[…, j, …], every repetition counted, in a fixed order."""

    add = True


@samples(Scatter, torch=lambda torch, x, axis, index, src: torch.scatter(x, axis, index, src))
def scatter_samples(rand):
    def distinct(n, *shape):
        return np.argsort(rand(*shape[:-1], n), -1)[..., : shape[-1]]

    yield Sample(rand(4, 7), 1, distinct(7, 4, 3), rand(4, 3))
    yield Sample(rand(7, 5).T, -1, distinct(7, 3, 7), rand(3, 7))           # strides, a corner
    yield Sample(rand(5, 4), 0, distinct(5, 4, 5).T, 1.5)                   # a number
    yield Sample(rand(3, 4), 1, rand.integers(0, 4, (3, 0)), rand(3, 0))
    yield Sample(rand(3, 4), 1, rand.integers(4, 6, (3, 1)), 1.0, raises=RuntimeError)


@samples(ScatterAdd, torch=lambda torch, x, axis, index, src: torch.scatter_add(x, axis, index, src))
def scatter_add_samples(rand):
    yield Sample(rand(4, 7), 1, rand.integers(0, 7, (4, 9)), rand(4, 9))
    yield Sample(rand(7, 5).T, 0, rand.integers(0, 5, (8, 4)), rand(8, 4))  # strides, a corner
    yield Sample(rand(3, 2, 4, 2), 2, rand.integers(0, 4, (2, 1, 5, 1)), rand(2, 1, 5, 1))   # many separate axes
    yield Sample(rand(5), 0, rand.integers(0, 2, (300,)), rand(300))        # long runs of equal destinations
    yield Sample(rand(3, 4), 1, rand.integers(0, 4, (0, 4)), rand(0, 4))
    yield Sample(rand(3, 4), 1, rand.integers(4, 6, (3, 1)), rand(3, 1), raises=RuntimeError)


class IndexSelect(Op):
    """x along an axis by an index of any shape, whose axes take the place of that axis."""

    def forward(ctx, x, axis, index):
        ctx.axis, ctx.x_shape, ctx.index = normal_axis(axis, x.ndim), x.shape, ctx.save(beside(x, index))
        return kernels.take(x, ctx.index, ctx.axis)

    def backward(ctx, dy):
        return kernels.take_backward(dy, ctx.x_shape, ctx.index, ctx.axis)

    def differentiable_backward(ctx, dy):
        dx = make(zeros(ctx.x_shape, dy.array.dtype, dy.array))
        return IndexPut.apply(dx, (slice(None),) * ctx.axis + (ctx.index,), dy, accumulate=True)


@samples(IndexSelect, torch=lambda torch, x, axis, index: torch.index_select(x, axis, index.reshape(-1)).reshape(
    *x.shape[: axis % x.ndim], *index.shape, *x.shape[axis % x.ndim + 1:]))
def index_select_samples(rand):
    yield Sample(rand(5, 7), 0, rand.integers(0, 5, (9,)))
    yield Sample(rand(7, 3, 5).T, 1, rand.integers(0, 3, (4,)))
    yield Sample(rand(5, 6), -1, rand.integers(0, 6, (2, 3)))
    yield Sample(rand(5, 6), 1, rand.integers(0, 6, (0,)))
    yield Sample(rand(5, 6), 1, rand.integers(-3, 0, (2,)), raises=IndexError)


class Embedding(Op):
    """Rows of `weight`, (rows, width), at `indices` of any shape; the row padding_idx receives no gradient.

    by_frequency: the gradient of a row is the mean over its occurrences, not the sum.
    """

    def forward(ctx, indices, weight, padding_idx=None, by_frequency=False):
        ctx.by_frequency = by_frequency
        ctx.indices, ctx.x_shape, ctx.padding_idx = ctx.save(beside(weight, indices)), weight.shape, padding_idx
        return kernels.take(weight, ctx.indices)

    def occurrences(ctx, like):
        """How often the row of each index occurs, as it broadcasts over the gradient."""
        count = zeros(ctx.x_shape[:1], like.dtype, like)
        kernels.put_into(count, (ctx.indices,), 1, accumulate=True)
        return kernels.take(count, ctx.indices).reshape(*ctx.indices.shape, 1)

    def backward(ctx, dy):
        if ctx.by_frequency:
            dy = elementwise.div(dy, ctx.occurrences(dy))
        skip = {} if ctx.padding_idx is None else {"skip": ctx.padding_idx % ctx.x_shape[0]}
        return None, kernels.take_backward(dy, ctx.x_shape, ctx.indices, **skip)

    def differentiable_backward(ctx, dy):
        if ctx.by_frequency:
            dy = dy / make(ctx.occurrences(dy.array))
        dx = make(zeros(ctx.x_shape, dy.array.dtype, dy.array))
        dx = IndexPut.apply(dx, (ctx.indices,), dy, accumulate=True)
        return None, dx if ctx.padding_idx is None else IndexPut.apply(dx, (np.array([ctx.padding_idx]),), 0)


@samples(Embedding, torch=lambda torch, indices, weight, padding_idx=None, by_frequency=False:
         torch.nn.functional.embedding(indices, weight, padding_idx, scale_grad_by_freq=by_frequency))
def embedding_samples(rand):
    yield Sample(rand.integers(0, 9, (4, 6)), rand(9, 16))                  # repetitions
    yield Sample(rand.integers(0, 3, (40,)), rand(5, 3).T)                  # strides; long runs
    yield Sample(rand.integers(0, 4, (3, 5)), rand(4, 7), padding_idx=2, grad=False)
    yield Sample(rand.integers(0, 4, (0, 5)), rand(4, 7))
    yield Sample(np.arange(5), rand(6, 3), by_frequency=True)               # each row once: the usual gradient
    yield Sample(rand.integers(4, 6, (3,)), rand(4, 7), raises=IndexError)
