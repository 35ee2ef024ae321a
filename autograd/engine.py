"""The backward pass.

Nodes are numbered as they are recorded, so descending numbers are an order in which every gradient is complete
before its node runs. Here, once for all operations: gradients are summed down to the shape that was broadcast, cast
to the type that was promoted, accumulated, and handed to hooks.
"""

from __future__ import annotations

import sys
from heapq import heappop, heappush

import numpy as np

from tritonnet.autograd import anomaly, tape
from tritonnet.autograd.tape import Node, Output
from tritonnet.kernels import arrays
from tritonnet.kernels.runtime import host


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
    """Whether the caller's caller holds the only reference to this array and its memory (so that it may be kept)."""
    if type(array) is not np.ndarray:
        return sys.getrefcount(array) <= 4 and sys.getrefcount(array.owner) <= 3 and array.contiguous
    if sys.getrefcount(array) > 4 or not array.flags.carray:  # two callers, our argument, its argument
        return False
    base = array.base
    if base is None:
        return True
    held = sys.getrefcount(base)  # by the array, here and as an argument
    return type(base) is np.ndarray and base.base is None and (held <= 3 or held == 4 and host.pool.holds(base))


def backward(roots, retain_graph=False, inputs=None, create_graph=None):
    """Run the tape from `roots`, pairs of (node or leaf, gradient).

    inputs: only these nodes and leaves get their gradients, returned as {it: gradient}; None: every leaf accumulates.
    create_graph: None, or how two gradients are added (then gradients are tensors, and each backward is recorded).
    """
    running = Pass(inputs, create_graph)
    pending, waiting, wanted, found = running.pending, running.waiting, running.wanted, running.found
    leading = None if wanted is None else leading_to(wanted, [edge for edge, _ in roots])
    plain, recorded = wanted is None and create_graph is None, create_graph is not None
    checked = anomaly.checking()
    for edge, grad in roots:
        if plain and isinstance(edge, Node) and edge not in pending and grad.dtype is edge.dtype:
            pending[edge] = grad
            heappush(waiting, (-edge.seq, edge))
        else:
            running.deliver(edge, grad)
    while waiting:
        node = heappop(waiting)[1]
        grad = pending.pop(node)
        if node.hooks:
            grad = run_hooks(node, grad, recorded)
        if wanted is not None:
            if id(node) in wanted:
                found[node] = grad
            if node not in leading:
                continue
        if type(node) is Output:
            running.deliver_output(node, grad)
            continue
        if node.saved is None:
            raise RuntimeError(node.second_time())
        if tape.last_change > node.seq:
            node.check_saved()
        if type(grad) is list:
            grads = materialized(node, grad, recorded) if node.materialize_grads else grad
            results = node.record_backward(grads) if recorded else node.run_backward(*grads)
            del grads
        else:
            results = node.record_backward((grad,)) if recorded else node.run_backward(grad)
        del grad
        if checked:
            anomaly.check(node, results)
        results = [*results[::-1]] if type(results) is tuple else [results]
        for parent in node.parents:
            if not results:
                break
            result = results.pop()  # no longer in a list: `unshared` counts who holds it
            if parent is None or result is None:
                continue
            # most deliveries by far, written out: a first gradient that fits, and a leaf
            if not plain:
                running.deliver(parent, result)
            elif isinstance(parent, Node):
                if parent in pending or result.dtype is not parent.dtype or result.shape != parent.shape:
                    running.deliver(parent, result)
                else:
                    pending[parent] = result
                    heappush(waiting, (-parent.seq, parent))
            else:
                array = parent.array
                if result.dtype is not array.dtype or result.shape != array.shape:
                    result = fit(result, array.shape, array.dtype)
                parent.accumulate(result)
        del results, result, parent
        if not retain_graph:
            node.release()
    return found


def leading_to(wanted, edges):
    """The nodes behind `edges` that lead to what is wanted."""
    seen, stack = set(), [e for e in edges if isinstance(e, Node)]
    while stack:
        node = stack.pop()
        if node not in seen:
            seen.add(node)
            stack += [p for p in node.parents if isinstance(p, Node) and p not in seen]
    leads = set()
    for node in sorted(seen, key=lambda node: node.seq):
        if any(p in leads or id(p) in wanted for p in node.parents if p is not None):
            leads.add(node)
    return leads


class Pass:
    """The gradients that are under way in one backward pass.

    pending: node -> what it has received so far.  waiting: a heap of (-seq, node) of the same nodes: the latest comes
    first, and all that used its result came before it.  found: what was asked for.
    """

    __slots__ = ("pending", "waiting", "found", "owned", "wanted", "add")

    def __init__(self, inputs, add):
        self.pending, self.waiting, self.found, self.owned, self.add = {}, [], {}, set(), add
        self.wanted = None if inputs is None else set(map(id, inputs))

    def deliver(self, edge, grad):
        """Add a gradient to what an edge has received so far; a leaf accumulates."""
        is_node, add, pending = isinstance(edge, Node), self.add, self.pending
        shape, dtype = (edge.shape, edge.dtype) if is_node else (edge.array.shape, edge.array.dtype)
        if add is None:
            if grad.shape != shape or grad.dtype != dtype:
                grad = fit(grad, shape, dtype)
        elif grad.array.shape != shape or grad.array.dtype != dtype:
            grad = add(None, grad, shape, dtype)
        if not is_node:
            if self.wanted is None:
                edge.accumulate(grad)
                return
            if id(edge) not in self.wanted:
                return
            pending = self.found  # leaves that were asked for collect here
        before = pending.get(edge)
        if before is None:
            pending[edge] = grad
            if is_node:
                heappush(self.waiting, (-edge.seq, edge))
        elif add is not None:
            pending[edge] = add(before, grad, shape, dtype)
        else:
            pending[edge] = add_arrays(before, grad, edge in self.owned)
            self.owned.add(edge)

    def deliver_output(self, output, grad):
        """Put the gradient of one of several outputs into its slot."""
        node = output.parents[0]
        if node not in self.pending:
            self.pending[node] = [None] * len(node.shape)
            heappush(self.waiting, (-node.seq, node))
        self.pending[node][output.index] = grad


def add_arrays(a, b, in_place):
    """a + b; into a, if this pass made it."""
    if type(a) is np.ndarray and a.size < host.SPLIT:
        return np.add(a, b, out=a if in_place else arrays.empty(a.shape, a.dtype, None))
    from tritonnet.kernels.elementwise import add

    return add(a, b, out=a) if in_place and type(a) is np.ndarray else add(a, b)


def materialized(node, grads, recorded):
    """Zeros for the outputs that nobody used."""
    like = next(g for g in grads if g is not None)
    if not recorded:
        return [arrays.zeros(s, d, like) if g is None else g for g, s, d in zip(grads, node.shape, node.dtype)]
    return [like.new_zeros(s) if g is None else g for g, s in zip(grads, node.shape)]


def run_hooks(node, grad, recorded):
    """Hooks may replace the gradient; they get and give arrays (tensors when the graph is recorded)."""
    grad = grad if recorded else tape.own(grad)  # a hook may write to it
    for hook in list(node.hooks.values()):
        changed = hook(grad, recorded)
        grad = grad if changed is None else changed
    return grad
