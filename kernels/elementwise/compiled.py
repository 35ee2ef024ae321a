"""The Python function of an operation, written out: for small arrays and launches its time is what counts.

On the host, small arrays of one type, and numbers beside them, meet the expression itself, with its numbers as arrays
(which NumPy takes twice as fast). np.errstate would cost more than the arithmetic there, so NumPy's warnings about
infinities and NaN are filtered instead; where they are errors, and where shapes do not fit, `Operation` takes over.
On a device, operands seen before find their launch under their types, shapes and strides.
"""

from __future__ import annotations

import ast
import math

import numpy as np

from tritonnet.kernels import dtypes
from tritonnet.kernels.arrays import DeviceArray
from tritonnet.kernels.dtypes import bool_
from tritonnet.kernels.elementwise import host
from tritonnet.kernels.elementwise.definitions import BOOL, FLOAT, LOGICAL
from tritonnet.kernels.elementwise.numpy_functions import BITS, FUNCTIONS

SMALL_CHOICE = 1 << 13  # bytes up to which np.where is as fast as arithmetic on bits
KNOWN: dict = {}  # name of a type -> {number: array without dimensions}
ZEROS = {np.dtype(name): np.zeros((), name) for name in ("float32", "float64", "int64")}


def compiled(op):
    """f(*inputs, *params, out=None) for an Operation; of several results there is no `out`."""
    program = op.program
    one = len(program.results) == 1
    out = ", out" if one else ""
    inputs, params = "".join(n + ", " for n in program.inputs), "".join(p + ", " for p in program.params)
    scope = {"op": op, "planned": op.planned, "ndarray": np.ndarray, "DeviceArray": DeviceArray, "asarray": np.asarray,
             "dense": host.dense, "as_array": as_array, "boolean": bool_, "program": program, "keep": keep,
             "dtypes": dtypes, "__name__": __name__} | FUNCTIONS
    types = _types(op)
    scope["types"] = [np.dtype(t) for t in types]
    lines = [f"def function({', '.join([*program.inputs, *program.params])}{', out=None' if one else ''}):",
             *_small(op, types, scope, one),
             f"    if {' or '.join(f'type({n}) is DeviceArray' for n in program.inputs)}:",
             *_launch(program, inputs, params, one)]
    if types:
        lines += [f"    found = dense(program, types, {op.result == BOOL}, ({inputs}), ({params}){out})",
                  "    if found is not None:",
                  "        return found"]
    lines.append(f"    return op(({inputs}), ({params}){out})")
    exec(compile("\n".join(lines), f"<{program.name}>", "exec"), scope)
    made = scope["function"]
    made.__name__ = made.__qualname__ = program.name
    return made


def _types(op):
    """The element types for which there is a short way on the host, by name."""
    if op.result == LOGICAL:
        return []
    found = ["float32", "float64"] if "f" in op.accepts else []
    if "i" in op.accepts and op.result != FLOAT and op.check is None and not op.program.params:
        found.append("int64")
    return found


def _small(op, types, scope, one):
    """For arrays that are all below `host.SMALL` bytes and of one type; then the same for numbers beside arrays."""
    lines, program = [], op.program
    limit = SMALL_CHOICE if any("where(" in with_arrays(t, bool_, {}) for t in program.results.values()) else host.SMALL
    plain = [n for n in program.inputs if n not in program.conditions]
    conditions = [f"type({n}) is ndarray and {n}.dtype is boolean and {n}.nbytes < {limit}"
                  for n in program.conditions]
    for numbers in (False, True)[:min(len(plain), 2)] if types else ():
        if numbers:
            number = "type({0}) is int or type({0}) is float" + (" and d is not int64" if "int64" in types else "")
            fits = [f"({n}.nbytes < {limit} and {n}.dtype is d if type({n}) is ndarray else {number.format(n)})"
                    for n in plain]
            lines += [f"    d = {' else '.join(f'{n}.dtype if type({n}) is ndarray' for n in plain)} else None",
                      f"    if {' and '.join(fits + conditions)}:"]
        else:
            fits = [f"type({n}) is ndarray" for n in plain] + [f"{n}.nbytes < {limit}" for n in plain]
            lines += [f"    if {' and '.join(fits + conditions)}:",
                      f"        d = {plain[0]}.dtype",
                      f"        if {' and '.join(f'{n}.dtype is d' for n in plain[1:]) or 'True'}:"]
        lines.append("            try:")
        for name in types:
            lines.append(f"                if d is {name}:")
            lines += _expressions(program, np.dtype(name), plain if numbers else (), scope, one)
        lines += ["            except (ValueError, OverflowError, RuntimeWarning):", "                pass"]
    return lines


