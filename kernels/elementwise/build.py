"""From definitions to functions: `relu(x, out=None)`, `relu_backward(dy, y)`, made when first asked for."""

from __future__ import annotations

import ast
import functools
import math
import warnings

import numpy as np

from tritonnet.kernels import strided
from tritonnet.kernels.dtypes import bool_, int8
from tritonnet.kernels.elementwise import call, device, host
from tritonnet.kernels.elementwise.call import Operation
from tritonnet.kernels.elementwise.definitions import BOOL, FLOAT, LOGICAL, OPERATIONS, SAME
from tritonnet.kernels.elementwise.expression import Program, names_in
from tritonnet.kernels.elementwise.numpy_functions import CAREFUL, FUNCTIONS

warnings.filterwarnings("ignore", category=RuntimeWarning, module=r"tritonnet\.kernels\.elementwise")  # see `compiled`


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
        self.program = Program(f"{definition.name}_backward", (arriving, *self.saved), gradients, self.params, conditions)
        self.operation = Operation(self.program)
        self.passes_on = all(text == arriving for text in gradients.values())

    @functools.cached_property
    def function(self):
        """f(gradient, *saved, *params): one gradient, or a tuple of them. The gradient itself where it is passed on."""
        if self.passes_on:
            count = len(self.program.results)
            return (lambda gradient: gradient) if count == 1 else lambda gradient: (gradient,) * count
        return compiled(self.operation, SAME)


@functools.cache
def derivative(name, wanted) -> Derivative:
    """How to get the gradients of the inputs named in the tuple `wanted`, all in one launch."""
    return Derivative(OPERATIONS[name], wanted)


@functools.cache
def function(name):
    """The function of a definition: f(*inputs, *params, out=None)."""
    return compiled(operation(name), OPERATIONS[name].result)


@functools.cache
def with_slope(name):
    """For a definition with a slope: f(x, *params) that gives (y, dy/dx)."""
    d = OPERATIONS[name]
    program = Program(f"{name}_with_slope", d.inputs, {d.output: d.forward, "slope": d.slope}, d.params)
    return compiled(Operation(program, d.result, d.accepts), d.result)


