"""What runs in a worker process of a DataLoader: take indices from a pipe, send batches back.

Arrays travel beside the pickled structure, byte by byte as they are (`send`, `receive`), without another copy.
A worker ends when it is told to, or when the other end of its pipe is gone.
"""

from __future__ import annotations

import io
import pickle
import queue
import random
import signal
import threading
import traceback
from contextlib import suppress
from dataclasses import dataclass

import numpy as np

from tritonnet.autograd.function import make
from tritonnet.data.dataset import IterableDataset
from tritonnet.data.fetch import fetch_of
from tritonnet.data.seeding import seed_all
from tritonnet.kernels.arrays import empty, is_host
from tritonnet.tensor import Tensor


class Exhausted:
    """The answer of a worker whose stream has ended."""


@dataclass(frozen=True)
class WorkerInfo:
    """Which worker this is: `id` of `num_workers`, its `seed`, its copy of the `dataset`."""

    id: int
    num_workers: int
    seed: int
    dataset: object


_info: WorkerInfo | None = None


def get_worker_info():
    """The `WorkerInfo` inside a worker process; None in the main process."""
    return _info


@dataclass
class Job:
    """What a worker is told at its start."""

    dataset: object
    batched: bool
    collate_fn: object
    drop_last: bool
    init_fn: object
    base_seed: int
    num_workers: int


class _Message(str):
    """A text whose repr is itself, so that a KeyError shows its lines as lines."""

    def __repr__(self):
        return str(self)


class Failure:
    """An exception on its way to the main process: its type and its traceback as text."""

    def __init__(self, error, worker):
        self.kind = type(error)
        self.text = f"Caught {self.kind.__name__} in DataLoader worker process {worker}.\nOriginal " + "".join(
            traceback.format_exception(error)
        )
        try:
            pickle.dumps(self.kind)
        except Exception:  # a class of a function, say: the main process could not name it
            self.kind = RuntimeError

    def reraise(self):
        """Raise the same type; where it does not take a message, RuntimeError."""
        try:
            error = self.kind(_Message(self.text))
        except Exception:
            error = RuntimeError(self.text)
        raise error


class _Pickler(pickle.Pickler):
    """Tensors as their arrays."""

    def reducer_override(self, value):
        if type(value) is not Tensor:
            return NotImplemented
        if not is_host(value.array):
            raise RuntimeError(
                "a DataLoader worker made a tensor on a GPU: keep samples on the CPU, move batches in the main process"
            )
        return make, (value.array,)


def send(connection, value):
    """Pickle `value` and send it, the memory of its arrays as it is."""
    buffers, stream = [], io.BytesIO()
    _Pickler(stream, protocol=5, buffer_callback=buffers.append).dump(value)
    raw = [buffer.raw() for buffer in buffers]
    connection.send_bytes(pickle.dumps((stream.getvalue(), [part.nbytes for part in raw])))
    for part in raw:
        if part.nbytes:
            connection.send_bytes(part)


def receive(connection):
    """What the other end has sent; its arrays lie in memory of their own."""
    structure, sizes = pickle.loads(connection.recv_bytes())
    buffers = [empty((size,), np.uint8, None) for size in sizes]
    for buffer in buffers:
        if buffer.nbytes:
            connection.recv_bytes_into(buffer)
    return pickle.loads(structure, buffers=buffers)


def serve(worker, connection, others, job):
    """The main function of worker number `worker`. others: ends of pipes that a fork has copied, to be closed."""
    for other in others:
        other.close()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C goes to the whole group; the main process ends us
    orders = queue.SimpleQueue()
    threading.Thread(target=_read, args=(connection, orders), daemon=True).start()
    with suppress(BrokenPipeError, ConnectionResetError):  # the main process is gone
        _answer(worker, connection, orders, job)


def _read(connection, orders):
    """Take orders off the pipe at once, so that the main process never waits for a busy worker."""
    with suppress(EOFError, OSError):
        while (order := connection.recv()) is not None:
            orders.put(order)
    orders.put(None)


def _answer(worker, connection, orders, job):
    """Fetch what is ordered until there is no more to do."""
    fetch, failure = None, None
    try:
        _begin(worker, job)
    except Exception as error:
        failure = Failure(error, worker)
    while (order := orders.get()) is not None:
        epoch, number, indices = order
        if number is None:  # another pass begins
            fetch = None
            continue
        try:
            if failure is None:
                fetch = fetch or fetch_of(job.dataset, job.batched, job.collate_fn, job.drop_last)
                answer = fetch(indices)
            else:
                answer = failure
        except Exception as error:
            ended = isinstance(error, StopIteration) and isinstance(job.dataset, IterableDataset)
            answer = Exhausted() if ended else Failure(error, worker)
        try:
            send(connection, (epoch, number, answer))
        except (pickle.PicklingError, TypeError, AttributeError, RuntimeError) as error:  # what does not pickle
            send(connection, (epoch, number, Failure(error, worker)))


def _begin(worker, job):
    """Seed this process and run the user's own preparations."""
    global _info
    _info = WorkerInfo(worker, job.num_workers, job.base_seed + worker, job.dataset)
    seed_all(_info.seed)
    random.seed(_info.seed)
    np.random.seed(_info.seed % 2**32)
    if job.init_fn is not None:
        job.init_fn(worker)
