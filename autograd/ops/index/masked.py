"""Masks: filling where they are true, selecting what they show."""

from __future__ import annotations

import numpy as np

from tritonnet.autograd.function import Op, make
from tritonnet.autograd.ops.index.key import IndexPut, beside
from tritonnet.autograd.samples import Sample, samples
from tritonnet.kernels import index as kernels
from tritonnet.kernels.arrays import is_host, zeros
from tritonnet.kernels.elementwise import where


class MaskedFill(Op):
    """value where mask, else x, in x's type. value: a number, or an array without axes."""

    def forward(ctx, x, mask, value):
        ctx.mask = ctx.save(beside(x, mask))
        return kernels.masked_fill(x, ctx.mask, value)

    def backward(ctx, dy):
        wants_x, _, wants_value = ctx.needs_input_grad
        return where(ctx.mask, 0, dy) if wants_x else None, None, where(ctx.mask, dy, 0) if wants_value else None

    def differentiable_backward(ctx, dy):
        return MaskedFill.apply(dy, ctx.mask, 0), None, MaskedFill.apply(dy, where(ctx.mask, False, True), 0)


@samples(MaskedFill, torch=lambda torch, x, mask, value: torch.masked_fill(x, mask, value))
def masked_fill_samples(rand):
    yield Sample(rand(3, 781), rand.bools(3, 781), 2.5)
    yield Sample(rand(5, 4).T, rand.bools(5), -1e4)                         # strides; the mask broadcasts
    yield Sample(rand(3, 4), rand.bools(3, 4), rand())                      # a value with a gradient
    yield Sample(rand(4), rand.bools(3, 4), float("-inf"), grad=False)      # x broadcasts
    yield Sample(rand.integers(0, 9, (3, 4)), rand.bools(3, 4), 7)
    yield Sample(rand(0, 3), rand.bools(0, 3), 1.0)
    yield Sample(rand(3) * np.nan, np.array([True, False, True]), 1.0, grad=False)


class MaskedSelect(Op):
    """The elements of x where mask is true, (count,); both broadcast. Waits for the device."""

    def forward(ctx, x, mask):
        mask = beside(x, mask)
        shape = np.broadcast_shapes(x.shape, mask.shape)
        expand = np.broadcast_to if is_host(x) else type(x).broadcast_to
        x, ctx.key, _ = kernels.resolve(expand(x, shape), (expand(mask, shape),))
        ctx.broadcast, ctx.resolved = shape, x.shape
        ctx.save(ctx.key[0])
        return kernels.index_get(x, ctx.key)

    def backward(ctx, dy):
        dx = zeros(ctx.resolved, dy.dtype, dy)
        kernels.put_into(dx, ctx.key, dy, distinct=True)
        return dx.reshape(ctx.broadcast)

    def differentiable_backward(ctx, dy):
        dx = make(zeros(ctx.resolved, dy.array.dtype, dy.array))
        return IndexPut.apply(dx, ctx.key, dy).reshape(ctx.broadcast)


@samples(MaskedSelect, torch=lambda torch, x, mask: torch.masked_select(x, mask))
def masked_select_samples(rand):
    yield Sample(rand(5, 7), rand.bools(5, 7))
    yield Sample(rand(7, 5).T, rand.bools(5, 1))                            # strides; the mask broadcasts
    yield Sample(rand(4), rand.bools(3, 4))                                 # x broadcasts
    yield Sample(rand(3, 4), np.zeros((3, 4), bool))                        # nothing
    yield Sample(rand(), np.array(True))
