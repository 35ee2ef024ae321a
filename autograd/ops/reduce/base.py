"""What the operations of this family share: shape and axes for backward, and samples."""

from __future__ import annotations

import numpy as np

from tritonnet.autograd.function import Op
from tritonnet.autograd.samples import Sample
from tritonnet.kernels.arrays import is_host
from tritonnet.kernels.reduce.axes import normal_axes, reduced_shape


def spread(array, shape):
    """A view of `array` repeated to `shape`."""
    return np.broadcast_to(array, shape) if is_host(array) else array.broadcast_to(shape)


class Reduction(Op):
    """What backwards share: the input's shape and the axes."""

    def note(ctx, x, axis):
        ctx.of, ctx.axis = x.shape, axis

    @property
    def axes(ctx):
        return normal_axes(ctx.axis, len(ctx.of))

    def kept(ctx, array):
        """A result, or its gradient, with the reduced axes of length 1."""
        return array.reshape(reduced_shape(ctx.of, ctx.axes, True))


def all_axes(torch, name, x, axis, keepdims, **more):
    """PyTorch's call for our arguments."""
    call = getattr(torch, name)
    return call(x, **more) if axis is None and not keepdims else call(
        x, dim=tuple(range(x.ndim)) if axis is None else axis, keepdim=keepdims, **more)


def shapes(rand):
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
