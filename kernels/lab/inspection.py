"""What the compiler made of a kernel, for any architecture, on a machine without a GPU.

    found = inspect("matmul", "4096x4096x4096", dtype="float16", arch="sm_90", config={"BLOCK_M": 128})
    print(found)
    found[0].registers, found[0].occupancy.fraction, found[0].roofline.bound

Each launch of the subject is compiled anew, so that the time it takes can be told. Registers, shared memory and
instructions are facts about the code; times are predicted from data sheets (`roofline`). What only a GPU can tell: the
time it takes, what is resident, bank conflicts.
"""

from __future__ import annotations

import collections
import dataclasses
import functools
import re
import time

from tritonnet.kernels.lab.occupancy import MOST_THREADS, Occupancy, occupancy_of
from tritonnet.kernels.lab.plan import Planned, arch_named, launches
from tritonnet.kernels.lab.roofline import Roofline, unit_of
from tritonnet.kernels.lab.subjects import Unknown, dtype_named, subject
from tritonnet.kernels.lab.wording import rows, told, told_config
from tritonnet.kernels.runtime.compiler import compile_fully
from tritonnet.kernels.runtime.cubin import usage
from tritonnet.kernels.runtime.resources import Resources

STAGES = ("ttir", "ttgir", "ptx")
ACCESSES = {"global loads": "LDG", "global stores": "STG", "async copies": "LDGSTS", "shared loads": "LDS",
            "shared stores": "STS"}
BUFFERS = re.compile(r"ttg\.local_alloc : \(\) -> !ttg\.memdesc<(\d+)x\d+x\d+")  # in TTGIR: how many tiles
TENSOR_CORE = {"UTC": "tcgen05 (UTCMMA)", "HGMMA": "wgmma (HGMMA)", "QGMMA": "wgmma (QGMMA)", "IGMMA": "wgmma (IGMMA)",
               "HMMA": "mma.sync (HMMA)", "QMMA": "mma.sync (QMMA)", "OMMA": "mma.sync (OMMA)",
               "IMMA": "mma.sync (IMMA)", "DMMA": "mma.sync (DMMA)"}


class NotCompiled(RuntimeError):
    """The compiler refused a launch; the message names kernel, architecture and configuration."""


