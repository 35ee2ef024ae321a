"""What happens while a program is profiled: operations, launches, ranges, memory; kept as plain records.

An operation is timed on the host around its `apply` (and, in the backward pass, around its node). A launch is timed on
the device between two events of its own, recorded just before and just after it; the time that two events without work
between them show is measured at the start and taken off.
"""

from __future__ import annotations

import contextlib
import dataclasses
import statistics
import threading
import time

from tritonnet.kernels import runtime
from tritonnet.kernels.arrays import DeviceArray
from tritonnet.kernels.dtypes import is_float

CALIBRATIONS = 20  # pairs of events without work between them


@dataclasses.dataclass
class Span:
    """Something on the host with a beginning and an end, in ns of time.perf_counter_ns."""

    name: str
    kind: str  # "forward", "backward" or "range"
    start: int
    thread: int
    parent: Span | None
    end: int = 0
    call: tuple | None = None  # of a forward: what `work.signature` keeps of the call
    of: Span | None = None  # of a backward: its forward, if that was recorded
    children: int = 0  # ns spent in spans inside
    memory: int = 0  # bytes by which the device memory in use grew
    failed: bool = False  # left by an exception: how much of its work was done nobody knows
    launches: list = dataclasses.field(default_factory=list, repr=False)

    key = property(lambda self: self.name)
    cpu_time_total = property(lambda self: (self.end - self.start) / 1e3, doc="microseconds")
    self_cpu_time_total = property(lambda self: self.self_time / 1e3, doc="microseconds not spent in a span inside")
    device_time_total = property(lambda self: sum(x.took for x in self.launches) / 1e3, doc="microseconds")

    @property
    def self_time(self) -> int:
        """ns spent here and not in a span inside."""
        return self.end - self.start - self.children


@dataclasses.dataclass
class LaunchRecord:
    """One launch. Times in ns; `begin` and `end` on the device, since the recording began (None: a graph's)."""

    name: str
    grid: tuple
    config: str
    dtype: str
    flops: int | None
    bytes: int | None
    host: int  # when it was queued
    span: Span | None
    events: tuple = ()
    begin: float | None = None
    end: float | None = None
    used: int = 0  # bytes of the pool in use
    reserved: int = 0  # bytes the pool has from the driver

    @property
    def took(self) -> float:
        """ns on the device."""
        return 0.0 if self.begin is None else self.end - self.begin


class Recorder:
    """Collects records between `start` and `stop`. device: whose launches are timed, or None."""

    def __init__(self, device=None):
        self.device = device
        self.spans: list[Span] = []
        self.launches: list[LaunchRecord] = []
        self.local = threading.local()
        self.began = self.ended = 0
        self.event_cost = 0.0  # ns between two events without work

    def start(self):
        """From now on records are kept."""
        if self.device is not None:
            self.device.synchronize()
            self.event_cost = self._calibrated()
            self.origin = self.device.record()
            self.device.synchronize()
        runtime.on_launch.append(self._launch)
        self.began = time.perf_counter_ns()

    def stop(self):
        """No more records; the device is waited for, and its times are read."""
        runtime.on_launch.remove(self._launch)
        if self.device is not None:
            self.device.synchronize()
        self.ended = time.perf_counter_ns()
        for launch in self.launches:
            if launch.events:
                before, after = launch.events
                launch.begin = 1e6 * self.origin.elapsed(before)
                launch.end = max(launch.begin + 1e6 * before.elapsed(after) - self.event_cost, launch.begin)
                launch.events = ()

    def _calibrated(self) -> float:
        pairs = [(self.device.record(), self.device.record()) for _ in range(CALIBRATIONS)]
        self.device.synchronize()
        return 1e6 * statistics.median(a.elapsed(b) for a, b in pairs)

    def _launch(self, launch):
        """A hook of the runtime: before a launch, and through `afterwards` behind it."""
        arrays = [a for a in launch.args if isinstance(a, DeviceArray)]
        array = next((a for a in arrays if is_float(a.dtype)), arrays[0] if arrays else None)
        config = {k: v for k, v in (launch.variant.constants | launch.variant.options).items() if v is not None}
        pool = launch.device.pool
        span = self.current()
        record = LaunchRecord(
            launch.name, launch.grid, ", ".join(f"{k}={v}" for k, v in config.items()),
            "" if array is None else str(array.dtype), launch.flops, launch.bytes, time.perf_counter_ns(), span,
            used=pool.used, reserved=pool.reserved)
        self.launches.append(record)
        if span is not None:
            span.launches.append(record)
        if launch.device is self.device and not launch.device.driver.capturing:
            before = launch.device.record()
            launch.afterwards.append(lambda: setattr(record, "events", (before, launch.device.record())))

    def current(self) -> Span | None:
        """The innermost span of this thread."""
        return getattr(self.local, "span", None)

    def forget(self, span):
        """Record nothing of this span, one of the last, after all."""
        for i in reversed(range(len(self.spans))):
            if self.spans[i] is span:
                del self.spans[i]
                return

    @contextlib.contextmanager
    def span(self, name, kind="range"):
        """Record what happens inside under a name; gives the `Span`."""
        parent, used = self.current(), self.device and self.device.pool.used
        span = Span(name, kind, time.perf_counter_ns(), threading.get_ident(), parent)
        self.local.span = span
        self.spans.append(span)
        try:
            yield span
        except BaseException:
            span.failed = True
            raise
        finally:
            span.end = time.perf_counter_ns()
            while parent is not None and parent.end:  # a generator's, closed while what it had entered went on
                parent = parent.parent
            self.local.span = parent
            if parent is not None:
                parent.children += span.end - span.start
            if used is not None:
                span.memory = self.device.pool.used - used
