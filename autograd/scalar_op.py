"""Operations made from scalar definitions: class, `apply`, backward, and derivatives of any order.

    Relu = scalar_op("Relu", "relu", "max(x, 0), element by element")
"""

from __future__ import annotations

import functools
import itertools
import operator
import weakref

import numpy as np

from tritonnet.autograd.apply import CONSTANT, RECORDED, RESULT, compiled, edge_of, recasting, scope, unwrapped
from tritonnet.autograd.function import Op
from tritonnet.autograd.fusion import offering
from tritonnet.kernels import elementwise
from tritonnet.kernels.elementwise import OPERATIONS, derivative

BIG = 1 << 16  # bytes from which the host computes slopes in the forward


class ScalarOp(Op):
    """An operation that has a definition in kernels/elementwise. `operands`: what its derivative takes."""

    __slots__ = ("choice", "operands")
    definition = ""  # its name
    defaults = ()  # of its parameters

    def forward(ctx, *args):
        d = OPERATIONS[ctx.definition]
        args += ctx.defaults[len(args) - len(d.inputs):] if d.params else ()
        out = getattr(elementwise, ctx.definition)(*args)
        wanted = tuple(n for n, parent in zip(d.inputs, ctx.parents) if parent is not None and n in d.gradients)
        if wanted:
            ctx.choice = choice(ctx.definition, wanted)
            ctx.operands = ctx.choice.pick(*args, out)
            for operand in ctx.operands:
                if hasattr(operand, "shape"):
                    ctx.save(operand)
        return out

    def backward(ctx, grad):
        return ctx.choice.function(grad, *ctx.operands)

    @classmethod
    def write_apply(cls):
        return apply_of(cls)

    def release(self):
        if self.operands:  # a number counts, too: x * 2 takes part in one backward
            self.saved = None
            self.operands = ()

    def replace_saved(self, copies):
        super().replace_saved(copies)
        self.operands = tuple([copies.get(id(o), o) for o in self.operands])

    def differentiable_backward(self, grad):
        """The expressions of the derivative, evaluated on tensors: they are recorded in turn."""
        d = OPERATIONS[self.definition]
        names = {n: self._with_history(d, n, operand) for n, operand in zip(self.choice.operands, self.operands)
                 if n != "slope"}
        names["d" + d.output] = grad
        found = {n: evaluated(d.gradients[n], names) for n in self.choice.wanted}
        return tuple(found.get(n) for n in d.inputs)

    def _with_history(self, d, name, operand):
        """A saved operand as a tensor; Python numbers stay."""
        if not hasattr(operand, "shape"):
            return operand
        return self.output(operand) if name == d.output else self.input(d.inputs.index(name), operand)


def evaluated(text, names):
    """An expression whose names are tensors."""
    from tritonnet.autograd.ops.elementwise import BY_DEFINITION

    scope = {name: op.apply for name, op in BY_DEFINITION.items()} | names
    scope |= {"divide": operator.truediv, "normal_cdf": lambda x: 0.5 + 0.5 * scope["erf"](x * 0.7071067811865476)}
    *assignments, last = [part.strip() for part in text.split(";")]
    for assignment in assignments:
        name, _, value = assignment.partition("=")
        scope[name.strip()] = eval(value, scope)
    return eval(last, scope)


class Choice:
    """The gradients of the inputs `wanted`. `operands`: names of what they are computed from, as `pick` picks it."""

    def __init__(self, name, wanted):
        self.wanted, self.derivative, self.definition = wanted, derivative(name, wanted), OPERATIONS[name]
        self.operands = self.derivative.saved + self.derivative.params
        arguments = ", ".join([*self.definition.inputs, *self.definition.params, self.definition.output])
        self.pick = eval(f"lambda {arguments}: ({''.join(o + ', ' for o in self.operands)})")

    @functools.cached_property
    def function(self):
        """f(gradient, *operands): the gradients at the places of their inputs, None elsewhere."""
        compute, inputs, wanted = self.derivative.function, self.definition.inputs, self.wanted
        if self.derivative.passes_on:
            found = tuple(n in wanted or None for n in inputs)
            return lambda gradient: tuple([n and gradient for n in found])
        if wanted == inputs[: len(wanted)]:
            return compute
        if len(wanted) == 1:
            before = (None,) * inputs.index(wanted[0])
            return lambda *args: (*before, compute(*args))
        return lambda *args: tuple(map(dict(zip(wanted, compute(*args))).get, inputs))


