"""@kernel and @jit: Triton functions that know their source, their work, and how to be launched.

    from __future__ import annotations
    from tritonnet.kernels.kernel import jit, kernel, libdevice, tl

    @jit                                                     # called from kernels
    def twice(x):
        return 2 * x

    @kernel(flops=lambda n: n, bytes=lambda x, y: x.nbytes + y.nbytes)
    def double_kernel(x, y, n, BLOCK: tl.constexpr):
        at = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
        tl.store(y + at, twice(tl.load(x + at, mask=at < n)), mask=at < n)

    double_kernel[(blocks,)](x, y, n, BLOCK=1024, num_warps=4)

Triton is not imported here: `tl` and `libdevice` are stand-ins. When a kernel is first compiled or interpreted, a copy
of the function is made whose globals hold the real modules, and Triton's functions in place of ours.
"""

from __future__ import annotations
import __future__

import functools
import linecache
import textwrap
import types
import typing

from tritonnet.kernels.runtime.dispatch import Variant, bound_arguments, first_device
from tritonnet.kernels.runtime.signature import parameters
from tritonnet.kernels.runtime.source import Lazy, body_of, fingerprint, resolved, texts

if typing.TYPE_CHECKING:
    import triton.language as tl
    from triton.language.extra import libdevice
else:
    tl, libdevice = Lazy("triton.language"), Lazy("triton.language.extra.libdevice")


class Jit:
    """A function that kernels call; also a constexpr argument of kernels that take one."""

    def __init__(self, fn):
        functools.update_wrapper(self, fn)
        self.fn, self.name = fn, fn.__name__

    @functools.cached_property
    def source(self) -> str:
        """The text from `def` on."""
        return body_of(self.fn)

    @functools.cached_property
    def key(self) -> str:
        """A hash of everything that the compiled code depends on in the source: this text, helpers', constants."""
        return fingerprint(self)

    @functools.cached_property
    def multiplies(self) -> bool:
        """Whether it, or a helper that it calls, multiplies tiles with tl.dot."""
        return any("tl.dot(" in text for text in texts(self))

    @functools.cached_property
    def triton(self):
        """Triton's JITFunction. Made once: a helper redefined later needs its kernels redefined too."""
        from triton.runtime.jit import JITFunction

        return JITFunction(resolved(self.fn))

    def __call__(self, *args, **kwargs):
        raise TypeError(f"{self.name} is a function for kernels: it is called from a kernel, not from Python")

    def __repr__(self):
        return f"<{type(self).__name__.lower()} {self.__module__}.{self.name}>"


class Kernel(Jit):
    """A Triton kernel: `kernel[grid](…)`, or `kernel.variant(device, …)` once and that many times."""

    def __init__(self, fn, flops=None, bytes=None, do_not_specialize=(), space=None):
        super().__init__(fn)
        self.flops, self.bytes, self.space = flops, bytes, space
        self.entry = self.name  # what tables of tuned configurations know it by
        self.params = parameters(fn, do_not_specialize)
        self.arguments = [p for p in self.params if not p.constexpr]  # those passed at run time
        self.argument_names = frozenset(p.name for p in self.arguments)

    def variant(self, device, **config) -> Variant:
        """This kernel on this device with its constexprs, num_warps, num_stages, … fixed."""
        found = device.variants.get(key := self.key_of(config))
        if found is None:
            found = device.variants.setdefault(key, Variant(self, device, config))
        return found

    def key_of(self, config):
        """What a device knows a variant by."""
        return self, tuple(config.items()), tuple(map(type, config.values()))  # types, because 1 == True == 1.0

    def __getitem__(self, grid):
        """The launcher over a grid: one to three ints, or a function of a dict of the constexprs that returns them."""
        return functools.partial(self.launch, grid)

    def launch(self, grid, *args, **config):
        """Launch on the device of the first array, with the kernel's parameters in any of Python's ways."""
        if len(args) != len(self.arguments) or not self.argument_names.isdisjoint(config):
            args, config = bound_arguments(self, args, config)
        if callable(grid):
            grid = grid(dict(config))
        device = first_device(self, args)
        variant = device.variants.get(self.key_of(config)) or self.variant(device, **config)
        (variant.launchers.get(tuple(map(type, args))) or variant.binding(args).launch)(grid, *args)

    def __call__(self, *args, **kwargs):
        raise TypeError(f"{self.name} is a kernel: launch it over a grid, {self.name}[grid](...)")


def jit(fn: typing.Callable) -> Jit:
    """A function that kernels call."""
    return Jit(fn)


def kernel(fn=None, *, flops=None, bytes=None, do_not_specialize=(), space=None) -> typing.Any:
    """Make a Triton function a kernel.

    flops, bytes: functions that tell the work of one launch; they name what they need of the kernel's parameters, and
    `grid`. do_not_specialize: names of ints whose divisibility by 16 should not matter (seeds and steps, never sizes).
    space: a `Space` of configurations that tuning may choose from; who launches the kernel asks `tuning.look_up`.
    """
    if fn is None:
        return functools.partial(kernel, flops=flops, bytes=bytes, do_not_specialize=do_not_specialize, space=space)
    return Kernel(fn, flops, bytes, do_not_specialize, space)


def kernel_from_source(name: str, source: str, flops=None, bytes=None, namespace=None, do_not_specialize=(),
                       space=None, variant="") -> Kernel:
    """The kernel `name` out of generated text, which defines it as a plain function.

    namespace: what the text uses besides tl and libdevice (helpers made by @jit, constants). variant: tells kernels of
    one name apart in tables of tuned configurations. Tracebacks and Triton see the text under a file name of its own.
    """
    source = textwrap.dedent(source)
    import hashlib  # here: costs more than the rest of this module

    file = f"<kernel {name} {hashlib.sha256(source.encode()).hexdigest()[:12]}>"
    linecache.cache[file] = (len(source), None, source.splitlines(keepends=True), file)  # None: never thrown out
    scope = {"__name__": __name__, "tl": tl, "libdevice": libdevice, "jit": jit} | dict(namespace or {})
    code = compile(source, file, "exec", flags=__future__.annotations.compiler_flag, dont_inherit=True)
    exec(code, scope)
    if not isinstance(scope.get(name), types.FunctionType):
        raise ValueError(f"kernel_from_source: the text defines no function {name!r}")
    made = Kernel(scope[name], flops, bytes, do_not_specialize, space)
    if variant:
        made.entry = f"{name} ({variant})"
    return made
