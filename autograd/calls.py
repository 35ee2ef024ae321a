"""`autograd.backward` and `autograd.grad` on tensors: checks of arguments, then the tape."""

from __future__ import annotations

import warnings

import numpy as np

from tritonnet.autograd import engine, function, tape
from tritonnet.autograd.function import edge, make
from tritonnet.autograd.mode import state
from tritonnet.kernels import arrays
from tritonnet.kernels.dtypes import FLOATS


def _tuple(x):
    return (x,) if isinstance(x, function.Tensor) else tuple(x)


def root(i, y, g, create_graph, seen=False):
    """Where to start, and the gradient there; the implicit 1 of a scalar. seen: by others than the tape."""
    if not isinstance(y, function.Tensor):
        raise TypeError(f"element {i} of tensors is a {type(y).__name__}: expected a Tensor")
    if not y.requires_grad:
        raise RuntimeError(f"element {i} of tensors does not require grad and does not have a grad_fn")
    array = y.array
    if g is None:
        if array.size != 1:
            raise RuntimeError(
                f"grad can be implicitly created only for scalar outputs, not for shape {tuple(array.shape)}")
        if type(array) is np.ndarray and not array.shape:
            one = tape.one(array.dtype)
        else:
            one = tape.one_like(array, shared=not (create_graph or seen))
        return edge(y), make(one) if create_graph else one
    if not isinstance(g, function.Tensor):
        raise TypeError(f"gradients can be either Tensors or None, but got {type(g).__name__}")
    if g.array.shape != array.shape:
        raise RuntimeError(
            f"Mismatch in shape: grad_output[{i}] has a shape of {tuple(g.array.shape)} and output[{i}] has a "
            f"shape of {tuple(array.shape)}."
        )
    if g.array.dtype not in FLOATS:
        g = make(g.array.astype(array.dtype))
    return edge(y), g if create_graph else g.array


def _sum_tensors(before, grad, shape, dtype):
    """Gradients of recorded backward passes are tensors: fitted and added by recorded operations."""
    if grad.array.shape != shape:
        padded = (1,) * (grad.ndim - len(shape)) + tuple(shape)
        axes = tuple(i for i, (g, n) in enumerate(zip(grad.array.shape, padded)) if g != n)
        grad = (grad.sum(axes, keepdim=True) if axes else grad).reshape(shape)
    if grad.array.dtype != dtype:
        grad = grad._cast(dtype)
    return grad if before is None else before + grad


def run(roots, retain_graph, create_graph, inputs):
    """The engine from these roots; what it computes is recorded if create_graph says so."""
    before, state.grad, outer, state.deferred = state.grad, bool(create_graph), state.deferred, None
    asked, state.asked = state.asked, state.asked if inputs is None else frozenset(map(id, inputs))
    try:
        found = engine.backward(roots, create_graph if retain_graph is None else retain_graph, inputs,
                                _sum_tensors if create_graph else None)
        for leaf, grad in (state.deferred or {}).items():
            leaf.accumulate(grad, complete=True)
        return found
    finally:
        state.grad, state.deferred, state.asked = before, outer, asked


def defer(leaf, grad):
    """Add to a leaf's gradient that is handed over at the end of the backward pass, complete."""
    if state.deferred is None:
        state.deferred = {}
    before = state.deferred.get(leaf)
    if before is not None:
        recorded = isinstance(grad, function.Tensor)
        grad = before + grad if recorded else engine.add_arrays(before, grad, in_place=False)
    state.deferred[leaf] = grad


def _run(outputs, gradients, retain_graph, create_graph, inputs):
    if gradients is None:
        gradients = (None,) * len(outputs)
    else:
        gradients = _tuple(gradients)
    if len(gradients) != len(outputs):
        raise RuntimeError(f"got {len(outputs)} tensors and {len(gradients)} gradients")
    roots = [root(i, y, g, create_graph, inputs is not None) for i, (y, g) in enumerate(zip(outputs, gradients))]
    return run(roots, retain_graph, create_graph, inputs)


