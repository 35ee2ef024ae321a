"""From definitions to functions: `relu(x, out=None)`, `relu_backward(dy, y)`, made when first asked for."""

from __future__ import annotations

import functools

import numpy as np

from tritonnet.kernels import strided
from tritonnet.kernels.dtypes import bool_, int8
from tritonnet.kernels.elementwise import call, device, host
from tritonnet.kernels.elementwise.call import Operation
from tritonnet.kernels.elementwise.compiled import compiled
from tritonnet.kernels.elementwise.definitions import LOGICAL, OPERATIONS
from tritonnet.kernels.elementwise.expression import Program, names_in
from tritonnet.kernels.elementwise.host import SMALL
from tritonnet.kernels.quiet import quietly

NUMPYS = "biuf"  # kinds of element types that are NumPy's own: no bfloat16


def _no_zero_division(operands, compute):
    divisor = operands[1]
    if compute.kind in "iu" and (isinstance(divisor, int) and divisor == 0
                                 or isinstance(divisor, np.ndarray) and not divisor.all()):
        raise RuntimeError("ZeroDivisionError")


def _no_negative_power(operands, compute):
    if compute.kind in "iu" and isinstance(operands[1], int) and operands[1] < 0:
        raise RuntimeError("Integers to negative integer powers are not allowed.")


CHECKS = dict.fromkeys(("floor_divide", "remainder", "fmod"), _no_zero_division) | {"pow": _no_negative_power}


@functools.cache
def operation(name) -> Operation:
    """The forward operation of a definition."""
    d = OPERATIONS[name]
    conditions = d.inputs if d.result == LOGICAL else ("c",) if "c" in d.inputs else ()
    program = Program(name, d.inputs, {d.output: d.forward}, d.params, conditions)
    return Operation(program, d.result, d.accepts, d.refusal, CHECKS.get(name))


class Derivative:
    """The gradients of some inputs. `saved`: the names it needs besides the gradient that arrives, in order."""

    def __init__(self, definition, wanted):
        arriving = "d" + definition.output
        gradients = {f"d{name}": definition.gradients[name] for name in wanted}
        used = set().union(*map(names_in, gradients.values()))
        self.saved = tuple(n for n in (*definition.inputs, definition.output) if n in used)
        self.params = tuple(p for p in definition.params if p in used)
        conditions = [n for n in self.saved if n == "c"]
        name = f"{definition.name}_backward"
        self.program = Program(name, (arriving, *self.saved), gradients, self.params, conditions)
        self.operation = Operation(self.program)
        self.passes_on = all(text == arriving for text in gradients.values())

    @functools.cached_property
    def function(self):
        """f(gradient, *saved, *params): one gradient, or a tuple of them. The gradient itself where it is passed on."""
        if self.passes_on:
            count = len(self.program.results)
            return (lambda gradient: gradient) if count == 1 else lambda gradient: (gradient,) * count
        return compiled(self.operation)


@functools.cache
def derivative(name, wanted) -> Derivative:
    """How to get the gradients of the inputs named in the tuple `wanted`, all in one launch."""
    return Derivative(OPERATIONS[name], wanted)


@functools.cache
def function(name):
    """The function of a definition: f(*inputs, *params, out=None)."""
    return compiled(operation(name))


@functools.cache
def with_slope(name):
    """For a definition with a slope: f(x, *params) that gives (y, dy/dx)."""
    d = OPERATIONS[name]
    program = Program(f"{name}_with_slope", d.inputs, {d.output: d.forward, "slope": d.slope}, d.params)
    return compiled(Operation(program, d.result, d.accepts))


@quietly
def _small_cast(x, dtype):
    return x.astype(dtype)


def cast(x, dtype):
    """The elements as another type, in the same memory order; float to integer truncates, to bool asks whether != 0."""
    dtype = np.dtype(dtype)
    if type(x) is np.ndarray and x.nbytes < SMALL and x.dtype.kind in NUMPYS and dtype.kind in NUMPYS:
        return _small_cast(x, dtype)
    place = None if isinstance(x, np.ndarray) else x.device
    out = call.fresh(x.shape, dtype, 1, [x], place)[0]
    compute = device.compute_type(x.dtype)
    if place is None:
        host.evaluate(operation("copy").program, [x], [], int8 if x.dtype == bool_ else compute, x.shape, [out])
    else:
        device.Plan(operation("copy").program, [x], compute, place, [out]).launch([x], [out], ())
    return out


def fill(x, value):
    """Write one number everywhere."""
    if isinstance(x, np.ndarray):
        x.fill(value)
    else:
        strided.fill(x, value)
    return x
