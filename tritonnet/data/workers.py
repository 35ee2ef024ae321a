"""The main process's side of worker processes: start them, hand out batches in turn, take answers, notice deaths."""

from __future__ import annotations

import itertools
import multiprocessing
import signal
import sys
from contextlib import suppress
from multiprocessing.connection import wait

from tritonnet.data.worker import Exhausted, Failure, receive, serve

PATIENCE = 5.0  # seconds a worker has to end by itself, then again after SIGTERM


class Workers:
    """Processes that fetch, each at the other end of a pipe."""

    def __init__(self, job, context=None):
        context = context or multiprocessing.get_context("fork" if sys.platform == "linux" else None)
        self.processes, self.connections, self.epoch = [], [], 0
        try:
            for number in range(job.num_workers):
                here, there = context.Pipe()
                others = (*self.connections, here) if context.get_start_method() == "fork" else ()
                process = context.Process(target=serve, args=(number, there, others, job), daemon=True)
                process.start()
                there.close()
                self.processes.append(process)
                self.connections.append(here)
        except BaseException:
            self.close()
            raise

    def restart(self):
        """Begin another pass; answers that still come from the last one are dropped."""
        self.epoch += 1
        for number in range(len(self.processes)):
            self.give(number, None, None)

    def give(self, worker, number, indices):
        """Order batch `number` from a worker; a dead one is noticed at the next `take`."""
        with suppress(BrokenPipeError, ConnectionResetError):
            self.connections[worker].send((self.epoch, number, indices))

    def take(self, timeout):
        """(number, answer) of some batch of this pass. RuntimeError after `timeout` s or when a worker has died."""
        while True:
            ready = wait([*self.connections, *(p.sentinel for p in self.processes)], timeout)
            if not ready:
                raise RuntimeError(f"DataLoader timed out after {timeout} seconds")
            connection = next((c for c in self.connections if c in ready), None)
            if connection is None:
                self._report_deaths()
            try:
                epoch, number, answer = receive(connection)
            except (EOFError, ConnectionResetError):
                self._report_deaths()
            if epoch == self.epoch:
                return number, answer

    def _report_deaths(self):
        """Raise RuntimeError naming the workers that have ended, and how."""
        for process in self.processes:
            process.join(0.1)  # a broken pipe shows before the exit code does
        dead = [p for p in self.processes if p.exitcode is not None]
        how = ", ".join(f"{p.pid} {_how_ended(p.exitcode)}" for p in dead)
        self.close()
        raise RuntimeError(f"DataLoader worker (pid(s) {how}) exited unexpectedly")

    def close(self):
        """End all workers: ask, then SIGTERM, then SIGKILL."""
        for connection in self.connections:
            with suppress(OSError):
                connection.send(None)
            connection.close()  # a worker that is sending gets a broken pipe
        for end in (None, "terminate", "kill"):
            for process in self.processes:
                if end and process.is_alive():
                    getattr(process, end)()
            for process in self.processes:
                process.join(PATIENCE)
        self.connections, self.processes = [], []

    def __del__(self):
        if self.processes and not sys.is_finalizing():
            self.close()


def _how_ended(exitcode):
    """An exit code in words."""
    if exitcode < 0:
        with suppress(ValueError):
            return f"killed by {signal.Signals(-exitcode).name}"
    return f"exit code {exitcode}"


class Pass:
    """One pass over a dataset with workers: batches are ordered ahead; with `in_order` they come in their order."""

    def __init__(self, workers, sampler, *, ahead, timeout, in_order, keep):
        self.workers, self.timeout, self.in_order, self.keep = workers, timeout or None, in_order, keep
        self.orders = enumerate(sampler)
        self.active = set(range(len(workers.processes)))
        self.turn = itertools.cycle(range(len(workers.processes)))
        self.ordered, self.arrived, self.expected = {}, {}, 0  # number -> worker, number -> answer, next to yield
        self.ended = False
        workers.restart()
        for _ in range(ahead * len(workers.processes)):
            self._order()

    def _order(self):
        """Order the next batch from the worker whose turn it is."""
        if not self.active:
            return
        with suppress(StopIteration):
            number, indices = next(self.orders)
            worker = next(w for w in self.turn if w in self.active)
            self.ordered[number] = worker
            self.workers.give(worker, number, indices)

    def __iter__(self):
        return self

    def __next__(self):
        while not self.ended:
            number = self._next_number()
            if number is None:
                break
            answer = self.arrived.pop(number)
            worker = self.ordered.pop(number)
            if isinstance(answer, Exhausted):
                self.active.discard(worker)
                self._order()
                continue
            self._order()
            if isinstance(answer, Failure):
                if not self.keep:
                    self.close()
                answer.reraise()
            return answer
        self.close()
        raise StopIteration

    def _next_number(self):
        """The number of the batch to yield now, once it is here; None when all have been yielded."""
        while self.ordered:
            first = min(self.ordered) if self.in_order else next(iter(self.arrived), None)
            if first in self.arrived:
                return first
            try:
                number, answer = self.workers.take(self.timeout)
            except BaseException:
                self.ended = True
                self.workers.close()
                raise
            self.arrived[number] = answer
        return None

    def close(self):
        """End the workers, unless they are kept for the next pass."""
        if not self.ended:
            self.ended = True
            if not self.keep:
                self.workers.close()

    def __del__(self):
        if not getattr(self, "ended", True) and not sys.is_finalizing():
            self.close()
