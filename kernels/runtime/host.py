"""Memory and threads of the host: what makes NumPy train fast.

    empty(shape, dtype)          like np.empty, but big blocks are used again: fresh memory costs more than arithmetic
    parallel(fn, n, work)        fn(0, n), or fn(0, i), fn(i, j), … in the caller and in resident threads at once

NumPy's loops and BLAS let go of the GIL, so Python threads do run side by side, if each has enough to do: under
`SPLIT` elements nothing is split. OpenBLAS's own threads keep spinning on a core for a while after a product, and a
split loop beside them starves: so inside a split, and for some products after one (`blas_alone`), BLAS gets one thread.
"""
from __future__ import annotations

import contextvars
import math
import os
import sys
import threading

import numpy as np

from tritonnet.kernels.runtime.blas import blas, fresh_lock

SMALL = 1 << 16          # bytes below which malloc is fast enough
SPLIT = 1 << 17          # elements below which handing over work costs more than it gains
PIECE = 1 << 17          # elements per call in chains of passes: the operands stay in the cache
TOGETHER = 2             # times as many where threads run side by side: after each call they may wait for the GIL
ALIGN = 64               # bytes: a cache line, and the widest vector


#: Returns the byte that fresh memory is filled with, or None. `arrays` sets it, so that tests can poison what is fresh.
fill_fresh = lambda: None


# --- memory ---

def _memory_limit():
    """At most a quarter of the machine, at most 4 GiB."""
    try:
        return min(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 4, 4 << 30)
    except (AttributeError, ValueError, OSError):        # not on Windows
        return 1 << 30


