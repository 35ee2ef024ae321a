"""The flops and bytes of operations on the CPU: what the kernels of the same operations on the same shapes declare.

There is one declaration of work, at the kernels. An operation that ran on NumPy arrays is run once more, after
profiling, on a dry device, which computes nothing but tells every launch. That device is a `Ledger`: what a GPU does
only to keep its many multiprocessors busy (sums in parts, and the traffic of adding them up) is no work of the CPU.
Operations that decide by their data (a boolean index) cannot be run without them: their work is unknown, None.
"""

from __future__ import annotations

import typing

import numpy as np

from tritonnet.autograd.function import make
from tritonnet.kernels import runtime
from tritonnet.kernels.arrays import empty
from tritonnet.kernels.arrays.views import span
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
    strides: tuple | None = None  # in elements; None: C order


class InPlace(typing.NamedTuple):
    """A method that changes its tensor, in the place of an operation."""

    name: str

    def apply(self, tensor, *args, **kwargs):
        """The same change, where nothing is recorded for a backward."""
        return getattr(Tensor, self.name)(tensor.detach(), *args, **kwargs)


class Ledger(DryDriver):
    """A GPU of one multiprocessor, unknown to tuning tables, that also adds up what is moved without a kernel."""

    def __init__(self, ordinal=0):
        super().__init__(ordinal)
        self.properties = self.properties._replace(name="one multiprocessor", multi_processor_count=1)
        self.moved = 0  # bytes read and written by copies and fills

    def copy(self, to, source, nbytes, stream):
        super().copy(to, source, nbytes, stream)
        self.moved += 2 * nbytes

    def fill(self, ptr, value, count, stream):
        super().fill(ptr, value, count, stream)
        self.moved += count * value.itemsize


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
        return _of_array(value.array, value.requires_grad)
    if isinstance(value, (list, tuple)):
        return tuple(map(_shaped, value))
    if hasattr(value, "dtype") and hasattr(value, "strides"):
        return _of_array(value)
    return value


def _of_array(array, requires_grad=False) -> Shaped:
    strides = None
    if isinstance(array, np.ndarray) and not array.flags.c_contiguous and not any(
            step % array.itemsize for step in array.strides):
        strides = tuple(step // array.itemsize for step in array.strides)
    return Shaped(tuple(array.shape), array.dtype, requires_grad, strides)


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
    with runtime.simulated(driver=Ledger) as device:
        def made(value):
            if isinstance(value, Shaped):
                tensor = make(_laid_out(value, device))
                return tensor.requires_grad_() if value.requires_grad else tensor
            return tuple(map(made, value)) if isinstance(value, tuple) else value

        forward, backward = [], []
        made_args, made_kwargs, before = [made(a) for a in args], {k: made(v) for k, v in kwargs}, device.driver.moved
        with runtime.watching(lambda launch: forward.append((launch.flops, launch.bytes))):
            out = op.apply(*made_args, **made_kwargs)
        forward.append((0, device.driver.moved - before))
        first = out[0] if isinstance(out, tuple) else out
        if getattr(first, "requires_grad", False):
            with runtime.watching(lambda launch: backward.append((launch.flops, launch.bytes))):
                grad, before = make(empty(first.array.shape, first.array.dtype, device)), device.driver.moved
                first.backward(grad)
            backward.append((0, device.driver.moved - before))
        return total(forward), total(backward)


def _laid_out(value, device):
    """An array of that shape whose elements lie as they did."""
    if value.strides is None:
        return empty(value.shape, value.dtype, device)
    low, high = span(value.shape, value.strides)
    return empty((high - low + 1,), value.dtype, device).view(value.shape, value.strides, -low)


def total(launches) -> Work:
    """The sum over launches, pairs of (flops, bytes); what a kernel does not declare makes the sum unknown."""
    flops, nbytes = ([pair[i] for pair in launches] for i in (0, 1))
    return Work(None if None in flops else sum(flops), None if None in nbytes else sum(nbytes))
