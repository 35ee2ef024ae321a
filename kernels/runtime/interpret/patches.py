"""What is different in Triton's modules while an interpretation lasts; left as found afterwards.

The stock interpreter looks every builtin up and wraps it anew for each launch. The replacements are the same each
time, since our builder lives as long as the process: they are made once, and a launch only puts them in and takes
them out.
"""

import types

import triton.language as tl
from triton.runtime import interpreter as stock
from triton.runtime.jit import JITFunction

from tritonnet.kernels.runtime.compiler import compiling
from tritonnet.kernels.runtime.interpret import reductions, shortcuts
from tritonnet.kernels.runtime.interpret.element_types import np_dtype

_ABSENT = object()


class Patches:
    """A context in which triton.language computes on NumPy; takes the lock that compiling takes."""

    def __init__(self, twins):
        self.changes = _changes(twins)  # (object, name, what it is, what it becomes)

    def __enter__(self):
        compiling.acquire()
        for owner, name, _, new in self.changes:
            setattr(owner, name, new)

    def __exit__(self, *_):
        try:
            for owner, name, old, _ in self.changes:
                if old is _ABSENT:
                    delattr(owner, name)
                else:
                    setattr(owner, name, old)
        finally:
            compiling.release()


def _changes(twins):
    """Let the stock code and ours patch once, note what changed, and undo it."""
    scope = stock._LangPatchScope()
    scope.set_attr(stock, "_get_np_dtype", np_dtype)
    scope.set_attr(stock, "interpreter_builder", twins.builder)
    scope.set_attr(stock, "interpreter_semantic", twins.semantic)
    scope.set_attr(stock.ReduceOps, "generic_reduce", reductions.reduce)
    scope.set_attr(stock.ReduceOps, "min_max", reductions.min_max)
    scope.set_attr(stock.ScanOps, "generic_scan", reductions.scan)
    for ops, kind in ((stock.ReduceOps, "reduce"), (stock.ScanOps, "scan")):
        scope.set_attr(ops, "apply", reductions.watched(ops.apply, kind, twins.builder))
    scope.set_attr(JITFunction, "__call__", lambda fn, *args, **kwargs: twins.of(fn)(*args, **kwargs))
    for name, member in list(vars(tl.tensor).items()):  # x.sum() finds a JITFunction, which does not bind x
        if isinstance(member, JITFunction):
            scope.set_attr(tl.tensor, name, lambda *args, _fn=member, **kwargs: twins.of(_fn)(*args, **kwargs))
    scope.set_attr(tl.tensor, "__init__", shortcuts.tensor_init())
    scope.set_attr(tl.block_type, "__init__", shortcuts.block_type_init())
    language = stock._patch_lang(types.SimpleNamespace(__globals__={"tl": tl, "core": tl.core}))
    # Triton 3.6 calls int() on a one-element array here, which NumPy refuses since 2.4
    language.set_attr(tl.tensor, "__index__", lambda x: int(x.handle.data.item()))
    touched = {(id(owner), name): owner for owner, name, _ in scope._changes + language._changes}
    patched = {key: vars(owner)[key[1]] for key, owner in touched.items()}
    language.restore()
    scope.restore()
    return [(owner, key[1], vars(owner).get(key[1], _ABSENT), patched[key]) for key, owner in touched.items()]
