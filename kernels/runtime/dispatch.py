"""From a kernel and arguments to one driver call.

    variant = kernel.variant(device, BLOCK=1024, num_warps=4)   # constexprs and options fixed
    variant(grid, x, y, n)                                      # specialised by the arguments, looked up, launched
    launch = variant.bind(grid, x, y, n); launch()              # arguments fixed too: one driver call each

A specialisation is (types of the arguments, 16-byte alignment of pointers, divisibility by 16 of ints, constexprs,
options). Unlike in stock Triton, the *value* 1 and the size of an int never cause a recompile: an int is int32 unless
its parameter is annotated (`n: tl.int64`), and what does not fit raises.
"""

from __future__ import annotations

import ctypes
import struct
import threading

from tritonnet.kernels.runtime.launches import announce, on_launch
from tritonnet.kernels.runtime.signature import CODES, MISSING, specialise

OPTIONS = {  # enable_fp_fusion: its default changes in Triton 3.10, so it is never left to the default
    "num_warps": 4, "num_stages": 3, "enable_fp_fusion": True}
OTHER_OPTIONS = {"maxnreg", "debug", "sanitize_overflow", "ir_override"}

compiling = threading.RLock()  # one compile at a time, and none while triton.language is patched for interpretation


def first_device(kernel, args):
    """Where a launch takes place: the device of the first array."""
    for value in args:
        if hasattr(value, "kind"):
            return value.device
    raise TypeError(f"kernel {kernel.name}: no argument is an array on a device ({_kinds(args)}); move arrays with "
                    f"to_device(array, device), or run one kernel on NumPy arrays with kernels.interpret")


def _kinds(args):
    return ", ".join(type(a).__name__ for a in args)


def bound_arguments(kernel, args, config):
    """(run-time arguments in order, constexprs and options), from arguments given in any of Python's ways."""
    names = [p.name for p in kernel.params]
    if len(args) > len(names):
        raise TypeError(f"kernel {kernel.name} takes {len(names)} arguments ({', '.join(names)}), got {len(args)}")
    given = dict(zip(names, args))
    if twice := [name for name in given if name in config]:
        raise TypeError(f"kernel {kernel.name}: {', '.join(twice)} given twice")
    given |= config
    if missing := [p.name for p in kernel.params if p.name not in given and p.default is MISSING]:
        raise TypeError(f"kernel {kernel.name}: no value for {', '.join(missing)}")
    values = [given.pop(p.name, p.default) for p in kernel.arguments]
    return values, given