def compiled(op: Operation, result):
    """A Python function for an operation, with what is small or dense on the host written out before `op` is asked.

    Small arrays of one type, and numbers beside them, meet the expression itself, with its numbers as arrays (which
    NumPy takes twice as fast). np.errstate would cost more than the arithmetic there, so NumPy's warnings about
    infinities and NaN are filtered instead; where they are errors, and where shapes do not fit, `op` takes over.
    """
    program = op.program
    arguments = ", ".join([*program.inputs, *program.params])
    everything = f"({', '.join(program.inputs)},), ({''.join(p + ', ' for p in program.params)})"
    one = len(program.results) == 1
    lines = [f"def function({arguments}{', out=None' if one else ''}):"]
    types = [t for t in ("float32", "float64", "int64") if t[0] in op.accepts or result == FLOAT and t[0] == "f"]
    if result not in (SAME, BOOL) or op.check is not None or program.params:
        types = [t for t in types if t != "int64"]
    types = [] if result == LOGICAL else types
    scope = {"op": op, "ndarray": np.ndarray, "asarray": np.asarray, "dense": host.dense, "copyto": np.copyto,
             "as_array": as_array, "program": program, "boolean": bool_, "types": [np.dtype(t) for t in types], "__name__": __name__} | FUNCTIONS
    plain = [n for n in program.inputs if n not in program.conditions]
    small = [f"type({n}) is ndarray and {n}.dtype is boolean and {n}.nbytes < {host.SMALL}" for n in program.conditions]
    for numbers in (False, True) if types and len(plain) > 1 else (False,) if types else ():
        if numbers:  # beside numbers, or of several types
            lines.append(f"    d = {' else '.join(f'{n}.dtype if type({n}) is ndarray' for n in plain)} else None")
            number = "type({0}) is int or type({0}) is float" + (" and d is not int64" if "int64" in types else "")
            fits = [f"({n}.nbytes < {host.SMALL} and {n}.dtype is d if type({n}) is ndarray else {number.format(n)})"
                    for n in plain]
            lines.append(f"    if {' and '.join(fits + small)}:")
        else:
            first, *others = plain
            fits = [f"type({n}) is ndarray" for n in plain] + [f"{n}.nbytes < {host.SMALL}" for n in plain]
            lines += [f"    if {' and '.join(fits + small)}:", f"        d = {first}.dtype"]
            lines.append(f"        if {' and '.join(f'{n}.dtype is d' for n in others) or 'True'}:")
        lines.append("            try:")
        for name in types:
            lines.append(f"                if d is {name}:")
            dtype = scope[name] = np.dtype(name)
            scope[f"numbers_{name}"] = KNOWN.setdefault(name, {})
            statements = [f"if type({n}) is not ndarray: {n} = numbers_{name}.get({n}) or as_array({n}, {name}, numbers_{name})"
                          for n in plain] if numbers else []
            for r, text in program.results.items():
                statements += host.expression_lines(with_arrays(text, dtype, scope), r)
            returned = ", ".join(f"{r} if type({r}) is ndarray else asarray({r})" for r in program.results)
            if one:
                lines += ["                    if out is None:",
                          *("                        " + line for line in [*statements, f"return {returned}"]),
                          "                    if type(out) is ndarray and out.dtype is d:",
                          *("                        " + line for line in [*in_place(program, statements), "return out"])]
            else:
                lines += ["                    " + line for line in [*statements, f"return {returned}"]]
        lines += ["            except (ValueError, OverflowError, RuntimeWarning):", "                pass"]
    if types:
        lines += [f"    found = dense(program, types, {result == BOOL}, {everything}{', out' if one else ''})",
                  "    if found is not None:",
                  "        return found"]
    lines.append(f"    return op({everything}{', out' if one else ''})")
    exec(compile("\n".join(lines), f"<{program.name}>", "exec"), scope)
    made = scope["function"]
    made.__name__ = made.__qualname__ = program.name
    return made


KNOWN: dict = {}  # name of a type -> {number: array without dimensions}
ZEROS = {np.dtype(name): np.zeros((), name) for name in ("float32", "float64", "int64")}


def as_array(number, dtype, known):
    """A Python number as an array of this type, kept for the next time; but not 0, because 0.0 and -0.0 differ."""
    if number == 0:
        return ZEROS[dtype] if math.copysign(1, number) > 0 else number
    if len(known) > 1000:
        known.clear()
    known[number] = made = np.array(number, dtype)
    return made


def with_arrays(text, dtype, scope):
    """An expression whose numbers are names of arrays of this type, which are put into the scope."""

    class Name(ast.NodeTransformer):
        def visit_Constant(self, node):
            name = f"{dtype.name}_{len(scope)}"
            scope[name] = np.array(node.value, dtype)
            return ast.copy_location(ast.Name(name, ast.Load()), node)

    return "; ".join(ast.unparse(Name().visit(ast.parse(part.strip()))) for part in text.split(";"))


def in_place(program, statements):
    """The statements with their result in `out`: by its last function itself, if that is all there is."""
    result, = program.results
    if len(program.steps) == 1 and program.steps[0].function not in CAREFUL:
        step = program.steps[0]
        return [f"{step.function}({', '.join(map(str, step.operands))}, out=out)"]
    return [*statements, f"copyto(out, {result})"]


def cast(x, dtype):
    """The elements as another type, in the same memory order; float to integer truncates, anything to bool asks != 0."""
    dtype = np.dtype(dtype)
    place = None if isinstance(x, np.ndarray) else x.device
    out = call.fresh(x.shape, dtype, 1, [x], place)[0]
    compute = device.compute_type(x.dtype)
    if place is None:
        host.evaluate(operation("copy").program, [x], [], int8 if compute != x.dtype == bool_ else compute, x.shape, [out])
    else:
        device.evaluate(operation("copy").program, [x], [], compute, x.shape, [out])
    return out


def fill(x, value):
    """Write one number everywhere."""
    if isinstance(x, np.ndarray):
        x.fill(value)
    else:
        strided.fill(x, value)
    return x
