"""Which kernel is held against what: writes tests/kernel_matrix.md, and reads it back for the test.

    python -m tests.kernel_matrix                    # dry runs, then compiling: minutes
    python -m tests.kernel_matrix --coverage-only    # seconds; registers as they were

A kernel counts as checked where a sample launches it that the check runs: dry runs (tests/dry_runs.py) tell which.
"""

from __future__ import annotations

import argparse
import collections
import pathlib
import re
import sys
import typing

from tests.dry_runs import declared_kernels, dry_device, runs
from tests.test_compile import ARCHS, FAMILIES, chosen
from tritonnet.autograd.samples import declared
from tritonnet.kernels.runtime.compiler import triton_version
from tritonnet.kernels.runtime.driver import Target
from tritonnet.kernels.runtime.resources import resources

PATH = pathlib.Path(__file__).with_suffix(".md")
CHECKS = ("finite differences", "float32", "float16", "bfloat16", "PyTorch")
HEAD = ("family", "kernel", *CHECKS, *(f"sm_{arch}" for arch in ARCHS))
INTRODUCTION = """# Kernels and what they are held against

Written by `python -m tests.kernel_matrix`; a test fails when it is out of date. Triton {version}.

- finite differences: an operation that launches the kernel has samples whose gradients, by the mirrors in float64, are
  held against finite differences.
- float32, float16, bfloat16: forward and backward on the simulated device against the mirrors, in that type.
- PyTorch: an operation that launches it has a counterpart there; mirrors are held against it where torch is installed.
- sm_80, sm_90, sm_100: compiled as a GPU would ask for it; the most registers per thread, then bytes spilled, of the
  specialisations that tests/test_compile.py chooses. tests/kernel_budgets.md tells more, and is tested.

"""


class Kernel(typing.NamedTuple):
    """A row: where the kernel's text stands ("elementwise" where it is generated), and its name."""

    family: str
    name: str


def row_of(kernel) -> Kernel:
    """The row of a kernel object."""
    module = kernel.fn.__module__.removeprefix("tritonnet.kernels.")
    return Kernel("elementwise" if module == "kernel" else module.split(".")[0], kernel.name)


def coverage() -> dict[Kernel, set[str]]:
    """The checks of every kernel."""
    found = collections.defaultdict(set, {row_of(kernel): set() for kernel in declared_kernels()})
    with dry_device(90) as device:  # what only a GPU launches has a row, too
        for done in runs(device):
            for launch in done.launches:
                found[row_of(launch.kernel)] |= set()
    with dry_device(90, gpu=False) as device:
        for done in runs(device, ("sample", "exercise")):
            checks = set()
            if done.case is None:
                checks.add(done.dtype)
            else:
                op, _, sample = done.case
                checks |= {done.dtype} if sample.device else set()
                checks |= {"finite differences"} if sample.grad and done.differentiated else set()
                checks |= {"PyTorch"} if declared[op].torch is not None else set()
            for launch in done.launches:
                found[row_of(launch.kernel)] |= checks
    return dict(found)


def measured() -> dict[Kernel, dict[str, str]]:
    """Registers and spills by architecture."""
    found = collections.defaultdict(dict)
    for arch in ARCHS:
        worst = {}
        for part in FAMILIES:
            for asked in chosen(arch, part):
                row, made = row_of(asked.specialisation.kernel), resources(asked.specialisation, Target("cuda", arch))
                registers, spills = worst.get(row, (0, 0))
                worst[row] = max(registers, made.registers), max(spills, made.spills)
        for row, (registers, spills) in worst.items():
            found[row][f"sm_{arch}"] = f"{registers}, {spills}" if spills else str(registers)
    return found


def table(checks, registers, version) -> str:
    """The page."""
    lines = ["| " + " | ".join(HEAD) + " |", "|---|---|" + ":-:|" * len(CHECKS) + "--:|" * len(ARCHS)]
    for row in sorted(checks):
        marks = ["x" if check in checks[row] else "" for check in CHECKS]
        figures = [registers.get(row, {}).get(f"sm_{arch}", "") for arch in ARCHS]
        lines.append("| " + " | ".join([*row, *marks, *figures]) + " |")
    return INTRODUCTION.format(version=version) + "\n".join(lines) + "\n"


def parsed(text) -> tuple[dict, dict, str]:
    """(checks, registers, Triton's version) of a page that `table` made."""
    checks, registers = {}, {}
    version = re.search(r"Triton (\S+)\.$", text, re.MULTILINE)[1]
    for line in text.splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if len(cells) != len(HEAD) or cells[0] == HEAD[0] or cells[0].startswith("--"):
            continue
        row, values = Kernel(*cells[:2]), dict(zip(HEAD[2:], cells[2:]))
        checks[row] = {check for check in CHECKS if values[check]}
        registers[row] = {head: value for head, value in values.items() if head.startswith("sm_") and value}
    return checks, registers, version


def main(argv=None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--coverage-only", action="store_true", help="do not compile; keep the registers of the page")
    args = parser.parse_args(argv)
    if args.coverage_only:
        _, registers, version = parsed(PATH.read_text())
    else:
        registers, version = measured(), triton_version()
    PATH.write_text(table(coverage(), registers, version))
    print(PATH)
    return 0


if __name__ == "__main__":
    sys.exit(main())
