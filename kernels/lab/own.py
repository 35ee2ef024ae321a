"""Kernels of one's own as subjects of the lab: "module:function" or "path/to/file.py:function".

A plain `@triton.jit` function (or a Python function that could be one, or an autotuned one, whose configurations are
its space) is compiled from types:

    own("rows.py:row_sums", signature="*fp32,*fp32,i32,i32:16")       # :16 is told to be divisible by 16

Pointers count as aligned to 16 bytes, as allocations are. A declared kernel (`tritonnet.kernel`) knows what it
launches: its shapes name the arguments of its mirror, "x=4096x1024,w=1024x". A number is one: "eps=1e-5,n=3".
"""

from __future__ import annotations

import dataclasses
import difflib
import importlib
import importlib.util
import os
import re
import sys
import types

import numpy as np

from tritonnet.kernels.arrays import device_of, empty, to_device
from tritonnet.kernels.kernel import Kernel
from tritonnet.kernels.lab.declared import DeclaredKernel
from tritonnet.kernels.lab.plan import Planned, names_of
from tritonnet.kernels.lab.subjects import DTYPES, Make, Subject, Unknown, dtype_named
from tritonnet.kernels.runtime.dispatch import OPTIONS, OTHER_OPTIONS
from tritonnet.kernels.runtime.signature import MISSING, Specialisation
from tritonnet.kernels.runtime.simulation.dry import GPUS

ELEMENTS = ("i1", "i8", "i16", "i32", "i64", "u8", "u16", "u32", "u64", "fp16", "bf16", "fp32", "fp64", "fp8e4nv",
            "fp8e5")
NUMBERS = ("i1", "i8", "i16", "i32", "i64", "u8", "u16", "u32", "u64", "fp32", "fp64")


def own(name, signature: str | None = None):
    """The subject that a user's kernel is. name: where it is, or the kernel itself.  signature: the types of a plain
    kernel's run-time parameters, in order."""
    if isinstance(name, OwnTyped):
        return name
    kernel = as_kernel(loaded(name) if isinstance(name, str) else name, name)
    name = name if isinstance(name, str) else kernel.name
    if isinstance(kernel, DeclaredKernel):
        return OwnDeclared(name, f"kernel {kernel.name} of {kernel.__module__}", {}, None, kernel_runner(kernel),
                           tuple(DTYPES), kernel=kernel)
    return OwnTyped(name, kernel, signature)


def kernel_runner(kernel):
    """f(*arguments of the mirror) -> what the kernel writes."""
    return lambda *args: kernel.on_arrays(kernel.bound(args, {}))


def loaded(name: str):
    """What "module:attribute" or "file.py:attribute" names; a file's neighbours can be imported as when it is run."""
    place, _, attribute = name.rpartition(":")
    folder = os.path.dirname(os.path.abspath(place)) if place.endswith(".py") else os.getcwd()
    if folder not in sys.path:
        sys.path.insert(0, folder)
    try:
        module = _of_file(place) if place.endswith(".py") else importlib.import_module(place)
    except (Exception, SystemExit) as error:
        raise Unknown(f"{place!r} cannot be imported: {type(error).__name__}: {error}") from error
    found = getattr(module, attribute, None) if attribute else None
    if found is None:
        there = [n for n, v in vars(module).items() if isinstance(v, Kernel) or hasattr(v, "fn")]
        close = difflib.get_close_matches(attribute, there, n=1)
        what = f"{place} has no {attribute!r}" if attribute else f"{place}: expected {place}:KERNEL"
        raise Unknown(f"{what}{f' (did you mean {close[0]}?)' if close else ''}; its kernels: "
                      f"{', '.join(there) or 'none'}")
    return found


def _of_file(path):
    """A file's module, run anew; where that fails nothing of it stays behind."""
    spec = importlib.util.spec_from_file_location(os.path.basename(path)[:-3], path)
    module = importlib.util.module_from_spec(spec)
    here = sys.modules.setdefault(spec.name, module) is module
    try:
        spec.loader.exec_module(module)
    except BaseException:
        if here:
            sys.modules.pop(spec.name, None)
        raise
    return module


