"""`tritonnet.compile`, with PyTorch's arguments, and what it returns for a function and for a model."""

from __future__ import annotations

import copy
import functools

from tritonnet.fusion.report import Report
from tritonnet.nn.modules.module import Module

MODES = ("default", "reduce-overhead", "max-autotune", "max-autotune-no-cudagraphs")
BACKENDS = {"inductor": True, "tritonnet": True, "eager": False, "aot_eager": False}  # whether anything is fused


def compile(model=None, *, fullgraph=False, dynamic=None, backend="inductor", mode=None, options=None, disable=False):
    """A model, or a function of tensors, that computes the same in fewer launches; also as a decorator.

    Linear maps, convolutions and norms take along activations, 2x2 max-pooling and dropout that follow them; backward,
    too. Results agree up to rounding, and random numbers are the same. Any Python may be in between: nothing is traced.
    What was fused, and what was not and why, `.explain()` tells.

    A compiled model shares everything with the model: parameters, mode, hooks, and the keys of its state_dict.
    backend: "inductor" (PyTorch's name) or "tritonnet"; "eager" and "aot_eager" fuse nothing, nor does disable=True.
    fullgraph, dynamic, mode, options: accepted as PyTorch's; there are no graphs, so they change nothing. Replaying a
    step without the host is `tritonnet.capture`.
    Raises RuntimeError for another backend or mode, and for mode and options together.

    >>> import tritonnet
    >>> from tritonnet import nn
    >>> model = tritonnet.compile(nn.Sequential(nn.Linear(4, 8), nn.ReLU()))
    >>> model(tritonnet.ones(2, 4)).shape
    tritonnet.Size([2, 8])
    """
    fuses = fusing(fullgraph, dynamic, backend, mode, options, disable)
    if model is None:
        return functools.partial(compile, fullgraph=fullgraph, dynamic=dynamic, backend=backend, mode=mode,
                                 options=options, disable=disable)
    if not callable(model):
        raise TypeError(f"compile: expected a module or a function, got {type(model).__name__}")
    if isinstance(model, Compiled):
        return model
    if isinstance(model, Module):
        return compiled_class(type(model))(model, fuses)
    return compiled_function(model, fuses)


def fusing(fullgraph=False, dynamic=None, backend="inductor", mode=None, options=None, disable=False):
    """Whether anything is to be fused by these options of `compile`; RuntimeError for those that there are not."""
    if mode is not None and options:
        raise RuntimeError("Either mode or options can be specified, but both can't be specified at the same time.")
    if mode is not None and mode not in MODES:
        raise RuntimeError(f"Unrecognized mode={mode}, should be one of: {', '.join(MODES)}")
    if not isinstance(backend, str) or backend not in BACKENDS:
        raise RuntimeError(f"Invalid backend: {backend!r}, should be one of: {', '.join(BACKENDS)}")
    return BACKENDS[backend] and not disable


def compiled_forward(module, **options):
    """What takes the place of a module's forward in `Module.compile`."""
    forward = module.forward
    return Report(forward.subject if isinstance(forward, Report) else forward, fusing(**options))


def compiled_function(function, fuses):
    """A function whose calls fuse."""
    report = Report(function, fuses)

    @functools.wraps(function)
    def compiled(*args, **kwargs):
        return report(*args, **kwargs)

    compiled.explain = report.explain
    return compiled


class Compiled:
    """A model under a call that fuses. It shares the model's attributes themselves, so there is one state."""

    __slots__ = ("_orig_mod", "_report")

    def __init__(self, model, fuses):
        object.__setattr__(self, "__dict__", model.__dict__)
        object.__setattr__(self, "_orig_mod", model)
        object.__setattr__(self, "_report", Report(model, fuses))

    def __call__(self, *args, **kwargs):
        return self._report(*args, **kwargs)

    def explain(self, *args, **kwargs):
        """Print what is fused and what it saves, in a call with these arguments or in the first one; see `Report`."""
        return self._report.explain(*args, **kwargs)

    def __deepcopy__(self, memo):
        return type(self)(copy.deepcopy(self._orig_mod, memo), self._report.fuses)

    def __copy__(self):
        return type(self)(copy.copy(self._orig_mod), self._report.fuses)

    def __reduce_ex__(self, protocol):
        return again, (self._orig_mod, self._report.fuses)


def again(model, fuses):
    """Unpickle."""
    return compiled_class(type(model))(model, fuses)


@functools.cache
def compiled_class(kind):
    """The class of compiled models of a class: it has their methods."""
    return type(f"Compiled{kind.__name__}", (Compiled, kind), {"__slots__": (), "__doc__": kind.__doc__,
                                                               "__module__": kind.__module__})