@dataclasses.dataclass(frozen=True)
class Inspection:
    """One launch, compiled."""

    subject: str
    dims: dict
    dtype: str
    planned: Planned
    resources: Resources
    stages: dict = dataclasses.field(repr=False)  # "ttir", "ttgir", "ptx": text
    compile_seconds: float  # without caches, Triton being imported

    kernel = property(lambda self: self.planned.name)
    arch = property(lambda self: self.planned.arch)
    config = property(lambda self: self.planned.config)
    registers = property(lambda self: self.resources.registers, doc="per thread")
    spills = property(lambda self: self.resources.spills, doc="bytes of registers per thread kept in local memory")
    shared = property(lambda self: self.resources.shared, doc="bytes per block")
    threads = property(lambda self: self.resources.threads, doc="per block")

    @functools.cached_property
    def occupancy(self) -> Occupancy:
        """How many blocks and warps are resident, and what limits them."""
        return occupancy_of(self.resources)

    @functools.cached_property
    def census(self) -> dict[str, int]:
        """How many machine instructions there are of each name, without modifiers and without NOP; most first."""
        counted = collections.Counter(name.partition(".")[0] for name in self.resources.sass)
        del counted["NOP"]  # fills up the last 128 bytes
        return dict(counted.most_common())

    @property
    def instructions(self) -> int:
        """How many machine instructions there are."""
        return sum(self.census.values())

    @property
    def waves(self) -> float | None:
        """How often all multiprocessors are filled; None where the grid is not known or a block does not fit."""
        slots = self.planned.gpu.multi_processor_count * self.occupancy.blocks
        return self.planned.programs / slots if self.planned.grid and slots else None

    @functools.cached_property
    def accesses(self) -> dict[str, dict[int, int]]:
        """{"global loads": {128: 12, 32: 1}, …}: how many instructions move how many bits per thread."""
        counted = {what: collections.Counter() for what in ACCESSES}
        for name, times in collections.Counter(self.resources.sass).items():
            for what, begin in ACCESSES.items():
                if name == begin or name.startswith(f"{begin}."):
                    counted[what][width(name)] += times
        return {what: dict(sorted(c.items(), reverse=True)) for what, c in counted.items() if c}

    @property
    def tensor_cores(self) -> dict[str, int]:
        """Tensor-core instructions by class: {"wgmma (HGMMA)": 16}."""
        found = collections.Counter()
        for name, times in collections.Counter(self.resources.sass).items():
            if name.startswith("HFMA2"):
                continue
            for begin, words in TENSOR_CORE.items():
                if re.match(rf"{begin}\w*MMA" if begin == "UTC" else rf"{begin}\b", name):
                    found[words] += times
                    break
        return dict(found)

    @functools.cached_property
    def pipelining(self) -> dict:
        """How loads run ahead: which instructions copy to shared memory, and how many buffers the deepest has."""
        found = {name: self.census[name] for name in ("LDGSTS", "UTMALDG", "UBLKCP") if name in self.census}
        depths = [int(n) for n in BUFFERS.findall(self.stages["ttgir"])]
        return found | ({"buffers": max(depths)} if found and depths else {})

    @functools.cached_property
    def roofline(self) -> Roofline | None:
        """The least time these shapes can take; None where the kernel does not declare its work."""
        if self.planned.bytes is None:
            return None
        unit = unit_of(self.resources, self.planned.specialisation.signature, self.stages["ttir"])
        return Roofline(self.arch, self.planned.flops, self.planned.bytes, unit)

    @functools.cached_property
    def listing(self):
        """Source, TTIR, TTGIR, PTX and SASS, joined by source line: see `listing.Listing`."""
        from tritonnet.kernels.lab.listing import Listing

        return Listing.of(self)

    def show(self, stage: str = "sass") -> str:
        """The text of "source", "ttir", "ttgir", "ptx" or "sass", or "all": each source line with what it became."""
        return self.listing.show(stage)

    def rows(self) -> list[tuple[str, str]]:
        """The report's lines: (name, text)."""
        return rows(self)

    def __str__(self):
        return told(self)

    def _repr_html_(self):
        from tritonnet.kernels.lab.page import table

        return table([self])

    def as_dict(self) -> dict:
        """For JSON: facts, and what is predicted, marked so."""
        planned = self.planned
        return {
            "subject": self.subject, "dims": self.dims, "dtype": self.dtype, "kernel": self.kernel,
            "arch": f"sm_{self.arch}", "grid": planned.grid and list(planned.grid), "config": self.config,
            "config_origin": planned.origin,
            "registers": self.registers, "spill_bytes": self.spills, "shared_bytes": self.shared,
            "threads": self.threads,
            "occupancy": {"blocks": self.occupancy.blocks, "warps": self.occupancy.warps,
                          "fraction": self.occupancy.fraction, "limited_by": self.occupancy.limited_by},
            "waves": self.waves, "accesses": {k: {str(b): n for b, n in v.items()} for k, v in self.accesses.items()},
            "tensor_cores": self.tensor_cores, "pipelining": self.pipelining, "census": self.census,
            "instructions": self.instructions, "binary_bytes": len(self.resources.cubin),
            "compile_seconds": self.compile_seconds, "roofline": self.roofline and self.roofline.as_dict(),
        }


class Inspections(list):
    """What `inspect` found: one `Inspection` per launch. Two of them add up."""

    def __add__(self, other):
        return Inspections([*self, *other])

    def __str__(self):
        return "\n\n".join(map(str, self))

    def _repr_html_(self):
        from tritonnet.kernels.lab.page import table

        return table(self)

    def as_dict(self) -> dict:
        """For JSON, with date and versions."""
        from tritonnet.kernels.lab.provenance import machine

        return {"about": machine() | {"device": None, "driver": None}, "launches": [each.as_dict() for each in self]}

    def side_by_side(self, height: int = 700):
        """The page of `save_html` for a notebook's cell, so many pixels high."""
        from tritonnet.kernels.lab.page import Frame

        return Frame(self, height)

    def save_html(self, path):
        """One self-contained page: figures, and source, PTX and SASS side by side."""
        from tritonnet.kernels.lab.page import page

        with open(path, "w", encoding="utf-8") as file:
            file.write(page(self))


