"""The parameters of a kernel, read without Triton."""

from __future__ import annotations

import inspect
import re
import typing

import numpy as np

TYPES = {  # as annotated -> as Triton writes it in signatures
    "int1": "i1", "int8": "i8", "int16": "i16", "int32": "i32", "int64": "i64", "uint8": "u8", "uint16": "u16",
    "uint32": "u32", "uint64": "u64", "float16": "fp16", "float32": "fp32", "float64": "fp64",
}
CODES = {  # for struct: the layout of parameter blocks
    "i1": "b", "u1": "B", "i8": "b", "u8": "B", "i16": "h", "u16": "H", "i32": "i", "u32": "I", "i64": "q", "u64": "Q",
    "fp16": "e", "fp32": "f", "fp64": "d",
}
MISSING = inspect.Parameter.empty


class Param(typing.NamedTuple):
    """One parameter of a kernel."""

    name: str
    constexpr: bool
    type: str  # "i64", … where annotated, else ""
    specialise: bool  # whether divisibility by 16 matters
    default: object = MISSING


def parameters(fn, do_not_specialize=()) -> list[Param]:
    """The parameters of a Python function, by the rules of kernels: `: tl.constexpr`, `: tl.int64`, or nothing."""
    found = []
    for p in inspect.signature(fn).parameters.values():
        if p.kind in (p.VAR_POSITIONAL, p.VAR_KEYWORD):
            raise TypeError(f"kernel {fn.__name__}: *{p.name} is not possible, kernels have a fixed list of parameters")
        note = "" if p.annotation is MISSING else p.annotation if isinstance(p.annotation, str) else str(p.annotation)
        constexpr = "constexpr" in note
        word = re.sub(r"^.*\.", "", note.strip("'\""))
        if note and not constexpr and word not in TYPES and word not in CODES:
            raise TypeError(f"kernel {fn.__name__}: annotation {note!r} of {p.name} is neither tl.constexpr nor a type "
                            f"({', '.join('tl.' + t for t in TYPES)})")
        kind = "" if constexpr else TYPES.get(word, word)
        found.append(Param(p.name, constexpr, kind, p.name not in do_not_specialize, p.default))
    if wrong := set(do_not_specialize) - {p.name for p in found}:
        raise TypeError(f"kernel {fn.__name__}: do_not_specialize names {', '.join(sorted(wrong))}, no parameter")
    return found


class Specialisation(typing.NamedTuple):
    """One kernel for arguments of certain types, with constants: what a driver loads."""

    kernel: object
    signature: dict  # parameter -> "*fp32", "i64", … or "constexpr"
    constants: dict  # parameter -> value, of those that are "constexpr"
    divisible: tuple  # parameters known to be divisible by 16
    options: dict

    @property
    def types(self) -> list[str]:
        """The types of the parameters that remain at run time."""
        return [t for t in self.signature.values() if t != "constexpr"]


def specialise(kernel, constants, options, args) -> Specialisation:
    """What to compile for a launch with `args` (the run-time arguments, in order)."""
    signature, fixed, divisible = {}, {}, []
    remaining = iter(args)
    for p in kernel.params:
        value = constants[p.name] if p.constexpr else next(remaining)
        if p.constexpr or value is None:
            signature[p.name], fixed[p.name] = "constexpr", value
            continue
        known = False
        if hasattr(value, "kind"):
            signature[p.name], known = value.kind, value.ptr % 16 == 0
        elif isinstance(value, (bool, np.bool_)):
            signature[p.name] = "i1"
        elif isinstance(value, (int, np.integer)):
            signature[p.name] = p.type or "i32"
            known = p.specialise and p.type[:2] != "fp" and int(value) % 16 == 0
        elif isinstance(value, (float, np.floating)):
            signature[p.name] = p.type or "fp32"
        else:
            raise TypeError(f"kernel {kernel.name}: {p.name} is a {type(value).__name__}; kernels take arrays on a "
                            f"device (to_device), numbers and None")
        if known:
            divisible.append(p.name)
    return Specialisation(kernel, signature, fixed, tuple(divisible), options)
