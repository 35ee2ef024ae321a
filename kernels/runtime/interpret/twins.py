"""Twins: plain Python functions that stand for Triton's JITFunctions while they are interpreted.

A kernel's text goes through Triton's own ASTTransformer and is executed in a *copy* of its module's globals (the
stock interpreter adds dozens of names to the real module).
"""

import ast
import weakref

from triton.runtime import interpreter as stock

from tritonnet.kernels.runtime.interpret.libdevice import Libdevice
from tritonnet.kernels.runtime.interpret.shortcuts import Semantic
from tritonnet.kernels.runtime.source import closure_of

_code = {}  # (file, line, text) -> code object


def _nothing():
    """A dead reference."""


class Twins:
    """The twins of one builder, made when first called."""

    def __init__(self, builder):
        self.builder = builder
        self.semantic = Semantic(builder)
        self.libdevice = Libdevice(self.semantic)
        self.functions = {}  # id -> (weak reference, twin); hashing a JITFunction would parse all that it calls

    def of(self, jit_fn):
        """The twin of a JITFunction."""
        known, twin = self.functions.get(id(jit_fn), (_nothing, None))
        if known() is not jit_fn:
            twin = self._make(jit_fn)
            self.functions[id(jit_fn)] = weakref.ref(jit_fn), twin
        return twin

    def forget(self):
        """Make twins anew from now on: globals of notebook kernels may have changed."""
        self.functions.clear()

    def _make(self, jit_fn):
        fn = jit_fn.fn
        scope = dict(fn.__globals__) | closure_of(fn)
        scope = {k: self.libdevice.replacing(v) for k, v in scope.items()}
        scope["interpreter_semantic"] = self.semantic
        if hasattr(stock, "_InterpreterComparison"):  # since 3.9: a < b < c
            scope["_InterpreterComparison"] = stock._InterpreterComparison
        made = {}
        exec(_rewritten(jit_fn), scope, made)
        twin = made[fn.__name__]
        scope[fn.__name__] = jit_fn
        return twin


def _rewritten(jit_fn):
    """The code that defines a twin, with the file and lines of the original: tracebacks show the kernel."""
    file = jit_fn.fn.__code__.co_filename
    line = jit_fn.starting_line_number + next(
        i for i, text in enumerate(jit_fn.raw_src) if text.lstrip().startswith("def "))
    key = file, line, jit_fn.src
    if key not in _code:
        tree = stock.ASTTransformer().visit(ast.parse(jit_fn.src))
        ast.increment_lineno(ast.fix_missing_locations(tree), line - 1)
        _code[key] = compile(tree, file, "exec", flags=0, dont_inherit=True)
    return _code[key]