class BufferPool:
    """Blocks by size class; one that nobody but the pool refers to is free. Views keep theirs alive through `base`."""

    def __init__(self, limit):
        self.limit, self.held, self.lock = limit, 0, threading.Lock()
        self.classes: dict[int, list] = {}
        probe = [(np.empty(1, np.uint8), 0)]
        self.idle = sys.getrefcount(probe[0][0])

    @staticmethod
    def size_class(nbytes):
        """`nbytes` rounded up by at most an eighth (or 64 KB), so that similar sizes share blocks."""
        step = max(SMALL, 1 << max(0, nbytes.bit_length() - 4))
        return -(-nbytes // step) * step

    def take(self, shape, dtype, nbytes):
        """An array of this shape in a free block, or in a new one."""
        size = self.size_class(nbytes)
        with self.lock:
            blocks = self.classes.get(size)
            if blocks is None:
                blocks = self.classes[size] = []
            for i in range(len(blocks)):
                if sys.getrefcount(blocks[i][0]) == self.idle:
                    return np.ndarray(shape, dtype, *blocks[i])
            if self.held + size > self.limit:
                self._drop(self.held + size - self.limit)
                if self.held + size > self.limit:        # all of it is in use
                    return np.empty(shape, dtype)
            block = np.empty(size + ALIGN, np.uint8)
            blocks.append((block, -block.ctypes.data % ALIGN))
            self.held += size
            return np.ndarray(shape, dtype, *blocks[-1])

    def holds(self, block):
        """Whether this array is a block of the pool, which then counts among those that refer to it."""
        return any(block is b for b, _ in self.classes.get(block.nbytes - ALIGN, ()))

    def _drop(self, nbytes):
        """Let go of free blocks, biggest first, until at least `nbytes` are gone or none is left."""
        for size in sorted(self.classes, reverse=True):
            blocks = self.classes[size]
            for i in reversed(range(len(blocks))):
                if nbytes <= 0:
                    return
                if sys.getrefcount(blocks[i][0]) == self.idle:
                    del blocks[i]
                    self.held -= size
                    nbytes -= size

    def trim(self):
        """Let go of all free blocks."""
        with self.lock:
            self._drop(self.held)


pool = BufferPool(_memory_limit())


def empty(shape, dtype):
    """An uninitialised C-contiguous array; from 64 KB on in a block that is used again when no view of it is left.

    shape: tuple of ints.
    """
    nbytes = math.prod(shape) * np.dtype(dtype).itemsize
    array = np.empty(shape, dtype) if nbytes < SMALL else pool.take(shape, dtype, nbytes)
    fill = fill_fresh()
    if fill is not None and nbytes:
        array.reshape(-1).view(np.uint8).fill(fill)
    return array


# --- threads ---

class Worker:
    """A resident thread: `give` hands it a call, `wait` returns when that has ended, with what it raised or None."""

    def __init__(self):
        self.start, self.done, self.call, self.error = threading.Lock(), threading.Lock(), None, None
        self.start.acquire()
        self.done.acquire()
        threading.Thread(target=self._serve, name="tritonnet-host", daemon=True).start()

    def _serve(self):
        while True:
            self.start.acquire()
            try:
                self.call[0](*self.call[1:])
            except BaseException as error:               # re-raised in the thread that gave the work
                self.error = error
            self.call = None                             # or arguments would live until the next call
            self.done.release()

    def give(self, *call):
        self.call = call
        self.start.release()

    def wait(self):
        self.done.acquire()
        error, self.error = self.error, None
        return error


class Team:
    """The caller and its resident threads, which one caller has at a time."""

    def __init__(self, threads):
        self.threads, self.workers, self.busy = threads, [], threading.Lock()
        self.recent = 0                                  # products still to come before BLAS gets its threads back

    def run(self, fn, bounds):
        """fn(i, j) over neighbouring bounds, the first part in this thread."""
        while len(self.workers) < len(bounds) - 2:
            self.workers.append(Worker())
        used = self.workers[:len(bounds) - 2]
        for worker, i, j in zip(used, bounds[1:], bounds[2:]):
            worker.give(contextvars.copy_context().run, fn, i, j)    # NumPy's errstate is a context variable
        try:
            fn(bounds[0], bounds[1])
        finally:
            errors = [error for worker in used if (error := worker.wait()) is not None]
        if errors:
            raise errors[0]


def _default_threads():
    """The cores this process may use, or OMP_NUM_THREADS, which people already set for NumPy."""
    try:
        cores = len(os.sched_getaffinity(0))
    except AttributeError:                               # macOS, Windows
        cores = os.cpu_count() or 1
    asked = os.environ.get("OMP_NUM_THREADS", "")
    return min(cores, int(asked)) if asked.isdigit() and int(asked) > 0 else cores


_team = Team(_default_threads())


def get_num_threads():
    """How many threads `parallel` may use, the caller's included."""
    return _team.threads


def set_num_threads(n):
    """Let `parallel` use `n` threads, the caller's included, and BLAS as many; 1 splits nothing."""
    if n < 1:
        raise ValueError(f"set_num_threads: expected a positive number of threads, got {n}")
    _team.threads = n
    if blas().known:
        with blas().lock:
            blas().saved = n
            if blas().users == 0:
                blas().set(n)


def parallel(fn, n, work, piece=None, uses_blas=False):
    """Call fn(i, j) over parts of range(n), at the same time in several threads where it pays.

    work: elements that all of it touches (for products: multiply-adds / 200); under `SPLIT` nothing is split.
    piece: cut each thread's part further into calls of about so many of the n, for chains of passes that should stay
    in the cache.  uses_blas: fn multiplies matrices; BLAS has one thread meanwhile, and where it cannot be told so
    nothing is split.
    Parts run in any order and must not overlap in what they write. A second caller, or a call from inside, runs alone.
    """
    if work < SPLIT and (piece is None or n <= piece):
        fn(0, n)
        return
    parts = min(_team.threads, n, 2 * work // SPLIT)
    if parts < 2 or uses_blas and not blas().known or not _team.busy.acquire(blocking=False):
        _in_pieces(fn, piece)(0, n)
        return
    fn = _in_pieces(fn, piece and piece * TOGETHER)
    try:
        _team.recent = 256
        bounds = [n * k // parts for k in range(parts + 1)]
        if uses_blas:
            with blas():
                _team.run(fn, bounds)
        else:
            _team.run(fn, bounds)
    finally:
        _team.busy.release()


def _in_pieces(fn, piece):
    """fn over pieces of its range, of one size or nearly."""
    if piece is None:
        return fn

    def pieces(i, j):
        count = max(1, -(-(j - i) // max(1, piece)))
        for k in range(count):
            fn(i + (j - i) * k // count, i + (j - i) * (k + 1) // count)
    return pieces


def blas_alone():
    """Whether BLAS may use its own threads now: no loop was split of late. To be asked once per product."""
    if _team.recent == 0:
        return True
    _team.recent -= 1
    return not blas().known


def _after_fork():
    """A child has none of the threads, and locks as they happened to be: start afresh."""
    global _team
    _team = Team(_team.threads)
    pool.lock = threading.Lock()
    fresh_lock()


if hasattr(os, "register_at_fork"):                      # not on Windows
    os.register_at_fork(after_in_child=_after_fork)
