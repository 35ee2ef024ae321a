"""What the layers above ask of a device: one interface, two drivers.

`cuda.CudaDriver` talks to a GPU, `simulation.SimulatedDriver` to host memory and Triton's interpreter. Addresses are
plain ints; streams, events and graphs are the driver's own objects, only ever handed back to it.
"""

from __future__ import annotations

import typing

import numpy as np

from tritonnet.kernels.runtime.errors import CaptureError


class Target(typing.NamedTuple):
    """What code is compiled for."""

    backend: str  # "cuda"
    arch: int  # 90 for sm_90
    warp_size: int = 32
    old_ptxas: bool = False  # the driver is older than the toolkit of Triton's newest ptxas

    def __str__(self):
        return f"{self.backend}:{self.arch}{':old' if self.old_ptxas else ''}"


class Properties(typing.NamedTuple):
    """What does not change about a device."""

    name: str
    capability: tuple[int, int]
    multi_processor_count: int
    total_memory: int  # bytes
    max_shared: int  # bytes of shared memory that one block may ask for
    max_threads: int = 2048  # resident per multiprocessor
    registers: int = 65536  # per multiprocessor
    l2_cache: int = 50 << 20  # bytes
    clock: int = 0  # kHz; 0: unknown
    memory_clock: int = 0  # kHz
    memory_bus: int = 0  # bits

    @property
    def major(self):
        """The first number of the compute capability."""
        return self.capability[0]

    @property
    def minor(self):
        """The second number of the compute capability."""
        return self.capability[1]


class Loaded(typing.NamedTuple):
    """What a driver makes of a specialisation."""

    function: object
    threads: int
    shared: int = 0  # bytes per block
    registers: int = 0  # per thread
    spills: int = 0  # bytes of registers per thread that are kept in local memory
    cubin: bytes = b""
    scratch: int = 0  # bytes of device memory that each program needs


class CaptureGuard:
    """Base of the drivers: what a graph cannot contain is refused by name, before the device spoils the capture."""

    capturing = False

    def not_while_capturing(self, what):
        if self.capturing:
            raise CaptureError(f"cannot {what} while a graph is being captured", what)


class Driver(typing.Protocol):
    """One device. Whatever takes a stream is ordered on it; `stream` is the one that is used by default."""

    simulated: bool
    ordinal: int
    target: Target
    properties: Properties
    stream: typing.Any

    # memory; addresses are aligned to 256 bytes
    def alloc(self, nbytes: int, name: str = "") -> int: ...  # raises OutOfMemoryError
    def free(self, ptr: int) -> None: ...  # waits for the device; a pool stands in front
    def pinned(self, nbytes: int) -> np.ndarray: ...  # host memory that copies can run beside kernels from and to
    def upload(self, ptr: int, array: np.ndarray, stream) -> None: ...  # C-contiguous; may be changed afterwards
    def upload_async(self, ptr: int, array: np.ndarray, stream) -> None: ...  # pinned; unchanged until it is done
    def download(self, array: np.ndarray, ptr: int, stream) -> None: ...  # waits
    def download_async(self, array: np.ndarray, ptr: int, stream) -> None: ...  # pinned
    def copy(self, to: int, source: int, nbytes: int, stream) -> None: ...
    def fill(self, ptr: int, value: np.generic, count: int, stream) -> None: ...  # of 1, 2 or 4 bytes, as cuMemset
    def memory_info(self) -> tuple[int, int]: ...  # free, total

    # kernels; params: address of an array of argument addresses
    def load(self, specialisation) -> Loaded: ...
    def launch(self, function, x: int, y: int, z: int, threads: int, shared: int, stream, params: int) -> None: ...
    def prepared(self, function, x: int, y: int, z: int, threads: int, shared: int, stream, params: int): ...
    def refused(self, result) -> None: ...  # raises LaunchFailed for what a prepared launch returned, (error,)

    # order and time
    def new_stream(self) -> typing.Any: ...
    def synchronize(self, stream=None) -> None: ...  # None: everything on the device
    def record(self, stream, timing: bool = True) -> typing.Any: ...  # an event, now
    def done(self, event) -> bool: ...
    def wait(self, event) -> None: ...  # the host waits
    def order(self, stream, event) -> None: ...  # the stream waits
    def elapsed(self, start, end) -> float: ...  # ms between two events; waits

    # graphs: launches, copies and fills between begin and end are kept instead of carried out
    def begin_capture(self, stream) -> None: ...
    def end_capture(self, stream) -> typing.Any: ...
    def replay(self, graph, stream) -> None: ...
