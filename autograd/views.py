"""Views on the tape: an in-place change of a view changes the history of its base, and of the base's other views."""

from __future__ import annotations

import types

from tritonnet.autograd import function, tape
from tritonnet.autograd.function import Op, new
from tritonnet.autograd.mode import state
from tritonnet.kernels import strided
from tritonnet.kernels.arrays import is_host, zeros

PLAIN = types.MappingProxyType({})  # no keywords


class View:
    """How a tensor is made from the tensor that owns the memory: a path of view operations.

    `seen`: the root's node when the tensor's own node was made; another one now means that the root was changed in
    place since, and that the tensor's node has to be made anew.
    """

    __slots__ = ("root", "path", "seen")

    def __init__(self, root, path):
        self.root, self.path, self.seen = root, path, root.node


def mark(out, base, op, args, kwargs):
    """Note that `out` is op(base, *args, **kwargs) on the same memory, if it is (a reshape may have copied)."""
    if tape.root(out.array) is tape.root(base.array):
        before = base.base
        step = (op, args, kwargs)
        out.base = View(base, (step,)) if before is None else View(before.root, (*before.path, step))


def view_of(base, array, op, args):
    """A tensor on `array`, the view op(base, *args) of a base that requires no gradient."""
    made, view, before = new(function.Tensor), new(View), base.base  # written out: loops over data come here
    if before is None:
        view.root = base
        view.path = (op, args, PLAIN),
        view.seen = base.node
    else:
        view.root = root = before.root
        view.path = *before.path, (op, args, PLAIN)
        view.seen = root.node
    made.array = array
    made.base = view
    made._grad = made.node = None
    made._requires_grad = False
    return made


def current_node(tensor):
    """The node of a view, made anew if its base was changed in place meanwhile."""
    view = tensor.base
    if view.root.node is not view.seen and view.root.node is not None:      # None: it was detached, the view was not
        before, state.grad = state.grad, True
        try:
            again = _viewed(view.root, view.path)
        finally:
            state.grad = before
        tensor.node, tensor._requires_grad, view.seen = again.node, again._requires_grad, view.root.node
    return tensor.node


def gained(tensor):
    """Whether a view that required no gradient does now, as its base gained a history in place. Hot paths ask first
    whether the tensor has a base at all."""
    view = tensor.base
    return view.root.node is not view.seen and current_node(tensor) is not None


def along(path, array):
    """The same view of another array."""
    for op, args, kwargs in path:
        ctx = new(op)
        ctx.saved, ctx.parents = (), (None,)
        array = op.forward(ctx, array, *args, **kwargs)
    return array


def _viewed(tensor, path):
    """The same view of another tensor."""
    for op, args, kwargs in path:
        tensor = op.apply(tensor, *args, **kwargs)
    return tensor


class _CopySlices(Op):
    """The base after `value` was written into a view of it: the view's gradient goes to `value`."""

    def forward(ctx, base, value, path):
        ctx.path = path
        return base

    def backward(ctx, dy):
        dbase = dy.copy()
        region = along(ctx.path, dbase)
        dvalue = region.copy()
        if is_host(region):
            region.fill(0)
        else:
            strided.fill(region, 0)
        return dbase, dvalue

    def differentiable_backward(ctx, dy):
        dbase = dy.clone()
        region, dvalue = (_viewed(d, ctx.path) for d in (dbase, dy))
        region.zero_()
        return dbase, dvalue


class Overwrite(Op):
    """The value that takes the place of `before`, whose gradient is 0."""

    name = "CopyBackwards"

    def forward(ctx, before, value):
        return value

    def backward(ctx, dy):
        return zeros(dy.shape, dy.dtype, dy), dy

    def differentiable_backward(ctx, dy):
        return dy.new_zeros(dy.shape), dy


def rebase(tensor, out):
    """Give `tensor`, whose memory now holds the value of `out`, the history of `out`."""
    if tensor.base is None:
        tensor.node, tensor._requires_grad = out.node, out._requires_grad
        return
    root, path = tensor.base.root, tensor.base.path
    if not (root.requires_grad or out.requires_grad):
        return
    changed = _CopySlices.apply(root, out, path)
    root.node, root._requires_grad = changed.node, changed._requires_grad
    current_node(tensor)
