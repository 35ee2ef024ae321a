"""Capture and replay: the launches, copies and fills of a step as one call.

    step()                              # once before: everything is compiled, loaded and warm
    graph = Graph.capture(device, step)
    graph()                             # the same work on the same addresses, with what memory holds now

What a step allocates comes from an arena that nobody else gets memory from until the graph dies. Refused inside, by
name: waiting for the device, copies between host and device, freeing to the driver, compiling.
"""

from __future__ import annotations

import contextlib
import gc
import typing

from tritonnet.kernels.runtime.errors import CaptureError, DeviceError
from tritonnet.kernels.runtime.launches import watching


class Captured(typing.NamedTuple):
    """One launch in a graph."""

    name: str
    grid: tuple
    flops: int | None
    bytes: int | None

    @classmethod
    def of(cls, launch) -> Captured:
        """The figures of a launch; its arguments are not kept."""
        return cls(launch.name, launch.grid, launch.flops, launch.bytes)


class Graph:
    """A captured step. `result` is what the step returned; each replay writes it anew. `launches`: what it runs."""

    def __init__(self, device, arena, handle, result, launches):
        self.device, self.arena, self.handle, self.result, self.launches = device, arena, handle, result, launches

    @classmethod
    def capture(cls, device, step) -> Graph:
        """Record what `step()` does on the current stream of `device`; nothing is computed yet."""
        pool, driver, stream = device.pool, device.driver, device.stream.handle
        if pool.capturing:
            raise CaptureError("cannot begin another capture while a graph is being captured")
        gc.collect()  # a module unloaded, or memory freed, by the collector would spoil the capture
        collecting = gc.isenabled()
        gc.disable()
        arena, launches = pool.open(), []
        try:
            driver.begin_capture(stream)
            try:
                with watching(lambda launch: launches.append(Captured.of(launch))):
                    result = step()
            except BaseException:
                with contextlib.suppress(DeviceError):  # a spoilt capture ends with an error of its own
                    driver.end_capture(stream)
                raise
            handle = driver.end_capture(stream)
        except BaseException:
            pool.capturing = None
            pool.close(arena)
            raise
        finally:
            if collecting:
                gc.enable()
        pool.capturing = None
        for call in arena.afterwards:
            call()
        return cls(device, arena, handle, result, launches)

    def __call__(self):
        """Replay on the current stream; returns the step's result without waiting for it."""
        self.device.driver.replay(self.handle, self.device.stream.handle)
        return self.result

    def __del__(self):
        self.result = self.handle = None
        self.device.pool.close(self.arena)
