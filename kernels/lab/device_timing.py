"""Times on a GPU that can be believed: replays of graphs between events, interleaved, with the clocks beside them.

A sample is one replay of a graph of many calls between two events, so that neither the host nor the resolution of
events shows. What is compared takes turns (A B B A), the first of them a second time under the name "again": how far
that is off is the noise. Rounds in which the GPU was throttled, or its clock was off the median, are dropped.
"""

from __future__ import annotations

import statistics
import time

from tritonnet.kernels.lab.telemetry import SLOWDOWNS
from tritonnet.kernels.runtime.graph import Graph

ROUNDS, SAMPLES = 5, 8  # samples per round and candidate
SAMPLE_MS, LEAST_CALLS, MOST_CALLS = 2.0, 20, 400
CLOCK_TOLERANCE = 0.02


class Replays:
    """Samples of a step on a device: replays of a graph of so many calls of it."""

    def __init__(self, device, step, calls):
        def steps():
            for _ in range(calls):
                step()

        self.device, self.calls, self.graph = device, calls, Graph.capture(device, steps)

    def sample(self) -> float:
        """Microseconds per call."""
        start = self.device.record()
        self.graph()
        end = self.device.record()
        end.synchronize()
        return 1000 * start.elapsed(end) / self.calls


def eager_us(step, synchronize, least=0.05, at_once=10) -> float:
    """Microseconds per call, the host included: calls one after the other, then waiting."""
    for _ in range(at_once // 3):
        step()
    synchronize()
    calls, began = 0, time.perf_counter()
    while True:
        for _ in range(at_once):
            step()
        calls += at_once
        synchronize()
        taken = time.perf_counter() - began
        if taken > least:
            return 1e6 * taken / calls


def calls_for(us: float) -> int:
    """How many calls make a sample of a few milliseconds."""
    return max(1 if us >= 50 else LEAST_CALLS, min(MOST_CALLS, round(1000 * SAMPLE_MS / max(us, 1e-3))))


def compared(candidates: dict, rounds=ROUNDS, samples=SAMPLES, telemetry=None) -> dict:
    """{name: {"us": median, "low": quartile, "high": quartile}} of objects with `sample()`, taking turns."""
    names = list(candidates)
    kept = []  # (clock, {name: samples}) of each round
    for i in range(rounds):
        taken = {name: [] for name in names}
        mark = telemetry.mark() if telemetry else None
        for k in range(samples):
            for name in names if (i + k) % 2 == 0 else names[::-1]:
                taken[name].append(candidates[name].sample())
        kept.append((telemetry.since(mark) if telemetry else None, taken))
    usual = statistics.median(c["mhz"] for c, _ in kept if c) if any(c for c, _ in kept) else None
    good = [taken for clock, taken in kept if not clock or not clock["reasons"] & SLOWDOWNS
            and abs(clock["mhz"] - usual) <= CLOCK_TOLERANCE * usual] or [taken for _, taken in kept]
    found = {}
    for name in names:
        times = sorted(t for taken in good for t in taken[name])
        low, us, high = statistics.quantiles(times, n=4) if len(times) > 1 else times * 3
        found[name] = {"us": us, "low": low, "high": high, "rounds": len(good)}
    return found
