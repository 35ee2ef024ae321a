"""Capture and replay: the launches, copies and fills of a step as one call.

    step()                              # once before: everything is compiled, loaded and warm
    graph = Graph.capture(device, step)
    graph()                             # the same work on the same addresses, with what memory holds now

What a step allocates comes from an arena that nobody else gets memory from until the graph dies; memory of others that
it uses is kept. Refused inside, by name: waiting for the device, copies between host and device, freeing to the driver,
compiling, and work on other devices, streams and threads.

What lies on the host and changes from step to step (rates, seeds) is brought to the device before each replay, by those
who own it: `Capturing.each_replay` in pool.py.
"""

from __future__ import annotations

import contextlib
import gc
import threading
import typing

from tritonnet.kernels.runtime.errors import CaptureError, DeviceError
from tritonnet.kernels.runtime.launches import on_launch


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


class Recording:
    """A capture that is under way on the current stream of a device: `end` makes the graph of it.

    For the thread that began it. After an error call `abandon`, which leaves everything as it was.
    """

    def __init__(self, device):
        pool, self.device, self.stream = device.pool, device, device.stream
        if pool.capturing:
            raise CaptureError("cannot begin another capture while a graph is being captured",
                               "begin another capture")
        self.thread, self.launches, self.over = threading.get_ident(), [], False
        gc.collect()  # a module unloaded, or memory freed, by the collector would spoil the capture
        self.collecting = gc.isenabled()
        gc.disable()
        self.arena = pool.open()
        on_launch.append(self.launched)
        try:
            device.driver.begin_capture(self.stream.handle)
        except BaseException:
            self._leave(close=True)
            raise

    def launched(self, launch):
        """Note a launch, or refuse one that would not become part of the graph."""
        if threading.get_ident() != self.thread:
            raise CaptureError(f"kernel {launch.name}: another thread is capturing a graph on {self.device}")
        if launch.device is not self.device:
            raise CaptureError(f"kernel {launch.name} runs on {launch.device}, but the capture is of {self.device}")
        if self.device.stream is not self.stream:
            raise CaptureError(f"kernel {launch.name} is launched on another stream than the one being captured")
        self.launches.append(Captured.of(launch))
        self.arena.hold(*[a for a in launch.args if hasattr(a, "owner")])

    def end(self, result=None) -> Graph:
        """The graph of all since the beginning. result: what its calls return."""
        try:
            for call in self.arena.finishing:
                call()
            handle = self.device.driver.end_capture(self.stream.handle)
        except BaseException:
            self.abandon()
            raise
        self._leave()
        for call in self.arena.afterwards:
            call()
        return Graph(self.device, self.arena, handle, result, self.launches)

    def abandon(self):
        """End the capture without a graph."""
        if self.over:
            return
        with contextlib.suppress(DeviceError):  # a spoilt capture ends with an error of its own
            self.device.driver.end_capture(self.stream.handle)
        for call in self.arena.undo:
            call()
        self._leave(close=True)

    def _leave(self, close=False):
        self.over, self.device.pool.capturing = True, None
        on_launch.remove(self.launched)
        if close:
            self.device.pool.close(self.arena)
        if self.collecting:
            gc.enable()


class Graph:
    """A captured step. `result` is what the step returned; each replay writes it anew. `launches`: what it runs."""

    def __init__(self, device, arena, handle, result, launches):
        self.device, self.arena, self.handle, self.result, self.launches = device, arena, handle, result, launches

    @classmethod
    def capture(cls, device, step) -> Graph:
        """Record what `step()` does on the current stream of `device`; nothing is computed yet."""
        recording = Recording(device)
        try:
            result = step()
        except BaseException:
            recording.abandon()
            raise
        return recording.end(result)

    def misfit(self) -> str | None:
        """Why a replay would not do what the step does now, or None."""
        for check in self.arena.checks:
            if (reason := check()) is not None:
                return reason
        return None

    def __call__(self):
        """Replay on the current stream; returns the step's result without waiting for it."""
        for call in self.arena.each_replay:
            call()
        self.device.driver.replay(self.handle, self.device.stream.handle)
        return self.result

    def __del__(self):
        self.result = self.handle = None
        self.device.pool.close(self.arena)
