"""Run any Triton kernel on NumPy arrays, bounds-checked, in the process that also compiles kernels.

    interpret(kernel, grid, x, y, n, BLOCK=128)

Triton ships an interpreter, but as a mode of the whole process (TRITON_INTERPRET=1), for torch tensors, with
wrong bfloat16, no libdevice and no bounds check. Three things make it serve ordinary kernels instead: twins
(`twins.py`), virtual addresses (`memory.py`), and a builder of our own (`builder.py`).

Importing this imports triton.
"""

import functools
import inspect
import itertools

import numpy as np
import triton.language as tl
from triton.runtime import interpreter as stock
from triton.runtime.jit import JITFunction

from tritonnet.kernels.runtime.interpret.builder import Builder
from tritonnet.kernels.runtime.interpret.element_types import BY_SIGNATURE, TRITON_DTYPES, np_dtype
from tritonnet.kernels.runtime.interpret.memory import Memory
from tritonnet.kernels.runtime.interpret.patches import Patches
from tritonnet.kernels.runtime.interpret.twins import Twins
from tritonnet.kernels.runtime.signature import parameters
from tritonnet.kernels.runtime.source import real


@functools.cache
def _interpreter():
    """The one interpreter of the process: (twins, patches)."""
    twins = Twins(Builder())
    return twins, Patches(twins)


def scalar(value, ty):
    """A number or an address as kernels see it."""
    return tl.tensor(stock.TensorHandle(np.array([value], np_dtype(ty)), ty), ty)


def interpret(kernel, grid, *args, reachable=(), debug=False, emulate_tf32=False, **kwargs):
    """Run `kernel` over `grid` on NumPy arrays, in place.

    kernel: one of ours or a @triton.jit function. grid: one to three ints, or a function of a dict of all arguments.
    reachable: arrays that the kernel reaches through addresses it reads (pointer tables), not as arguments.
    debug: also check int32 overflow and tl.device_assert. emulate_tf32: round dot operands as tensor cores do.
    Launch options (num_warps, …) are ignored. Raises OutOfBounds, naming kernel, program, argument and lanes.
    """
    jit_fn = _jit_function(kernel)
    _interpreter()[0].forget()
    memory = Memory(jit_fn.__name__)
    for i, array in enumerate(reachable):
        memory.add(f"reachable[{i}]", array)
    params = parameters(jit_fn.fn)
    names = {p.name for p in params}
    bound = inspect.signature(jit_fn.fn).bind(*args, **{k: v for k, v in kwargs.items() if k in names})
    bound.apply_defaults()
    values = {p.name: real(bound.arguments[p.name]) if p.constexpr else _argument(memory, p, bound.arguments[p.name])
              for p in params}
    grid = grid(bound.arguments) if callable(grid) else grid
    run(jit_fn, (*grid, 1, 1)[:3], values, memory, debug, emulate_tf32)


def _jit_function(kernel):
    """Triton's function of a kernel; autotune and heuristics wrap."""
    kernel = getattr(kernel, "triton", kernel)
    while not isinstance(kernel, JITFunction):
        kernel = kernel.fn
    return kernel


def _argument(memory, param, value):
    """What the kernel sees: pointers get virtual addresses, numbers the scalar types that a launch would give them."""
    if isinstance(value, np.ndarray):
        return scalar(memory.add(param.name, value), tl.pointer_type(TRITON_DTYPES[value.dtype]))
    if isinstance(value, (bool, np.bool_)):
        return scalar(value, tl.int1)
    if isinstance(value, (int, np.integer)):
        return scalar(value, BY_SIGNATURE[param.type or "i32"])
    if isinstance(value, (float, np.floating)):
        return scalar(value, BY_SIGNATURE[param.type or "fp32"])
    return value


def run(jit_fn, grid, values, memory, debug=False, emulate_tf32=False):
    """The programs of a grid of three, one after another; values: what the kernel sees, by parameter."""
    twins, patches = _interpreter()
    with patches, np.errstate(all="ignore"):  # infinities and NaN are legitimate on a GPU
        builder = twins.builder
        builder.prepare(memory, grid, debug, emulate_tf32)
        twin = twins.of(jit_fn)
        for index in itertools.product(*map(range, grid)):
            builder.grid_idx = index
            twin(**values)
