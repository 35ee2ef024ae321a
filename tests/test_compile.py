"""Every kernel compiles for sm_80, sm_90 and sm_100 as a GPU would ask for it, and keeps within its budgets.

A dry run tells what would be asked for (tests/dry_runs.py). Of each specialisation: no spills and nothing else in
local memory; no more shared memory than the GPU has; tensor cores where a product of halves, or of float32 as tf32, is
computed. What stands in tests/kernel_budgets.json is held against it, too: registers, occupancy, the class of tensor
core instructions and the width of memory accesses may not get worse. Elementwise operations on dense arrays of floats
load and store 16 bytes at a time. No GPU is needed.

There are about 9000 specialisations, more than 20 minutes of a processor's time. So that this file takes a few minutes
of two processors, every kernel is compiled for all three once for each class of types (float32; halves; others), as
full-size shapes ask for it, or as the first sample does where they launch none; what else full-size shapes ask for is
compiled for sm_90, where a kernel is written out. `--every-specialisation` (make compile-all) leaves nothing out.
"""

import functools
import zlib

import pytest

from tests.dry_runs import declared_kernels, specialisations
from tests.kernel_budgets import AGAIN, ARCHS, PAGE, budget_of, page, read, representatives, row_of, worse
from tritonnet.kernels.runtime.compiler import triton_version
from tritonnet.kernels.runtime.driver import Target
from tritonnet.kernels.runtime.resources import disassemble, resources
from tritonnet.kernels.runtime.simulation.dry import GPUS
from tritonnet.kernels.runtime.source import describe

ALL_SHAPES = 90  # the architecture for which all full-size shapes are compiled
PARTS = 8  # of the generated kernels, which are most
GENERATED = [f"generated {i}" for i in range(PARTS)]
PRODUCTS = 16  # fused multiply-adds in a kernel that computes products with them, at least
FLOATS = {"*fp32", "*fp16", "*bf16"}
STACK = 0  # bytes: no kernel indexes an array of its own or calls a function …
STACK_BEFORE_3_9 = 32  # … but that the sine of older versions of Triton looks up digits of 2 / pi in one

wanted, table = functools.cache(specialisations), functools.cache(read)


@functools.cache
def standing(arch):
    """The specialisations that stand in the table."""
    return representatives(wanted(arch), arch)


def family(kernel):
    """The module of a kernel's text, or one of several parts of the generated ones."""
    module = kernel.fn.__module__.removeprefix("tritonnet.kernels.")
    return GENERATED[zlib.crc32(kernel.name.encode()) % PARTS] if module == "kernel" else module.split(".")[0]


FAMILIES = sorted({family(kernel) for kernel in declared_kernels()} - set(GENERATED)) + GENERATED


def chosen(arch, part, everything=False):
    """What is compiled of a family for an architecture."""
    stand = set(map(id, standing(arch).values()))
    for some in wanted(arch).values():
        if family(some[0].specialisation.kernel) == part:
            for asked in some:
                more = arch == ALL_SHAPES and part not in GENERATED and asked.run.kind == "full size"
                if everything or more or id(asked) in stand:
                    yield asked


def made(several, arch):
    """(asked, its resources or an exception) of each."""
    found = []
    for asked in several:
        try:
            found.append((asked, resources(asked.specialisation, Target("cuda", arch))))
        except Exception as error:
            found.append((asked, error))
    disassemble([new for _, new in found if not isinstance(new, Exception)])
    return found


def faults(asked, found, arch):
    """What is wrong with the code made for a specialisation."""
    kernel, signature, constants, _, _ = asked.specialisation
    if isinstance(found, Exception):
        return [f"does not compile: {type(found).__name__}: {found}"]
    wrong = []
    if found.spills or found.stack > (STACK if triton_version() >= "3.9" else STACK_BEFORE_3_9):
        wrong.append(f"spills {found.spills} bytes with {found.registers} registers, and has a stack of {found.stack}")
    if found.shared > GPUS[arch].max_shared:
        wrong.append(f"takes {found.shared} bytes of shared memory, {GPUS[arch].name} has {GPUS[arch].max_shared}")
    halves, tf32 = {"*fp16", "*bf16"} & set(signature.values()), {"tf32", "tf32x3"} & set(map(str, constants.values()))
    if (halves or tf32) and kernel.multiplies and not found.tensor_core:
        if found.instructions.get("FFMA", 0) >= PRODUCTS:  # else there is nothing to multiply: it writes zeros
            wrong.append(f"computes products without tensor cores: {found.instructions}")
    if standing(arch).get(row_of(asked, arch)) is asked:
        wrong += compared(asked, found, arch)
    return wrong


def compared(asked, found, arch):
    """In what one that stands in the table falls short of it, or of 16 bytes at a time."""
    row, budget, types = row_of(asked, arch), budget_of(asked, found), asked.specialisation.signature.values()
    wrong = []
    if row.module == "elementwise" and "BLOCK" in asked.specialisation.constants and asked.run.kind == "full size":
        if FLOATS & set(types) and 0 < budget.load < 128:
            wrong.append(f"loads at most {budget.load} bits at a time")
        if {t for t in types if t[0] == "*"} <= FLOATS and budget.store < 128:
            wrong.append(f"stores at most {budget.store} bits at a time")
    version, budgets = table()
    if version == triton_version():
        if row not in budgets:
            wrong.append(f"is not in tests/kernel_budgets.json as {row}: `make kernel-budgets`")
        elif behind := worse(budget, budgets[row]):
            wrong.append(f"got worse than the table says; {AGAIN}: {'; '.join(behind)}")
    return wrong


@pytest.mark.slow
@pytest.mark.parametrize("part", FAMILIES)
@pytest.mark.parametrize("arch", ARCHS)
def test_kernels_keep_within_their_budgets(arch, part, request):
    problems = []
    for asked, found in made(chosen(arch, part, request.config.getoption("--every-specialisation")), arch):
        for fault in faults(asked, found, arch):
            kernel, _, constants, _, options = asked.specialisation
            shown = ", ".join(f"{k}={describe(v)}" for k, v in {**constants, **options}.items() if v is not None)
            problems.append(f"{kernel.name} {fault}\n    {asked.run.label} in {asked.run.dtype}: {shown}")
    assert not problems, f"sm_{arch}:\n" + "\n".join(problems)


@pytest.mark.slow
def test_every_declared_kernel_is_asked_for():
    launched = {id(a.specialisation.kernel) for asked in wanted(90).values() for a in asked}
    missing = [f"{k.__module__}.{k.name}" for k in declared_kernels() if id(k) not in launched]
    assert not missing, f"no sample, exercise or full-size shape launches these on a GPU: {', '.join(missing)}"


@pytest.mark.slow
def test_the_table_has_no_kernels_that_are_gone():
    gone = table()[1].keys() - {row for arch in ARCHS for row in standing(arch)}
    assert not gone, f"`make kernel-budgets`: nothing launches {', '.join(map(str, sorted(gone)))}"


def test_the_page_says_what_the_table_says():
    assert page(*table()) == PAGE.read_text(), "tests/kernel_budgets.md was not written by `make kernel-budgets`"
