"""No spills where registers remain.

ptxas sometimes keeps a few bytes of registers in local memory so that one more block fits on a multiprocessor, though
a thread may have more registers: one kernel in four hundred, and each edit chooses another. Such a kernel is compiled
again with a limit that gives up one block, then one more, until nothing spills. What spills with all the registers
that a thread can have needs smaller tiles or more warps: tests/test_compile.py asks for those.
"""

from __future__ import annotations

import re
import typing

from tritonnet.kernels.runtime.cubin import usage
from tritonnet.kernels.runtime.errors import DeviceError

PER_MULTIPROCESSOR, MOST = 65536, 255  # registers: of all resident blocks, and of a thread


def without_spills(compile: typing.Callable[[dict], typing.Any], options: dict, arch: int) -> tuple[typing.Any, int]:
    """(what `compile(options)` makes, bytes spilled): with options["maxnreg"] raised until nothing is spilled.

    A limit that the caller set stays. compile: options -> Triton's CompiledKernel.
    """
    binary = compile(options)
    registers, local = usage(binary.asm["cubin"])
    spills = spilled(binary.asm["ptx"], arch) if local else 0
    if not spills or options.get("maxnreg"):
        return binary, spills
    for limit in limits(registers, binary.metadata.num_warps):
        roomier = compile(options | {"maxnreg": limit})
        if not usage(roomier.asm["cubin"])[1] or not spilled(roomier.asm["ptx"], arch):
            return roomier, 0
    return binary, spills


def limits(registers: int, warps: int) -> list[int]:
    """The registers per thread that fewer and fewer resident blocks leave to each, from more than `registers` on.

    >>> limits(64, 8)
    [80, 128, 255]
    """
    each = 32 * warps
    blocks = PER_MULTIPROCESSOR // (each * registers)
    shares = [min(MOST, PER_MULTIPROCESSOR // (each * fewer) // 8 * 8) for fewer in range(blocks, 0, -1)]
    return sorted({share for share in shares if share > registers or share == MOST})


def spilled(ptx: str, arch: int) -> int:
    """The bytes of registers that ptxas stores to local memory, by its log; arrays that are indexed do not count."""
    import subprocess  # here: `import tritonnet` does without them
    import tempfile

    from triton.backends.nvidia.compiler import get_ptxas, sm_arch_from_capability

    with tempfile.NamedTemporaryFile("w", suffix=".ptx") as file:
        file.write(ptx)
        file.flush()
        command = [get_ptxas(arch).path, "-v", "-lineinfo", f"--gpu-name={sm_arch_from_capability(arch)}", file.name,
                   "-o", "/dev/null"]
        for extra in (["--regAllocOptLevel=2"], []):  # as Triton 3.9 calls it; older programs may not know of it
            done = subprocess.run([*command, *extra], capture_output=True, text=True)
            if not done.returncode:
                break
    found = re.findall(r"(\d+) bytes spill stores", done.stderr)
    if not found:
        raise DeviceError(f"ptxas told nothing of spills: {done.stderr.strip()!r}")
    return max(map(int, found))
