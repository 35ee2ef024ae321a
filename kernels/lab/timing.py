"""Timing on the host, interleaved: A B B A …, so that what disturbs the machine disturbs all alike."""

from __future__ import annotations

import gc
import statistics
import time


def calls_lasting(step, seconds):
    """How many calls of `step` take about so long; the first calls, which import and compile, do not count."""
    for _ in range(3):
        step()
    n = 1
    while True:
        start = time.perf_counter()
        for _ in range(n):
            step()
        took = time.perf_counter() - start
        if took >= seconds / 4:
            return max(1, round(n * seconds / took))
        n *= 4


def sampled(steps, rounds=15, seconds=0.05, clock=time.perf_counter):
    """{name: seconds per call in each round} of several steps, called in turn, forwards and backwards.

    seconds: about how long a sample lasts. clock: time.perf_counter for wall time, process_time for processor time.
    """
    calls = {name: calls_lasting(step, seconds) for name, step in steps.items()}
    taken = {name: [] for name in steps}
    gc.collect()
    gc.disable()
    try:
        for i in range(rounds):
            for name in list(steps) if i % 2 == 0 else list(steps)[::-1]:
                step, n = steps[name], calls[name]
                start = clock()
                for _ in range(n):
                    step()
                taken[name].append((clock() - start) / n)
    finally:
        gc.enable()
    return taken


def interleaved(steps, rounds=15, seconds=0.05, clock=time.perf_counter):
    """{name: median seconds per call}: see `sampled`."""
    return {name: statistics.median(times) for name, times in sampled(steps, rounds, seconds, clock).items()}


def pretty(seconds):
    """12.3 us, 4.56 ms, 1.23 s."""
    for unit, factor in (("us", 1e6), ("ms", 1e3)):
        if seconds * factor < 1000:
            return f"{seconds * factor:.3g} {unit}"
    return f"{seconds:.3g} s"
