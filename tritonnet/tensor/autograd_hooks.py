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
        return _changed(hook, grad, recorded)

    return call


def _changed(hook, grad, recorded):
    """What a hook makes of a gradient: checked, and None if it returned nothing."""
    changed = hook(grad if recorded else make(grad))
    if changed is None:
        return None
    if not hasattr(changed, "array"):
        raise TypeError(f"expected Variable, but hook returned '{type(changed).__name__}'")
    if changed.array.shape != (grad.array if recorded else grad).shape:
        raise RuntimeError(f"hook '{getattr(hook, '__name__', hook)}' has changed the size of value")
    return changed if recorded else changed.array


def waits(leaf):
    """Whether a leaf has hooks, which want its gradient complete."""
    return bool(leaves.get(id(leaf)) or after.get(id(leaf)))


def register(tensor, hook):
    """Have `hook(grad)` called with this tensor's gradient; it may return another."""
    if not tensor.requires_grad:
        raise RuntimeError("cannot register a hook on a tensor that doesn't require gradient")
    node = tensor.grad_fn
    if node is None:
        return RemovableHandle(_of(leaves, tensor), hook)
    if node.hooks is None:
        node.hooks = {}
    handle = RemovableHandle(node.hooks, _on_arrays(hook))
    if "retain" in node.hooks:      # what is kept has passed through all hooks
        node.hooks["retain"] = node.hooks.pop("retain")
    return handle


def register_post_accumulate(tensor, hook):
    """Have `hook(tensor)` called after `.grad` of this leaf has changed."""
    if not tensor.requires_grad or tensor.node is not None:
        raise RuntimeError("post accumulate grad hooks cannot be registered on non-leaf tensors")
    return RemovableHandle(_of(after, tensor), hook)


def on_leaf(tensor, grad):
    """A leaf's hooks, on what one backward pass adds."""
    for hook in list(leaves.get(id(tensor), {}).values()):
        changed = _changed(hook, grad, not hasattr(grad, "strides"))
        if changed is not None:
            grad = changed.copy() if hasattr(changed, "strides") else changed  # the hook may hold on to it
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
