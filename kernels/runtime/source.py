"""The source of kernels: its text, its hash, and the copy of a function that Triton gets to see."""

from __future__ import annotations

import dis
import functools
import importlib
import inspect
import linecache
import re
import textwrap
import types

import numpy as np

CONSTANTS = (bool, int, float, str, type(None), tuple, list, np.dtype)
LOAD_GLOBAL = dis.opmap["LOAD_GLOBAL"]


class Lazy:
    """Stands for a module of Triton's until a kernel needs it."""

    def __init__(self, module):
        self._module = module

    def __getattr__(self, name):
        return getattr(self.real(), name)

    def real(self):
        """The module; imports it."""
        return importlib.import_module(self._module)

    def __repr__(self):
        return f"<{self._module}, imported at first need>"


def body_of(fn) -> str:
    """A function's text from `def` on, without decorators and indentation.

    As inspect.getsource, without its search through all modules of the process.
    """
    lines = linecache.getlines(fn.__code__.co_filename, fn.__globals__)[fn.__code__.co_firstlineno - 1:]
    if not lines:
        raise ValueError(f"{fn.__name__}: kernels are compiled from their text; define it in a file or a notebook "
                         f"cell, or use kernel_from_source")
    text = textwrap.dedent("".join(inspect.getblock(lines)))
    return text[re.search(r"^def\s+\w+\s*\(", text, re.MULTILINE).start():]


def names_used(code) -> set[str]:
    """Every global or outer name that a code object, or one inside it, reads.

    co_names will not do: it holds attributes, too, and a kernel `max` that calls tl.sum is not one that calls `sum`.
    """
    names, extended = set(code.co_freevars), 0
    for opcode, argument in zip(code.co_code[::2], code.co_code[1::2]):
        if opcode == dis.EXTENDED_ARG:
            extended = (extended | argument) << 8
            continue
        if opcode == LOAD_GLOBAL:
            names.add(code.co_names[(extended | argument) >> 1])  # the lowest bit asks for a NULL before it
        extended = 0
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            names |= names_used(constant)
    return names


def closure_of(fn) -> dict:
    """The values of a function's outer variables, of those that are set."""
    found = {}
    for name, cell in zip(fn.__code__.co_freevars, fn.__closure__ or ()):
        try:
            found[name] = cell.cell_contents
        except ValueError:  # not set yet
            continue
    return found


def outer_values(fn) -> dict:
    """What the names that a function uses mean outside it, in order of the names."""
    scope = fn.__globals__ | closure_of(fn)
    return {name: scope[name] for name in sorted(names_used(fn.__code__)) if name in scope}


def fingerprint(jit) -> str:
    """A hash of the texts of a function and of all helpers it reaches, and of the constants they use."""
    import hashlib  # here: `import tritonnet` does without it

    return hashlib.sha256("\0".join(texts(jit)).encode()).hexdigest()


def texts(jit) -> list[str]:
    """The text of a function, those of all helpers it reaches, and the constants they use."""
    texts, todo, seen = [], [jit], set()
    while todo:
        current = todo.pop()
        if id(current) in seen:
            continue
        seen.add(id(current))
        texts.append(current.source)
        for name, value in outer_values(current.fn).items():
            if isinstance(value, (Lazy, types.ModuleType)):
                continue
            if hasattr(value, "source") and hasattr(value, "fn"):
                todo.append(value)
            elif hasattr(value, "raw_src"):  # a @triton.jit function
                texts.append(value.src)
            elif isinstance(value, CONSTANTS) or type(value).__module__.startswith("triton"):
                texts.append(f"{name} = {describe(value)}")
    return texts


def describe(value) -> str:
    """A constant as text that is the same in every process."""
    value = getattr(value, "value", value)  # tl.constexpr
    if isinstance(value, (tuple, list)):
        return f"({', '.join(map(describe, value))},)"
    if isinstance(value, np.dtype):
        return f"dtype {value.name}"
    if hasattr(value, "key") and hasattr(value, "fn"):
        return f"function {value.key}"
    if isinstance(value, CONSTANTS) or type(value).__module__.startswith("triton"):  # tl.float32 and its like
        return f"{type(value).__name__} {value!r}"
    raise TypeError(f"a kernel's constants are numbers, strings, None, dtypes, @jit functions and tuples of them, not "
                    f"{type(value).__name__}")


def real(value):
    """What Triton should see in place of ours: its modules, its functions, its constants."""
    if isinstance(value, np.dtype):
        return triton_dtype(value)
    if isinstance(value, Lazy):
        return value.real()
    if hasattr(value, "triton") and hasattr(value, "source"):
        return value.triton
    if type(value) is tuple:
        return tuple(map(real, value))
    return value


def constant(value):
    """A plain constant of a module as kernels may read it; Triton refuses all but constexprs."""
    if isinstance(value, (bool, int, float, str)):
        import triton.language as tl

        return tl.constexpr(value)
    return value


@functools.cache
def triton_dtype(dtype):
    """tl.float32 for np.float32, …"""
    import triton.language as tl

    named = {"bool": "int1", "float8_e4m3fn": "float8e4nv", "float8_e5m2": "float8e5"}
    return getattr(tl, named.get(dtype.name, dtype.name))


def resolved(fn):
    """A copy of a function in whose globals and closure Triton finds its own objects."""
    scope, used = dict(fn.__globals__), names_used(fn.__code__)
    for name, value in fn.__globals__.items():
        if isinstance(value, Lazy) or name in used:  # `tl` may be named by annotations alone
            scope[name] = constant(real(value))
    closure = fn.__closure__ and tuple(types.CellType(constant(real(cell.cell_contents))) for cell in fn.__closure__)
    copy = types.FunctionType(fn.__code__, scope, fn.__name__, fn.__defaults__, closure)
    copy.__kwdefaults__, copy.__doc__ = fn.__kwdefaults__, fn.__doc__
    copy.__qualname__, copy.__module__, copy.__annotations__ = fn.__qualname__, fn.__module__, fn.__annotations__
    return copy
