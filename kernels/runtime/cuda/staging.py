"""Uploads that do not wait: small arrays go through pinned memory of our own.

A copy from ordinary host memory has to wait until the driver has read it, and with it for all kernels queued before.
Copied into one of a few pinned buffers instead, the array is the caller's again at once.
"""

from __future__ import annotations

import threading

LARGEST = 4 << 20  # bytes; beyond, the wait is small against the copy
SLOTS = 4


class Staging:
    """A ring of pinned buffers of one device."""

    def __init__(self, driver):
        self.driver, self.lock, self.next = driver, threading.Lock(), 0
        self.slots = [None] * SLOTS  # (buffer, event of the copy out of it)

    def upload(self, ptr, data, stream):
        """Copy bytes to the device in stream order; False if they are too many."""
        if data.nbytes > LARGEST:
            return False
        with self.lock:
            self.next = (self.next + 1) % SLOTS
            buffer, event = self.slots[self.next] or (None, None)
            if event is not None:
                self.driver.wait(event)  # of SLOTS uploads ago: nearly always done
            if buffer is None or buffer.nbytes < data.nbytes:
                buffer = self.driver.pinned(max(1 << (data.nbytes - 1).bit_length(), 1 << 16))
            part = buffer[:data.nbytes]
            part[:] = data
            self.driver.upload_async(ptr, part, stream)
            self.slots[self.next] = buffer, self.driver.record(stream, timing=False)
        return True
