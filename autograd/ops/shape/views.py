"""Views of the same memory, and copies of it."""

from __future__ import annotations

from tritonnet.autograd.function import Op, edge, make, new
from tritonnet.autograd.mode import state
from tritonnet.autograd.samples import Sample, samples
from tritonnet.autograd.tape import clock, root
from tritonnet.autograd.views import gained, mark, view_of
from tritonnet.kernels import shape as kernels
from tritonnet.kernels.arrays import is_host, to_device, to_host


class ViewOp(Op):
    """A view of the first argument: `see(x, *args)` on arrays. Recording it costs little, as views are frequent."""

    __slots__ = ("x_shape", "args")

    def forward(ctx, x, *args):
        ctx.x_shape, ctx.args = x.shape, args
        return ctx.see(x, *args)

    @classmethod
    def apply(cls, x, *args):
        """The view as a tensor that knows its base; recorded if x requires a gradient."""
        array = x.array
        out = cls.see(array, *args)
        if not ((x._requires_grad or x.base is not None and gained(x)) and state.grad):
            return view_of(x, out, cls, args) if cls is not Reshape or shared(out, array) else make(out)
        node = new(cls)
        node.saved, node.hooks, node.x_shape, node.args = (), None, array.shape, args
        node.parents = (edge(x),)
        node.shape, node.dtype, node.seq = out.shape, out.dtype, next(clock)
        made = make(out, node)
        mark(made, x, cls, args, {})
        return made


def shared(out, x):
    """Whether a reshape is a view."""
    return root(out) is root(x)


class Reshape(ViewOp):
    """The same elements in C order in another shape; a view where strides allow."""

    @staticmethod
    def see(x, shape):
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


class Permute(ViewOp):
    """The axes in another order: a view."""

    @staticmethod
    def see(x, axes):
        return x.transpose(axes) if axes else x[...]

    def inverse(ctx):
        """The order that undoes it."""
        axes, = ctx.args
        return tuple(sorted(range(len(axes)), key=lambda i: axes[i] % len(axes)))

    def backward(ctx, dy):
        return Permute.see(dy, ctx.inverse())

    def differentiable_backward(ctx, dy):
        return Permute.apply(dy, ctx.inverse())


@samples(Permute, torch=lambda torch, x, axes: x.permute(axes))
def permute_samples(rand):
    yield Sample(rand(2, 3, 5), (2, 0, 1))                  # not its own inverse
    yield Sample(rand(2, 3), (-1, 0))
    yield Sample(rand(2, 0, 3), (1, 2, 0))                  # empty
    yield Sample(rand(), ())


class Expand(ViewOp):
    """x repeated along new leading axes and axes of length 1, without a copy: a view whose strides are 0 there."""

    @staticmethod
    def see(x, shape):
        if x.shape == shape:
            return x[...]
        return kernels.expand(x, shape)

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


class Slice(ViewOp):
    """x[key] for ints, slices, None and Ellipsis: a view."""

    @staticmethod
    def see(x, key):
        return x[key if Ellipsis in key else (*key, ...)]   # with ..., NumPy gives an array, never a number

    def backward(ctx, dy):
        return kernels.unslice(dy, ctx.x_shape, *ctx.args)

    def differentiable_backward(ctx, dy):
        return Unslice.apply(dy, ctx.x_shape, *ctx.args)


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
        ctx.key = key
        return kernels.unslice(dy, shape, key)

    def backward(ctx, d):
        return Slice.see(d, ctx.key)

    def differentiable_backward(ctx, d):
        return Slice.apply(d, ctx.key)


@samples(Unslice)
def unslice_samples(rand):
    yield Sample(rand(2, 5), (4, 5), (slice(1, 4, 2),))
    yield Sample(rand(4, 2).T, (2, 3, 4), (slice(None), 1))
    yield Sample(rand(), (3,), (2,))


class Diagonal(ViewOp):
    """The diagonals of the matrices in two axes, as the last axis: a view."""

    @staticmethod
    def see(x, offset=0, axis1=0, axis2=1):
        return kernels.diagonal(x, offset, axis1 % x.ndim, axis2 % x.ndim)

    def backward(ctx, dy):
        return kernels.undiagonal(dy, ctx.x_shape, *ctx.args)

    def differentiable_backward(ctx, dy):
        return Undiagonal.apply(dy, ctx.x_shape, *ctx.args)


@samples(Diagonal, torch=lambda torch, x, offset=0, axis1=0, axis2=1: torch.diagonal(x, offset, axis1, axis2))
def diagonal_samples(rand):
    yield Sample(rand(4, 5))
    yield Sample(rand(5, 4).T, 1)
    yield Sample(rand(3, 4, 5, 2), -1, 2, 1)                # several matrices, axes the other way round
    yield Sample(rand(3, 4), 7)                             # beyond the matrix
    yield Sample(rand(0, 4))


class Undiagonal(Op):
    """Zeros of `shape` with dy on the diagonals: the gradient of Diagonal."""

    def forward(ctx, dy, shape, *where):
        ctx.where = where
        return kernels.undiagonal(dy, shape, *where)

    def backward(ctx, d):
        return Diagonal.see(d, *ctx.where)

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
