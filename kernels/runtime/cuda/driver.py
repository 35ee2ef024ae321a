"""A GPU: cuda-bindings calls on the device's primary context.

The primary context is the one that every other library in the process uses, so pointers can be exchanged. It is
made current per thread (a new thread has none). The stream is our own: the NULL stream cannot be captured.
"""

from __future__ import annotations

import ctypes
import functools
import os
import threading
import weakref

import numpy as np

from tritonnet.kernels.runtime.compiler import compiled
from tritonnet.kernels.runtime.cuda.calls import CudaError, attribute, check, cuda, same_process, start
from tritonnet.kernels.runtime.cuda.staging import Staging
from tritonnet.kernels.runtime.driver import CaptureGuard, Loaded, Properties, Target
from tritonnet.kernels.runtime.errors import LaunchFailed, NoDevice

launch_kernel = cuda.cuLaunchKernel  # function and stream are passed as the binding's objects: cheaper than as ints
DEFAULT_SHARED = 48 << 10  # bytes of shared memory; more must be asked for
NOT_READY = cuda.CUresult.CUDA_ERROR_NOT_READY


class _Thread(threading.local):
    """Whose context is current in a thread."""

    driver = None


_thread = _Thread()
os.register_at_fork(after_in_child=lambda: setattr(_thread, "driver", None))  # the next call finds out, and says so


