"""The driver interface over host memory and Triton's interpreter.

It is driven like a GPU: the dispatcher specialises and packs, and the packed block is decoded again here, so a wrong
type, order or alignment shows. Addresses may be stored in device memory. Graphs keep the arguments of their
launches, not the contents of memory. Streams all run in the order in which they were called. Not simulated: races
between streams, asynchronous errors, time.
"""

from __future__ import annotations

import collections
import time
import typing

import numpy as np

from tritonnet.kernels.runtime.driver import CaptureGuard, Loaded, Properties, Target
from tritonnet.kernels.runtime.errors import CaptureError, DeviceError, LaunchFailed, OutOfMemoryError
from tritonnet.kernels.runtime.simulation.function import Function
from tritonnet.kernels.runtime.simulation.heap import Heap


class Launched(typing.NamedTuple):
    """One entry of the log."""

    kernel: str
    grid: tuple
    allocated: int  # bytes, at that moment
    how: str  # "eager", "captured" or "replayed"


class Operation(typing.NamedTuple):
    """Work queued or captured."""

    kernel: str  # "" for copies and fills
    grid: tuple
    run: typing.Callable


class SimulatedEvent:
    """A moment; None until the queue has got there."""

    time = None


class SimulatedDriver(CaptureGuard):
    """A device in host memory.

    memory: bytes. arch: what compile=True compiles each specialisation for. execute=False: a dry run, launches and
    bytes are counted at full size, nothing is computed. track_writes: reading what nobody wrote raises. races: so do
    programs of a launch that race (Race), and misaligned addresses; lanes masked off without `other` hold garbage.
    lazy: all work is put off until something waits for it, which finds a missing wait. `fail_in["alloc" |
    "launch" | "replay"] = k` makes the k-th call from now fail. `counts` and `log` tell what happened.
    """

    simulated = True

    def __init__(self, ordinal=0, memory=1 << 40, arch=90, compile=False, execute=True, track_writes=False, lazy=False,
                 races=False):
        self.ordinal, self.target, self.stream = ordinal, Target("cuda", arch), "the simulated stream"
        self.properties = Properties("simulated", divmod(arch, 10), 4, memory, 232448)
        self.memory, self.compile, self.execute, self.lazy = memory, compile, execute, lazy
        self.races = races
        self.heap = Heap(track_writes, ordinal)
        self.streams = [self.stream]
        self.queue, self.graph = [], None  # operations put off; operations being captured
        self.functions = []  # every specialisation loaded
        self.counts = collections.Counter()
        self.log = collections.deque(maxlen=100_000)
        self.fail_in = {}

    # memory

    def alloc(self, nbytes, name=""):
        self._count("alloc", OutOfMemoryError)
        if self.heap.used + nbytes > self.memory:
            raise OutOfMemoryError(f"{nbytes} bytes asked for, {self.memory - self.heap.used} of {self.memory} free")
        return self.heap.add(nbytes, name).base

    def free(self, ptr):
        self.not_while_capturing("free")
        self.synchronize()  # as cuMemFree does
        self._count("free")
        self.heap.free(ptr)

    def pinned(self, nbytes):
        self.not_while_capturing("allocate pinned memory")
        return np.empty(nbytes, np.uint8)

    def upload(self, ptr, array, stream):
        self.not_while_capturing("upload")
        self._count("upload")
        if not array.flags.c_contiguous:
            raise ValueError("upload takes C-contiguous arrays")
        self._write(f"upload of {array.nbytes} bytes", ptr, array.tobytes(), array.nbytes)

    def upload_async(self, ptr, array, stream):
        self.not_while_capturing("upload")
        self._count("upload")
        self._submit(Operation("", (), lambda: self.heap.write(
            ptr, np.ascontiguousarray(array).reshape(-1).view(np.uint8), f"upload of {array.nbytes} bytes")))

    def download(self, array, ptr, stream):
        self.not_while_capturing("download")
        self._count("download")
        self.synchronize()
        self._read(array, ptr)

    def download_async(self, array, ptr, stream):
        self.not_while_capturing("download")
        self._count("download")
        self._submit(Operation("", (), lambda: self._read(array, ptr)))

    def copy(self, to, source, nbytes, stream):
        self._count("copy")

        def operation():
            data, written = self.heap.slice(source, nbytes, f"source of a copy of {nbytes} bytes")
            target, target_written = self.heap.slice(to, nbytes, f"target of a copy of {nbytes} bytes")
            target[:] = data
            if written is not None:
                target_written[:] = written

        self._submit(Operation("", (), operation))

    def fill(self, ptr, value, count, stream):
        self._count("fill")
        if value.itemsize not in (1, 2, 4):
            raise ValueError("fill takes values of 1, 2 or 4 bytes")
        self._write(f"fill of {count * value.itemsize} bytes", ptr, value.tobytes() * count, count * value.itemsize)

    def _write(self, what, ptr, data, nbytes):
        self._submit(Operation("", (), lambda: self.heap.write(ptr, np.frombuffer(data, np.uint8), what)))

    def _read(self, array, ptr):
        data, _ = self.heap.slice(ptr, array.nbytes, f"download of {array.nbytes} bytes")
        array.reshape(-1).view(np.uint8)[:] = data

    def host_view(self, ptr, nbytes):
        """The bytes themselves, for other libraries."""
        self.synchronize()
        data, written = self.heap.slice(ptr, nbytes, f"view of {nbytes} bytes")
        if written is not None:
            written[:] = True  # whoever holds them may write
        return data

    def memory_info(self):
        return self.memory - self.heap.used, self.memory

    # kernels

    def load(self, specialisation):
        self.not_while_capturing("load")
        self._count("load")
        self.functions.append(specialisation)
        threads, shared, cubin, scratch = 32 * specialisation.options.get("num_warps", 4), 0, b"", 0
        if self.compile:
            from tritonnet.kernels.runtime.compiler import compiled

            binary = compiled(specialisation, self.target)
            threads, shared, cubin, scratch = binary.threads, binary.shared, binary.cubin, binary.scratch
        return Loaded(Function(specialisation, threads, scratch), threads, shared, cubin=cubin, scratch=scratch)

    def launch(self, function, x, y, z, threads, shared, stream, params):
        if stream not in self.streams or threads != function.threads:
            raise DeviceError(f"{function.name}: {threads} threads on stream {stream!r}")
        if y > 65535 or z > 65535:
            raise ValueError(f"grid ({x}, {y}, {z}): y and z are limited to 65535")
        if not (x and y and z):
            return
        self._count("launch", LaunchFailed)
        grid, values = (x, y, z), function.decode(params)  # now: the caller may reuse the block at once
        if function.scratch:
            function.check_scratch(params, grid, self.heap)
        self._submit(Operation(function.name, grid, lambda: function.interpret(grid, values, self.heap, self.races)))

    def prepared(self, *args):
        return lambda: self.launch(*args)  # which raises itself

    # order and time

    def new_stream(self):
        self.streams.append(f"simulated stream {len(self.streams)}")
        return self.streams[-1]

    def _submit(self, operation):
        if operation.kernel:
            how = "captured" if self.capturing else "eager"
            self.log.append(Launched(operation.kernel, operation.grid, self.heap.used, how))
        if self.capturing:
            self.graph.append(operation)
        elif self.execute:
            self.queue.append(operation)
            self.lazy or self._flush()

    def _flush(self):
        queue, self.queue = self.queue, []  # after an error the rest is dropped
        for operation in queue:
            operation.run()

    def synchronize(self, stream=None):
        self.not_while_capturing("synchronize")
        self._flush()

    def record(self, stream, timing=True):
        self.not_while_capturing("record an event")
        event = SimulatedEvent()
        self.queue.append(Operation("", (), lambda: setattr(event, "time", time.perf_counter())))
        self.lazy or self._flush()
        return event

    def done(self, event):
        return event.time is not None

    def wait(self, event):
        if event.time is None:
            self.synchronize()

    def order(self, stream, event):
        pass  # all streams run in the order of the calls

    def elapsed(self, start, end):
        self.synchronize()
        return 1e3 * (end.time - start.time)  # what the simulation took: says nothing about a GPU

    # graphs

    def begin_capture(self, stream):
        self.not_while_capturing("begin another capture")
        self.capturing, self.graph = True, []

    def end_capture(self, stream):
        if not self.capturing:
            raise CaptureError("no capture has begun")
        self.capturing = False
        return self.graph

    def replay(self, graph, stream):
        self.not_while_capturing("replay")
        self._count("replay", LaunchFailed)
        for operation in graph:
            if operation.kernel:
                self.counts["replayed launch"] += 1
                self.log.append(Launched(operation.kernel, operation.grid, self.heap.used, "replayed"))
            if self.execute:
                self.queue.append(operation)
        self.lazy or self._flush()

    def _count(self, what, error=None):
        self.counts[what] += 1
        if what in self.fail_in:
            self.fail_in[what] -= 1
            if not self.fail_in[what]:
                del self.fail_in[what]
                raise error(f"injected: {what} number {self.counts[what]}")