class Compiled:
    """One specialisation, loaded: a function handle and the layout of its parameter block."""

    def __init__(self, kernel, specialisation, loaded, driver):
        self.kernel, self.specialisation, self.loaded, self.driver = kernel, specialisation, loaded, driver
        self.function, self.threads, self.shared = loaded.function, loaded.threads, loaded.shared
        # after the kernel's own parameters come two pointers, global and profile scratch: null here
        self.codes = [("Q" if t[0] == "*" else CODES[t]) for t in specialisation.types] + ["Q", "Q"]
        self.struct = struct.Struct("@" + "".join(self.codes))  # "@": each value aligned to its own size, as in C
        self.pack_into = self.struct.pack_into
        self.local = threading.local()  # a driver call drops the GIL: each thread packs into a block of its own

    registers = property(lambda self: self.loaded.registers)
    spills = property(lambda self: self.loaded.spills)

    def new_block(self):
        """A parameter block: (buffer to pack into, address of the array of addresses that the driver takes, it)."""
        buffer = ctypes.create_string_buffer(self.struct.size)
        start, offset, addresses = ctypes.addressof(buffer), 0, []
        for code in self.codes:
            size = struct.calcsize(code)
            offset = -(-offset // size) * size
            addresses.append(start + offset)
            offset += size
        table = (ctypes.c_void_p * len(addresses))(*addresses)
        return buffer, ctypes.addressof(table), table

    def misfit(self, values, error):
        """The error for a value that its parameter cannot hold."""
        names = [n for n, t in self.specialisation.signature.items() if t != "constexpr"]
        shown = ", ".join(f"{n}={v}" for n, v in zip(names, values))
        return OverflowError(f"kernel {self.kernel.name}: {error} ({shown}); annotate 64-bit parameters tl.int64")

    def launch(self, grid, values, stream):
        """Pack and launch."""
        try:
            block = self.local.block
        except AttributeError:
            block = self.local.block = self.new_block()
        try:
            self.pack_into(block[0], 0, *values, 0, 0)
        except struct.error as error:
            raise self.misfit(values, error) from None
        x, y, z = grid if len(grid) == 3 else (*grid, 1, 1)[:3]
        self.driver.launch(self.function, x, y, z, self.threads, self.shared, stream, block[1])


class Bound:
    """A launch with everything fixed; it keeps its arguments alive. One thread at a time."""

    __slots__ = ("variant", "compiled", "grid", "args", "block", "run")

    def __init__(self, variant, compiled, grid, args, values):
        self.variant, self.compiled, self.grid, self.args = variant, compiled, grid, args
        self.block = compiled.new_block()
        try:
            compiled.pack_into(self.block[0], 0, *values, 0, 0)
        except struct.error as error:
            raise compiled.misfit(values, error) from None
        self.run = compiled.driver.prepared(
            compiled.function, *(*grid, 1, 1)[:3], compiled.threads, compiled.shared, variant.device.stream.handle,
            self.block[1])

    def __call__(self):
        if on_launch:
            announce(self.variant, self.compiled, self.grid, self.args)
        self.run()


class Variant:
    """A kernel on one device with fixed constexprs and options."""

    def __init__(self, kernel, device, config):
        self.kernel, self.device = kernel, device
        known = {p.name for p in kernel.params if p.constexpr}
        if unknown := [k for k in config if k not in known and k not in OPTIONS and k not in OTHER_OPTIONS]:
            raise TypeError(f"kernel {kernel.name}: {', '.join(unknown)}: neither a constexpr ({', '.join(known)}) nor "
                            f"an option ({', '.join([*OPTIONS, *OTHER_OPTIONS])})")
        self.constants = {p.name: config.get(p.name, p.default) for p in kernel.params if p.constexpr}
        if missing := [name for name, value in self.constants.items() if value is MISSING]:
            raise TypeError(f"kernel {kernel.name}: no value for {', '.join(missing)}")
        self.options = OPTIONS | {k: v for k, v in config.items() if k not in known}
        self.binders = {}  # types of the arguments -> (binder, {key: Compiled})

    def __call__(self, grid, *args):
        kinds = tuple(map(type, args))
        binder, cache = self.binders.get(kinds) or self._make_binder(kinds)
        key, values = binder(*args)
        compiled = cache.get(key) or self._load(cache, key, args)
        if on_launch and all(grid):
            announce(self, compiled, grid, args)
        compiled.launch(grid, values, self.device.stream.handle)

    def bind(self, grid, *args) -> Bound:
        """A callable that launches with exactly these arguments, on the stream that is current now."""
        compiled, values = self._look_up(args)
        return Bound(self, compiled, tuple(grid), args, values)

    def compile(self, *args) -> Compiled:
        """Compile and load for arguments like these, without launching: before timing or graph capture."""
        return self._look_up(args)[0]

    def compiled(self) -> list[Compiled]:
        """Every specialisation loaded so far."""
        return [c for _, cache in self.binders.values() for c in cache.values()]

    def _look_up(self, args):
        kinds = tuple(map(type, args))
        binder, cache = self.binders.get(kinds) or self._make_binder(kinds)
        key, values = binder(*args)
        return cache.get(key) or self._load(cache, key, args), values

    def _make_binder(self, kinds):
        """For arguments of these Python types, a function that returns (cache key, run-time values).

        It is written out and compiled, because a loop over the parameters would cost more than the launch.
        """
        params = self.kernel.arguments
        if len(kinds) != len(params):
            names = ", ".join(p.name for p in params)
            raise TypeError(f"kernel {self.kernel.name} takes {len(params)} arguments at run time ({names}), got "
                            f"{len(kinds)}")
        key, values, elsewhere = [], [], []
        for p, kind in zip(params, kinds):
            if kind is type(None):
                continue
            pointer = hasattr(kind, "kind")
            if pointer:
                key += [f"{p.name}.kind", f"{p.name}.ptr & 15 == 0"]
                elsewhere.append(f"{p.name}.device is not device")
            elif kind is int and p.specialise and p.type[:2] != "fp":
                key.append(f"{p.name} & 15 == 0")
            values.append(f"{p.name}.ptr" if pointer else p.name)
        arguments = ", ".join(p.name for p in params)
        lines = [f"def binder({arguments}):"]
        if elsewhere:
            lines += [f"    if {' or '.join(elsewhere)}:", f"        elsewhere({arguments})"]
        lines.append(f"    return ({''.join(k + ', ' for k in key)}), ({''.join(v + ', ' for v in values)})")
        scope = {"device": self.device, "elsewhere": self._elsewhere}
        exec("\n".join(lines), scope)
        return self.binders.setdefault(kinds, (scope["binder"], {}))

    def _elsewhere(self, *args):
        places = ", ".join(f"{p.name} on {a.device}" for p, a in zip(self.kernel.arguments, args) if hasattr(a, "kind"))
        raise RuntimeError(f"kernel {self.kernel.name} runs on {self.device}, but its arrays are: {places}")

    def _load(self, cache, key, args):
        with compiling:
            if key not in cache:
                specialisation = specialise(self.kernel, self.constants, self.options, args)
                loaded = self.device.driver.load(specialisation)
                cache[key] = Compiled(self.kernel, specialisation, loaded, self.device.driver)
            return cache[key]
