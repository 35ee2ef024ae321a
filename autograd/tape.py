"""The tape: nodes, versions of arrays, and the backward pass.

Nodes are numbered as they are recorded, so descending numbers are an order in which every gradient is complete
before its node runs. Here, once for all operations: gradients are summed down to the shape that was broadcast, cast
to the type that was promoted, accumulated, and handed to hooks.
"""

from __future__ import annotations

import itertools
import sys
import weakref
from typing import Protocol

import numpy as np

from tritonnet.kernels import arrays

clock = itertools.count(1)  # of recordings and in-place changes together: tells which came first
_changed: dict[int, int] = {}  # memory (by id) -> when it was last changed in place


_one = None  # weakly: the gradient 1 that the last backward of a scalar began with


def begin_with_one(grad):
    """Note that this array is the gradient 1 of a scalar."""
    global _one
    _one = weakref.ref(grad)
    return grad


def is_one(grad) -> bool:
    """Whether this array is known to be the gradient 1 of a scalar: then there is nothing to multiply with."""
    return _one is not None and _one() is grad


class Leaf(Protocol):
    """Where a gradient ends: a tensor that no operation made."""

    array: object

    def accumulate(self, grad) -> None: ...


class Node:
    """One recorded operation. `parents`: per argument another node, a leaf, or None."""

    __slots__ = ("parents", "seq", "shape", "dtype", "hooks", "saved", "__weakref__")
    name = "Node"
    released = False
    materialize_grads = True

    @property
    def needs_input_grad(self):
        """Per argument of forward: whether its gradient is wanted."""
        return tuple([p is not None for p in self.parents])

    @property
    def next_functions(self):
        """PyTorch's view of the graph: (node, output number) per argument."""
        return tuple((None, 0) if p is None else (p, 0) for p in self.parents)

    def run_backward(self, grads):
        """The gradients of the arguments, as arrays."""
        raise NotImplementedError

    def release(self):
        """Let go of what was saved; the graph itself stays."""
        if self.saved:
            self.saved = ()
            self.__dict__.clear()
            self.released = True

    def save_copy_of(self, array):
        """Before `array` is overwritten by this very operation: keep copies of what was saved of its memory."""
        owner = root(array)
        copies = {id(a): a.copy() for a in self.saved if root(a) is owner}
        if copies:
            self.replace_saved(copies)

    def replace_saved(self, copies):
        """Refer to copies, by id of the original, wherever a saved array is named."""
        self.saved = tuple([copies.get(id(a), a) for a in self.saved])
        for name, value in self.__dict__.items():
            self.__dict__[name] = copies.get(id(value), value)

    def second_time(self):
        return (
            f"Trying to backward through the graph a second time ({self.name}): the values it saved were freed by the "
            "first .backward() or autograd.grad(). Specify retain_graph=True the first time if you need to backward "
            "through the graph twice, or recompute the forward pass."
        )

    def register_hook(self, hook):
        """PyTorch's node hooks are not offered; hooks on tensors are."""
        raise NotImplementedError("register_hook on a grad_fn: use Tensor.register_hook")

    def __repr__(self):
        return f"<{self.name} object at {id(self):#x}>"


class Output(Node):
    """One of several outputs of a node: passes its gradient on into its slot."""

    __slots__ = ("index",)

    def __init__(self, node, index, array):
        self.parents, self.index, self.seq, self.hooks, self.saved = (node,), index, next(clock), None, ()
        self.shape, self.dtype = array.shape, array.dtype

    @property
    def name(self):
        return self.parents[0].name


def root(array):
    """What owns an array's memory: the same object for all views of it."""
    if type(array) is np.ndarray:
        while type(array.base) is np.ndarray:
            array = array.base
        return array
    return array.owner


def modified(array):
    """Note that an array's memory was changed in place: what saved it before can no longer be used."""
    _changed[id(root(array))] = next(clock)


def check_unmodified(node, saved):
    """Raise if anything the node saved was changed after it was recorded."""
    if _changed:
        for array in saved:
            if _changed.get(id(root(array)), 0) > node.seq:
                raise RuntimeError(
                    "one of the variables needed for gradient computation has been modified by an inplace operation: "
                    f"[{array.dtype} {list(array.shape)}], saved by {node.name}. Change a copy instead, or change it "
                    "after backward()."
                )


def unbroadcast(grad, shape):
    """Sum `grad` down to `shape`: the transpose of broadcasting."""
    from tritonnet.kernels.reduce import sum as total

    padded = (1,) * (grad.ndim - len(shape)) + tuple(shape)
    axes = tuple(i for i, (g, n) in enumerate(zip(grad.shape, padded)) if g != n)
    return (total(grad, axis=axes, keepdims=True) if axes else grad).reshape(shape)


def fit(grad, shape, dtype):
    """A gradient in the shape and type of what it belongs to."""
    if grad.shape != shape:
        grad = unbroadcast(grad, shape)
    return grad if grad.dtype == dtype else grad.astype(dtype)


