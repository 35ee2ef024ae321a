"""PyTorch's streams and events over the runtime's."""

from __future__ import annotations

import contextlib

from tritonnet.cuda.memory import chosen
from tritonnet.kernels import runtime


class Event:
    """A moment in a stream: record it, wait for it, measure the time to a later one."""

    def __init__(self, enable_timing=False, blocking=False, interprocess=False):
        self.timing, self.inner = enable_timing, None

    def record(self, stream=None):
        """Note where the stream (the current one) is now."""
        self.inner = (current_stream() if stream is None else stream).inner.record(timing=self.timing)

    def _recorded(self):
        if self.inner is None:
            raise RuntimeError("this event has not been recorded: call record() first")
        return self.inner

    def query(self) -> bool:
        """Whether the work before it is done."""
        return self._recorded().done()

    def synchronize(self):
        """Wait for the work before it."""
        self._recorded().synchronize()

    def wait(self, stream=None):
        """Have a stream (the current one) wait for it."""
        (current_stream() if stream is None else stream).wait_event(self)

    def elapsed_time(self, end) -> float:
        """Milliseconds to a later event; both need enable_timing=True."""
        if not (self.timing and end.timing):
            raise ValueError("elapsed_time: both events must be created with enable_timing=True")
        return self._recorded().elapsed(end._recorded())


class Stream:
    """Work that the GPU does in order."""

    def __init__(self, device=None, priority=0, inner=None):
        self.inner = chosen(device).new_stream() if inner is None else inner

    def synchronize(self):
        """Wait for everything queued so far."""
        self.inner.synchronize()

    def record_event(self, event=None):
        """An event here and now."""
        event = Event() if event is None else event
        event.record(self)
        return event

    def wait_event(self, event):
        """What is queued from now on waits for the event."""
        self.inner.wait(event._recorded())

    def wait_stream(self, stream):
        """What is queued from now on waits for all that is queued on another stream."""
        self.wait_event(stream.record_event())

    def __eq__(self, other):
        return isinstance(other, Stream) and self.inner is other.inner

    def __hash__(self):
        return hash(id(self.inner))


def current_stream(device=None) -> Stream:
    """The stream that this thread's work goes to."""
    return Stream(inner=chosen(device).stream)


@contextlib.contextmanager
def stream(chosen):
    """Send this thread's work to another stream meanwhile; None changes nothing."""
    if chosen is None:
        yield
    else:
        with runtime.current_device().on(chosen.inner):
            yield
