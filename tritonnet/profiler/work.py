"""The flops and bytes of operations on the CPU: what the kernels of the same operations on the same shapes declare.

There is one declaration of work, at the kernels. An operation that ran on NumPy arrays is run once more, after
profiling, on a dry device, which computes nothing but tells every launch. Operations that decide by their data (a
boolean index) cannot be run without them: their work is unknown, None.
"""

from __future__ import annotations

import typing

from tritonnet.autograd.function import make
from tritonnet.kernels import runtime
from tritonnet.kernels.arrays import empty
from tritonnet.kernels.runtime.simulation import DryDriver
from tritonnet.tensor import Tensor


class Work(typing.NamedTuple):
    """Of one call. None: unknown."""

    flops: int | None
    bytes: int | None


UNKNOWN = Work(None, None)


class Shaped(typing.NamedTuple):
    """What is kept of a tensor argument."""

    shape: tuple
    dtype: typing.Any
    requires_grad: bool


def call_of(op, args, kwargs) -> tuple | None:
    """What must be known of a call to repeat it without its data; None where that is not possible."""
    try:
        call = op, tuple(map(_shaped, args)), tuple((k, _shaped(v)) for k, v in kwargs.items())
        hash(call)
    except TypeError:  # an argument that cannot be hashed
        return None
    return call


def _shaped(value):
    if isinstance(value, Tensor):
        return Shaped(tuple(value.array.shape), value.array.dtype, value.requires_grad)
    if isinstance(value, (list, tuple)):
        return tuple(map(_shaped, value))
    if hasattr(value, "dtype") and hasattr(value, "strides"):
        return Shaped(tuple(value.shape), value.dtype, False)
    return value


def shapes_of(call) -> str:
    """The shapes of a call's tensors, for people."""
    if call is None:
        return ""
    return ", ".join("x".join(map(str, a.shape)) or "scalar" for a in call[1] if isinstance(a, Shaped))


class Counter:
    """The work of calls, each distinct one found out once."""

    def __init__(self):
        self.known: dict[tuple, tuple[Work, Work]] = {}

    def of(self, call) -> tuple[Work, Work]:
        """(work of the forward, work of its backward)."""
        if call is None:
            return UNKNOWN, UNKNOWN
        if call not in self.known:
            try:
                self.known[call] = _dry(call)
            except Exception:  # it decides by its data, or Triton is missing: unknown, and shown so
                self.known[call] = UNKNOWN, UNKNOWN
        return self.known[call]


def _dry(call):
    op, args, kwargs = call
    with runtime.simulated(driver=DryDriver) as device:
        def made(value):
            if isinstance(value, Shaped):
                tensor = make(empty(value.shape, value.dtype, device))
                return tensor.requires_grad_() if value.requires_grad else tensor
            return tuple(map(made, value)) if isinstance(value, tuple) else value

        forward, backward = [], []
        with runtime.watching(lambda launch: forward.append((launch.flops, launch.bytes))):
            out = op.apply(*map(made, args), **{k: made(v) for k, v in kwargs})
        first = out[0] if isinstance(out, tuple) else out
        if first.requires_grad:
            with runtime.watching(lambda launch: backward.append((launch.flops, launch.bytes))):
                first.backward(make(empty(first.array.shape, first.array.dtype, device)))
        return total(forward), total(backward)


def total(launches) -> Work:
    """The sum over launches, pairs of (flops, bytes); what a kernel does not declare makes the sum unknown."""
    flops, nbytes = ([pair[i] for pair in launches] for i in (0, 1))
    return Work(None if None in flops else sum(flops), None if None in nbytes else sum(nbytes))
