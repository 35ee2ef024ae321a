"""`torch.utils.checkpoint`: give up what a part of the network saved, and compute it again in the backward pass."""

from __future__ import annotations

import contextlib

import tritonnet
from tritonnet.autograd import enable_grad, is_grad_enabled
from tritonnet.autograd.function import Function, make
from tritonnet.autograd.tape import Node
from tritonnet.seeds import fork_rng, generator_states, set_generator_states
from tritonnet.tensor.core import Tensor

__all__ = ["checkpoint", "checkpoint_sequential"]


def checkpoint(function, *args, use_reentrant=None, preserve_rng_state=True, context_fn=None,
               determinism_check="default", debug=False, early_stop=True, **kwargs):
    """`function(*args, **kwargs)` without what it saves for backward: it runs again there.

    Returns what function returns: a tensor or a tuple of them. Gradients reach the arguments and all parameters that
    function uses. preserve_rng_state: dropout draws the same again.  context_fn: () -> two context managers, for the
    first run and for the second.  The other arguments of PyTorch have no effect.

    Source: Chen et al. 2016, Training deep nets with sublinear memory cost.
    """
    first, second = context_fn() if context_fn is not None else (contextlib.nullcontext(), contextlib.nullcontext())
    if not is_grad_enabled():
        with first:
            return function(*args, **kwargs)
    states = generator_states() if preserve_rng_state else None
    casts = {kind: tritonnet.get_autocast_dtype(kind) for kind in ("cpu", "cuda")
             if tritonnet.is_autocast_enabled(kind)}
    inputs = [a for a in args if isinstance(a, Tensor)]
    stand_ins = [a.detach().requires_grad_(a.requires_grad) if a.is_floating_point() else a for a in inputs]
    with first:
        outputs = function(*_replaced(args, stand_ins), **kwargs)
    several = isinstance(outputs, (tuple, list))
    made = list(outputs) if several else [outputs]
    stood_for = {id(s): a for s, a in zip(stand_ins, inputs)}
    leaves = [leaf for leaf in _leaves(made) if id(leaf) not in stood_for]
    wanted = [i for i, a in enumerate(inputs) if a.requires_grad]
    tracked = [i for i, t in enumerate(made) if isinstance(t, Tensor) and t.requires_grad]
    if not tracked:
        return outputs

    def again(grads):
        recorded = is_grad_enabled()
        fresh = inputs if recorded else [
            a.detach().requires_grad_(a.requires_grad) if a.is_floating_point() else a for a in inputs]
        with enable_grad(), second, fork_rng(enabled=states is not None), _casting(casts):
            if states is not None:
                set_generator_states(states)
            results = function(*_replaced(args, fresh), **kwargs)
        results = [results[i] for i in tracked] if several else [results]
        return tritonnet.autograd.grad(results, [*(fresh[i] for i in wanted), *leaves], grads, create_graph=recorded,
                                       retain_graph=True, allow_unused=True)

    plain = [make(made[i].array) for i in tracked]
    recorded = _Again.apply(again, plain, *(inputs[i] for i in wanted), *leaves)
    for i, t in zip(tracked, recorded):
        made[i] = t
    return type(outputs)(made) if several else made[0]


class _Again(Function):
    @staticmethod
    def forward(ctx, again, results, *leaves):
        ctx.again = again
        return tuple(results)

    @staticmethod
    def backward(ctx, *grads):
        return None, None, *ctx.again(grads)


@contextlib.contextmanager
def _casting(types):
    """Autocast on for these types of devices, to these element types, and off for the others."""
    with contextlib.ExitStack() as stack:
        for kind in ("cpu", "cuda"):
            stack.enter_context(tritonnet.autocast(kind, types.get(kind), enabled=kind in types))
        yield


def _replaced(args, tensors):
    """The arguments with these tensors in the places of theirs."""
    tensors = iter(tensors)
    return [next(tensors) if isinstance(a, Tensor) else a for a in args]


def _leaves(tensors):
    """The tensors, made by no operation, that a gradient of these would reach."""
    found, seen = {}, set()
    stack = [tritonnet.autograd.function.edge(t) for t in tensors if isinstance(t, Tensor) and t.requires_grad]
    while stack:
        at = stack.pop()
        if id(at) in seen:
            continue
        seen.add(id(at))
        if isinstance(at, Node):
            stack.extend(p for p in at.parents if p is not None)
        else:
            found[id(at)] = at
    return list(found.values())


def checkpoint_sequential(functions, segments, input, use_reentrant=None, **kwargs):
    """The modules of a Sequential, or functions in a list, one after the other; all but the last of `segments` parts
    of them are checkpointed."""
    functions = list(functions.children()) if isinstance(functions, tritonnet.nn.Sequential) else list(functions)
    size = len(functions) // segments

    def part(first, last):
        def run(x):
            for f in functions[first:last]:
                x = f(x)
            return x

        return run

    first = 0
    for first in range(0, size * (segments - 1), size):
        input = checkpoint(part(first, first + size), input, **kwargs)
    return part(size * (segments - 1), len(functions))(input)
