"""What the compiler made of a kernel: registers, spills, shared memory, instructions. No GPU is needed.

    found = resources(variant.compile(x, y, n).specialisation, Target("cuda", 90))
    found.registers, found.spills, found.instructions["HGMMA"]

ptxas decides on registers and local memory, and its binary tells; nvdisasm, which is part of Triton's wheel, lists the
instructions. What only a GPU can tell: time, achieved occupancy, bank conflicts.
"""

from __future__ import annotations

import collections
import dataclasses
import functools
import itertools
import re
import subprocess
import tempfile

from tritonnet.kernels.runtime.compiler import compiled
from tritonnet.kernels.runtime.cubin import code
from tritonnet.kernels.runtime.errors import DeviceError

CLASSES = {  # of instructions, by what one wants to know: name -> how its SASS begins; the first that fits counts
    "HGMMA": "HGMMA",  # tensor cores of sm_90
    "UTCHMMA": r"UTC\w*MMA",  # of sm_100
    "HMMA": "HMMA",  # of sm_80, and of all for small tiles and tf32
    "QMMA": "[QO]MMA", "IMMA": "I(G)?MMA", "DMMA": "DMMA",
    "FFMA": "FFMA", "DFMA": "DFMA",
    "LDGSTS": "LDGSTS", "UTMALDG": "UTMALDG", "UTMASTG": "UTMASTG",  # copies to and from shared memory
    "LDG.128": r"LDG\..*\b128", "LDG.64": r"LDG\..*\b64", "LDG.32": r"LDG\.(?!.*[US](8|16)\b)", "LDG.<32": r"LDG\.",
    "STG.128": r"STG\..*\b128", "STG.64": r"STG\..*\b64", "STG.32": r"STG\.(?!.*[US](8|16)\b)", "STG.<32": r"STG\.",
    "LDL": "LDL", "STL": "STL",  # local memory: spills, and arrays that are indexed
    "LDSM": "LDSM", "LDS": "LDS", "STS": "STS",
    "MUFU": "MUFU", "SHFL": "SHFL", "ATOM": r"(RED|ATOMG|ATOM)(\.|$)", "BAR": "BAR",
}
TENSOR_CORES = ("HGMMA", "UTCHMMA", "HMMA", "QMMA", "IMMA", "DMMA")
INSTRUCTION = re.compile(r"^\s*/\*[0-9a-f]{4,}\*/\s+(?:@!?U?P\w+\s+)?([A-Z][\w.]*)", re.MULTILINE)


@dataclasses.dataclass(frozen=True)
class Resources:
    """One specialisation of a kernel on one architecture."""

    kernel: str
    arch: int  # 90 for sm_90
    registers: int  # per thread
    spills: int  # bytes of registers per thread that are stored to local memory
    stack: int  # bytes of local memory per thread, all told: spills, arrays that are indexed, calls
    shared: int  # bytes per block
    threads: int  # per block
    cubin: bytes = dataclasses.field(repr=False)

    @functools.cached_property
    def sass(self) -> list[str]:
        """Every machine instruction: its name with modifiers, without predicate and operands."""
        disassemble([self])
        return self.__dict__["sass"]

    @functools.cached_property
    def annotated(self) -> str:
        """nvdisasm's listing, each instruction below the source lines that it came from, the innermost first."""
        return _nvdisasm(["-gi"], self.cubin)

    @functools.cached_property
    def instructions(self) -> dict[str, int]:
        """How many instructions there are of each class in `CLASSES`; those that do not occur are left out."""
        return census(self.sass)

    @property
    def tensor_core(self) -> int:
        """How many instructions use tensor cores."""
        return sum(self.instructions.get(name, 0) for name in TENSOR_CORES)

    def __str__(self):
        counted = " ".join(f"{name}:{n}" for name, n in self.instructions.items())
        return (f"{self.kernel} sm_{self.arch}: {self.registers} registers, {self.spills} B spilled, {self.stack} B "
                f"stack, {self.shared} B shared, {self.threads} threads, {len(self.sass)} instructions ({counted})")


def resources(specialisation, target) -> Resources:
    """Compile for `target` (a runtime.driver.Target), or take from the cache, and read what the code needs."""
    binary = compiled(specialisation, target)
    return Resources(specialisation.kernel.name, target.arch, binary.registers, binary.spills, binary.stack,
                     binary.shared, binary.threads, binary.cubin)


def census(sass: list[str]) -> dict[str, int]:
    """Instructions counted by class, in the order of `CLASSES`."""
    counts = collections.Counter()
    for name, times in collections.Counter(sass).items():
        for kind, pattern in CLASSES.items():
            if re.match(pattern, name):
                counts[kind] += times
                break
    return {kind: counts[kind] for kind in CLASSES if counts[kind]}


def disassemble(several: list[Resources]):
    """Find out the `sass` of several at once: nvdisasm takes longer to start than to list a kernel."""
    for arch in {found.arch for found in several}:
        alike = [found for found in several if found.arch == arch]
        codes = [code(found.cubin) for found in alike]
        names = iter(INSTRUCTION.findall(_nvdisasm(["-b", f"SM{arch}{'a' if arch >= 90 else ''}"], b"".join(codes))))
        for found, text in zip(alike, codes):
            found.__dict__["sass"] = list(itertools.islice(names, len(text) // 16))


def _nvdisasm(options, binary):
    """What the program in Triton's wheel prints about a binary."""
    from triton import knobs

    with tempfile.NamedTemporaryFile() as file:
        file.write(binary)
        file.flush()
        done = subprocess.run([knobs.nvidia.nvdisasm.path, *options, file.name], capture_output=True, text=True)
    if done.returncode:
        raise DeviceError(f"nvdisasm {' '.join(options)} failed: {done.stderr.strip()}")
    return done.stdout
