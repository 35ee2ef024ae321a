"""The function that launches a variant with arguments of certain Python types.

It is written out as text and compiled, because a loop over the parameters would cost more than the launch. For a
kernel of x, y and n, with our own names behind underscores so that they are never a parameter's:

    def launch(__grid, x, y, n):
        if x.device is not __device or y.device is not __device:
            __elsewhere(x, y, n)
        __x, __y = x.ptr, y.ptr
        __key = ((x.kind, y.kind) if not (__x | __y | n) & 15 else
                 (x.kind, y.kind, __x & 15 == 0, __y & 15 == 0, n & 15 == 0))
        __compiled = __get(__key) or __load(__key, (x, y, n))
        …
"""

from __future__ import annotations

import struct

import numpy as np

from tritonnet.kernels.runtime.launches import announce, on_launch

FIND = """
def resolve({names}):
    {find}
    return __compiled, ({values})
"""
LAUNCH = """
def launch(__grid, {names}):
    {find}
    __watched = __on_launch and all(__grid) and __announce(__variant, __compiled, __grid, ({names}))
    __block, __scratch = __compiled.block, __compiled.scratch and __compiled.workspace(__grid)
    try:
        __compiled.pack_into(__block.buffer, 0, {values}__scratch and __scratch.ptr, 0)
    except __error as __problem:
        raise __compiled.misfit(({values}), __problem) from None
    __0, __1, __2 = __grid if len(__grid) == 3 else (*__grid, 1, 1)[:3]
    __driver_launch(__compiled.function, __0, __1, __2, __compiled.threads, __compiled.shared, __local.handle,
                    __block.address)
    if __scratch:
        __compiled.queued(__scratch)
    if __watched:
        __watched.queued()
"""


class Binding:
    """What a variant does with arguments of certain types: `launch(grid, *args)`; `resolve(*args)` only looks up."""

    def __init__(self, variant, kinds):
        params = variant.kernel.arguments
        if len(kinds) != len(params):
            names = ", ".join(p.name for p in params)
            raise TypeError(f"kernel {variant.kernel.name} takes {len(params)} arguments at run time ({names}), got "
                            f"{len(kinds)}")
        self.cache = {}  # key -> Compiled
        text = _text(list(zip(params, kinds)))
        scope = {
            "__variant": variant, "__device": variant.device, "__local": variant.device.local, "__get": self.cache.get,
            "__load": lambda key, args: variant.load(self.cache, key, args), "__elsewhere": variant.elsewhere,
            "__driver_launch": variant.device.driver.launch, "__announce": announce, "__on_launch": on_launch,
            "__error": struct.error}
        exec(compile(text, f"<launch of {variant.kernel.name}>", "exec"), scope)
        self.resolve, self.launch = scope["resolve"], scope["launch"]


def _text(typed) -> str:
    """The source of both functions for parameters with their arguments' types."""
    pointers = [p.name for p, kind in typed if hasattr(kind, "kind")]
    plain = {p.name: f"int({p.name})" if issubclass(kind, (np.bool_, np.integer)) else p.name for p, kind in typed}
    ints = [plain[p.name] for p, kind in typed if p.specialise and p.type[:2] != "fp" and kind is not bool
            and issubclass(kind, (int, np.integer))]
    addresses = [f"__{p}" for p in pointers]
    find = []
    if pointers:
        find += [f"if {' or '.join(f'{p}.device is not __device' for p in pointers)}:", "    __elsewhere({names})",
                 f"{', '.join(addresses)} = {', '.join(f'{p}.ptr' for p in pointers)}"]
    kinds, low_bits = _tuple(f"{p}.kind" for p in pointers), addresses + ints
    if low_bits:  # nearly always all are divisible: one test then
        each = _tuple([*(f"{p}.kind" for p in pointers), *(f"{v} & 15 == 0" for v in low_bits)])
        find += [f"__key = {kinds} if not ({' | '.join(low_bits)}) & 15 else {each}"]
    else:
        find += ["__key = ()"]
    find += ["__compiled = __get(__key) or __load(__key, ({names}))"]
    names = "".join(f"{p.name}, " for p, _ in typed)
    values = "".join(f"__{p.name}, " if p.name in pointers else f"{plain[p.name]}, " for p, kind in typed
                     if kind is not type(None))
    find = "\n    ".join(find).format(names=names)
    return (FIND + LAUNCH).format(names=names, find=find, values=values)


def _tuple(parts) -> str:
    """The text of a tuple."""
    return f"({''.join(f'{part}, ' for part in parts)})"
