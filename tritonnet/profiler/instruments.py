"""Where the profiler listens: every operation's `apply` and backward, changes in place, the backward pass, optimizers,
data loaders.

Nothing of this is there when nobody profiles: the functions are replaced when recording begins, and put back.
"""

from __future__ import annotations

import contextlib
import functools
import inspect

from tritonnet.autograd import calls
from tritonnet.autograd.apply import Written
from tritonnet.autograd.function import Function, Op
from tritonnet.autograd.fusion import waits
from tritonnet.profiler.work import InPlace, call_of

NO_WORK = {"requires_grad_", "detach_", "share_memory_"}  # methods that end in _ and touch no element


def operations(root=Op):
    """Every subclass of `Op` there is."""
    for cls in root.__subclasses__():
        yield cls
        yield from operations(cls)


def changes_in_place(cls) -> list[str]:
    """The methods that change a tensor's elements: `mul_`, `__iadd__`, `__setitem__`."""
    return [name for name in dir(cls) if name == "__setitem__" or name.startswith("__i") and
            f"__{name[3:]}" in dir(cls) or name.endswith("_") and not name.startswith("_") and name not in NO_WORK]


@contextlib.contextmanager
def installed(recorder):
    """Have the recorder told of everything meanwhile."""
    from tritonnet.data.loader import DataLoader
    from tritonnet.optim.optimizer import Optimizer
    from tritonnet.tensor import Tensor

    with contextlib.ExitStack() as stack:
        def replace(owner, name, made):
            known, before = name in vars(owner), vars(owner).get(name)
            setattr(owner, name, made)
            stack.callback(lambda: setattr(owner, name, before) if known else delattr(owner, name))

        for cls, apply, run_backward in [(cls, inspect.getattr_static(cls, "apply"), getattr(cls, "run_backward", None))
                                         for cls in {*operations()}]:
            replace(cls, "apply", OnUse(recorder) if isinstance(apply, Written) else
                    staticmethod(_timed_forward(recorder, cls, apply.__get__(None, cls))))
            if run_backward is not None:
                replace(cls, "run_backward", _timed_backward(recorder, run_backward))
        replace(Function, "apply", classmethod(_timed_function(recorder, Function.apply.__func__)))
        replace(Function, "run_backward", _timed_backward(recorder, Function.run_backward))
        for name in changes_in_place(Tensor):
            replace(Tensor, name, _timed_change(recorder, name, getattr(Tensor, name)))
        replace(calls, "run", _timed(recorder, calls.run, lambda *_: "backward pass"))
        replace(Optimizer, "update_all", _timed(
            recorder, Optimizer.update_all, lambda optimizer: f"Optimizer.step#{type(optimizer).__name__}.step"))
        replace(DataLoader, "__iter__", _timed_batches(recorder, DataLoader.__iter__))
        yield


class OnUse:
    """In the place of an `apply` that is not written yet: that of a class which nobody has used so far."""

    def __init__(self, recorder):
        self.recorder = recorder

    def __get__(self, _, cls):
        timed = _timed_forward(self.recorder, cls, cls.write_apply())
        cls.apply = staticmethod(timed)
        return timed


def _timed_forward(recorder, cls, apply):
    """The `apply` of an operation; an operation inside another one is its child."""
    @functools.wraps(apply)
    def timed(*args, **kwargs):
        with recorder.span(cls.__name__, "forward") as span:
            out = apply(*args, **kwargs)
        if waits(out):  # in a compiled call: recorded when it is computed
            recorder.forget(span)
            return out
        span.call = call_of(cls, args, kwargs)
        _remember(out, span)
        return out

    return timed


def _timed_function(recorder, apply):
    """`apply` of the user's own functions."""
    def timed(cls, *args, **kwargs):
        with recorder.span(cls.__name__, "forward") as span:
            out = apply(cls, *args, **kwargs)
        _remember(out, span)
        return out

    return timed


def _timed_change(recorder, name, change):
    """A method that changes its tensor. What it does through operations is theirs; what it does itself has work."""
    shown = f"{name.strip('_').removeprefix('i') if name.startswith('__i') else name.strip('_')}_"
    method = InPlace(name)

    @functools.wraps(change)
    def timed(tensor, *args, **kwargs):
        with recorder.span(shown, "forward") as span:
            out = change(tensor, *args, **kwargs)
        if not span.children:
            span.call = call_of(method, (tensor, *args), kwargs)
        return out

    return timed


def _remember(out, span):
    """Tell the node that made a result which span recorded it."""
    node = getattr(out[0] if isinstance(out, tuple) and out else out, "node", None)
    node = node.parents[0] if type(node).__name__ == "Output" else node
    if node is not None and hasattr(node, "__dict__"):
        node.__dict__["profiled"] = span


def _timed_backward(recorder, run_backward):
    """A node's backward, under PyTorch's name of it."""
    @functools.wraps(run_backward)
    def timed(node, *grads):
        with recorder.span(node.name, "backward") as span:
            found = run_backward(node, *grads)
        span.of = getattr(node, "__dict__", {}).get("profiled")
        return found

    return timed


def _timed(recorder, function, name):
    """A function as a range."""
    @functools.wraps(function)
    def timed(*args, **kwargs):
        with recorder.span(name(*args)):
            return function(*args, **kwargs)

    return timed


def _timed_batches(recorder, iterate):
    """Each batch of a loader as a range."""
    @functools.wraps(iterate)
    def timed(loader):
        batches = iter(iterate(loader))
        while True:
            with recorder.span("enumerate(DataLoader)"):
                batch = next(batches, recorder)
            if batch is recorder:
                return
            yield batch

    return timed