def backward(tensors, grad_tensors=None, retain_graph=None, create_graph=False, inputs=None):
    """Add the gradients of `tensors` (weighted by `grad_tensors`, 1 for scalars) to `.grad` of the leaves.

    inputs: only these leaves receive gradients. Raises RuntimeError for shapes that do not match, for tensors without
    history, and when the graph was already used without retain_graph.
    """
    tensors = _tuple(tensors)
    if inputs is None:
        _run(tensors, grad_tensors, retain_graph, create_graph, None)
        return
    inputs = _tuple(inputs)
    if not inputs:
        raise RuntimeError("'inputs' argument to backward cannot be empty.")
    found = _run(tensors, grad_tensors, retain_graph, create_graph, [edge(x) for x in inputs])
    for x in inputs:
        if (g := found.pop(edge(x), None)) is not None and not x.retains_grad:
            x.accumulate(g, complete=True)


def grad(outputs, inputs, grad_outputs=None, retain_graph=None, create_graph=False, only_inputs=True,
         allow_unused=None, is_grads_batched=False, materialize_grads=False):
    """The gradients of `outputs` with respect to `inputs`, as a tuple; nothing accumulates.

    allow_unused: None instead of an error for inputs that do not matter; materialize_grads: zeros for them.
    is_grads_batched: grad_outputs have one dimension more in front; a backward pass for each of their rows.
    """
    if not only_inputs:
        warnings.warn("only_inputs argument is deprecated and is ignored now (defaults to True). To accumulate "
                      "gradient for other parts of the graph, please use torch.autograd.backward.", FutureWarning,
                      stacklevel=2)
    if materialize_grads and allow_unused is False:
        raise ValueError("Expected allow_unused to be True or not passed when materialize_grads=True, but got: "
                         "allow_unused=False.")
    outputs, inputs = _tuple(outputs), _tuple(inputs)
    if is_grads_batched:
        return _batched(outputs, inputs, _tuple(grad_outputs), retain_graph, create_graph, allow_unused,
                        materialize_grads)
    for i, x in enumerate(inputs):
        if not x.requires_grad:
            raise RuntimeError(f"One of the differentiated Tensors does not require grad: input {i}")
    found = _run(outputs, grad_outputs, retain_graph, create_graph, [edge(x) for x in inputs])
    results = []
    for x in inputs:
        g = found.get(edge(x))
        if g is None and materialize_grads:
            g = arrays.zeros(x.array.shape, x.array.dtype, x.array)
        elif g is None and not allow_unused:
            raise RuntimeError(
                "One of the differentiated Tensors appears to not have been used in the graph. "
                "Set allow_unused=True if this is the desired behavior."
            )
        elif x.grad_fn is None:
            g = x.hooked(g)
        results.append(g if g is None or isinstance(g, function.Tensor) else make(g))
    return tuple(results)


def _batched(outputs, inputs, grad_outputs, retain_graph, create_graph, allow_unused, materialize_grads):
    """One backward pass for each row of the gradients; their results as rows."""
    from tritonnet.autograd.ops.shape import Stack

    count, rows = len(grad_outputs[0]), []
    for i in range(count):
        last = i == count - 1
        rows.append(grad(outputs, inputs, [g[i] for g in grad_outputs], retain_graph if last else True, create_graph,
                         allow_unused=allow_unused, materialize_grads=materialize_grads))
    return tuple(None if column[0] is None else Stack.apply(*column, axis=0) for column in zip(*rows))


class _Old(type):
    """isinstance(x, Variable): whether x is a tensor."""

    def __instancecheck__(cls, x):
        return isinstance(x, function.Tensor)

    def __call__(cls, data, requires_grad=False, volatile=False):
        t = data if isinstance(data, function.Tensor) else function.Tensor(data)
        if volatile:
            t = t.detach()
        elif requires_grad and not t.requires_grad:
            t = t.detach().requires_grad_()
        return t


class Variable(metaclass=_Old):
    """PyTorch's old wrapper: calling it gives the tensor itself, or a new one around data, with requires_grad set."""
