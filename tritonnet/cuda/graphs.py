"""PyTorch's names for graphs: `CUDAGraph`, `graph`, `make_graphed_callables`. `tritonnet.capture` is easier and safer.

Here, as in PyTorch, the caller sees to it that static tensors are filled, that nothing in Python changes, and that
everything was run once before. Random numbers and fused optimizers' rates follow as in `tritonnet.capture`.
"""

from __future__ import annotations

import contextlib
import functools

import tritonnet
from tritonnet.autograd.calls import grad as gradients
from tritonnet.autograd.function import Function, Tensor, make
from tritonnet.autograd.mode import no_grad
from tritonnet.capturing import reasons
from tritonnet.cuda.streams import stream as on_stream
from tritonnet.kernels import runtime
from tritonnet.kernels.runtime.graph import Recording
from tritonnet.nn.modules.module import Module


class CUDAGraph:
    """Launches between `capture_begin` and `capture_end`, run again by `replay`. Each graph has memory of its own."""

    def __init__(self, keep_graph=False):
        self._recording = self._graph = None

    def capture_begin(self, pool=None, capture_error_mode="global"):
        """Record what is launched on the current stream from now on. pool and capture_error_mode change nothing."""
        self.reset()
        self._recording = Recording(runtime.current_device())

    def capture_end(self):
        """The end of what is recorded; nothing was computed yet."""
        if self._recording is None:
            raise RuntimeError("capture_end: capture_begin has not been called")
        recording, self._recording = self._recording, None
        self._graph = recording.end()

    def replay(self):
        """Run it on the current stream, without waiting."""
        if self._graph is None:
            raise RuntimeError("Called CUDAGraph::replay without a preceding successful capture.")
        self._graph()

    def reset(self):
        """Forget what was captured; its memory goes back once no tensor uses it."""
        if self._recording is not None:
            self._recording.abandon()
        self._recording = self._graph = None

    def pool(self):
        """A token for other captures' `pool`."""
        return graph_pool_handle()


class graph(contextlib.AbstractContextManager):
    """Context manager: what is launched inside becomes `cuda_graph`. stream: the one to capture on (the current)."""

    def __init__(self, cuda_graph, pool=None, stream=None, capture_error_mode="global"):
        self.graph, self.stream = cuda_graph, stream

    def __enter__(self):
        self.stack = contextlib.ExitStack()
        self.stack.enter_context(on_stream(self.stream))
        try:
            tritonnet.cuda.synchronize()
            self.graph.capture_begin()
        except BaseException:
            self.stack.close()
            raise

    def __exit__(self, kind, error, trace):
        with self.stack:
            if error is None:
                self.graph.capture_end()
                return
            self.graph.reset()
            if (told := reasons.refused("torch.cuda.graph", error.with_traceback(trace))) is not None:
                raise told from error


def graph_pool_handle():
    """A token, as PyTorch has it; graphs here have a pool each."""
    return (0, 0)


def is_current_stream_capturing() -> bool:
    """Whether a graph is being captured on the current device."""
    return runtime.is_available() and runtime.current_device().pool.capturing is not None


def make_graphed_callables(callables, sample_args, num_warmup_iters=3, allow_unused_input=False, pool=None):
    """Functions or modules whose forward and backward are one graph each, differentiable as before.

    callables: one, or a tuple; sample_args: for each a tuple of tensors on the device, with the shapes and
    requires_grad of later calls, which become the graphs' inputs. Of a module `forward` is replaced, for the mode
    (train or eval) that it is in; it may have no hooks. Results lie in the graph's memory: the next call overwrites
    them.
    """
    if not isinstance(callables, tuple):
        return _graphed(callables, sample_args, num_warmup_iters, allow_unused_input)
    return tuple(_graphed(c, args, num_warmup_iters, allow_unused_input) for c, args in zip(callables, sample_args))


def _graphed(function, inputs, warmup, allow_unused):
    if not (isinstance(inputs, tuple) and all(isinstance(x, Tensor) for x in inputs)):
        raise TypeError("In the beta API, sample_args for each callable must contain only Tensors. Other types are not "
                        "allowed.")
    is_module = isinstance(function, Module)
    if is_module and (function._forward_hooks or function._forward_pre_hooks or function._backward_hooks):
        raise RuntimeError("Modules must not have hooks registered at the time they are passed. However, registering "
                           "hooks on modules after passing them through make_graphed_callables is allowed.")
    if is_module and any(b.requires_grad for b in function.buffers()):
        raise RuntimeError("In any :class:`~torch.nn.Module` passed to :func:`~make_graphed_callables`, only "
                           "parameters may be trainable. All buffers must have ``requires_grad=False``.")
    call = function.forward if is_module else function
    parameters = tuple(function.parameters()) if is_module else ()
    surface = inputs + parameters
    wanted = [x for x in surface if x.requires_grad]

    def backward(outputs, seeds):
        return gradients([o for o in outputs if o.requires_grad], wanted, seeds, allow_unused=allow_unused)

    for _ in range(warmup):
        outputs = _flat(call(*inputs))
        if wanted:
            backward(outputs, [tritonnet.ones_like(o) for o in outputs if o.requires_grad])
    forward_graph, backward_graph = CUDAGraph(), CUDAGraph()
    with graph(forward_graph):
        result = call(*inputs)
    outputs = _flat(result)
    seeds = [tritonnet.zeros_like(o) if o.requires_grad else None for o in outputs]
    found = ()
    if wanted:
        with graph(backward_graph):
            found = backward(outputs, [s for s in seeds if s is not None])
    by = {id(x): g for x, g in zip(wanted, found)}
    grads, outputs = [by.get(id(x)) for x in surface], [o.detach() for o in outputs]

    class Graphed(Function):
        """The forward graph, and the backward graph behind it."""

        @staticmethod
        def forward(ctx, *given):
            for static, x in zip(inputs, given):
                _fill(static, x)
            forward_graph.replay()
            return tuple(make(o.array) for o in outputs)

        @staticmethod
        def backward(ctx, *given):
            with no_grad():
                for seed, g in zip(seeds, given):
                    if seed is not None:
                        _fill(seed, g)
            backward_graph.replay()
            return tuple(None if g is None else make(g.array) for g in grads)

    def graphed(*args):
        made = Graphed.apply(*args, *parameters)
        return made[0] if isinstance(result, Tensor) else type(result)(made)

    if not is_module:
        return functools.update_wrapper(graphed, function, updated=()) if hasattr(function, "__name__") else graphed
    training, before = function.training, function.forward
    function.forward = lambda *args: (graphed if function.training == training else before)(*args)
    return function


def _flat(result):
    if isinstance(result, Tensor):
        return [result]
    if isinstance(result, (tuple, list)) and all(isinstance(t, Tensor) for t in result):
        return list(result)
    raise TypeError(f"make_graphed_callables: a callable returns {type(result).__name__}: expected tensors")


def _fill(static, x):
    """Copy into a graph's input, unless it is that."""
    if x.array.ptr != static.array.ptr:
        with no_grad():
            make(static.array).copy_(x)
