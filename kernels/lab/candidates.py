"""What tuning finds out: of each configuration, and of a kernel for one shape."""

from __future__ import annotations

import dataclasses
import math
import typing

from tritonnet.kernels import tuning
from tritonnet.kernels.lab.occupancy import occupancy
from tritonnet.kernels.lab.plan import Planned, launches
from tritonnet.kernels.lab.prediction import of_operation
from tritonnet.kernels.runtime.resources import resources


@dataclasses.dataclass(eq=False)
class Candidate:
    """A configuration, and what is known of it. Times in microseconds."""

    config: dict
    planned: Planned | None = None
    others: list = dataclasses.field(default_factory=list, repr=False)  # the operation's other launches
    predicted_us: float = math.inf  # of the whole operation, as what is measured
    floor_us: float = 0.0  # the roofline's bound
    limit: str = ""
    registers: int | None = None
    spills: int | None = None
    shared: int | None = None
    occupancy: float | None = None
    state: str = ""  # "compiled", "timed", or why it is out
    valid: bool | None = None
    us: float | None = None  # measured
    low: float | None = None  # 95 % interval of the median
    high: float | None = None
    samples: list = dataclasses.field(default_factory=list, repr=False)  # (us, MHz, slowed down) of each round

    def plan(self, subject, dims, dtype, arch, kernel):
        """Find out what would be launched, and predict its time."""
        with tuning.forced(kernel, self.config):
            found = launches(dataclasses.replace(subject, only=None), dims, dtype, arch)
        self.planned = next(p for p in found if p.kernel is kernel)
        self.others = [p for p in found if p is not self.planned]
        self._predict(None)

    @property
    def taken(self) -> bool:
        """Whether the launch does what the configuration says; else it is another one's."""
        given = self.planned.constants | self.planned.options
        return all(given.get(name, value) == value for name, value in self.config.items())

    def _predict(self, found):
        prediction = of_operation(self.planned, found, self.others)
        if prediction is not None:
            self.predicted_us, self.floor_us, self.limit = (
                1e6 * prediction.seconds, 1e6 * prediction.floor, prediction.limit)

    def note(self, found):
        """Take in what the compiler made of it, by which the prediction gets better."""
        self.registers, self.spills, self.shared = found.registers, found.spills, found.shared
        resident = occupancy(found.registers, found.shared, found.threads, found.arch)
        self.occupancy = resident.fraction
        self._predict(found)
        most = self.planned.gpu.max_shared
        if found.spills:
            self.state = f"out: spills {found.spills} bytes per thread"
        elif found.shared > most:
            self.state = f"out: {found.shared} bytes of shared memory, there are {most}"
        else:
            self.state = "compiled"

    def compile(self):
        """Compile it, or take it from the cache, and `note` what came out; returns that, None where it was refused."""
        try:
            found = resources(self.planned.specialisation, self.planned.target)
        except Exception as error:  # out of shared memory, most often
            self.state = f"does not compile: {str(error).splitlines()[0][:120]}"
            return None
        self.note(found)
        return found

    usable = property(lambda self: self.state == "compiled")
    score = property(lambda self: self.predicted_us if self.us is None else self.us, doc="microseconds, best known")

    def __str__(self):
        return ", ".join(f"{k}={v}" for k, v in self.config.items())


