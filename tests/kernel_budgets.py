"""What kernels take of a GPU: writes tests/kernel_budgets.json and .md, and holds what is compiled against them.

    python -m tests.kernel_budgets       # or make kernel-budgets: compiles for three architectures, minutes

Of each kernel and way of its (WAYS), for each architecture and class of types, one specialisation stands in the table:
the first that full-size shapes ask for. tests/test_compile.py compiles it anew and fails where it got worse.
ptxas differs from one Triton to the next: with another than the table's, only the budgets that hold for all are
asserted.
"""

from __future__ import annotations

import json
import pathlib
import re
import sys
import typing

from tests.dry_runs import specialisations
from tritonnet.kernels.lab.occupancy import LIMITS, occupancy_of
from tritonnet.kernels.runtime.compiler import triton_version
from tritonnet.kernels.runtime.driver import Target
from tritonnet.kernels.runtime.resources import TENSOR_CORES, disassemble, resources
from tritonnet.kernels.runtime.source import describe

ARCHS = (80, 90, 100)
PATH = pathlib.Path(__file__).with_suffix(".json")
PAGE = pathlib.Path(__file__).with_suffix(".md")
CLASSES = ("float32", "half", "other")  # of types: what is loaded and stored
WAYS = {  # constexprs that make another kernel of it -> what it is called then
    "RESIDENT": "persistent", "DESCRIPTORS": "descriptors", "SPECIALIZE": "specialized",
    "STREAM": "stream-K", "CHANNELS_LAST": "channels last",
    "ACTIVATION": "activation", "PLANES": "planes"}
AGAIN = "if this is meant, `make kernel-budgets` writes the table anew"


class Row(typing.NamedTuple):
    """What the table tells apart."""

    module: str  # under kernels/, "elementwise" where the kernel's text is generated
    kernel: str
    types: str  # one of CLASSES
    arch: int

    def __str__(self):
        return f"{self.module}.{self.kernel} {self.types} sm_{self.arch}"


class Budget(typing.NamedTuple):
    """What one specialisation takes."""

    of: str  # what asked for it, its sizes and options
    registers: int
    spills: int  # bytes per thread
    stack: int  # bytes per thread
    shared: int  # bytes per block
    threads: int  # per block
    blocks: int  # resident on a multiprocessor
    limit: str  # what allows no more of them
    tensor: str  # class of tensor core instructions, "" if there are none
    load: int  # bits of the widest access to global memory
    store: int


def row_of(asked, arch) -> Row:
    """The row to which a specialisation belongs."""
    kernel, signature, constants, *_ = asked.specialisation
    name = ", ".join([kernel.name, *(word for flag, word in WAYS.items() if constants.get(flag))])
    module = kernel.fn.__module__.removeprefix("tritonnet.kernels.")
    types = set(signature.values())
    known = "half" if types & {"*fp16", "*bf16"} else "float32" if "*fp32" in types else "other"
    return Row("elementwise" if module == "kernel" else module, name, known, arch)


def representatives(wanted, arch) -> dict[Row, typing.Any]:
    """Of what `dry_runs.specialisations` tells, the specialisation that stands for each row."""
    found: dict = {}
    for asked in (a for some in wanted.values() for a in some):
        row = row_of(asked, arch)
        known = found.get(row)
        if known is None or _preference(asked) < _preference(known):
            found[row] = asked
    return found


def _preference(asked):
    return asked.run.kind != "full size", asked.order


def shown(specialisation) -> str:
    """Sizes and options of a specialisation, for people."""
    _, _, constants, _, options = specialisation
    values = {**constants, **options}
    return ", ".join(f"{name}={describe(value).partition(' ')[2]}" for name, value in values.items()
                     if value is not None and (name in options or type(value) is int) and name != "enable_fp_fusion")


def budget_of(asked, found) -> Budget:
    """What `found`, the resources of a specialisation, takes."""
    resident = occupancy_of(found)
    return Budget(f"{asked.run.label} in {asked.run.dtype}: {shown(asked.specialisation)}", found.registers,
                  found.spills, found.stack, found.shared, found.threads, resident.blocks,
                  " and ".join(resident.limited_by), next((c for c in TENSOR_CORES if c in found.instructions), ""),
                  widest(found.sass, "LDG(STS)?"), widest(found.sass, "STG"))


