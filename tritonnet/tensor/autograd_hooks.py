"""Hooks on tensors: called with a gradient when it is complete, and retain_grad."""

from __future__ import annotations

import itertools
import weakref

from tritonnet.autograd.function import make

_numbers = itertools.count()
leaves: dict[int, dict] = {}  # id of a leaf -> its hooks; empty in most programs, which then pay one test
after: dict[int, dict] = {}  # the same for hooks called after accumulation


class RemovableHandle:
    """What registering a hook returns: `remove()` takes the hook out again; usable as a context manager."""

    def __init__(self, hooks: dict, hook):
        self.hooks, self.id = hooks, next(_numbers)
        hooks[self.id] = hook

    def remove(self):
        """Take the hook out; doing so twice does no harm."""
        self.hooks.pop(self.id, None)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.remove()


def _of(table, tensor):
    """The hooks of a leaf; forgotten together with it."""
    if id(tensor) not in table:
        table[id(tensor)] = {}
        weakref.finalize(tensor, table.pop, id(tensor), None)
    return table[id(tensor)]


def _on_arrays(hook):
    """A hook on tensors as the tape calls it: with an array, or with a tensor when the graph is recorded."""

    def call(grad, recorded):
        changed = hook(grad if recorded else make(grad))
        return changed if changed is None or recorded else changed.array

    return call


def register(tensor, hook):
    """Have `hook(grad)` called with this tensor's gradient; it may return another."""
    if not tensor.requires_grad:
        raise RuntimeError("cannot register a hook on a tensor that doesn't require gradient")
    node = tensor.grad_fn
    if node is None:
        return RemovableHandle(_of(leaves, tensor), hook)
    if node.hooks is None:
        node.hooks = {}
    return RemovableHandle(node.hooks, _on_arrays(hook))


def register_post_accumulate(tensor, hook):
    """Have `hook(tensor)` called after `.grad` of this leaf has changed."""
    if not tensor.requires_grad or tensor.node is not None:
        raise RuntimeError("post accumulate grad hooks cannot be registered on non-leaf tensors")
    return RemovableHandle(_of(after, tensor), hook)


def on_leaf(tensor, grad):
    """A leaf's hooks, on the part that one backward pass adds."""
    for hook in list(leaves.get(id(tensor), {}).values()):
        recorded = not hasattr(grad, "strides")
        changed = hook(grad if recorded else make(grad))
        if changed is not None:
            grad = changed if recorded else changed.array
    return grad


def after_leaf(tensor):
    """A leaf's hooks after accumulation."""
    for hook in list(after.get(id(tensor), {}).values()):
        hook(tensor)


def retain(tensor):
    """Have `.grad` of a tensor that is no leaf filled in."""
    if not tensor.requires_grad:
        raise RuntimeError("can't retain_grad on Tensor that has requires_grad=False")
    if tensor.node is None or retains(tensor):
        return
    here = weakref.ref(tensor)

    def keep(grad, recorded):
        if (t := here()) is not None:
            given = grad if recorded else make(grad.copy())
            t.grad = given if t.grad is None else t.grad + given

    node = tensor.grad_fn
    if node.hooks is None:
        node.hooks = {}
    node.hooks["retain"] = keep


def retains(tensor):
    """Whether retain_grad was called on a tensor that is no leaf."""
    node = tensor.grad_fn
    return node is not None and node.hooks is not None and "retain" in node.hooks
