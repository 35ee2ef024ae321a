"""Records summed by name: PyTorch's `key_averages()`, and the same of kernels, each with its share of the roof."""

from __future__ import annotations

import dataclasses

from tritonnet.profiler.ceilings import LATENCY
from tritonnet.profiler.work import UNKNOWN, Work, shapes_of


@dataclasses.dataclass
class Counted:
    """What calls did, and how far that is from what the machine can do. Times in microseconds."""

    key: str
    count: int = 0
    launches: int = 0
    device_time_total: float = 0.0
    flops: int | None = 0
    bytes: int | None = 0
    floors: dict = dataclasses.field(default_factory=dict, repr=False)  # "bytes", "flops": least time they take

    @property
    def busy(self) -> float:
        """The microseconds that rates are taken over."""
        return self.device_time_total

    def count_work(self, work: Work, dtype: str, ceilings):
        """Add the work of one call."""
        self.flops = None if None in (self.flops, work.flops) else self.flops + work.flops
        self.bytes = None if None in (self.bytes, work.bytes) else self.bytes + work.bytes
        if floor := ceilings.floor(work.flops, work.bytes, dtype):
            self.floors[floor[1]] = self.floors.get(floor[1], 0.0) + 1e6 * floor[0]

    device_time = property(lambda self: self.device_time_total / self.count, doc="microseconds per call")
    cuda_time = property(lambda self: self.device_time)
    cuda_time_total = property(lambda self: self.device_time_total)
    gbytes = property(lambda self: _rate(self.bytes, self.busy, 1e3), doc="GB/s achieved")
    tflops = property(lambda self: _rate(self.flops, self.busy, 1e6), doc="TFLOP/s achieved")

    @property
    def share(self) -> float | None:
        """Of what the measured ceilings allow: the least time by the time taken."""
        floor = sum(self.floors.values())
        return floor / self.busy if floor and self.busy else None

    @property
    def limit(self) -> str:
        """What binds: "bytes" or "flops"; "latency" far from both; "" where unknown.

        "cache" where more bytes went through than memory can give: they lay in a cache, and the roof is not theirs.
        """
        if self.share is None:
            return ""
        binding = max(self.floors, key=self.floors.get)
        return "cache" if self.share > 1 and binding == "bytes" else binding if self.share >= LATENCY else "latency"


@dataclasses.dataclass
class Average(Counted):
    """All calls of one operation or range."""

    kind: str = "forward"
    input_shapes: str = ""
    cpu_time_total: float = 0.0
    self_cpu_time_total: float = 0.0
    memory: int = 0

    cpu_time = property(lambda self: self.cpu_time_total / self.count, doc="microseconds per call")
    self_device_time_total = property(lambda self: self.device_time_total)

    @property
    def busy(self) -> float:
        return self.device_time_total if self.launches else self.self_cpu_time_total

    def add(self, span, work, ceilings):
        """Count one call."""
        self.count += 1
        self.cpu_time_total += (span.end - span.start) / 1e3
        self.self_cpu_time_total += span.self_time / 1e3
        self.device_time_total += sum(launch.took for launch in span.launches) / 1e3
        self.launches += len(span.launches)
        self.memory += span.memory
        self.count_work(work, dtype_of(span), ceilings)


@dataclasses.dataclass
class KernelAverage(Counted):
    """All launches of one kernel in one configuration and type."""

    config: str = ""
    dtype: str = ""

    def add(self, launch, ceilings):
        """Count one launch."""
        self.count += 1
        self.launches += 1
        self.device_time_total += launch.took / 1e3
        self.count_work(Work(launch.flops, launch.bytes), launch.dtype, ceilings)


def _rate(work, us, unit):
    return work / us / unit if work and us else None


def dtype_of(span) -> str:
    """Of the first array that a span worked on."""
    if span.launches:
        return span.launches[0].dtype
    call = (span.of or span).call
    return next((str(a.dtype) for a in call[1] if hasattr(a, "requires_grad")), "") if call else ""


def work_of(span, counter) -> Work:
    """Of one span: of its own launches, else of the same call on a dry device. Ranges have none of their own."""
    if span.kind == "range":
        return UNKNOWN
    if span.launches:
        flops, nbytes = ([getattr(launch, name) for launch in span.launches] for name in ("flops", "bytes"))
        return Work(None if None in flops else sum(flops), None if None in nbytes else sum(nbytes))
    if counter is None or span.failed:  # an interrupted call counts no work, and spoils none of the others'
        return Work(0, 0)
    if span.kind == "forward":
        return counter.of(span.call)[0]
    return counter.of(span.of.call)[1] if span.of else UNKNOWN


def of_spans(spans, counter, ceilings, by_shape=False) -> list[Average]:
    """Summed by name (and shapes), those that take longest first. counter: None where launches tell the work."""
    found: dict[tuple, Average] = {}
    for span in spans:
        shapes = shapes_of((span.of or span).call) if by_shape else ""
        average = found.setdefault((span.name, span.kind, shapes), Average(span.name, kind=span.kind,
                                                                           input_shapes=shapes))
        average.add(span, work_of(span, counter), ceilings)
    return sorted(found.values(), key=lambda a: -a.busy)


def of_launches(launches, ceilings) -> list[KernelAverage]:
    """Summed by kernel, configuration and type, those that take longest first."""
    found: dict[tuple, KernelAverage] = {}
    for launch in launches:
        key = launch.name, launch.config, launch.dtype
        found.setdefault(key, KernelAverage(key[0], config=key[1], dtype=key[2])).add(launch, ceilings)
    return sorted(found.values(), key=lambda a: -a.device_time_total)