class CudaDriver(CaptureGuard):
    """The driver interface (`runtime.driver.Driver`) for one GPU."""

    simulated = False

    def __init__(self, ordinal=0):
        version = start()
        same_process()
        count = check(cuda.cuDeviceGetCount())
        if not 0 <= ordinal < count:
            raise NoDevice(f"no device cuda:{ordinal}: the driver knows {count}")
        self.ordinal, self.device = ordinal, check(cuda.cuDeviceGet(ordinal))
        self.properties = properties(self.device)
        major, minor = self.properties.capability
        self.target = Target("cuda", 10 * major + minor, old_ptxas=version < 13000)
        self.context = check(cuda.cuDevicePrimaryCtxRetain(self.device))
        self.bind_thread()
        self.stream = self.new_stream()
        self.staging = Staging(self)

    def bind_thread(self):
        """Make the context current in this thread; cheap when it is already."""
        if _thread.driver is not self:
            same_process()
            check(cuda.cuCtxSetCurrent(self.context))
            _thread.driver = self

    # memory; a pool stands in front of alloc and free

    def alloc(self, nbytes, name=""):
        self.bind_thread()
        return int(check(cuda.cuMemAlloc(max(nbytes, 1))))  # cuMemAlloc returns 256-byte aligned addresses

    def free(self, ptr):
        self.not_while_capturing("free")
        self.bind_thread()
        check(cuda.cuMemFree(ptr))  # waits for the device

    def pinned(self, nbytes):
        self.not_while_capturing("allocate pinned memory")
        self.bind_thread()
        address = int(check(cuda.cuMemHostAlloc(max(nbytes, 1), 0)))
        memory = (ctypes.c_uint8 * nbytes).from_address(address)
        weakref.finalize(memory, cuda.cuMemFreeHost, address).atexit = False  # the process takes it along
        return np.frombuffer(memory, np.uint8)

    def upload(self, ptr, array, stream):
        self.not_while_capturing("upload")
        self.bind_thread()
        if not self.staging.upload(ptr, array.reshape(-1).view(np.uint8), stream):
            check(cuda.cuMemcpyHtoDAsync(ptr, array.ctypes.data, array.nbytes, stream))
            check(cuda.cuStreamSynchronize(stream))

    def upload_async(self, ptr, array, stream):
        self.not_while_capturing("upload")
        self.bind_thread()
        check(cuda.cuMemcpyHtoDAsync(ptr, array.ctypes.data, array.nbytes, stream))

    def download(self, array, ptr, stream):
        self.download_async(array, ptr, stream)
        check(cuda.cuStreamSynchronize(stream))

    def download_async(self, array, ptr, stream):
        self.not_while_capturing("download")
        self.bind_thread()
        check(cuda.cuMemcpyDtoHAsync(array.ctypes.data, ptr, array.nbytes, stream))

    def copy(self, to, source, nbytes, stream):
        self.bind_thread()
        check(cuda.cuMemcpyDtoDAsync(to, source, nbytes, stream))

    def fill(self, ptr, value, count, stream):
        self.bind_thread()
        memset = {1: cuda.cuMemsetD8Async, 2: cuda.cuMemsetD16Async, 4: cuda.cuMemsetD32Async}[value.itemsize]
        check(memset(ptr, int.from_bytes(value.tobytes(), "little"), count, stream))

    def device_of(self, ptr):
        """The number of the device that an address belongs to."""
        return int(check(cuda.cuPointerGetAttribute(
            cuda.CUpointer_attribute.CU_POINTER_ATTRIBUTE_DEVICE_ORDINAL, ptr)))

    def memory_info(self):
        self.bind_thread()
        return tuple(map(int, check(cuda.cuMemGetInfo())))

    # kernels

    def load(self, specialisation):
        self.not_while_capturing("load")
        binary = compiled(specialisation, self.target)
        if binary.shared > self.properties.max_shared:
            raise LaunchFailed(f"kernel {binary.name} needs {binary.shared} bytes of shared memory per block, "
                               f"{self.properties.name} has {self.properties.max_shared}: choose smaller blocks or "
                               f"num_stages")
        self.bind_thread()
        module = check(cuda.cuModuleLoadData(binary.cubin))
        function = check(cuda.cuModuleGetFunction(module, binary.name.encode()))
        which = cuda.CUfunction_attribute
        if binary.shared > DEFAULT_SHARED:
            check(cuda.cuFuncSetAttribute(
                function, which.CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES, binary.shared))
        registers = check(cuda.cuFuncGetAttribute(which.CU_FUNC_ATTRIBUTE_NUM_REGS, function))
        return Loaded(function, binary.threads, binary.shared, registers, binary.spills, binary.cubin,
                      binary.scratch)

    def launch(self, function, x, y, z, threads, shared, stream, params):
        if y > 65535 or z > 65535:
            raise ValueError(f"grid ({x}, {y}, {z}): y and z are limited to 65535")
        if not (x and y and z):
            return  # empty work: the driver would reject the grid
        if _thread.driver is not self:
            self.bind_thread()
        error, = launch_kernel(function, x, y, z, threads, 1, 1, shared, stream, params, 0)
        if error:
            check((error,), LaunchFailed)

    def prepared(self, function, x, y, z, threads, shared, stream, params):
        """One launch with everything fixed; it returns (error,) and needs the context bound in its thread."""
        self.bind_thread()
        if y > 65535 or z > 65535:
            raise ValueError(f"grid ({x}, {y}, {z}): y and z are limited to 65535")
        if not (x and y and z):
            return _nothing
        return functools.partial(launch_kernel, function, x, y, z, threads, 1, 1, shared, stream, params, 0)

    def refused(self, result):
        """Raise for what a pre-bound launch returned."""
        check(result, LaunchFailed)

    # order and time

    def new_stream(self):
        self.bind_thread()
        return check(cuda.cuStreamCreate(cuda.CUstream_flags.CU_STREAM_NON_BLOCKING))

    def synchronize(self, stream=None):
        self.not_while_capturing("synchronize")
        self.bind_thread()
        check(cuda.cuCtxSynchronize() if stream is None else cuda.cuStreamSynchronize(stream))

    def record(self, stream, timing=True):
        self.not_while_capturing("record an event")
        self.bind_thread()
        flags = cuda.CUevent_flags
        event = check(cuda.cuEventCreate(
            (flags.CU_EVENT_DEFAULT if timing else flags.CU_EVENT_DISABLE_TIMING).value))
        check(cuda.cuEventRecord(event, stream))
        return OwnedEvent(event)

    def done(self, event):
        error, = cuda.cuEventQuery(event.handle)
        if error == NOT_READY:
            return False
        check((error,))
        return True

    def wait(self, event):
        check(cuda.cuEventSynchronize(event.handle))

    def order(self, stream, event):
        self.bind_thread()
        stream = cuda.CUstream(stream) if isinstance(stream, int) else stream  # of another library
        check(cuda.cuStreamWaitEvent(stream, event.handle, 0))

    def foreign_stream(self, number):
        """The handle of another library's stream."""
        return cuda.CUstream(number)

    def elapsed(self, start, end):
        check(cuda.cuEventSynchronize(end.handle))
        return elapsed_time(start.handle, end.handle)

    # graphs; relaxed, so that the pool may still allocate meanwhile

    def begin_capture(self, stream):
        self.not_while_capturing("begin another capture")
        self.bind_thread()
        check(cuda.cuStreamBeginCapture(stream, cuda.CUstreamCaptureMode.CU_STREAM_CAPTURE_MODE_RELAXED))
        self.capturing = True

    def end_capture(self, stream):
        self.capturing = False
        graph = check(cuda.cuStreamEndCapture(stream))
        try:
            return OwnedGraph(check(cuda.cuGraphInstantiate(graph, 0)))
        finally:
            check(cuda.cuGraphDestroy(graph))

    def replay(self, graph, stream):
        self.not_while_capturing("replay")
        self.bind_thread()
        check(cuda.cuGraphLaunch(graph.handle, stream))


