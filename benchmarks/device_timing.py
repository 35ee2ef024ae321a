"""Times on a GPU that can be believed: replays of graphs between events, interleaved, with the clocks beside them.

A sample is one replay of a graph of many calls between two events, so that neither the host nor the resolution of
events shows. What is compared takes turns (A B B A), the first of them a second time under the name "again": how far
that is off is the noise. Rounds in which the GPU was throttled, or its clock was off the median, are dropped.
"""

from __future__ import annotations

import contextlib
import statistics
import threading
import time

ROUNDS, SAMPLES = 5, 8  # samples per round and candidate
SAMPLE_MS, LEAST_CALLS, MOST_CALLS = 2.0, 20, 400
BAD_REASONS = 0xE8  # hardware, thermal or power-brake slowdown; 0x4, the power cap, is normal in long products
CLOCK_TOLERANCE = 0.02


class Ours:
    """Samples of a step on one of our devices."""

    def __init__(self, device, step, calls):
        from tritonnet.kernels.runtime import Graph

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


class Theirs:
    """The same of PyTorch."""

    def __init__(self, torch, step, calls):
        self.torch, self.calls, self.graph = torch, calls, torch.cuda.CUDAGraph()
        with torch.cuda.graph(self.graph):
            for _ in range(calls):
                step()

    def sample(self) -> float:
        start, end = (self.torch.cuda.Event(enable_timing=True) for _ in range(2))
        start.record()
        self.graph.replay()
        end.record()
        end.synchronize()
        return 1000 * start.elapsed_time(end) / self.calls


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


def compared(candidates: dict, rounds=ROUNDS, samples=SAMPLES, clocks=None) -> dict:
    """{name: {"us": median, "low": quartile, "high": quartile}} of objects with `sample()`, taking turns."""
    names = list(candidates)
    kept = []  # (clock, {name: samples}) of each round
    for i in range(rounds):
        taken = {name: [] for name in names}
        mark = clocks.mark() if clocks else None
        for k in range(samples):
            for name in names if (i + k) % 2 == 0 else names[::-1]:
                taken[name].append(candidates[name].sample())
        kept.append((clocks.since(mark) if clocks else None, taken))
    usual = statistics.median(c["mhz"] for c, _ in kept if c) if any(c for c, _ in kept) else None
    good = [taken for clock, taken in kept if not clock or not clock["reasons"] & BAD_REASONS
            and abs(clock["mhz"] - usual) <= CLOCK_TOLERANCE * usual] or [taken for _, taken in kept]
    found = {}
    for name in names:
        times = sorted(t for taken in good for t in taken[name])
        low, us, high = statistics.quantiles(times, n=4) if len(times) > 1 else times * 3
        found[name] = {"us": us, "low": low, "high": high, "rounds": len(good)}
    return found


class Clocks:
    """NVML in a thread, every 20 ms: clock of the multiprocessors, power, temperature, reasons for a lower clock."""

    def __init__(self, pci_bus_id, every=0.02):
        import pynvml

        pynvml.nvmlInit()
        self.nvml, self.every, self.seen = pynvml, every, []
        self.handle = pynvml.nvmlDeviceGetHandleByPciBusId(pci_bus_id)
        self.reasons = getattr(pynvml, "nvmlDeviceGetCurrentClocksEventReasons", None) or (
            pynvml.nvmlDeviceGetCurrentClocksThrottleReasons)  # its name before driver 535
        self.stopped = threading.Event()
        self.thread = threading.Thread(target=self._watch, daemon=True)

    def read(self) -> dict:
        """Now."""
        nvml, handle = self.nvml, self.handle
        return {"mhz": nvml.nvmlDeviceGetClockInfo(handle, nvml.NVML_CLOCK_SM),
                "memory_mhz": nvml.nvmlDeviceGetClockInfo(handle, nvml.NVML_CLOCK_MEM),
                "watts": nvml.nvmlDeviceGetPowerUsage(handle) / 1000,
                "celsius": nvml.nvmlDeviceGetTemperature(handle, nvml.NVML_TEMPERATURE_GPU),
                "reasons": self.reasons(handle)}

    def _watch(self):
        while not self.stopped.wait(self.every):
            with contextlib.suppress(self.nvml.NVMLError):
                self.seen.append(self.read())

    def mark(self) -> int:
        """A moment, for `since`."""
        return len(self.seen)

    def since(self, mark) -> dict | None:
        """Medians since then, and all reasons there were; None where nothing was seen."""
        seen = self.seen[mark:]
        if not seen:
            return None
        reasons = 0
        for s in seen:
            reasons |= s["reasons"]
        return {k: statistics.median(s[k] for s in seen) for k in ("mhz", "memory_mhz", "watts", "celsius")} | {
            "reasons": reasons}

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.stopped.set()
        self.thread.join()


def watching_clocks(device):
    """`Clocks` of one of our devices, or None where NVML cannot be asked; (context manager, reason)."""
    if device.driver.simulated:
        return contextlib.nullcontext(), "simulated"
    try:
        from cuda.bindings import driver as cuda

        error, bus = cuda.cuDeviceGetPCIBusId(32, device.driver.device)
        if error:
            return contextlib.nullcontext(), str(error)
        return Clocks(bus.split(b"\0")[0]), ""
    except Exception as problem:  # no pynvml, no rights, no NVML in the container: times without clocks, and it is said
        return contextlib.nullcontext(), f"{type(problem).__name__}: {problem}"