def unshared(array):
    """Whether the caller holds the only reference to this array and its memory (so that it may keep it)."""
    if type(array) is not np.ndarray:
        return sys.getrefcount(array) <= 5 and sys.getrefcount(array.owner) <= 3 and array.contiguous
    base = array.base
    return (
        sys.getrefcount(array) <= 5  # two callers, their arguments, ours
        and (base is None or (type(base) is np.ndarray and base.base is None and sys.getrefcount(base) <= 3))
        and array.flags.c_contiguous
        and array.flags.writeable
    )


def backward(roots, retain_graph=False, inputs=None, create_graph=None):
    """Run the tape from `roots`, pairs of (node or leaf, gradient).

    inputs: only these nodes and leaves get their gradients, returned as {it: gradient}; None: every leaf accumulates.
    create_graph: None, or how two gradients are added (then gradients are tensors, and each backward is recorded).
    """
    pending, found, owned = {}, {}, set()
    wanted = None if inputs is None else set(map(id, inputs))
    nodes, running = reachable([edge for edge, _ in roots], wanted)
    for edge, grad in roots:
        deliver(edge, grad, pending, found, owned, wanted, create_graph)
    for node in nodes:
        grad = pending.pop(node, None)
        if grad is None:
            continue
        if node.hooks:
            grad = run_hooks(node, grad, create_graph)
        if wanted is not None and id(node) in wanted:
            found[node] = grad
        if running is not None and node not in running:
            continue
        if type(node) is Output:
            slots = pending.setdefault(node.parents[0], [None] * len(node.parents[0].shape))
            slots[node.index] = grad
            continue
        if node.released:
            raise RuntimeError(node.second_time())
        grads = grad if type(grad) is list else (grad,)
        if type(grad) is list and node.materialize_grads:
            grads = materialized(node, grads, create_graph)
        results = node.run_backward(grads) if create_graph is None else node.differentiable_backward(*grads)
        results = list(results) if type(results) is tuple else [results]
        del grad, grads
        results.reverse()
        for parent in node.parents[:len(results)]:
            result = results.pop()  # no longer in a list: `unshared` counts who holds it
            if parent is not None and result is not None:
                deliver(parent, result, pending, found, owned, wanted, create_graph)
        del results, result, parent
        if not retain_graph:
            node.release()
    return found


def reachable(edges, wanted):
    """The nodes behind `edges` in the order in which to run them, and which of them lead to what is wanted."""
    seen, stack = set(), [e for e in edges if isinstance(e, Node)]
    while stack:
        node = stack.pop()
        if node not in seen:
            seen.add(node)
            stack += [p for p in node.parents if isinstance(p, Node) and p not in seen]
    order = sorted(seen, key=_seq, reverse=True)
    if wanted is None:
        return order, None
    leads = set()
    for node in reversed(order):
        if any(p in leads or id(p) in wanted for p in node.parents if p is not None):
            leads.add(node)
    return order, leads


def _seq(node):
    return node.seq


def deliver(edge, grad, pending, found, owned, wanted, add):
    """Add a gradient to what an edge has received so far; a leaf accumulates."""
    is_node = isinstance(edge, Node)
    shape, dtype = (edge.shape, edge.dtype) if is_node else (edge.array.shape, edge.array.dtype)
    if add is None:
        if grad.shape != shape or grad.dtype != dtype:
            grad = fit(grad, shape, dtype)
    elif grad.array.shape != shape or grad.array.dtype != dtype:
        grad = add(None, grad, shape, dtype)
    if not is_node:
        if wanted is None:
            edge.accumulate(grad)
            return
        if id(edge) not in wanted:
            return
        pending = found  # leaves that were asked for collect here
    before = pending.get(edge)
    if before is None:
        pending[edge] = grad
    elif add is not None:
        pending[edge] = add(before, grad, shape, dtype)
    else:
        pending[edge] = add_arrays(before, grad, edge in owned)
        owned.add(edge)


def add_arrays(a, b, in_place):
    """a + b; into a, if this pass made it."""
    if type(a) is np.ndarray:
        return np.add(a, b, out=a if in_place else arrays.empty(a.shape, a.dtype, None))
    from tritonnet.kernels.elementwise import add

    return add(a, b)


def materialized(node, grads, create_graph):
    """Zeros for the outputs that nobody used."""
    like = next(g for g in grads if g is not None)
    if create_graph is None:
        return [arrays.zeros(s, d, like) if g is None else g for g, s, d in zip(grads, node.shape, node.dtype)]
    return [like.new_zeros(s) if g is None else g for g, s in zip(grads, node.shape)]


def run_hooks(node, grad, create_graph):
    """Hooks may replace the gradient; they get and give arrays (tensors when the graph is recorded)."""
    for hook in list(node.hooks.values()):
        changed = hook(grad, create_graph is not None)
        grad = grad if changed is None else changed
    return grad
