"""A device: its driver, its memory pool, the stream in use."""

from __future__ import annotations

import contextlib
import threading
import weakref

from tritonnet.kernels.runtime.pool import Pool
from tritonnet.kernels.runtime.stream import Event, Stream

alive: weakref.WeakSet[Device] = weakref.WeakSet()  # all of them


class Current(threading.local):
    """The stream that a thread's work goes to, and its handle: what launches read."""

    def __init__(self, stream):
        self.use(stream)

    def use(self, stream):
        """Send this thread's work there."""
        self.stream, self.handle = stream, stream.handle


class Device:
    """One GPU, or one simulated device. Where an array lives; there is one object per device."""

    def __init__(self, driver, own_blocks=False):
        self.driver, self.pool = driver, Pool(driver, own_blocks)
        self.index, self.simulated = driver.ordinal, driver.simulated
        self.poisons = driver.simulated and own_blocks  # fresh memory is full of 0xFF bytes anyway
        self.variants = {}  # of kernels on this device: they die with it
        self.plans = {}  # of launches, see kernels/plans.py; they do, too
        self.constants = {}  # small arrays that many share and nobody may write to, by what they hold
        self.default_stream = Stream(self, driver.stream)
        self.local = Current(self.default_stream)
        alive.add(self)

    properties = property(lambda self: self.driver.properties)
    name = property(lambda self: self.driver.properties.name)
    capability = property(lambda self: self.driver.properties.capability)
    multi_processor_count = property(lambda self: self.driver.properties.multi_processor_count)
    total_memory = property(lambda self: self.driver.properties.total_memory)

    stream = property(lambda self: self.local.stream, doc="the `Stream` that this thread's work goes to")

    @contextlib.contextmanager
    def on(self, stream):
        """Send this thread's work to another stream meanwhile."""
        before = self.stream
        self.local.use(stream)
        try:
            yield stream
        finally:
            self.local.use(before)

    def new_stream(self) -> Stream:
        """A stream beside the default one."""
        return Stream(self, self.driver.new_stream())

    def foreign_stream(self, number: int) -> Stream:
        """Another library's stream, by its address."""
        return Stream(self, self.driver.foreign_stream(number))

    def record(self) -> Event:
        """An event: the moment when all work queued so far is done."""
        return self.stream.record()

    def synchronize(self):
        """Wait for all work on this device, and raise what went wrong in it."""
        self.driver.synchronize()

    def memory_info(self) -> tuple[int, int]:
        """(free, total) bytes, as the driver sees it: what the pool keeps counts as taken."""
        return self.driver.memory_info()

    def empty_cache(self):
        """Give the memory that no array uses back to the driver."""
        self.pool.release_cached()

    def __repr__(self):
        return f"cuda:{self.index}{' (simulated)' if self.simulated else ''}"
