"""`torch.multiprocessing`, reached as `tritonnet.multiprocessing`: Python's own, and tensors that processes share.

A tensor after `share_memory_()` lies in memory that a process started later sees, too, however it was started: what one
writes the others read. Linux only.
"""

from __future__ import annotations

import contextlib
import mmap
import multiprocessing
import os
from multiprocessing import *  # noqa: F403
from multiprocessing.reduction import DupFd, ForkingPickler

import numpy as np

from tritonnet.autograd.function import make
from tritonnet.autograd.tape import root
from tritonnet.kernels.arrays import is_host
from tritonnet.nn.parameter import Buffer, Parameter
from tritonnet.tensor.core import Tensor

__all__ = ["ProcessRaisedException", "get_all_sharing_strategies", "get_sharing_strategy", "is_shared",
           "set_sharing_strategy", "share", "spawn", *multiprocessing.__all__]


class _Shared(mmap.mmap):
    """Memory with the descriptor that other processes open it by."""

    descriptor = -1

    def __del__(self):
        if self.descriptor >= 0:
            with contextlib.suppress(OSError):
                os.close(self.descriptor)


def _opened(descriptor, size):
    memory = _Shared(descriptor, max(size, 1))
    memory.descriptor = descriptor
    return memory


def _memory(array):
    """The shared memory that an array is part of, or None."""
    base = root(array).base if is_host(array) else None
    base = base.obj if isinstance(base, memoryview) else base
    return base if isinstance(base, _Shared) else None


def is_shared(tensor) -> bool:
    """Whether a tensor lies in memory that other processes see; on a GPU always, as in PyTorch."""
    return not is_host(tensor.array) or _memory(tensor.array) is not None


def share(tensor):
    """Move a tensor's elements into shared memory, in place; returns it."""
    if is_shared(tensor):
        return tensor
    if not hasattr(os, "memfd_create"):
        raise RuntimeError("share_memory_: shared memory needs Linux")
    array = tensor.array
    descriptor = os.memfd_create("tritonnet")
    os.ftruncate(descriptor, max(array.nbytes, 1))
    memory = _opened(descriptor, array.nbytes)
    shared = np.frombuffer(memory, array.dtype, array.size).reshape(array.shape)
    shared[...] = array
    tensor.data = make(shared)
    return tensor


def _reduce(tensor):
    """How multiprocessing hands a tensor over: shared memory by its descriptor, everything else as a copy."""
    memory = _memory(tensor.array)
    if memory is None:
        return tensor.__reduce_ex__(2)
    start = np.frombuffer(memory, np.uint8).ctypes.data
    array = tensor.array
    return _rebuild, (type(tensor), DupFd(memory.descriptor), len(memory), array.dtype, array.shape, array.strides,
                      array.ctypes.data - start, tensor.requires_grad)


def _rebuild(kind, descriptor, size, dtype, shape, strides, offset, requires_grad):
    array = np.ndarray(shape, dtype, np.frombuffer(_opened(descriptor.detach(), size), np.uint8), offset, strides)
    made = make(array)
    return kind(made, requires_grad) if kind is Parameter else made.requires_grad_(requires_grad)


for _kind in (Tensor, Parameter, Buffer):
    ForkingPickler.register(_kind, _reduce)


class ProcessRaisedException(Exception):
    """A process that `spawn` started raised; the message holds its traceback."""


def _run(function, rank, args, errors):
    try:
        function(rank, *args)
    except Exception:
        import traceback

        errors.put((rank, traceback.format_exc()))
        raise SystemExit(1) from None


def spawn(fn, args=(), nprocs=1, join=True, daemon=False, start_method="spawn"):
    """Start nprocs processes that call `fn(rank, *args)`; wait for them, and raise what one raised.

    join=False: the list of processes, at once.
    """
    context = multiprocessing.get_context(start_method)
    errors = context.SimpleQueue()
    started = [context.Process(target=_run, args=(fn, rank, args, errors), daemon=daemon) for rank in range(nprocs)]
    for process in started:
        process.start()
    if not join:
        return started
    for process in started:
        process.join()
    if not errors.empty():
        rank, text = errors.get()
        raise ProcessRaisedException(f"\n\n-- Process {rank} terminated with the following error:\n{text}")
    for rank, process in enumerate(started):
        if process.exitcode:
            raise ProcessRaisedException(f"process {rank} terminated with exit code {process.exitcode}")
    return None


def get_all_sharing_strategies() -> set:
    """The one way in which memory is shared."""
    return {"file_descriptor"}


def get_sharing_strategy() -> str:
    """"file_descriptor"."""
    return "file_descriptor"


def set_sharing_strategy(new_strategy) -> None:
    """Accepted: there is one."""