def widest(sass, kind) -> int:
    """Bits of the widest instruction that accesses global memory in this way; 0 if there is none."""
    widths = [re.findall(r"\.(8|16|32|64|128|256)\b", name.replace(".U", ".").replace(".S", "."))
              for name in sass if re.match(rf"{kind}\.", name)]
    return max((int(found[-1]) if found else 32 for found in widths), default=0)


def worse(found: Budget, known: Budget) -> list[str]:
    """In what a specialisation is worse than the table says; registers are given out by eights."""
    faults = [f"{name}: {getattr(found, name)}, {getattr(known, name)} in the table"
              for name in ("spills", "stack", "shared") if getattr(found, name) > getattr(known, name)]
    if -(-found.registers // 8) > -(-known.registers // 8):
        faults.append(f"registers: {found.registers}, {known.registers} in the table")
    if found.blocks * found.threads < known.blocks * known.threads:
        faults.append(f"resident: {found.blocks} blocks of {found.threads} threads, limited by {found.limit}; "
                      f"{known.blocks} of {known.threads} in the table")
    if known.tensor and found.tensor != known.tensor:
        faults.append(f"tensor cores: {found.tensor or 'none'}, {known.tensor} in the table")
    faults += [f"widest {name}: {getattr(found, name)} bits, {getattr(known, name)} in the table"
               for name in ("load", "store") if getattr(found, name) < getattr(known, name)]
    return faults


def read() -> tuple[str, dict[Row, Budget]]:
    """(Triton's version, the table)."""
    table = json.loads(PATH.read_text())
    return table["triton"], {Row(*row): Budget(*budget) for row, budget in table["budgets"]}


def write(version, budgets):
    """The table, a line per row, and the page."""
    lines = ",\n".join(json.dumps([row, budgets[row]]) for row in sorted(budgets))
    PATH.write_text(f'{{"triton": {json.dumps(version)}, "row": {json.dumps(Row._fields)},\n'
                    f'"budget": {json.dumps(Budget._fields)},\n"budgets": [\n{lines}\n]}}\n')
    PAGE.write_text(page(version, budgets))


def page(version, budgets) -> str:
    """For people: a line per kernel and class of types, a group of cells per architecture."""
    head = ["kernel", "types", *(f"{what}{arch}" for arch in ARCHS for what in (
        "registers sm_", "shared sm_", "warps sm_", "limit sm_", "tensor sm_", "access sm_"))]
    lines = [INTRODUCTION.format(version=version), "| " + " | ".join(head) + " |",
             "|---|---|" + "--:|--:|--:|---|---|--:|" * len(ARCHS)]
    for module, kernel, types in sorted({row[:3] for row in budgets}):
        cells = [f"{module}.{kernel}", types]
        for arch in ARCHS:
            b = budgets.get(Row(module, kernel, types, arch))
            cells += [""] * 6 if b is None else [
                f"{b.registers}" + (f", {b.spills} spilled" if b.spills else ""), f"{b.shared}",
                f"{b.blocks}x{b.threads // 32}/{LIMITS[arch].warps}", b.limit, b.tensor, f"{b.load}/{b.store}"]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


INTRODUCTION = """# What kernels take of a GPU

Written by `make kernel-budgets`; tests/test_compile.py fails when a kernel gets worse. Triton {version}.
Compiled, not run: registers per thread, bytes of shared memory per block, resident blocks x warps of a block / warps
that a multiprocessor holds, what limits them, class of tensor core instructions, bits of the widest load / store of
global memory. One specialisation each, the first that full-size shapes ask for: tests/kernel_budgets.json says which.
"""


def main() -> int:
    budgets = {}
    for arch in ARCHS:
        rows = representatives(specialisations(arch), arch)
        found = [resources(asked.specialisation, Target("cuda", arch)) for asked in rows.values()]
        disassemble(found)
        budgets |= {row: budget_of(asked, made) for (row, asked), made in zip(rows.items(), found)}
    write(triton_version(), budgets)
    print(PATH, PAGE, sep="\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