class SlopeChoice:
    """The gradient of the only input where the forward computed the slope: dy slope. x is for second derivatives."""

    def __init__(self, name):
        d = OPERATIONS[name]
        self.wanted, self.operands = d.inputs, ("slope", *d.inputs, *d.params)

    @staticmethod
    def function(gradient, slope, *_):
        return elementwise.mul(gradient, slope)


class Through:
    """In the place of a node's choice: this very gradient passes as it is, any other is computed as ever."""

    def __init__(self, choice, grad):
        self.choice = choice.choice if type(choice) is Through else choice
        self.wanted, self.operands, self.grad = choice.wanted, choice.operands, weakref.ref(grad)

    def function(self, grad, *operands):
        return grad if grad is self.grad() else self.choice.function(grad, *operands)


def passes_through(node, grad):
    """Tell a node that this gradient, should it arrive as the only one, is already what the node would make of it."""
    node.choice = Through(node.choice, grad)


@functools.cache
def choice(name, wanted):
    """The Choice for these inputs of a definition."""
    return Choice(name, wanted)


def scalar_op(name, definition, doc, defaults=(), module="tritonnet.autograd.ops.elementwise"):
    """The class of an operation."""
    return type(name, (ScalarOp,), {
        "__slots__": (), "__doc__": doc, "__module__": module, "definition": definition, "defaults": tuple(defaults)})


def apply_of(cls):
    """`apply` of a class: as of any `Op`, but there is a node only where one is recorded."""
    d = OPERATIONS[cls.definition]
    differentiable = [n for n in d.inputs if n in d.gradients]
    defaults = [f"{p}={default!r}" for p, default in zip(d.params, cls.defaults)]
    lines = [f"def apply({', '.join([*d.inputs, *defaults, *d.params[len(defaults):]])}):"]
    lines += recasting(cls, d.inputs) + offering(cls, d.inputs)
    several = len(d.inputs) > 1 or bool(d.params)
    if several:
        lines.append(f"    numbers = {bool(d.params)}")
    for n in d.inputs:
        lines += unwrapped(n, ["numbers = True" if several else f"check({cls.definition!r}, {n})"])
    passed = [f"{n}_array" for n in d.inputs] + list(d.params)
    lines.append(f"    out = compute({', '.join(passed)})")
    if d.slope:
        lines[-1:] = [f"    big = x_tracked and state.grad and type(x_array) is ndarray and x_array.nbytes >= {BIG}",
                      "    if big:",
                      f"        out, slope = with_slope({', '.join(passed)})",
                      "    else:",
                      f"    {lines[-1]}"]
    lines.append(RESULT)
    names = scope(cls, compute=getattr(elementwise, cls.definition))
    if differentiable:
        edges = [edge_of(n, f"{n}_tracked") if n in differentiable else "None" for n in d.inputs]
        lines += [f"    if ({' or '.join(f'{n}_tracked' for n in differentiable)}) and state.grad:",
                  "        node = new(cls)",
                  f"        node.parents = {', '.join(edges)},"]
        values = dict(zip([*d.inputs, *d.params, d.output], [*passed, "out"]))
        for k, wanted in enumerate(wishes(differentiable)):
            names[f"choice{k}"] = made = choice(cls.definition, wanted)
            lines += [f"        {'elif' if k else 'if'} {' and '.join(f'{n}_tracked' for n in wanted)}:",
                      f"            node.choice = choice{k}",
                      f"            saved = ({''.join(values[o] + ', ' for o in made.operands)})"]
        if d.slope:
            names |= {"slope_choice": SlopeChoice(d.name), "with_slope": elementwise.with_slope(d.name),
                      "ndarray": np.ndarray}
            lines += ["        if big:",
                      "            node.choice = slope_choice",
                      f"            saved = slope, {', '.join(passed)}"]
        lines += ["        node.operands = saved",
                  f"        node.saved = {'arrays(saved) if numbers else saved' if several else 'saved'}", RECORDED]
        names["arrays"] = lambda saved: tuple([a for a in saved if hasattr(a, "shape")])
    return compiled(cls, [*lines, CONSTANT], names)


def wishes(names):
    """Every non-empty choice of names, the larger ones first."""
    return [wanted for k in range(len(names), 0, -1) for wanted in itertools.combinations(names, k)]