def _expressions(program, dtype, numbers, scope, one):
    """The statements for one type; `numbers`: names of inputs that may be Python numbers."""
    name, known = dtype.name, f"known_{dtype.name}"
    scope[name], scope[known] = dtype, KNOWN.setdefault(name, {})
    lines = [f"if type({n}) is not ndarray: {n} = {known}.get({n}) or as_array({n}, {name}, {known})" for n in numbers]
    for result, text in program.results.items():
        lines += host.expression_lines(with_arrays(text, dtype, scope), result)
    returned = f"return {', '.join(f'{r} if type({r}) is ndarray else asarray({r})' for r in program.results)}"
    if not one:
        return ["                    " + line for line in [*lines, returned]]
    result, = program.results
    into = [*lines, f"out[...] = {result}"]  # a warning that is an error comes before anything is written
    return ["                    if out is None:",
            *("                        " + line for line in [*lines, returned]),
            "                    if type(out) is ndarray and out.dtype is d:",
            *("                        " + line for line in [*into, "return out"])]


def _launch(program, inputs, params, one):
    """Look the launch up; changing the first operand in place is another one, if no other operand shares its memory."""
    keys = [f"({n}.kind, {n}.shape, {n}.strides, {n}.device) if type({n}) is DeviceArray else type({n})"
            for n in program.inputs]
    first, *others = program.inputs
    place = f"{' else '.join(f'{n}.device if type({n}) is DeviceArray' for n in program.inputs)} else None"
    lines = [f"        key = dtypes.default_float, {', '.join(keys)}"]
    if one:
        apart = [f"(type({n}) is not DeviceArray or {n}.owner is not out.owner)" for n in others]
        lines += ["        if out is None:",
                  "            plan = planned.get(key)",
                  "            if plan is not None:",
                  f"                return plan(({inputs}), ({params}))",
                  f"            return op.on_device({place}, ({inputs}), ({params}), None, key)",
                  f"        if {' and '.join([f'out is {first}', *apart])}:",
                  "            key += (True,)",
                  "            plan = planned.get(key)",
                  "            if plan is not None:",
                  f"                plan.launch(({inputs}), (out,), ({params}))",
                  "                return out",
                  f"            return op.on_device({place}, ({inputs}), ({params}), out, key)"]
    else:
        lines += ["        plan = planned.get(key)",
                  "        if plan is not None:",
                  f"            return plan(({inputs}), ({params}))",
                  f"        return op.on_device({place}, ({inputs}), ({params}), None, key)"]
    return lines


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
            return ast.Name(name, ast.Load())

        def visit_Call(self, node):
            if node.func.id == "where":
                condition, a, b = node.args
                if ast.unparse(b) == "0":
                    node = ast.Call(ast.Name("keep", ast.Load()), [condition, a], [])
                elif ast.unparse(a) == "0":
                    node = ast.Call(ast.Name("keep", ast.Load()), [ast.UnaryOp(ast.Invert(), condition), b], [])
            return self.generic_visit(node)

    return "; ".join(ast.unparse(Name().visit(ast.parse(part.strip()))) for part in text.split(";"))


def keep(condition, a):
    """a where the condition holds, else 0."""
    if type(a) is np.ndarray and type(condition) is np.ndarray:
        return np.multiply(a.view(BITS[a.itemsize]), condition).view(a.dtype)
    return np.where(condition, a, ZEROS[a.dtype])
