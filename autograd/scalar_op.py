"""Operations made from scalar definitions: class, fast `apply`, backward, and derivatives of any order.

    Relu = scalar_op("Relu", "relu", "max(x, 0), element by element")

`apply` of such a class is written out and compiled at its first use: for small arrays the time of an operation is the
time of Python around it.
"""

from __future__ import annotations

import operator

from tritonnet.autograd import function
from tritonnet.autograd.function import Op
from tritonnet.autograd.mode import state
from tritonnet.autograd.tape import clock
from tritonnet.kernels import elementwise
from tritonnet.kernels.elementwise import OPERATIONS, derivative


class ScalarOp(Op):
    """An operation that has a definition in kernels/elementwise. `operands`: what its derivative takes."""

    __slots__ = ("derivative", "gradient_of", "operands")
    definition = ""  # its name
    defaults = ()  # of its parameters

    def forward(ctx, *args):
        d = OPERATIONS[ctx.definition]
        args += ctx.defaults[len(args) - len(d.inputs):] if d.params else ()
        out = getattr(elementwise, ctx.definition)(*args)
        wanted = tuple(n for n, parent in zip(d.inputs, ctx.parents) if parent is not None and n in d.gradients)
        if wanted:
            ctx.gradient_of, ctx.derivative, pick = choice(ctx.definition, wanted)
            ctx.operands = pick(*args, out)
            for operand in ctx.operands:
                if hasattr(operand, "shape"):
                    ctx.save(operand)
        return out

    def backward(ctx, grad):
        return ctx.derivative(grad, *ctx.operands)

    def release(self):
        super().release()
        self.operands = ()

    def replace_saved(self, copies):
        super().replace_saved(copies)
        self.operands = tuple([copies.get(id(o), o) for o in self.operands])

    def differentiable_backward(self, grad):
        """The expressions of the derivative, evaluated on tensors: they are recorded in turn."""
        d = OPERATIONS[self.definition]
        names = {n: self._with_history(d, n, operand) for n, operand in zip(self.gradient_of.operands, self.operands)}
        names["d" + d.output] = grad
        found = {n: evaluated(d.gradients[n], names) for n in self.gradient_of.wanted}
        return tuple(found.get(n) for n in d.inputs)

    def _with_history(self, d, name, operand):
        """A saved operand as a tensor; Python numbers stay."""
        if not hasattr(operand, "shape"):
            return operand
        return self.output(operand) if name == d.output else self.input(d.inputs.index(name), operand)


def evaluated(text, names):
    """An expression whose names are tensors."""
    from tritonnet.autograd.ops.elementwise import BY_DEFINITION

    scope = {name: op.apply for name, op in BY_DEFINITION.items()} | {"divide": operator.truediv} | names
    *assignments, last = [part.strip() for part in text.split(";")]
    for assignment in assignments:
        name, _, value = assignment.partition("=")
        scope[name.strip()] = eval(value, scope)
    return eval(last, scope)


class Choice:
    """The gradients of the inputs `wanted`, and the names of the operands they take."""

    def __init__(self, name, wanted):
        self.wanted, found = wanted, derivative(name, wanted)
        self.operands = found.saved + found.params
        d = OPERATIONS[name]
        arguments = ", ".join([*d.inputs, *d.params, d.output])
        self.pick = eval(f"lambda {arguments}: ({''.join(o + ', ' for o in self.operands)})")
        compute = found.function
        if wanted == d.inputs[: len(wanted)]:
            self.function = compute
        elif len(wanted) == 1:
            before = (None,) * d.inputs.index(wanted[0])
            self.function = lambda *args: (*before, compute(*args))
        else:
            self.function = lambda *args: self._spread(d.inputs, compute(*args))

    def _spread(self, inputs, gradients):
        """Gradients at the places of their inputs, None elsewhere."""
        by_name = dict(zip(self.wanted, gradients))
        return tuple(by_name.get(name) for name in inputs)


_choices: dict = {}


def choice(name, wanted):
    """(Choice, its function, its pick), made once per definition and inputs."""
    key = name, wanted
    if key not in _choices:
        made = Choice(name, wanted)
        _choices[key] = made, made.function, made.pick
    return _choices[key]


def scalar_op(name, definition, doc, defaults=(), module="tritonnet.autograd.ops.elementwise"):
    """The class of an operation; `apply` is a stand-in that replaces itself at the first call."""

    def first_apply(*args, **kwargs):
        made.apply = staticmethod(compiled_apply(made))
        return made.apply(*args, **kwargs)

    made = type(name, (ScalarOp,), {
        "__slots__": (), "__doc__": doc, "__module__": module, "definition": definition, "defaults": tuple(defaults),
        "apply": staticmethod(first_apply)})
    return made


def compiled_apply(cls):
    """`Op.apply` for one class, without loops: as `function.apply`, `record` and `make` do it."""
    d = OPERATIONS[cls.definition]
    arguments = [*d.inputs, *(f"{p}={default!r}" for p, default in zip(d.params, cls.defaults)), *d.params[len(cls.defaults):]]
    lines = [f"def apply({', '.join(arguments)}):"]
    for n in d.inputs:
        lines += [f"    if isinstance({n}, Tensor): {n}_array, {n}_tracked = {n}.array, {n}.requires_grad",
                  f"    else: {n}_array, {n}_tracked = {n}, False"]
    passed = ", ".join([f"{n}_array" for n in d.inputs] + list(d.params))
    lines += [f"    out = compute({passed})", "    t = new(Tensor)", "    t.array = out", "    t.grad = t.base = None"]
    if d.gradients:
        differentiable = [n for n in d.inputs if n in d.gradients]
        lines.append(f"    if ({' or '.join(f'{n}_tracked' for n in differentiable)}) and state.grad:")
        lines.append("        node = new(cls)")
        edges = [f"(({n}.node if {n}.base is None else current_node({n})) or {n}) if {n}_tracked else None"
                 if n in d.gradients else "None" for n in d.inputs]
        lines.append(f"        node.parents = ({', '.join(edges)},)")
        mask = " + ".join(f"{1 << i} * {n}_tracked" if i else f"{n}_tracked" for i, n in enumerate(differentiable))
        lines += [f"        made = choices[{mask}]",
                  f"        node.gradient_of, node.derivative, pick = made or choose({mask})",
                  f"        saved = node.operands = pick({passed}, out)"]
        if len(d.inputs) + len(d.params) > 1:
            lines.append("        node.saved = tuple([a for a in saved if hasattr(a, 'shape')])")
        else:
            lines.append("        node.saved = saved")
        lines += ["        node.hooks = None", "        node.shape, node.dtype = out.shape, out.dtype",
                  "        node.seq = next(clock)", "        t.node, t.requires_grad = node, True", "        return t"]
    lines += ["    t.node, t.requires_grad = None, False", "    return t"]
    choices = [None] * (1 << len(d.gradients))

    def choose(mask):
        differentiable = [n for n in d.inputs if n in d.gradients]
        choices[mask] = choice(cls.definition, tuple(n for i, n in enumerate(differentiable) if mask >> i & 1))
        return choices[mask]

    from tritonnet.autograd.views import current_node

    scope = {"cls": cls, "Tensor": function.Tensor, "compute": getattr(elementwise, cls.definition), "new": object.__new__,
             "state": state, "current_node": current_node, "choices": choices, "choose": choose, "clock": clock}
    exec(compile("\n".join(lines), f"<apply of {cls.__name__}>", "exec"), scope)
    return scope["apply"]
