"""Order and time on a device: streams and events."""

from __future__ import annotations


class Event:
    """A moment in a stream."""

    __slots__ = ("device", "handle")

    def __init__(self, device, handle):
        self.device, self.handle = device, handle

    def done(self) -> bool:
        """Whether the device has got there; does not wait."""
        return self.device.driver.done(self.handle)

    def synchronize(self):
        """Wait until the device has got there."""
        self.device.driver.wait(self.handle)

    def elapsed(self, later: Event) -> float:
        """Milliseconds from this event to a later one; waits for it."""
        return self.device.driver.elapsed(self.handle, later.handle)


class Stream:
    """Work that a device does in order. `handle` is the driver's."""

    __slots__ = ("device", "handle", "__weakref__")

    def __init__(self, device, handle):
        self.device, self.handle = device, handle

    def record(self, timing=True) -> Event:
        """An event here and now."""
        return Event(self.device, self.device.driver.record(self.handle, timing))

    def wait(self, event: Event):
        """Work queued from now on starts after the event; the host does not wait."""
        self.device.driver.order(self.handle, event.handle)

    def synchronize(self):
        """Wait for all work queued so far."""
        self.device.driver.synchronize(self.handle)
