"""Which source line inline assembly came from, put right.

LLVM gives each line of an inline assembly text a source line of its own, counting on from that of the first. A masked
load, which Triton writes as one text of several instructions, is then said to come from some line below its own. Here
every instruction of such a text gets the line of the first, in PTX; ptxas is run again on that, which carries it into
the SASS.
"""

from __future__ import annotations

import dataclasses
import re
import subprocess
import tempfile

from tritonnet.kernels.runtime.resources import INSTRUCTION, Resources


def relined(ptx: str) -> str:
    """PTX in which all of an inline assembly text has the location of its first instruction."""
    found, inside, begun, place = [], False, False, []
    for line in ptx.splitlines():
        if line.strip() == "// begin inline asm":
            inside, begun, place = True, False, []
        elif line.strip() == "// end inline asm":
            found += [line, *place]
            inside = False
            continue
        elif inside and re.match(r"\s*\.loc\s", line):
            if begun:
                continue
            place.append(line)
        elif inside:
            begun = True
        found.append(line)
    return "\n".join(found) + "\n"


def annotated(resources: Resources, ptx: str, fp_fusion: bool = True) -> str:
    """nvdisasm's listing with source lines (`Resources.annotated`), from `relined` PTX.

    Where that is not the same machine code (another ptxas, or other options), the binary's own lines stay.
    """
    if (corrected := relined(ptx)) == ptx:
        return resources.annotated
    cubin = assembled(corrected, resources.arch, fp_fusion)
    if cubin is None:
        return resources.annotated
    again = dataclasses.replace(resources, cubin=cubin).annotated
    return again if INSTRUCTION.findall(again) == resources.sass else resources.annotated


def assembled(ptx: str, arch: int, fp_fusion: bool) -> bytes | None:
    """The binary, by ptxas as Triton calls it; None where it refuses."""
    from triton.backends.nvidia.compiler import get_ptxas, sm_arch_from_capability

    options = ["-lineinfo", *([] if fp_fusion else ["--fmad=false"]), f"--gpu-name={sm_arch_from_capability(arch)}"]
    with tempfile.TemporaryDirectory() as folder:
        with open(f"{folder}/kernel.ptx", "w") as file:
            file.write(ptx)
        for extra in (["--regAllocOptLevel=2"], []):  # as Triton 3.9 calls it; older programs may not know of it
            done = subprocess.run([get_ptxas(arch).path, *options, *extra, f"{folder}/kernel.ptx", "-o",
                                   f"{folder}/kernel.cubin"], capture_output=True)
            if not done.returncode:
                with open(f"{folder}/kernel.cubin", "rb") as file:
                    return file.read()
    return None
