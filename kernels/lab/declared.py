"""A kernel that says all of itself: what it computes, over which grid, at what cost, in which configurations.

    @declared(
        mirror=lambda x: x / (1 + np.exp(-x)),                            # what it computes, on NumPy arrays
        arguments={"n": lambda x: x.size}, grid=lambda n, BLOCK: -(-n // BLOCK),
        flops=lambda n: 5 * n, bytes=lambda x, y: x.nbytes + y.nbytes,
        tune={"BLOCK": [256, 1024], "num_warps": [4, 8]},
    )
    def silu(x, y, n, BLOCK: tl.constexpr):
        at = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
        v = tl.load(x + at, mask=at < n).to(tl.float32)  # tl.sigmoid takes no halves
        tl.store(y + at, v * tl.sigmoid(v), mask=at < n)

    y = silu(x)             # on a NumPy array the mirror, on a DeviceArray the kernel
    silu.check(x)           # the kernel in every configuration, bounds-checked, against the mirror; no GPU needed

The mirror names what a call takes; `arguments` what is worked out from that; what is left of the kernel's run-time
parameters is what it writes, and what the mirror returns, in this order.
"""

from __future__ import annotations

import functools
import inspect

import numpy as np

from tritonnet.kernels import tuning
from tritonnet.kernels.arrays import DeviceArray, contiguous, device_of, empty, is_host, to_device, to_host
from tritonnet.kernels.dtypes import bfloat16, is_float
from tritonnet.kernels.kernel import Kernel
from tritonnet.kernels.lab.declarations import called, configurations, named, single
from tritonnet.kernels.runtime.signature import MISSING

TOLERANCE = {np.dtype("float16"): 2e-3, np.dtype(bfloat16): 2e-2, np.dtype("float32"): 2e-5, np.dtype("float64"): 1e-12}
SHOWN = 3  # wrong elements that a message spells out


class Mismatch(AssertionError):
    """A kernel and its mirror disagree."""


