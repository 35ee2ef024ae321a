"""Every kernel compiles for sm_80, sm_90 and sm_100 as a GPU would ask for it, and keeps within its budgets.

A dry run tells what would be asked for (tests/dry_runs.py). Of each: no spills; no more shared
memory than the GPU has; tensor cores where a product of halves, or of float32 as tf32, is computed. No GPU is needed.

There are about 8000 specialisations, half an hour of compiling. So that this file takes minutes, at most MOST of each
kernel are compiled, those of full-size shapes and of large blocks first; a kernel generated from an elementwise
definition is compiled for sm_90 and one of the other two. `--every-specialisation` leaves nothing out.
"""

import functools
import zlib

import pytest

from tests.dry_runs import declared_kernels, specialisations
from tritonnet.kernels.runtime.driver import Target
from tritonnet.kernels.runtime.resources import resources
from tritonnet.kernels.runtime.simulation.dry import GPUS
from tritonnet.kernels.runtime.source import describe

ARCHS = (80, 90, 100)
MOST = {80: 8, 90: 24, 100: 8}  # of each kernel that is written out
MOST_PRODUCTS = {80: 6, 90: 12, 100: 6}  # of those with tl.dot, which take longest
MOST_GENERATED = {80: 1, 90: 3, 100: 1}
PARTS = 8  # of the generated kernels, which are most
GENERATED = [f"generated {i}" for i in range(PARTS)]
PRODUCTS = 16  # fused multiply-adds in a kernel that computes products with them, at least

wanted = functools.cache(specialisations)


def family(kernel):
    """The module of a kernel's text, or one of several parts of the generated ones."""
    module = kernel.fn.__module__.removeprefix("tritonnet.kernels.")
    return GENERATED[zlib.crc32(kernel.name.encode()) % PARTS] if module == "kernel" else module.split(".")[0]


FAMILIES = sorted({family(kernel) for kernel in declared_kernels()} - set(GENERATED)) + GENERATED


def chosen(arch, part, everything=False):
    """What is compiled of a family for an architecture."""
    for (_, name), asked in wanted(arch).items():
        if family(asked[0].specialisation.kernel) != part:
            continue
        if everything:
            yield from asked
        elif part not in GENERATED:
            yield from asked[:(MOST_PRODUCTS if "tl.dot(" in asked[0].specialisation.kernel.source else MOST)[arch]]
        elif arch == 90 or arch == (80, 100)[zlib.crc32(name.encode()) >> 8 & 1]:
            yield from asked[:MOST_GENERATED[arch]]


def faults(specialisation, arch):
    """What is wrong with the code made for a specialisation."""
    kernel, signature, constants, _, _ = specialisation
    try:
        found = resources(specialisation, Target("cuda", arch))
    except Exception as error:
        return [f"does not compile: {type(error).__name__}: {error}"]
    wrong = []
    if found.spills:
        wrong.append(f"spills {found.spills} bytes, with {found.registers} registers")
    if found.shared > GPUS[arch].max_shared:
        wrong.append(f"takes {found.shared} bytes of shared memory, {GPUS[arch].name} has {GPUS[arch].max_shared}")
    halves, tf32 = {"*fp16", "*bf16"} & set(signature.values()), {"tf32", "tf32x3"} & set(map(str, constants.values()))
    if (halves or tf32) and "tl.dot(" in kernel.source and not found.tensor_core:
        if found.instructions.get("FFMA", 0) >= PRODUCTS:  # else there is nothing to multiply: it writes zeros
            wrong.append(f"computes products without tensor cores: {found.instructions}")
    return wrong


@pytest.mark.slow
@pytest.mark.parametrize("part", FAMILIES)
@pytest.mark.parametrize("arch", ARCHS)
def test_kernels_compile_without_spills(arch, part, request):
    problems = []
    for asked in chosen(arch, part, request.config.getoption("--every-specialisation")):
        for fault in faults(asked.specialisation, arch):
            kernel, _, constants, _, options = asked.specialisation
            shown = ", ".join(f"{k}={describe(v)}" for k, v in {**constants, **options}.items() if v is not None)
            problems.append(f"{kernel.name} {fault}\n    {asked.run.label} in {asked.run.dtype}: {shown}")
    assert not problems, f"sm_{arch}:\n" + "\n".join(problems)


@pytest.mark.slow
def test_every_declared_kernel_is_asked_for():
    launched = {id(a.specialisation.kernel) for asked in wanted(90).values() for a in asked}
    missing = [f"{k.__module__}.{k.name}" for k in declared_kernels() if id(k) not in launched]
    assert not missing, f"no sample, exercise or full-size shape launches these on a GPU: {', '.join(missing)}"
