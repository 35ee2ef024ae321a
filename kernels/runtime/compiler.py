"""From a specialisation to machine code: a cache of our own in front of Triton's compiler.

Triton's own disk cache is looked up by a hash of all of Triton's files, which costs a second per process, and needs
`import triton`, half a second more. Ours is looked up by the texts of the kernel and its helpers, Triton's version
(read from the installed package's metadata), target, options and signature: a warm start touches none of Triton.
"""

from __future__ import annotations

import functools
import importlib.util
import json
import os
import re
import threading
import typing

from tritonnet.kernels.runtime.cubin import usage
from tritonnet.kernels.runtime.errors import DeviceError
from tritonnet.kernels.runtime.folders import cache_folder, write_whole
from tritonnet.kernels.runtime.source import describe, real
from tritonnet.kernels.runtime.spills import without_spills

compiling = threading.RLock()  # one compile at a time, and none while triton.language is patched for interpretation
FORMAT = 2  # of the files in the cache
ENVIRONMENT = ("TRITON_PTXAS_PATH", "TRITON_PTXAS_BLACKWELL_PATH", "DISABLE_PTXAS_OPT", "TRITON_DISABLE_LINE_INFO")


class Binary(typing.NamedTuple):
    """Machine code, and what a launch must know."""

    cubin: bytes
    name: str  # of the function in it
    threads: int  # per block
    shared: int  # bytes per block
    registers: int  # per thread
    stack: int  # bytes of local memory per thread: spilled registers, arrays that are indexed, calls
    spills: int  # bytes of registers that are stored there
    scratch: int = 0  # bytes of global memory that each program needs for tensor descriptors it makes


@functools.cache
def triton_version() -> str:
    """Of the installed package, without importing it (nor importlib.metadata, which takes longer than a launch)."""
    spec = importlib.util.find_spec("triton")
    if spec is None or spec.origin is None:
        raise DeviceError("Triton, which compiles kernels, is not installed: pip install 'triton>=3.6,<3.10' (Linux)")
    with open(spec.origin, encoding="utf-8") as file:
        return re.search(r"^__version__\s*=\s*['\"](.+?)['\"]", file.read(), re.MULTILINE)[1]


def key_of(specialisation, target) -> str:
    """The hash that everything in the machine code depends on."""
    kernel, signature, constants, divisible, options = specialisation
    what = {
        "format": FORMAT, "kernel": kernel.key, "name": kernel.name, "triton": triton_version(), "target": str(target),
        "signature": signature, "constants": {name: describe(value) for name, value in constants.items()},
        "divisible": divisible, "options": dict(sorted(options.items())),
        "environment": {name: os.environ[name] for name in ENVIRONMENT if name in os.environ},
    }
    import hashlib  # here: `import tritonnet` does without it

    return hashlib.sha256(json.dumps(what).encode()).hexdigest()


def compiled(specialisation, target) -> Binary:
    """The machine code of one specialisation, from the cache or the compiler."""
    key = key_of(specialisation, target)
    path = cache_folder("cubins") / key[:2] / key
    try:
        header, _, cubin = path.read_bytes().partition(b"\n")
        known = json.loads(header)
        if known["bytes"] == len(cubin):
            return Binary(cubin, known["name"], known["threads"], known["shared"], *usage(cubin), known["spills"],
                          known.get("scratch", 0))
    except (OSError, ValueError, KeyError, TypeError):
        pass  # not there, or written by something else
    binary, spills = compile_fully(specialisation, target)
    meta, cubin = binary.metadata, binary.asm["cubin"]
    found = Binary(cubin, meta.name, meta.num_warps * meta.warp_size, meta.shared, *usage(cubin), spills,
                   meta.global_scratch_size)
    header = {"name": found.name, "threads": found.threads, "shared": found.shared, "spills": spills,
              "scratch": found.scratch, "bytes": len(cubin)}
    write_whole(path, json.dumps(header).encode() + b"\n" + found.cubin)
    return found


def compile_fully(specialisation, target, anew=False):
    """(Triton's own CompiledKernel with every stage in `.asm`: "ttir", "ttgir", "llir", "ptx", "cubin"; spilled bytes).

    anew: without Triton's cache.
    """
    with compiling:
        import triton
        from triton import knobs
        from triton.backends.compiler import GPUTarget

        _prepare(target)
        source = _triton_source(specialisation)
        before = knobs.compilation.always_compile
        knobs.compilation.always_compile = anew or before
        try:
            binary, spills = without_spills(
                lambda options: triton.compile(source, target=GPUTarget(*target[:3]), options=options),
                specialisation.options, target.arch)
        finally:
            knobs.compilation.always_compile = before
    if binary.metadata.profile_scratch_size:
        raise NotImplementedError(f"kernel {specialisation.kernel.name} needs scratch memory for a profile of its own, "
                                  f"which launches here do not provide")
    return binary, spills


def _triton_source(specialisation):
    """What triton.compile takes."""
    from triton.compiler import ASTSource

    kernel, signature, constants, divisible, _ = specialisation
    position = {name: (i,) for i, name in enumerate(signature)}
    return ASTSource(kernel.triton, dict(signature), {position[name]: real(value) for name, value in constants.items()},
                     {position[name]: [["tt.divisibility", 16]] for name in divisible})


@functools.cache
def _prepare(target):
    """Once before compiling for a target: which ptxas, and a cache folder that can be written."""
    import tempfile

    from triton import knobs

    if target.old_ptxas and hasattr(knobs.nvidia, "ptxas_blackwell"):
        knobs.nvidia.ptxas_blackwell = knobs.nvidia.ptxas.path  # the newest writes code that drivers before 13.0 refuse
    try:
        os.makedirs(knobs.cache.dir, exist_ok=True)
        with tempfile.TemporaryFile(dir=knobs.cache.dir):
            pass
    except OSError:
        knobs.cache.dir = tempfile.mkdtemp(prefix="triton-")
