"""`apply` of an operation: written out for its signature, and compiled when a class first uses it.

For small arrays the time of an operation is the time of Python around it, so nothing is left to find out at run time
that the signature tells: `apply` has no loop over arguments, and makes the tensor of the result itself.
"""

from __future__ import annotations

from tritonnet.autograd import function
from tritonnet.autograd.fusion import fusing, offering
from tritonnet.autograd.mode import state
from tritonnet.autograd.tape import clock
from tritonnet.kernels.dtypes import FLOATS, float32

RESULT = """
    t = new(Tensor)
    t.array = out
    t._grad = t.base = None"""
RECORDED = """
        node.hooks = None
        node.shape = out.shape
        node.dtype = out.dtype
        node.seq = next(clock)
        t.node = node
        t._requires_grad = True
        return t"""
CONSTANT = """
    t.node = None
    t._requires_grad = False
    return t"""


class Written:
    """In the place of `apply`: at its first use by a class, that class's own `write_apply()` replaces it."""

    def __get__(self, _, cls):
        cls.apply = made = cls.write_apply()
        return made


def unwrapped(name, otherwise=()):
    """Statements: {name}_array, and whether {name} is a tensor that requires a gradient. otherwise: for no tensor."""
    return [f"    if isinstance({name}, Tensor):",
            f"        {name}_array = {name}.array",
            f"        {name}_tracked = {name}._requires_grad or (view := {name}.base) is not None and "
            f"view.root.node is not view.seen and gained({name})",
            "    else:",
            *[f"        {line}" for line in otherwise],
            f"        {name}_array = {name}",
            f"        {name}_tracked = False"]


def recasting(cls, tensors):
    """Statements: the arguments in the types that autocast wants, where the operation is on its lists."""
    from tritonnet.autograd.autocast import LISTED

    if cls.__name__ not in LISTED:
        return []
    return ["    if casting:", f"        {', '.join(tensors)}, = recast(cls, {', '.join(tensors)})"]


def edge_of(name, tracked):
    """An expression: where the gradient of an argument goes, or None."""
    return f"(({name}.node if {name}.base is None else current_node({name})) or {name}) if {tracked} else None"


def scope(cls, **more):
    """What the statements refer to."""
    from tritonnet.autograd.autocast import casting, recast
    from tritonnet.autograd.views import current_node, gained

    return {"cls": cls, "Tensor": function.Tensor, "new": object.__new__, "state": state, "clock": clock,
            "current_node": current_node, "gained": gained, "check": function.check_number, "casting": casting,
            "recast": recast, "fusing": fusing} | more


def compiled(cls, lines, names):
    """The function `apply` of these lines."""
    exec(compile("\n".join(lines), f"<apply of {cls.__name__}>", "exec"), names)
    names["apply"].__qualname__ = f"{cls.__name__}.apply"
    return names["apply"]


def apply_of(cls):
    """`apply` of an `Op`, by the signature of its forward. A parameter whose default is a value takes no tensor."""
    forward = cls.forward
    code, defaults = forward.__code__, forward.__defaults__ or ()
    names = list(code.co_varnames[1:code.co_argcount])
    options = [n for n, default in zip(reversed(names), reversed(defaults)) if default is not None]
    tensors = [n for n in names if n not in options]
    keywords = list(code.co_varnames[code.co_argcount:code.co_argcount + code.co_kwonlyargcount])
    several = code.co_varnames[len(names) + len(keywords) + 1] if code.co_flags & 0x04 else None  # *args
    first = len(names) - len(defaults)
    signature = [n if i < first else f"{n}=None" for i, n in enumerate(names)]
    signature += [f"*{several or ''}"] * bool(several or keywords) + [f"{n}=None" for n in keywords]
    passed = [f"{n}_array" if n in tensors else n for n in names]
    tracked, edges = [f"{n}_tracked" for n in tensors], [edge_of(n, f"{n}_tracked") if n in tensors else "None"
                                                         for n in names]
    lines = [f"def apply({', '.join(signature)}):", "    node = new(cls)", "    node.saved = ()",
             *recasting(cls, tensors), *offering(cls, names)]
    for n in tensors:
        lines += unwrapped(n, [f"check({cls.__name__!r}, {n})"] if n is names[0] else ())
    if several:
        tracked.append(f"True in [a.requires_grad for a in {several} if isinstance(a, Tensor)]")
        edges.append(f"*[{edge_of('a', 'isinstance(a, Tensor) and a.requires_grad')} for a in {several}]")
        passed.append(f"*[a.array if isinstance(a, Tensor) else a for a in {several}]")
    passed += [f"{n}={n}" for n in keywords]
    nothing = "None, " * len(names) + (f"*[None for a in {several}]," if several else "")
    lines += [f"    tracked = ({' or '.join(tracked)}) and state.grad",
              "    if tracked:",
              f"        node.parents = {', '.join(edges)},",
              "    else:",
              f"        node.parents = ({nothing})",
              f"    out = forward(node, {', '.join(passed)})",
              "    if type(out) is tuple:",
              "        return record(node, out) if tracked else tuple(map(make, out))",
              RESULT,
              "    if tracked and (out.dtype is float32 or out.dtype in FLOATS):",
              RECORDED, CONSTANT]
    made = compiled(cls, lines, scope(cls, forward=forward, record=function.record, make=function.make, FLOATS=FLOATS,
                                      float32=float32))
    made.__defaults__, made.__kwdefaults__, made.__doc__ = forward.__defaults__, forward.__kwdefaults__, cls.__doc__
    return made
