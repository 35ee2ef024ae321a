"""What a GPU says of itself while it works: clocks, power, temperature, and why it runs slower than it could (NVML).

    with watching(device) as telemetry:
        mark = telemetry.mark()
        ...                                     # work
        print(telemetry.since(mark), telemetry.missing)

Times mean little without it: a GPU that is hot, capped or idle is another GPU.
"""

from __future__ import annotations

import contextlib
import statistics
import threading
import time

REASONS = {  # bits of nvmlClocksEventReasons (nvml.h): why the clock is not at its highest
    0x1: "idle", 0x2: "application clocks", 0x4: "power cap", 0x8: "hardware slowdown", 0x10: "sync boost",
    0x20: "software thermal slowdown", 0x40: "hardware thermal slowdown", 0x80: "power brake", 0x100: "display clocks",
}
SLOWDOWNS = 0xE8  # those that spoil a measurement; the power cap is normal in long products
EVERY = 0.02  # seconds between two looks


def reasons_named(bits: int) -> list[str]:
    """The names of the reasons in a bit set.

    >>> reasons_named(0x44)
    ['power cap', 'hardware thermal slowdown']
    """
    return [name for bit, name in REASONS.items() if bits & bit]


class Telemetry:
    """Looks at a GPU from a thread of its own while the context is open; `samples` is what it saw.

    A sample: `time` (s, of time.perf_counter), `mhz` and `memory_mhz` (MHz), `watts` (W), `celsius` (degrees C), `used`
    (bytes of device memory, of all processes), `reasons` (bits, see REASONS).
    """

    missing = ""  # why there are no figures

    def __init__(self, bus_id: bytes, every: float = EVERY):
        import pynvml

        pynvml.nvmlInit()
        self.nvml, self.every, self.samples = pynvml, every, []
        self.handle = pynvml.nvmlDeviceGetHandleByPciBusId(bus_id)
        self.reasons = getattr(pynvml, "nvmlDeviceGetCurrentClocksEventReasons", None) or (
            pynvml.nvmlDeviceGetCurrentClocksThrottleReasons)  # its name before driver 535
        self.stopped = threading.Event()
        self.thread = threading.Thread(target=self._watch, daemon=True)

    def read(self) -> dict:
        """A sample, now."""
        nvml, handle = self.nvml, self.handle
        return {"time": time.perf_counter(),
                "mhz": nvml.nvmlDeviceGetClockInfo(handle, nvml.NVML_CLOCK_SM),
                "memory_mhz": nvml.nvmlDeviceGetClockInfo(handle, nvml.NVML_CLOCK_MEM),
                "watts": nvml.nvmlDeviceGetPowerUsage(handle) / 1000,
                "celsius": nvml.nvmlDeviceGetTemperature(handle, nvml.NVML_TEMPERATURE_GPU),
                "used": nvml.nvmlDeviceGetMemoryInfo(handle).used,
                "reasons": self.reasons(handle)}

    def _watch(self):
        while not self.stopped.wait(self.every):
            with contextlib.suppress(self.nvml.NVMLError):
                self.samples.append(self.read())

    def mark(self) -> int:
        """A moment, for `since`."""
        return len(self.samples)

    def since(self, mark: int = 0) -> dict | None:
        """Medians since then, and all reasons there were; None where nothing was seen."""
        seen = self.samples[mark:]
        if not seen:
            return None
        reasons = 0
        for sample in seen:
            reasons |= sample["reasons"]
        return {k: statistics.median(s[k] for s in seen) for k in ("mhz", "memory_mhz", "watts", "celsius")} | {
            "reasons": reasons}

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.stopped.set()
        self.thread.join()


class NoTelemetry(contextlib.nullcontext):
    """In the place of `Telemetry` where NVML cannot be asked; `missing` says why."""

    def __init__(self, missing: str):
        super().__init__(self)
        self.missing, self.samples = missing, []

    def mark(self) -> int:
        """A moment, for `since`."""
        return 0

    def since(self, mark: int = 0) -> None:
        """None: nothing was seen."""


def watching(device, every: float = EVERY) -> Telemetry | NoTelemetry:
    """A context manager that watches one of our devices, every so many seconds. Never raises: see `missing`."""
    if device.simulated:
        return NoTelemetry("simulated")
    try:
        from cuda.bindings import driver as cuda

        error, bus = cuda.cuDeviceGetPCIBusId(32, device.driver.device)
        if error:
            return NoTelemetry(str(error))
        return Telemetry(bus.split(b"\0")[0], every)
    except Exception as problem:  # no pynvml, no rights, no NVML in the container: it is said
        return NoTelemetry(f"{type(problem).__name__}: {problem}")
