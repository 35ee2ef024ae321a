"""An array cut into pieces along an axis: views, with one gradient for all of them."""

from __future__ import annotations

from tritonnet.autograd.function import Op, edge, record
from tritonnet.autograd.mode import state
from tritonnet.autograd.ops.shape.arrange import Cat, Stack
from tritonnet.autograd.ops.shape.views import Slice
from tritonnet.autograd.samples import Sample, samples
from tritonnet.autograd.views import gained, mark, view_of
from tritonnet.kernels import shape as kernels
from tritonnet.kernels.arrays import zeros
from tritonnet.kernels.rows import normal_axis


class Cut(Op):
    """The pieces of x between neighbouring ends along an axis; ends None: at each index, without the axis.

    Pieces one by one would each hand on a gradient as large as x, mostly zeros, to be added up; here it is put together
    once.
    """

    materialize_grads = False

    def forward(ctx, x, axis, ends=None):
        ctx.x_shape, ctx.axis, ctx.whole = x.shape, normal_axis(axis, x.ndim), ends is not None
        ctx.places = keys(x.shape, ctx.axis, ends)
        return tuple([Slice.see(x, key) for key in ctx.places])

    @classmethod
    def apply(cls, x, axis, ends=None):
        """The views as tensors that know their base; recorded if x requires a gradient."""
        array = x.array
        axis = normal_axis(axis, array.ndim)
        if not ((x._requires_grad or x.base is not None and gained(x)) and state.grad):
            return tuple([view_of(x, Slice.see(array, key), Slice, (key,)) for key in keys(array.shape, axis, ends)])
        node = object.__new__(cls)
        node.saved, node.parents = (), (edge(x),)
        made = record(node, node.forward(array, axis, ends))
        for piece, key in zip(made, node.places):
            mark(piece, x, Slice, (key,), {})
        return made

    def backward(ctx, *grads):
        if all([g is not None for g in grads]):  # noqa: C419
            return kernels.joined(grads, ctx.axis, new=not ctx.whole)
        like = next(g for g in grads if g is not None)
        dx = zeros(ctx.x_shape, like.dtype, like)
        for g, key in zip(grads, ctx.places):
            if g is not None:
                kernels.assign(dx[key], g)
        return dx

    def differentiable_backward(ctx, *grads):
        like = next(g for g in grads if g is not None)
        grads = [like.new_zeros(s) if g is None else g for g, s in zip(grads, ctx.shape)]
        return (Cat if ctx.whole else Stack).apply(*grads, axis=ctx.axis)


def keys(shape, axis, ends) -> list:
    """Where the pieces lie."""
    before = (slice(None),) * axis
    if ends is None:
        return [(*before, i) for i in range(shape[axis])]
    return [(*before, slice(a, b)) for a, b in zip([0, *ends], ends)]


def _torch_cut(torch, x, axis, ends=None):
    return torch.unbind(x, axis) if ends is None else torch.tensor_split(x, ends[:-1], axis)


@samples(Cut, torch=_torch_cut)
def cut_samples(rand):
    yield Sample(rand(4, 6), 1, (2, 3, 6))
    yield Sample(rand(6, 4).T, 0, (1, 4))                   # strides
    yield Sample(rand(2, 3, 4), -2, (0, 3))                 # an empty piece
    yield Sample(rand(3, 4), 0)                             # row by row
    yield Sample(rand(2, 3, 4), -1)
    yield Sample(rand(2, 3), 2, (3,), raises=IndexError)