class OwnedEvent:
    """An event that is destroyed with its last reference."""

    __slots__ = ("handle",)

    def __init__(self, handle):
        self.handle = handle

    def __del__(self, destroy=cuda.cuEventDestroy):
        destroy(self.handle)


class OwnedGraph(OwnedEvent):
    """An instantiated graph that is destroyed with its last reference."""

    __slots__ = ()

    def __del__(self, destroy=cuda.cuGraphExecDestroy):
        destroy(self.handle)


def _nothing():
    """A pre-bound launch over an empty grid."""


def properties(device) -> Properties:
    """What the driver tells about a device."""
    ask = functools.partial(attribute, device)
    return Properties(
        name=check(cuda.cuDeviceGetName(256, device)).split(b"\0")[0].decode(),
        capability=(ask("COMPUTE_CAPABILITY_MAJOR"), ask("COMPUTE_CAPABILITY_MINOR")),
        multi_processor_count=ask("MULTIPROCESSOR_COUNT"), total_memory=int(check(cuda.cuDeviceTotalMem(device))),
        max_shared=ask("MAX_SHARED_MEMORY_PER_BLOCK_OPTIN"), max_threads=ask("MAX_THREADS_PER_MULTIPROCESSOR"),
        registers=ask("MAX_REGISTERS_PER_MULTIPROCESSOR"), l2_cache=ask("L2_CACHE_SIZE"), clock=ask("CLOCK_RATE"),
        memory_clock=ask("MEMORY_CLOCK_RATE"), memory_bus=ask("GLOBAL_MEMORY_BUS_WIDTH"))


def elapsed_time(start, end) -> float:
    """Milliseconds between two events.

    cuda-bindings 13 asks for a version of this call that drivers before 12.8 lack; then libcuda itself is asked.
    """
    try:
        return check(cuda.cuEventElapsedTime(start, end))
    except RuntimeError as error:
        if isinstance(error, CudaError):
            raise
        result = ctypes.c_float()
        code = ctypes.CDLL("libcuda.so.1").cuEventElapsedTime(
            ctypes.byref(result), ctypes.c_void_p(int(start)), ctypes.c_void_p(int(end)))
        check((cuda.CUresult(code),))
        return result.value
