"""One program, timed on every peer: results compared first, then timed in turns; ours a second time, as the noise.

On the CPU all peers are timed by the clock, with the same number of threads. On a GPU tritonnet and PyTorch are timed
as replays of graphs between events, other libraries by the clock, launches included.
"""

from __future__ import annotations

import gc
import statistics
import time

import numpy as np

import tritonnet
from tritonnet.bench.peers import Unable, uniform
from tritonnet.kernels import runtime
from tritonnet.kernels.lab.device_timing import Replays, calls_for, compared, eager_us
from tritonnet.kernels.lab.telemetry import NoTelemetry
from tritonnet.kernels.lab.timing import sampled
from tritonnet.kernels.runtime.simulation import DryDriver
from tritonnet.profiler.work import Ledger

AGAIN = "again"  # the name under which ours is timed a second time


class Theirs:
    """Samples of a step of PyTorch: replays of a graph of so many calls of it."""

    def __init__(self, torch, step, calls):
        self.torch, self.calls, self.graph = torch, calls, torch.cuda.CUDAGraph()
        with torch.cuda.graph(self.graph):
            for _ in range(calls):
                step()

    def sample(self) -> float:
        """Microseconds per call."""
        start, end = (self.torch.cuda.Event(enable_timing=True) for _ in range(2))
        start.record()
        self.graph.replay()
        end.record()
        end.synchronize()
        return 1000 * start.elapsed_time(end) / self.calls


class Clocked:
    """Samples by the clock, for what cannot be captured."""

    def __init__(self, peer, step, calls):
        self.peer, self.step, self.calls = peer, step, calls

    def sample(self) -> float:
        """Microseconds per call."""
        began = time.perf_counter()
        for _ in range(self.calls):
            self.step()
        self.peer.synchronize()
        return 1e6 * (time.perf_counter() - began) / self.calls


def row_of(program, peers, device=None, telemetry=None, rounds=15, seconds=0.05, threads=None, tiny=False) -> dict:
    """What was found out about a program; an error of ours becomes part of it. peers: the first is tritonnet."""
    row = {"case": program.label, "group": program.case.group, "dtype": program.dtype, "agrees": "not compared",
           "peers": {}, "left_out": {}, "error": None}
    try:
        _measure(row, program, peers, device, telemetry or NoTelemetry(""), rounds, seconds, threads, tiny)
    except Exception as error:
        row |= {"error": f"{type(error).__name__}: {error}", "agrees": "no"}
    finally:
        gc.collect()
        if device is not None:
            device.empty_cache()
    return row


def _measure(row, program, peers, device, telemetry, rounds, seconds, threads, tiny):
    steps = {}
    for peer in peers:
        try:
            steps[peer.name] = peer, peer.step(program, "cpu" if device is None else "cuda")
        except Unable as reason:
            row["left_out"][peer.name] = str(reason)
    row |= _work(program, device, tiny)
    _compare(row, program, steps, device, tiny)
    mark = telemetry.mark()
    times = _on_host(steps, rounds, seconds, threads) if device is None else _on_device(
        steps, device, telemetry, tiny)
    row["again_us"] = times.pop(AGAIN)["us"]
    row["peers"] = times
    row |= telemetry.since(mark) or {}
    us = times[peers[0].name]["us"]
    row |= {"tflops": row["flops"] / us / 1e6 if row["flops"] else None,
            "gbytes": row["bytes"] / us / 1e3 if row["bytes"] else None}


def _work(program, device, tiny) -> dict:
    """Launches, flops and bytes of one step, as the kernels declare them; from a device that computes nothing.

    device: None for the CPU, which does not sum in parts as a GPU does to keep busy."""
    seen = []
    with runtime.simulated(driver=Ledger if device is None else DryDriver):
        rng = np.random.default_rng(0)

        def make(*shape):
            return tritonnet.from_numpy(uniform(shape, rng)).to("cuda").to(getattr(tritonnet, program.dtype))

        step = program.case.make(tritonnet, make, *program.sizes)
        step()  # what is made once is made now
        with runtime.watching(lambda launch: seen.append((launch.flops or 0, launch.bytes or 0))):
            step()
    flops, nbytes = map(sum, zip(*seen)) if seen else (0, program.case.moved * program.sizes[0])
    return {"launches": len(seen), "flops": flops, "bytes": nbytes}


def _compare(row, program, steps, device, tiny):
    """Whether all peers give the same numbers; on a device alone, whether the CPU gives them."""
    results = {name: peer.numbers(step()) if program.case.rtol is not None else step()
               for name, (peer, step) in steps.items()}
    if program.case.rtol is None:
        return
    ours, *others = results.values()
    if not others and device is not None and tiny:
        peer = next(iter(steps.values()))[0]
        others = [peer.numbers(peer.step(program, "cpu")())]
    if others:
        row["agrees"] = "yes" if all(alike(ours, theirs, program.case.rtol) for theirs in others) else "no"


def alike(ours, theirs, rtol) -> bool:
    """Whether arrays differ by at most rtol of the largest; what only one side has (gradients) is not compared."""
    for a, b in zip(ours, theirs):
        if a.shape != b.shape or not np.abs(a - b).max(initial=0) <= rtol * max(np.abs(b).max(initial=0), 1e-6):
            return False
    return True


def _on_host(steps, rounds, seconds, threads) -> dict:
    """By the clock: processor time where one thread is used, else wall time."""
    for peer, _ in steps.values():
        if threads is not None:
            peer.set_threads(threads)
    plain = {name: step for name, (_, step) in steps.items()}
    ours = next(iter(plain))
    clock = time.process_time if threads == 1 else time.perf_counter
    found = sampled(plain | {AGAIN: plain[ours]}, rounds, seconds, clock)
    return {name: _summary([1e6 * t for t in times]) for name, times in found.items()}


def _summary(samples) -> dict:
    low, us, high = statistics.quantiles(samples, n=4) if len(samples) > 1 else samples * 3
    return {"us": us, "low": low, "high": high, "samples": [round(s, 4) for s in samples]}


def _on_device(steps, device, telemetry, tiny) -> dict:
    """As graphs where that is possible."""
    candidates, eager = {}, {}
    for name, (peer, step) in steps.items():
        wait = device.synchronize if name == "tritonnet" else peer.synchronize
        eager[name] = eager_us(step, wait, *((0, 1) if tiny else ()))
        calls = 1 if tiny else calls_for(eager[name])
        if name == "tritonnet":
            candidates[name] = Replays(device, step, calls)
        else:
            candidates[name] = Theirs(peer.torch, step, calls) if hasattr(peer, "torch") else Clocked(peer, step, calls)
    candidates[AGAIN] = candidates["tritonnet"]
    found = compared(candidates, *((1, 1) if tiny else ()), telemetry=telemetry)
    return {name: times | {"eager_us": eager.get(name)} for name, times in found.items()}