@dataclasses.dataclass
class Tuning:
    """The outcome for one kernel and shape."""

    subject: str
    kernel: typing.Any
    dims: dict
    dtype: str
    arch: int
    candidates: list[Candidate]
    best: Candidate | None  # None: none is valid
    default: dict | None  # the configuration without tuning
    about: dict  # device, versions, date; "predicted": whether anything was measured
    key: str  # of the tables
    device: typing.Any = dataclasses.field(default=None, repr=False)

    predicted = property(lambda self: self.about["predicted"])

    @property
    def ranked(self) -> list[Candidate]:
        """Those that were compiled, the fastest first."""
        return sorted((c for c in self.candidates if c.state in ("compiled", "timed") or c.us is not None),
                      key=lambda c: (c.us is None, c.score, c.config != self.default, sorted(c.config.items())))

    @property
    def gain(self) -> float | None:
        """Time of the default configuration by that of the best."""
        default = next((c for c in self.candidates if c.config == self.default), None)
        if self.best is not None and self.best.score == math.inf:
            return None
        return default.score / self.best.score if default and self.best and default.score < math.inf else None

    def measured(self) -> dict:
        """What the tables keep beside the configuration."""
        c = self.best
        seconds, everything = 1e-6 * c.us, [c.planned, *c.others]
        work = {what: sum(getattr(p, what) or 0 for p in everything) for what in ("bytes", "flops")}
        rates = {"gbytes": work["bytes"] / seconds / 1e9 or None, "tflops": work["flops"] / seconds / 1e12 or None}
        clocks = self.about.get("clocks") or {}
        return {"us": round(c.us, 3), "low": round(c.low, 3), "high": round(c.high, 3), **rates,
                "mhz": clocks.get("mhz"), "date": self.about["date"], "driver": self.about.get("driver"),
                "triton": self.about.get("triton")}

    def store(self) -> bool:
        """Keep the winner in the user's table of the device. RuntimeError for what was only predicted."""
        if self.best is None:
            raise RuntimeError(f"{self.kernel.name}: no candidate is valid, there is nothing to store")
        if self.predicted:
            raise RuntimeError(f"{self.kernel.name}: this was predicted for a {self.about['device']}, not measured; "
                               f"only measurements are stored")
        return tuning.store(self.kernel, self.device, self.key, self.best.config, self.measured())

    def as_dict(self) -> dict:
        """For JSON."""
        return {"subject": self.subject, "kernel": self.kernel.name, "source": self.kernel.key[:16], "dims": self.dims,
                "dtype": self.dtype, "arch": self.arch, "key": self.key, "about": self.about, "default": self.default,
                "best": self.best and self.best.config, "candidates": [
                    {"config": c.config, "state": c.state, "predicted_us": _finite(c.predicted_us), "us": c.us,
                     "low": c.low, "high": c.high, "floor_us": c.floor_us, "limit": c.limit, "registers": c.registers,
                     "spills": c.spills, "shared": c.shared, "occupancy": c.occupancy} for c in self.candidates]}

    def table(self, rows: int = 12) -> str:
        """The fastest candidates, for the terminal."""
        from tritonnet.kernels.lab.tables import text_table

        how = "predicted us" if self.predicted else "us"
        columns = [*self.candidates[0].config, how, *([] if self.predicted else ["95 %"]), "of floor", "registers",
                   "shared", "occupancy", ""]
        lines = []
        for c in self.ranked[:rows]:
            marks = [word for word, here in (("best", c is self.best), ("default", c.config == self.default)) if here]
            of_floor = f"{c.floor_us / c.score:.0%}" if 0 < c.score < math.inf else ""
            lines.append([*map(str, c.config.values()), _us(c.score),
                          *([] if self.predicted else [f"{c.low:.1f}-{c.high:.1f}" if c.us else ""]),
                          of_floor, str(c.registers or ""), str(c.shared or 0),
                          f"{c.occupancy:.0%}" if c.occupancy is not None else "", ", ".join(marks)])
        return text_table(self.title, columns, lines)

    @property
    def title(self) -> str:
        """What was tuned where, in a line."""
        sizes = ", ".join(f"{k}={v}" for k, v in self.dims.items())
        how = "predicted, not measured, for" if self.predicted else "measured on"
        if self.predicted and not any(c.score < math.inf for c in self.candidates):
            how = "compiled, not predicted (the kernel declares no bytes, or nothing fits), for"
        return f"{self.kernel.name} for {self.subject} {sizes} in {self.dtype}, {how} {self.about['device']}"

    def __str__(self):
        return self.table()

    def _repr_html_(self):
        from tritonnet.kernels.lab.tables import html_table

        how = "predicted us" if self.predicted else "us"
        names = list(self.candidates[0].config)
        return html_table(self.title, [*names, how, "registers", "shared", "occupancy"],
                          [[*map(str, c.config.values()), _us(c.score), str(c.registers or ""), str(c.shared or 0),
                            f"{c.occupancy:.0%}" if c.occupancy is not None else ""] for c in self.ranked[:20]])


def _finite(x):
    return x if math.isfinite(x) else None


def _us(score) -> str:
    """Microseconds, or nothing where they are not known."""
    return f"{score:.1f}" if score < math.inf else ""
