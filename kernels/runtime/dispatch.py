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
import functools
import math
import struct
import threading

from tritonnet.kernels.runtime.binding import Binding
from tritonnet.kernels.runtime.compiler import compile_fully, compiling
from tritonnet.kernels.runtime.launches import announce, on_launch
from tritonnet.kernels.runtime.signature import CODES, MISSING, specialise

OPTIONS = {  # enable_fp_fusion: its default changes in Triton 3.10, so it is never left to the default
    "num_warps": 4, "num_stages": 3, "enable_fp_fusion": True}
OTHER_OPTIONS = {"maxnreg", "debug", "sanitize_overflow", "ir_override"}
CODE_SIZES = {code: struct.calcsize(code) for code in {*CODES.values(), "Q"}}


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


class Block(threading.local):
    """A parameter block; a driver call drops the GIL, so that each thread packs into one of its own."""

    def __init__(self, struct, codes):
        self.buffer = ctypes.create_string_buffer(struct.size)
        start, offset, addresses = ctypes.addressof(self.buffer), 0, []
        for code in codes:
            size = CODE_SIZES[code]
            offset = -(-offset // size) * size
            addresses.append(start + offset)
            offset += size
        self.table = (ctypes.c_void_p * len(addresses))(*addresses)
        self.address = ctypes.addressof(self.table)  # of the array of addresses that the driver takes


class Compiled:
    """One specialisation, loaded: a function handle and the layout of its parameter block."""

    def __init__(self, kernel, specialisation, loaded, device):
        self.kernel, self.specialisation, self.loaded, self.device = kernel, specialisation, loaded, device
        self.function, self.threads, self.shared = loaded.function, loaded.threads, loaded.shared
        self.driver, self.scratch = device.driver, loaded.scratch
        # after the kernel's own parameters come two pointers: scratch memory, mostly null; the profiler's, always
        self.codes = [("Q" if t[0] == "*" else CODES[t]) for t in specialisation.types] + ["Q", "Q"]
        self.struct = struct.Struct("@" + "".join(self.codes))  # "@": each value aligned to its own size, as in C
        self.pack_into, self.block = self.struct.pack_into, self.new_block()

    registers = property(lambda self: self.loaded.registers)
    spills = property(lambda self: self.loaded.spills)

    def new_block(self) -> Block:
        """A parameter block for these types."""
        return Block(self.struct, self.codes)

    @functools.cached_property
    def stages(self) -> dict:
        """Everything the compiler made on its way: "ttir", "ttgir", "llir", "ptx", "cubin". Compiles anew."""
        return compile_fully(self.specialisation, self.driver.target)[0].asm

    def workspace(self, grid):
        """Fresh memory in which the programs of a launch make their tensor descriptors; 0 where there are none.

        Whoever launches keeps it until the launch is queued: the pool gives it to nobody before that in this stream,
        and within a captured graph it is the graph's.
        """
        size = self.scratch * math.prod(grid)
        return self.device.pool.take(size, f"descriptors of {self.kernel.name}") if size else 0

    def queued(self, scratch):
        """Note that a launch uses its workspace: what follows on the default stream does not wait for other streams."""
        device = self.device
        if device.stream is not device.default_stream and not device.pool.capturing:
            scratch.used_on(device.stream)

    def misfit(self, values, error):
        """The error for a value that its parameter cannot hold."""
        names = [n for n, t in self.specialisation.signature.items() if t != "constexpr"]
        shown = ", ".join(f"{n}={v}" for n, v in zip(names, values))
        return OverflowError(f"kernel {self.kernel.name}: {error} ({shown}); annotate 64-bit parameters tl.int64")


class Bound:
    """A launch with everything fixed; it keeps its arguments alive. For the thread that made it."""

    __slots__ = ("variant", "compiled", "grid", "args", "block", "run", "scratch")

    def __init__(self, variant, compiled, grid, args, values):
        self.variant, self.compiled, self.grid, self.args = variant, compiled, grid, args
        self.block, self.scratch = block, scratch = compiled.new_block(), compiled.workspace(grid)
        try:
            compiled.pack_into(block.buffer, 0, *values, scratch and scratch.ptr, 0)
        except struct.error as error:
            raise compiled.misfit(values, error) from None
        self.run = compiled.driver.prepared(
            compiled.function, *(*grid, 1, 1)[:3], compiled.threads, compiled.shared, variant.device.stream.handle,
            block.address)

    def __call__(self):
        watched = on_launch and all(self.grid) and announce(self.variant, self.compiled, self.grid, self.args)
        result = self.run()
        if result and result[0]:
            self.compiled.driver.refused(result)
        if watched:
            watched.queued()


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
        self.launchers, self.bindings = {}, {}  # by types of the arguments

    def __call__(self, grid, *args):
        """Launch on the current stream; an empty grid does nothing."""
        (self.launchers.get(tuple(map(type, args))) or self.binding(args).launch)(grid, *args)

    def bind(self, grid, *args) -> Bound:
        """A callable that launches with exactly these arguments, on the stream that is current now."""
        compiled, values = self.binding(args).resolve(*args)
        return Bound(self, compiled, tuple(grid), args, values)

    def compile(self, *args) -> Compiled:
        """Compile and load for arguments like these, without launching: before timing or graph capture."""
        return self.binding(args).resolve(*args)[0]

    def compiled(self) -> list[Compiled]:
        """Every specialisation loaded so far."""
        return [c for binding in self.bindings.values() for c in binding.cache.values()]

    def binding(self, args) -> Binding:
        """The launcher for arguments of these types, made at the first use."""
        kinds = tuple(map(type, args))
        found = self.bindings.get(kinds)
        if found is None:
            found = self.bindings.setdefault(kinds, Binding(self, kinds))
            self.launchers[kinds] = found.launch
        return found

    def elsewhere(self, *args):
        """Raise: an array is on another device."""
        places = ", ".join(f"{p.name} on {a.device}" for p, a in zip(self.kernel.arguments, args) if hasattr(a, "kind"))
        raise RuntimeError(f"kernel {self.kernel.name} runs on {self.device}, but its arrays are: {places}")

    def load(self, cache, key, args):
        """Compile and load one specialisation, once."""
        with compiling:
            if key not in cache:
                specialisation = specialise(self.kernel, self.constants, self.options, args)
                loaded = self.device.driver.load(specialisation)
                cache[key] = Compiled(self.kernel, specialisation, loaded, self.device)
            return cache[key]
