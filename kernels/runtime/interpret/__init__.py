"""Run any Triton kernel on NumPy arrays, bounds-checked, in the process that also compiles kernels.

    interpret(kernel, grid, x, y, n, BLOCK=128)

Triton ships an interpreter, but as a mode of the whole process (TRITON_INTERPRET=1), for torch tensors, with
wrong bfloat16, no libdevice and no bounds check. Three things make it serve ordinary kernels instead: twins
(`twins.py`), virtual addresses (`memory.py`), and a builder of our own (`builder.py`).

Importing this imports triton.
"""

import functools
import itertools

import numpy as np

from tritonnet.kernels.runtime.interpret.builder import Builder
from tritonnet.kernels.runtime.interpret.calls import Call, prepare, scalar
from tritonnet.kernels.runtime.interpret.element_types import BY_SIGNATURE
from tritonnet.kernels.runtime.interpret.patches import Patches
from tritonnet.kernels.runtime.interpret.twins import Twins

__all__ = ["BY_SIGNATURE", "Call", "interpret", "interpreter", "prepare", "run", "scalar"]


@functools.cache
def interpreter():
    """The one interpreter of the process: (twins, patches)."""
    twins = Twins(Builder())
    return twins, Patches(twins)


def interpret(kernel, grid, *args, reachable=(), debug=False, emulate_tf32=False, **kwargs):
    """Run `kernel` over `grid` on NumPy arrays, in place; what `kernels.interpret` does when it watches nothing."""
    call = prepare(kernel, grid, args, kwargs, reachable)
    interpreter()[0].forget()
    run(call.jit_fn, call.grid, call.values, call.memory, debug, emulate_tf32)


def run(jit_fn, grid, values, memory, debug=False, emulate_tf32=False, programs=None):
    """The programs of a grid of three, one after another (or only some); values: what the kernel sees, by parameter."""
    twins, patches = interpreter()
    with patches, np.errstate(all="ignore"):  # infinities and NaN are legitimate on a GPU
        builder = twins.builder
        builder.prepare(memory, grid, debug, emulate_tf32)
        twin = twins.of(jit_fn)
        for index in itertools.product(*map(range, grid)) if programs is None else programs:
            builder.grid_idx = index
            twin(**values)
