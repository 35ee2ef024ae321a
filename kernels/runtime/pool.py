"""A caching memory pool over a driver: size classes, reuse in stream order, recovery from out of memory, arenas.

Of free blocks of a size the one at the lowest address is handed out. So which one depends only on which are free, not
on the order they came back in, and every array of a training step comes to lie where it lay in the step before: tables
of addresses stay true.

A block given back may be handed out again at once, although launches that use it may still be queued: all work is
on one stream, so the next user's launches come after them. What another stream used is marked (`Allocation.used_on`)
and waits for that stream's event.

`own_blocks=True` caches nothing: each request is a block of the driver, as long as was asked, and is freed as soon
as its owner goes. On the simulated driver that makes every overrun and every use after free visible.
"""

from __future__ import annotations

import collections
import functools
import gc
import sys
import threading
from heapq import heappop, heappush

from tritonnet.kernels.runtime.callers import caller
from tritonnet.kernels.runtime.errors import OutOfMemoryError

FINE = 1 << 20


@functools.lru_cache(maxsize=1 << 14)
def size_class(nbytes: int) -> int:
    """Rounded up to a quarter of the power of two below, from FINE bytes to a sixteenth; at least 512 bytes.

    Small arrays come in many sizes and should find each other's memory; of large ones a quarter would be much to waste.
    """
    nbytes = max(nbytes, 512)
    step = 1 << nbytes.bit_length() - (3 if nbytes < FINE else 5)
    return -(-nbytes // step) * step


def in_words(nbytes) -> str:
    """A number of bytes as people read it."""
    for power, unit in ((30, "GiB"), (20, "MiB"), (10, "KiB")):
        if nbytes >= 1 << power:
            return f"{nbytes / (1 << power):.2f} {unit}"
    return f"{nbytes} bytes"


class Allocation:
    """Owns memory; gives it back when nobody refers to it any longer."""

    __slots__ = ("pool", "arena", "ptr", "nbytes", "size", "events", "__weakref__")

    def __init__(self, pool, arena, ptr, nbytes, size):
        self.pool, self.arena, self.ptr, self.nbytes, self.size, self.events = pool, arena, ptr, nbytes, size, None

    def used_on(self, stream):
        """Note that work on another `Stream` uses this memory: it is handed out again only once that is done."""
        self.events = [*(self.events or ()), stream.record(timing=False)]

    def __del__(self):
        self.pool.give_back(self)


class Arena:
    """Blocks ready for use: the pool's own, or those of one graph, which nobody else may write to."""

    def __init__(self):
        self.free = collections.defaultdict(list)  # size -> addresses, a heap
        self.kept = []  # (size, address): given back during capture, but the graph may read what others put there
        self.closed = False


class Capturing(Arena):
    """The arena of a graph that is being captured, and what those say who take part in the capture."""

    def __init__(self):
        super().__init__()
        self.held = {}  # id -> (owner of memory that the graph uses, where it is used): kept as long as the graph
        self.parts = {}  # whoever draws numbers by a counter -> what it keeps for this graph
        self.finishing = []  # calls to make at the end of the capture: launches that belong into it
        self.afterwards = []  # calls to make when the capture has ended: uploads that what was captured will read
        self.undo = []  # calls to make when the capture is abandoned: what Python noted did not happen
        self.each_replay = []  # calls to make before each replay: settings on the host that the graph reads
        self.checks = []  # functions that tell why a replay would no longer do what the step does, or None

    def hold(self, *arrays):
        """Keep the memory of arrays, other than the arena's own: the graph reads or writes it."""
        for array in arrays:
            owner = array.owner
            if getattr(owner, "arena", None) is not self and id(owner) not in self.held:
                self.held[id(owner)] = owner, caller()

    def dropped(self):
        """Where memory is used that nobody but this graph holds any longer."""
        return [where for owner, where in self.held.values() if sys.getrefcount(owner) <= 3]

    def forget(self):
        """The graph is gone: let go of what it used."""
        for kept in (self.held, self.parts, self.finishing, self.afterwards, self.undo, self.each_replay,
                     self.checks):
            kept.clear()


class Pool:
    """The memory of one device."""

    def __init__(self, driver, own_blocks=False):
        self.driver, self.own_blocks = driver, own_blocks
        self.shared, self.capturing = Arena(), None  # arena of the graph being captured
        self.pending = []  # (events, arena, size, address): given back while another stream was still at it
        self.lock = threading.RLock()  # re-entrant: garbage collection inside may give blocks back
        self.used = self.reserved = self.requested = 0  # bytes: of blocks in use, of all blocks, of arrays as asked for
        self.peak = self.peak_reserved = self.peak_requested = 0  # since reset_peak
        self.requests = self.from_driver = self.returned = self.retries = self.failures = 0  # counted from the start
        self.used_ever = self.reserved_ever = 0

    def take(self, nbytes: int, name: str = "", fresh=False) -> Allocation:
        """Memory of at least so many bytes; raises OutOfMemoryError when there is none even after clearing the cache.

        fresh: not memory that the graph being captured writes to at another place: for what it only reads.
        """
        size = max(nbytes, 1) if self.own_blocks else size_class(nbytes)
        with self.lock:
            self.requests += 1
            if self.pending:
                self._settle()
            arena = self.capturing or self.shared
            ptr = None
            if not self.own_blocks or self.capturing:
                ready = (not fresh and arena.free[size]) or self.shared.free[size]
                ptr = heappop(ready) if ready else None
            if ptr is None:
                ptr = self._from_driver(size, name)
            self.used += size
            if self.used > self.peak:
                self.peak = self.used
            self.requested += nbytes
            self.used_ever += size
            if self.requested > self.peak_requested:
                self.peak_requested = self.requested
        return Allocation(self, arena, ptr, nbytes, size)

    def _from_driver(self, size, name):
        recoveries = [] if self.capturing else [self.collect, self.release_cached]  # nothing is freed during capture
        while True:
            try:
                ptr = self.driver.alloc(size, name)
            except OutOfMemoryError as error:
                if not recoveries:
                    self.failures += 1
                    raise OutOfMemoryError(self.refusal(size, name, error)) from None
                self.retries += 1
                recoveries.pop()()
            else:
                self.from_driver += 1
                self.reserved += size
                self.reserved_ever += size
                self.peak_reserved = max(self.peak_reserved, self.reserved)
                return ptr

    def give_back(self, allocation):
        """Called when an allocation dies."""
        with self.lock:
            self.used -= allocation.size
            self.requested -= allocation.nbytes
            self.returned += 1
            if allocation.events and not all(event.done() for event in allocation.events):
                self.pending.append((allocation.events, allocation.arena, allocation.size, allocation.ptr))
            else:
                self._put(allocation.arena, allocation.size, allocation.ptr)

    def _put(self, arena, size, ptr):
        if self.capturing and arena is not self.capturing:
            self.capturing.kept.append((size, ptr))
        elif self.own_blocks and (arena is self.shared or arena.closed):
            self.reserved -= size
            self.driver.free(ptr)
        else:
            heappush((self.shared if arena.closed else arena).free[size], ptr)

    def _settle(self, wait=False):
        """Take in what other streams have finished with."""
        waiting, self.pending = self.pending, []
        for events, arena, size, ptr in waiting:
            if wait:
                for event in events:
                    event.synchronize()
            if wait or all(event.done() for event in events):
                self._put(arena, size, ptr)
            else:
                self.pending.append((events, arena, size, ptr))

    def release_cached(self):
        """Hand all blocks not in use back to the driver."""
        with self.lock:
            self._settle(wait=True)
            for size, ready in self.shared.free.items():
                while ready:
                    self.driver.free(ready.pop())
                    self.reserved -= size

    def collect(self):
        """The same, arrays in reference cycles included."""
        gc.collect()
        self.release_cached()

    def open(self) -> Capturing:
        """Allocate from an arena of its own from now on: a graph is being captured."""
        self.capturing = Capturing()
        return self.capturing

    def close(self, arena):
        """The graph is gone: its blocks become everyone's."""
        arena.forget()
        with self.lock:
            arena.closed = True
            blocks = arena.kept + [(size, ptr) for size, ready in arena.free.items() for ptr in ready]
            for size, ptr in blocks:
                heappush(self.shared.free[size], ptr)
            arena.kept, arena.free = [], collections.defaultdict(list)
            if self.own_blocks and not self.capturing:
                self.release_cached()

    def reset_peak(self):
        """Count the peaks anew."""
        self.peak, self.peak_reserved, self.peak_requested = self.used, self.reserved, self.requested

    def reset_counts(self):
        """Count what is taken and given back anew; what is in use counts as taken."""
        self.requests, self.returned, self.retries, self.failures = (
            self.requests - self.failures - self.returned, 0, 0, 0)
        self.used_ever, self.reserved_ever = self.used, self.reserved

    def refusal(self, size, name, error) -> str:
        """Why there is no memory, in PyTorch's words."""
        free, total = self.driver.memory_info()
        capturing = " while a graph is being captured, when nothing can be freed" if self.capturing else ""
        return (f"CUDA out of memory. Tried to allocate {in_words(size)}{f' for {name}' if name else ''}{capturing}. "
                f"GPU {self.driver.ordinal} has a total capacity of {in_words(total)} of which {in_words(free)} is "
                f"free. "
                f"Of the memory of this process {in_words(self.used)} is allocated by tritonnet "
                f"(peak {in_words(self.peak)}), and {in_words(self.reserved - self.used)} is reserved by tritonnet but "
                f"unallocated. ({error})")

    def __str__(self):
        free, total = self.driver.memory_info()
        return (f"pool: {self.used} bytes in use (peak {self.peak}), {self.reserved - self.used} cached; "
                f"device: {free} of {total} bytes free")
