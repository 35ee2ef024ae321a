"""Views of the same memory, and copies of it."""

from __future__ import annotations

import numpy as np
from tritonnet.autograd.function import Op
from tritonnet.autograd.samples import Sample, samples
from tritonnet.kernels import shape as kernels
from tritonnet.kernels.arrays import is_host, to_device, to_host
from tritonnet.kernels.rows import normal_axis


class Reshape(Op):
    """The same elements in C order in another shape; a view where strides allow."""

    view = True

    def forward(ctx, x, shape):
        ctx.x_shape = x.shape
        return x.reshape(shape)

    def backward(ctx, dy):
        return dy.reshape(ctx.x_shape)

    def differentiable_backward(ctx, dy):
        return Reshape.apply(dy, ctx.x_shape)


@samples(Reshape, torch=lambda torch, x, shape: x.reshape(shape))
def reshape_samples(rand):
    yield Sample(rand(3, 4), (2, 6))
    yield Sample(rand(5, 4).T, (2, 10))                     # strides do not allow a view
    yield Sample(rand(4, 6)[:, ::2], (2, 2, 3))             # strides with gaps that do
    yield Sample(rand(0, 3), (3, 0, 2))                     # empty
    yield Sample(rand(1), ())
    yield Sample(rand(3, 4), (5, 2), raises=ValueError)


class Permute(Op):
    """The axes in another order: a view."""

    view = True

    def forward(ctx, x, axes):
        ctx.axes = axes
        return x.transpose(axes) if axes else x[...]

    def inverse(ctx):
        """The order that undoes it."""
        return tuple(sorted(range(len(ctx.axes)), key=lambda i: ctx.axes[i] % len(ctx.axes)))

    def backward(ctx, dy):
        return dy.transpose(ctx.inverse()) if ctx.axes else dy

    def differentiable_backward(ctx, dy):
        return Permute.apply(dy, ctx.inverse())


@samples(Permute, torch=lambda torch, x, axes: x.permute(axes))
def permute_samples(rand):
    yield Sample(rand(2, 3, 5), (2, 0, 1))                  # not its own inverse
    yield Sample(rand(2, 3), (-1, 0))
    yield Sample(rand(2, 0, 3), (1, 2, 0))                  # empty
    yield Sample(rand(), ())


class Expand(Op):
    """x repeated along new leading axes and axes of length 1, without a copy: a view whose strides are 0 there."""

    view = True

    def forward(ctx, x, shape):
        if x.shape == shape:
            return x[...]
        return np.broadcast_to(x, shape) if is_host(x) else x.broadcast_to(shape)

    def backward(ctx, dy):
        return dy                                           # the tape sums it to x's shape

    differentiable_backward = backward


@samples(Expand, torch=lambda torch, x, shape: x.expand(shape))
def expand_samples(rand):
    yield Sample(rand(3, 1), (2, 3, 4))
    yield Sample(rand(1, 3).T, (3, 5))
    yield Sample(rand(1, 4), (0, 4))                        # to nothing
    yield Sample(rand(), (2, 2))
    yield Sample(rand(3), (2, 4), raises=ValueError)


class Slice(Op):
    """x[key] for ints, slices, None and Ellipsis: a view."""

    view = True

    def forward(ctx, x, key):
        ctx.x_shape, ctx.key = x.shape, key if Ellipsis in key else (*key, ...)     # NumPy: an array, never a number
        return x[ctx.key]

    def backward(ctx, dy):
        return kernels.unslice(dy, ctx.x_shape, ctx.key)

    def differentiable_backward(ctx, dy):
        return Unslice.apply(dy, ctx.x_shape, ctx.key)


@samples(Slice, torch=lambda torch, x, key: x[key])
def slice_samples(rand):
    yield Sample(rand(4, 5), (1,))
    yield Sample(rand(4, 5), (slice(1, 4, 2), None, -1))
    yield Sample(rand(3, 4, 5).T, (..., slice(0, 2)))
    yield Sample(rand(2, 3), (1, 2))                        # one element
    yield Sample(rand(4, 5), (slice(3, 3),))                # nothing
    yield Sample(rand(), ())
    yield Sample(rand(4, 5), (4,), raises=IndexError)