def inspect(what, shapes=None, dtype="float32", arch=90, config: dict | None = None, signature: str | None = None
            ) -> Inspections:
    """Compile what a subject launches, and look at it. No GPU is needed, Triton is.

    what: a name (`subjects.subject`), a kernel, or a `Subject`.  shapes: text ("4096x4096x64"), a dict of dimensions,
    or None for the defaults.  arch: one, or a list of them.  config: values for what the kernels' spaces name.
    signature: the types of a plain kernel's arguments.  Raises Unknown, saying what there is.
    """
    found = subject(what, **({"signature": signature} if signature else {}))
    each = [dict(shapes)] if isinstance(shapes, dict) else found.shapes(shapes)
    inspections = Inspections()
    for dims in each:
        for one in arch if isinstance(arch, (list, tuple)) else [arch]:
            for planned in launches(found, dims, dtype, arch_named(one), config):
                inspections.append(inspected(planned, found.name, dims, dtype_named(dtype).name))
    if not inspections:
        raise Unknown(f"{found.name} launches nothing at these sizes")
    return inspections


def reason(error: BaseException) -> str:
    """What was wrong in the first place, and in which line: Triton wraps an error once for each function that calls the
    next."""
    kind, line = type(error).__name__, ""
    while True:
        line = _line_of(error) or line
        if error.__cause__ is None:
            break
        error = error.__cause__
    lines = [line for line in str(error).splitlines() if any(c.isalnum() for c in line)]
    return f"{kind}: {lines[-1].strip() if lines else error!r}{f' in: {line}' if line else ''}"


def _line_of(error) -> str:
    """The line of source that one of Triton's errors points at, as it is written."""
    node, source = getattr(error, "node", None), getattr(error, "src", None)
    rows = source.splitlines() if isinstance(source, str) else []
    row = getattr(node, "lineno", 0)
    return rows[row - 1].strip() if 0 < row <= len(rows) else ""


def inspected(planned: Planned, name: str, dims: dict, dtype: str) -> Inspection:
    """Compile a planned launch anew and look at it."""
    ready()
    warps = planned.specialisation.options.get("num_warps", 4)
    if 32 * warps > MOST_THREADS:
        raise NotCompiled(f"{planned.name} cannot run with num_warps={warps}: a block has at most {MOST_THREADS} "
                          f"threads, {MOST_THREADS // 32} warps")
    began = time.perf_counter()
    try:
        binary, spills = compile_fully(planned.specialisation, planned.target, anew=True)
    except Exception as error:
        raise NotCompiled(f"{planned.name} does not compile for sm_{planned.arch} with {told_config(planned.config)}: "
                          f"{reason(error)}") from error
    took = time.perf_counter() - began
    cubin, meta = binary.asm["cubin"], binary.metadata
    registers, stack = usage(cubin)
    resources = Resources(planned.name, planned.arch, registers, spills, stack, meta.shared,
                          meta.num_warps * meta.warp_size, cubin)
    return Inspection(name, dims, dtype, planned, resources, {k: str(binary.asm[k]) for k in STAGES}, took)


@functools.cache
def ready():
    """Import what a compile needs, so that it does not count as compiling; says so where Triton is missing."""
    from tritonnet.kernels.runtime.compiler import triton_version

    triton_version()
    from triton.compiler import compiler
    from triton.runtime import cache

    (getattr(cache, "triton_key", None) or compiler.triton_key)()  # 3.6 has it in the compiler


def width(name: str) -> int:
    """Bits that a load or store moves per thread, of an instruction's name: 128 of "LDG.E.128"."""
    found = re.search(r"\.(?:[USB]?)(256|128|64|32|16|8)\b", name)
    return int(found[1]) if found else 32
