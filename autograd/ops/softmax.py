"""Softmax and log-softmax along one axis."""

from __future__ import annotations

import numpy as np

from tritonnet.autograd.function import Op
from tritonnet.autograd.samples import Sample, samples
from tritonnet.kernels import softmax as kernels
from tritonnet.kernels.dtypes import FLOATS


def check_floats(name, x):
    """Raise what PyTorch raises for integers."""
    if x.dtype not in FLOATS:
        raise NotImplementedError(f"{name} is not implemented for {x.dtype.name}, only for floating-point types")


class Softmax(Op):
    """exp(x) along an axis, scaled to sum to 1; the shape of x."""

    def forward(ctx, x, axis=-1):
        check_floats("softmax", x)
        ctx.axis = axis
        ctx.y = ctx.save(kernels.softmax(x, axis))
        return ctx.y

    def backward(ctx, dy):
        return kernels.softmax_backward(dy, ctx.y, ctx.axis)

    def differentiable_backward(ctx, dy):
        y = ctx.output(ctx.y)
        return y * (dy - (dy * y).sum(ctx.axis, keepdim=True))


class LogSoftmax(Op):
    """The logarithm of softmax(x); the shape of x."""

    def forward(ctx, x, axis=-1):
        check_floats("log_softmax", x)
        ctx.axis = axis
        ctx.y = ctx.save(kernels.log_softmax(x, axis))
        return ctx.y

    def backward(ctx, dy):
        return kernels.log_softmax_backward(dy, ctx.y, ctx.axis)

    def differentiable_backward(ctx, dy):
        return dy - ctx.output(ctx.y).exp() * dy.sum(ctx.axis, keepdim=True)


@samples(LogSoftmax, torch=lambda torch, x, axis=-1: torch.log_softmax(x, axis))
@samples(Softmax, torch=lambda torch, x, axis=-1: torch.softmax(x, axis))
def softmax_samples(rand):
    yield Sample(rand(3, 781))                                            # not a power of two
    yield Sample(rand(5, 4).T, 0)                                         # strides, another axis
    yield Sample(rand(2, 7, 3, 5), 1)                                     # rows lie after the axis
    yield Sample(rand(2, 3, 5, 7).transpose(0, 3, 1, 2), 1)               # channels last
    yield Sample(rand(4, 3, 2).transpose(2, 0, 1), 1)                     # no single stride: a copy
    yield Sample(np.broadcast_to(rand(1, 6), (4, 6)), 1, grad=False)      # strides of 0
    yield Sample(rand(1, 5000))                                           # several blocks
    yield Sample(rand(130, 10))                                           # several rows a program
    yield Sample(rand(0, 3))                                              # no rows
    yield Sample(rand(3, 0))                                              # nothing in a row
    yield Sample(rand())                                                  # a number
    yield Sample(rand(2, 3) * 1e4, dtypes=("float32",), grad=False)       # overflows without the maximum
    yield Sample(np.array([[0, np.nan, 1], [np.inf, 0, 1], [-np.inf, 0, 1], [-np.inf] * 3]), grad=False)
    yield Sample(np.array([[-np.inf] * 4200 + [0.0, 1.0]]), grad=False)   # a block of nothing
    yield Sample(rand(2, 3), 2, raises=IndexError)
    yield Sample(rand(2, 3), -3, raises=IndexError)
    yield Sample(rand.integers(0, 9, (2, 3)), raises=NotImplementedError)