class Unslice(Op):
    """Zeros of `shape` with dy where x[key] looks: the gradient of Slice."""

    def forward(ctx, dy, shape, key):
        ctx.x_shape, ctx.key = shape, key if Ellipsis in key else (*key, ...)
        return kernels.unslice(dy, shape, ctx.key)

    def backward(ctx, d):
        return d[ctx.key]

    def differentiable_backward(ctx, d):
        return Slice.apply(d, ctx.key)


@samples(Unslice)
def unslice_samples(rand):
    yield Sample(rand(2, 5), (4, 5), (slice(1, 4, 2),))
    yield Sample(rand(4, 2).T, (2, 3, 4), (slice(None), 1))
    yield Sample(rand(), (3,), (2,))


class Diagonal(Op):
    """The diagonals of the matrices in two axes, as the last axis: a view."""

    view = True

    def forward(ctx, x, offset=0, axis1=0, axis2=1):
        ctx.x_shape, ctx.where = x.shape, (offset, normal_axis(axis1, x.ndim), normal_axis(axis2, x.ndim))
        return kernels.diagonal(x, *ctx.where)

    def backward(ctx, dy):
        return kernels.undiagonal(dy, ctx.x_shape, *ctx.where)

    def differentiable_backward(ctx, dy):
        return Undiagonal.apply(dy, ctx.x_shape, *ctx.where)


@samples(Diagonal, torch=lambda torch, x, offset=0, axis1=0, axis2=1: torch.diagonal(x, offset, axis1, axis2))
def diagonal_samples(rand):
    yield Sample(rand(4, 5))
    yield Sample(rand(5, 4).T, 1)
    yield Sample(rand(3, 4, 5, 2), -1, 2, 1)                # several matrices, axes the other way round
    yield Sample(rand(3, 4), 7)                             # beyond the matrix
    yield Sample(rand(0, 4))


class Undiagonal(Op):
    """Zeros of `shape` with dy on the diagonals: the gradient of Diagonal."""

    def forward(ctx, dy, shape, offset=0, axis1=0, axis2=1):
        ctx.x_shape, ctx.where = shape, (offset, normal_axis(axis1, len(shape)), normal_axis(axis2, len(shape)))
        return kernels.undiagonal(dy, shape, *ctx.where)

    def backward(ctx, d):
        return kernels.diagonal(d, *ctx.where)

    def differentiable_backward(ctx, d):
        return Diagonal.apply(d, *ctx.where)


@samples(Undiagonal, torch=lambda torch, dy, shape, offset=0, axis1=0, axis2=1: torch.diag_embed(
    dy, offset, axis1, axis2))
def undiagonal_samples(rand):
    yield Sample(rand(4), (4, 4))
    yield Sample(rand(3, 2).T, (2, 5, 5), -2, 1, 2)
    yield Sample(rand(0), (1, 1), 1)


class Copy(Op):
    """A copy in C order."""

    def forward(ctx, x):
        return x.copy()

    def backward(ctx, dy):
        return dy

    differentiable_backward = backward


@samples(Copy, torch=lambda torch, x: x.clone())
def copy_samples(rand):
    yield Sample(rand(3, 781))
    yield Sample(rand(4, 3, 6)[:, ::2].T)                   # strides with gaps
    yield Sample(rand(0, 3))
    yield Sample(rand.bools(3, 5))


class ToDevice(Op):
    """A copy on another device, None for the host; the gradient goes back."""

    def forward(ctx, x, device):
        ctx.origin = None if is_host(x) else x.device
        return to_host(x) if device is None else to_device(x, device)

    def backward(ctx, dy):
        return to_host(dy) if ctx.origin is None else to_device(dy, ctx.origin)

    def differentiable_backward(ctx, dy):
        return ToDevice.apply(dy, ctx.origin)


@samples(ToDevice, torch=lambda torch, x, device: x.to("cpu"))
def to_device_samples(rand):
    yield Sample(rand(3, 5), None)
    yield Sample(rand(4, 3).T, None)                        # from a device: strides
    yield Sample(rand(0, 3), None)
