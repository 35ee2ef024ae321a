"""What is launched, for those who watch: profiler, tests, capture.

    runtime.on_launch.append(lambda launch: print(launch.name, launch.grid, launch.flops))

A hook is called before the launch; what it appends to `launch.afterwards` is called when it has been queued.
"""

from __future__ import annotations

import contextlib
import functools
import inspect
import typing

on_launch: list[typing.Callable[[Launch], None]] = []  # empty costs one test per launch


class Launch:
    """One launch, before it happens. It holds the arguments, so keep its figures rather than the object."""

    def __init__(self, variant, compiled, grid, args):
        self.variant, self.compiled, self.grid, self.args = variant, compiled, tuple(grid), args
        self.afterwards: list[typing.Callable[[], None]] = []

    kernel = property(lambda self: self.variant.kernel)
    name = property(lambda self: self.variant.kernel.name)
    device = property(lambda self: self.variant.device)

    @functools.cached_property
    def arguments(self) -> dict:
        """Every parameter of the kernel by name, constexprs included."""
        names = [p.name for p in self.kernel.arguments]
        return self.variant.constants | dict(zip(names, self.args))

    @functools.cached_property
    def flops(self):
        """Floating-point operations, or None where the kernel declares none."""
        return self._work(self.kernel.flops)

    @functools.cached_property
    def bytes(self):
        """Bytes that must be read and written, or None where the kernel declares none."""
        return self._work(self.kernel.bytes)

    def _work(self, declared):
        if declared is None:
            return None
        known = self.arguments | {"grid": self.grid}
        return declared(**{name: known[name] for name in inspect.signature(declared).parameters})

    def queued(self):
        """Call what waits for the launch to be queued."""
        for call in self.afterwards:
            call()

    def __repr__(self):
        return f"Launch({self.name}, grid={self.grid})"


def announce(variant, compiled, grid, args) -> Launch:
    """Tell everybody who watches. The launcher calls `queued` of the result when it is done."""
    launch = Launch(variant, compiled, grid, args)
    for hook in on_launch:
        hook(launch)
    return launch


@contextlib.contextmanager
def watching(hook):
    """Call `hook` with every launch meanwhile; gives the hook back, so that `watching([].append)` does, too."""
    on_launch.append(hook)
    try:
        yield hook
    finally:
        on_launch.remove(hook)