def as_kernel(found, name) -> Kernel:
    """A kernel of ours out of whatever is one: ours, Triton's, autotuned, or a plain function."""
    if isinstance(found, Kernel):
        return found
    space, fn = None, found
    while not isinstance(fn, types.FunctionType):
        if configs := getattr(fn, "configs", None):  # of triton.autotune
            space = [{k: v for k, v in config.all_kwargs().items() if v is not None} for config in configs]
        fn = getattr(fn, "fn", None)
        if fn is None:
            raise Unknown(f"{name} is a {type(found).__name__}, no kernel: a @triton.jit function or a kernel of "
                          f"tritonnet was expected")
    try:
        return Kernel(fn, space=space)
    except TypeError as error:
        raise Unknown(f"{name} is no kernel: {error}") from None


class OwnTyped:
    """A kernel that is compiled from the types of its parameters: it is never run, so nothing is known of its work."""

    dims: dict = {}
    dtypes = tuple(DTYPES)
    only = None

    def __init__(self, name, kernel, signature):
        self.name, self.kernel, self.signature = name, kernel, signature
        self.summary = f"kernel {kernel.name}, compiled from types"

    def shapes(self, text) -> list[dict]:
        """A single {}: there are no dimensions."""
        if text:
            raise Unknown(f"{self.name} is compiled from the types of its arguments: it has no shapes (declare it with "
                          f"@tritonnet.kernel(mirror=…, grid=…) to give it some)")
        return [{}]

    def launches(self, arch: int, config=None) -> list[Planned]:
        """One launch, over a grid that nobody knows."""
        kernel, config = self.kernel, dict(config or {})
        constants = [p for p in kernel.params if p.constexpr]
        default = kernel.space[0] if isinstance(kernel.space, list) and kernel.space else {}
        known = {p.name for p in constants} | {*OPTIONS, *OTHER_OPTIONS}
        if wrong := [k for k in config if k not in known]:
            raise Unknown(f"{kernel.name} has no {', '.join(wrong)} to configure: it has "
                          f"{', '.join([p.name for p in constants] + list(OPTIONS))}")
        whole = default | config
        values = {p.name: whole.get(p.name, p.default) for p in constants}
        lacking = []
        if missing := [k for k, v in values.items() if v is MISSING]:
            lacking.append(f"values for {', '.join(missing)} (--config {','.join(f'{k}=…' for k in missing)})")
        names = [p.name for p in kernel.arguments]
        if "(" in (self.signature or ""):
            raise Unknown(f"{kernel.name}: {self.signature!r} has a tuple; kernels are compiled from types of single "
                          f"parameters")
        given = [t.strip() for t in (self.signature or "").split(",") if t.strip()]
        if len(given) != len(names):
            lacking.append(f"the types of {', '.join(names)} (--signature \"*fp32,…,i32\": {len(names)} of them, "
                           f"{len(given)} given)")
        if lacking:
            raise Unknown(f"{kernel.name} is compiled from types: it needs {' and '.join(lacking)}")
        signature, divisible, types_ = {}, [], iter(given)
        for p in kernel.params:
            if p.constexpr:
                signature[p.name] = "constexpr"
                continue
            kind, aligned = typed(next(types_), p)
            signature[p.name] = kind
            if kind == "constexpr":
                values[p.name] = None
            elif aligned:
                divisible.append(p.name)
        options = OPTIONS | {k: v for k, v in whole.items() if k not in values}
        specialisation = Specialisation(kernel, signature, values, tuple(divisible), options)
        chosen = values | options
        shown = {k: chosen[k] for k in names_of(kernel) or [*(p.name for p in constants), "num_warps", "num_stages"]}
        return [Planned(kernel, specialisation, arch, None, None, None, {"gpu": GPUS[arch]}, shown,
                        origin="given" if config else "default")]