class DeclaredKernel(Kernel):
    """A kernel with its mirror: callable on arrays, checked, tuned. `kernel[grid](…)` launches it as any other."""

    def __init__(self, fn, mirror, *, grid, arguments=None, outputs=None, tune=None, flops=None, bytes=None,
                 do_not_specialize=()):
        super().__init__(getattr(fn, "fn", fn), flops, bytes, do_not_specialize)  # .fn: it came from @triton.jit
        self.mirror, self.grid, self.computed = mirror, grid, dict(arguments or {})
        self.outputs, self.space = dict(outputs or {}), list(configurations(self.name, tune))
        self.takes = list(inspect.signature(mirror).parameters.values())
        self._check_declaration()

    def _check_declaration(self):
        """Every name must be one the kernel has, and every parameter must get its value from somewhere."""
        known = {p.name for p in self.params}
        taken = [p.name for p in self.takes]
        work = [(what, named(self.name, what, f)) for what, f in (("flops", self.flops), ("bytes", self.bytes))
                if f is not None]
        for where, names in (("mirror", taken), ("arguments", self.computed), ("outputs", self.outputs), *work):
            if unknown := [n for n in names if n not in known]:
                raise TypeError(f"kernel {self.name}: {where} names {', '.join(unknown)}; its parameters are "
                                f"{', '.join(p.name for p in self.params)}")
        self.writes = [p.name for p in self.arguments if p.name not in {*taken, *self.computed}]
        if not self.writes:
            raise TypeError(f"kernel {self.name}: all its parameters are the mirror's or in arguments, so it writes "
                            f"nothing; the mirror must not name what it writes")
        constants = {p.name for p in self.params if p.constexpr and p.default is MISSING}
        for config in self.space:
            if missing := constants - config.keys() - self.computed.keys() - set(taken):
                raise TypeError(f"kernel {self.name}: no value for {', '.join(sorted(missing))}: name them in tune, "
                                f"arguments or the mirror")

    def __call__(self, *args, **kwargs):
        """What the mirror returns for these arguments: computed by the mirror on NumPy arrays, else by the kernel."""
        return self.on_arrays(self.bound(args, kwargs))

    def on_arrays(self, given: dict):
        """The same for arguments by name, as `bound` gives them."""
        if all(is_host(a) for a in given.values() if isinstance(a, (np.ndarray, DeviceArray))):
            return self.mirrored(given)
        outputs, values, key = self.planned(given)
        self.run(outputs, values, self.config(values, key))
        return single([outputs[name] for name in self.writes])

    def bound(self, args, kwargs) -> dict:
        """{name: value} of a call's arguments; TypeError in the mirror's words."""
        try:
            bound = inspect.signature(self.mirror).bind(*args, **kwargs)
        except TypeError as error:
            raise TypeError(f"{self.name}({', '.join(p.name for p in self.takes)}): {error}") from None
        bound.apply_defaults()
        return dict(bound.arguments)

    def mirrored(self, given):
        """What the mirror makes of the arguments, which it may not change: arrays of their own."""
        try:
            found = self.mirror(**{k: np.broadcast_to(v, v.shape) if isinstance(v, np.ndarray) else v
                                   for k, v in given.items()})  # broadcast: views that cannot be written
        except ValueError as error:
            if "read-only" not in str(error):
                raise
            raise ValueError(f"kernel {self.name}: its mirror changes its arguments, which the kernel does not; let it "
                             f"compute new arrays") from error
        found = found if isinstance(found, tuple) else (found,)
        if len(found) != len(self.writes):
            raise TypeError(f"kernel {self.name} writes {', '.join(self.writes)}, its mirror returned {len(found)} "
                            f"arrays")
        arrays = [np.asarray(a) for a in found]
        for a, what in zip(arrays, found):
            if a.dtype == object:
                raise TypeError(f"kernel {self.name}: its mirror returned a {type(what).__name__}; expected an array")
        return single([a if a.flags.writeable else a.copy() for a in arrays])

    def planned(self, given):
        """(arrays to write, all run-time values and computed constexprs by name, what a configuration goes by)."""
        given = {k: contiguous(v) if isinstance(v, (np.ndarray, DeviceArray)) else v for k, v in given.items()}
        arrays = [v for v in given.values() if isinstance(v, (np.ndarray, DeviceArray))]
        if not arrays:
            raise TypeError(f"{self.name}: none of {', '.join(given)} is an array")
        outputs = {}
        for name in self.writes:
            declared = self.outputs.get(name)
            shape, dtype = arrays[0].shape, arrays[0].dtype
            if declared is not None:
                found = called(declared, given)
                shape, dtype = found if isinstance(found, tuple) and len(found) == 2 and not isinstance(
                    found[1], (int, np.integer)) else (found, dtype)
            outputs[name] = empty(shape, dtype, arrays[0])
        values = given | outputs
        computed = {name: called(function, values) for name, function in self.computed.items()}
        sizes = [v for v in computed.values() if isinstance(v, (int, np.integer)) and not isinstance(v, bool)]
        return outputs, values | computed, (arrays[0].dtype, *sizes)

    def config(self, values, key) -> dict:
        """The tuned configuration for these arguments, else the first of the space."""
        device = next(filter(None, map(device_of, values.values())), None)
        return (device and tuning.chosen(self, device, *key)) or self.space[0]

    def run(self, outputs, values, config):
        """Launch on the device of the arrays."""
        if all(a.size for a in outputs.values()):
            self.launch(self.programs(values, config), **self.call(values, config))

    def programs(self, values, config) -> tuple:
        """The grid."""
        grid = called(self.grid, values | config)
        grid = tuple(grid) if isinstance(grid, (tuple, list)) else (grid,)
        if not 1 <= len(grid) <= 3 or not all(isinstance(n, (int, np.integer)) and 0 <= n < 1 << 31 for n in grid):
            raise ValueError(f"kernel {self.name}: its grid is {', '.join(map(str, grid))}; expected one to three "
                             f"numbers of programs, none above {(1 << 31) - 1}")
        return grid

    def call(self, values, config) -> dict:
        """What a launch is given by name: the kernel's parameters and the configuration."""
        known = {p.name for p in self.params}
        return {k: v for k, v in values.items() if k in known} | config

    def interpret(self, *args, config=None, trace=False, races=False, undefined=False, **kwargs):
        """Run the kernel on NumPy arrays in Triton's interpreter; what it wrote, and with trace=True also the trace.

        races, undefined: look for them, as `kernels.interpret` does.
        """
        from tritonnet.kernels import interpret

        outputs, values, key = self.planned(self.bound(args, kwargs))
        call = self.call(values, config or self.space[0])
        told = interpret(self, self.programs(values, call), trace=trace, races=races, undefined=undefined, **call)
        found = single([outputs[name] for name in self.writes])
        return (found, told) if trace else found

    def check(self, *args, configs=None, rtol=None, **kwargs) -> dict:
        """Run the kernel on the simulated device, every access checked, in each configuration; compare with the mirror.

        configs: which ones (default: the whole space). rtol: allowed error, relative to the largest element of an
        output (default: by dtype). Returns the largest relative error of each output; raises Mismatch naming the
        configuration, the elements and both values, or what the simulated device finds (OutOfBounds, races, reads of
        what nobody wrote).
        """
        from tritonnet.kernels import runtime

        given = self.bound(args, kwargs)
        expected = self.mirrored(given)
        expected = dict(zip(self.writes, expected if isinstance(expected, tuple) else (expected,)))
        worst = dict.fromkeys(self.writes, 0.0)
        for config in self.space if configs is None else configs:
            with runtime.simulated(own_blocks=True, check=True) as device:
                outputs, values, _ = self.planned({k: to_device(v, device) if isinstance(v, np.ndarray) else v
                                                   for k, v in given.items()})
                try:
                    self.run(outputs, values, config)
                except ValueError as error:
                    if "Expected dtype" not in str(error):
                        raise
                    raise ValueError(f"{self._label(config)}: {error}. Triton's functions (tl.sigmoid, tl.exp, …) take "
                                     f"no halves: load with .to(tl.float32), a store casts back") from error
                for name, before in given.items():
                    if isinstance(before, np.ndarray) and to_host(values[name]).tobytes() != before.tobytes():
                        raise Mismatch(f"{self._label(config)}: the kernel changes {name}, which it is given; the "
                                       f"mirror does not (it must not name what the kernel writes)")
                for name, array in outputs.items():
                    error = self._compared(name, to_host(array), expected[name], rtol, config)
                    worst[name] = max(worst[name], error)
        return worst

    def inspect(self, *args, arch=90, config=None, **kwargs):
        """What the compiler makes of it for these arguments: `lab.Inspections`. No GPU is needed.

        arch: 90, "sm_90", or a list of them. config: values for what `tune` names (default: the tuned ones).
        """
        from tritonnet.kernels.lab import inspection, own

        called = own.OwnCall.of(self, self.bound(args, kwargs))
        return inspection.inspect(called, dtype=called.dtype, arch=arch, config=config)

    def tune(self, *args, arch=None, store=True, **kwargs):
        """Find the fastest configuration for these arguments: a `lab.Tuning`. Without a GPU it is predicted.

        arch: predict for that one, also where a GPU is. store: keep what was measured, for launches to come.
        """
        from tritonnet.kernels.lab import own, search

        called = own.OwnCall.of(self, self.bound(args, kwargs))
        found = search.tune(called, dtype=called.dtype, arch=arch)[0]
        if store and not found.predicted and found.best:
            found.store()
        return found

    def _label(self, config) -> str:
        return f"{self.name} ({', '.join(f'{k}={v}' for k, v in config.items())})"

    def _compared(self, name, found, expected, rtol, config) -> float:
        """The largest error of an output, relative to its largest element."""
        label = self._label(config)
        if found.shape != expected.shape:
            raise Mismatch(f"{label}: {name} has shape {found.shape}, the mirror's {expected.shape}; declare "
                           f"outputs={{{name!r}: lambda …: shape}}")
        if found.dtype != expected.dtype:
            raise Mismatch(f"{label}: {name} is {found.dtype}, the mirror's {expected.dtype}; let the mirror cast it, "
                           f"or declare outputs={{{name!r}: lambda …: (shape, dtype)}}")
        if is_float(found.dtype):
            wide = np.float64
            allowed = TOLERANCE[found.dtype] if rtol is None else rtol
            finite = expected.astype(wide)
            scale = max(np.abs(finite[np.isfinite(finite)]).max(initial=0), np.finfo(np.float32).tiny)
            with np.errstate(invalid="ignore", over="ignore"):
                off = np.abs(found.astype(wide) - finite) / scale
            alike = (found == expected) | (np.isnan(found.astype(wide)) & np.isnan(finite))
            off = np.where(alike, 0, np.where(np.isnan(off), np.inf, off))
        else:
            off, allowed = (found != expected).astype(float), 0
        if (wrong := np.argwhere(off > allowed)).size:
            some = "; ".join(f"{name}[{', '.join(map(str, at))}] is {found[tuple(at)]}, the mirror says "
                             f"{expected[tuple(at)]}" for at in wrong[:SHOWN].tolist())
            raise Mismatch(f"{label}: {len(wrong)} of {found.size} elements differ by more than {allowed:g} of the "
                           f"largest: {some}")
        return float(off.max(initial=0))


def declared(fn=None, *, mirror, grid, **declarations):
    """Make a Triton function (plain, or from @triton.jit) a `DeclaredKernel`.

    mirror: NumPy arrays and numbers in, arrays out. grid, arguments {parameter: function}, flops and bytes: functions
    that name what they need of the kernel's parameters (grid also of the configuration). outputs {parameter: function}:
    shape, or (shape, dtype), of what the kernel writes; default: as the first array. tune: {constexpr or launch option:
    values}, or a list of whole configurations; the first is the default.
    """
    if fn is None:
        return functools.partial(declared, mirror=mirror, grid=grid, **declarations)
    return DeclaredKernel(fn, mirror, grid=grid, **declarations)
