"""Launches and bytes of a model's forward and backward, plain and compiled, on a device that computes nothing."""

from __future__ import annotations

import copy
import importlib.util
import typing

from tritonnet.autograd import calls
from tritonnet.autograd.function import make
from tritonnet.fusion.pending import run
from tritonnet.kernels import runtime
from tritonnet.kernels.arrays import empty
from tritonnet.tensor.core import Tensor


class Like(typing.NamedTuple):
    """What is remembered of a tensor among the arguments of a call."""

    shape: tuple
    dtype: typing.Any
    requires_grad: bool

    @classmethod
    def of(cls, t):
        return cls(t.array.shape, t.array.dtype, t.requires_grad) if isinstance(t, Tensor) else t

    def on(self, device):
        """A tensor like it, of whatever values."""
        return make(empty(self.shape, self.dtype, device)).requires_grad_(self.requires_grad)


def mapped(f, value):
    """f of everything in nested lists, tuples and dictionaries."""
    if isinstance(value, dict):
        return {k: mapped(f, v) for k, v in value.items()}
    if type(value) in (list, tuple):
        return type(value)(mapped(f, v) for v in value)
    return f(value)


def counted(model, likeness, notes):
    """((launches, bytes) of model(*args, **kwargs) and its backward, the same compiled); likeness: (args, kwargs) of
    `Like`; notes(copy of the model): where to note what is fused. RuntimeError where that cannot be told."""
    if importlib.util.find_spec("triton") is None:
        raise RuntimeError("Triton is not installed")
    if model is None:
        raise RuntimeError("only of modules are there copies to count with")
    from tritonnet.kernels.runtime.simulation import DryDriver

    try:
        copied = copy.deepcopy(model)
        copied.zero_grad()  # gradients lie where the model does
        with runtime.simulated(driver=DryDriver, arch=90) as device:
            for t in (*copied.parameters(), *copied.buffers()):
                t.array = empty(t.array.shape, t.array.dtype, device)
            args, kwargs = mapped(lambda x: x.on(device) if isinstance(x, Like) else x, likeness)
            plain = _work(device, lambda: copied(*args, **kwargs))
            copied.zero_grad()
            return plain, _work(device, lambda: run(copied, notes(copied), args, kwargs))
    except Exception as error:  # the program may do what it likes with values, which are not the true ones here
        raise RuntimeError(f"the model cannot be run on made-up values: {error}") from error


def _work(device, call):
    """(launches, bytes) of a forward, and of the backward of all that it returns."""
    launches, results = [0, 0], []

    def count(launch):
        launches[0] += 1
        launches[1] += launch.bytes or 0

    with runtime.watching(count):
        mapped(results.append, call())
        live = [y for y in results if isinstance(y, Tensor) and y.requires_grad]
        if live:
            calls.backward(live, [make(empty(y.array.shape, y.array.dtype, device)) for y in live])
    return tuple(launches)