def typed(text, param) -> tuple[str, bool]:
    """("*fp32", whether divisible by 16) of "*fp32", "i32:16", "1024", "None"."""
    if text == "None":
        return "constexpr", False
    if re.fullmatch(r"-?\d+", text):
        return param.type or "i32", int(text) % 16 == 0
    if re.fullmatch(r"-?\d*\.\d*(e-?\d+)?", text):
        return param.type or "fp32", False
    kind, _, hint = text.partition(":")
    pointer = kind.startswith("*")
    if kind.lstrip("*") not in (ELEMENTS if pointer else NUMBERS) or hint not in ("", "16", "1"):
        raise Unknown(f"type {text!r} of {param.name}: expected a pointer such as *fp32 (to {', '.join(ELEMENTS)}), a "
                      f"number ({', '.join(NUMBERS)}; i32:16 is divisible by 16), or None")
    return kind, pointer or hint == "16"


@dataclasses.dataclass(frozen=True)
class OwnCall(Subject):
    """A declared kernel on arguments at hand: as a notebook asks for it."""

    given: tuple = ()  # what the mirror takes

    @classmethod
    def of(cls, kernel, given: dict):
        """given: {name: NumPy array or number}, as `DeclaredKernel.bound` gives it."""
        dims = {k: v.shape if isinstance(v, np.ndarray) else v for k, v in given.items()}
        return cls(kernel.name, f"kernel {kernel.name} of {kernel.__module__}", dims, None, kernel_runner(kernel),
                   tuple(DTYPES), given=tuple(given.values()))

    @property
    def dtype(self) -> str:
        """Of its first float array; float32 where there is none."""
        names = [v.dtype.name for v in self.given if isinstance(v, np.ndarray)]
        return next((name for name in names if name in DTYPES), "float32")

    def shapes(self, text=None) -> list[dict]:
        """The shapes of the arguments: there are no others."""
        return [self.dims]

    def arrays(self, dims=None, dtype="float32", like=None, seed=0) -> tuple:
        """The arguments, where `like` is; on a device that computes nothing only their shapes."""
        device = device_of(like)

        def placed(value):
            if device is None or not isinstance(value, np.ndarray):
                return value
            return to_device(value, device) if getattr(device.driver, "execute", True) else empty(
                value.shape, value.dtype, device)

        return tuple(map(placed, self.given))


@dataclasses.dataclass(frozen=True)
class OwnDeclared(Subject):
    """A declared kernel: what its mirror takes are its dimensions."""

    kernel: object = None

    def shapes(self, text) -> list[dict]:
        """{argument: shape or number} of "x=4096x1024,w=1024x eps=1e-5"; several shapes by spaces."""
        needed = [p.name for p in self.kernel.takes if p.default is p.empty]
        found = []
        for group in (text or "").split():
            given = {}
            for item in group.split(","):
                name, equals, value = item.partition("=")
                if not equals or name not in {p.name for p in self.kernel.takes}:
                    raise Unknown(f"{self.name}: {item!r} names none of {', '.join(p.name for p in self.kernel.takes)}")
                given[name] = self._value(value, item)
            found.append(given)
        for given in found or [{}]:
            if missing := [name for name in needed if name not in given]:
                raise Unknown(f"{self.name} needs {', '.join(missing)}: --shapes "
                              f"{','.join(f'{name}=4096x1024' for name in missing)} (an array of one axis: 4096x; a "
                              f"number: 3 or 1e-5)")
        return found

    def _value(self, text, item):
        try:
            if "x" in text:
                return tuple(int(n) for n in text.split("x") if n)
            return int(text) if re.fullmatch(r"-?\d+", text) else float(text)
        except ValueError:
            raise Unknown(f"{self.name}: {item!r} is neither a shape (4096x1024, 4096x) nor a number") from None

    def arrays(self, dims=None, dtype="float32", like=None, seed=0) -> tuple:
        """The mirror's arguments, in their order; those not given keep the mirror's defaults."""
        make, dims = Make(dtype_named(dtype), like, seed), dims or {}
        made = []
        for p in self.kernel.takes:
            value = dims.get(p.name, p.default)
            made.append(make(*value) if isinstance(value, tuple) and p.name in dims else value)
        return tuple(made)
