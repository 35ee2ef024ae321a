"""From a kernel, a grid and NumPy arrays to what the interpreter runs; everything that can be wrong with a call."""

from __future__ import annotations

import inspect
import typing

import numpy as np
import triton.language as tl
from triton.runtime import interpreter as stock
from triton.runtime.jit import JITFunction

from tritonnet.kernels.runtime.dispatch import OPTIONS, OTHER_OPTIONS
from tritonnet.kernels.runtime.interpret.element_types import BY_SIGNATURE, TRITON_DTYPES, np_dtype
from tritonnet.kernels.runtime.interpret.fresh import written
from tritonnet.kernels.runtime.interpret.memory import Memory
from tritonnet.kernels.runtime.signature import parameters
from tritonnet.kernels.runtime.source import real

IGNORED = {*OPTIONS, *OTHER_OPTIONS, "num_ctas", "cluster_dims", "ptx_options", "extern_libs", "warp_size", "arch",
           "max_num_imprecise_acc_default", "launch_cooperative_grid", "launch_pdl", "grf_mode", "waves_per_eu",
           "matrix_instr_nonkdim", "kpack", "maxnreg"}  # options of launches: they change no result


class Call(typing.NamedTuple):
    """One launch, ready to run."""

    jit_fn: JITFunction
    grid: tuple[int, int, int]
    values: dict  # what the kernel sees, by parameter
    memory: Memory
    arguments: dict  # what was passed, by parameter


def scalar(value, ty):
    """A number or an address as kernels see it."""
    return tl.tensor(stock.TensorHandle(np.array([value], np_dtype(ty)), ty), ty)


def prepare(kernel, grid, args, kwargs, reachable=(), fresh=()) -> Call:
    """Check a call and lay out its memory. fresh: names of arguments that count as never written."""
    jit_fn = jit_function(kernel)
    name = jit_fn.__name__
    memory = Memory(name)
    for i, array in enumerate(reachable):
        memory.add(f"reachable[{i}]", _array(name, f"reachable[{i}]", array), written(array))
    params = parameters(jit_fn.fn)
    names = {p.name for p in params}
    if unknown := [k for k in kwargs if k not in names and k not in IGNORED]:
        raise TypeError(f"kernel {name} has no parameter {', '.join(unknown)}; it takes {', '.join(sorted(names))}")
    try:
        bound = inspect.signature(jit_fn.fn).bind(*args, **{k: v for k, v in kwargs.items() if k in names})
    except TypeError as error:
        kinds = ", ".join(f"{p.name}: constexpr" if p.constexpr else p.name for p in params)
        raise TypeError(f"kernel {name}({kinds}): {error}") from None
    bound.apply_defaults()
    for argument in fresh:
        if not isinstance(bound.arguments.get(argument), np.ndarray):
            arrays = ", ".join(k for k, v in bound.arguments.items() if isinstance(v, np.ndarray))
            raise ValueError(f"kernel {name}: uninitialised={argument!r} names no array; its arrays are {arrays}")
    values = {}
    for p in params:
        value = bound.arguments[p.name]
        values[p.name] = real(value) if p.constexpr else _argument(memory, p, value, p.name in fresh)
    return Call(jit_fn, _grid(name, grid, bound.arguments), values, memory, dict(bound.arguments))


def jit_function(kernel) -> JITFunction:
    """Triton's function of a kernel; autotune and heuristics wrap."""
    found = getattr(kernel, "triton", kernel)
    while not isinstance(found, JITFunction):
        if not hasattr(found, "fn"):
            raise TypeError(f"{kernel!r} is no kernel: interpret takes a function made by @triton.jit or @kernel")
        found = found.fn
    return found


def _grid(name, grid, arguments) -> tuple[int, int, int]:
    """Three ints."""
    grid = grid(arguments) if callable(grid) else grid
    given = (grid,) if isinstance(grid, (int, np.integer)) else grid
    if not (isinstance(given, (tuple, list)) and 1 <= len(given) <= 3
            and all(isinstance(n, (int, np.integer)) and n >= 0 for n in given)):
        raise ValueError(f"kernel {name}: grid {grid!r} is not one to three ints, none negative")
    return (*map(int, given), 1, 1)[:3]


def _array(name, argument, value) -> np.ndarray:
    """An array that kernels know the element type of."""
    if isinstance(value, (tuple, list)) and any(isinstance(x, np.ndarray) for x in value):
        raise TypeError(f"kernel {name}: {argument} is a {type(value).__name__} of arrays; interpret takes each as an "
                        f"argument of its own")
    if not isinstance(value, np.ndarray):
        raise TypeError(f"kernel {name}: {argument} is a {type(value).__name__}; interpret takes NumPy arrays "
                        f"({'x.numpy()' if hasattr(value, 'numpy') else 'np.asarray(x)'}), numbers and None")
    if value.dtype not in TRITON_DTYPES:
        raise TypeError(f"kernel {name}: {argument} is of type {value.dtype}, which Triton does not know; it knows "
                        f"{', '.join(dtype.name for dtype in TRITON_DTYPES)}")
    return value


def _argument(memory, param, value, fresh):
    """What the kernel sees: pointers get virtual addresses, numbers the scalar types that a launch would give them."""
    if isinstance(value, (bool, np.bool_)):
        return scalar(value, tl.int1)
    if isinstance(value, (int, np.integer)):
        ty = BY_SIGNATURE[param.type or "i32"]
        if not ty.is_floating() and ty != tl.int1:
            limits = np.iinfo(np_dtype(ty))
            if not limits.min <= value <= limits.max:
                raise OverflowError(f"kernel {memory.kernel_name}: {param.name} = {value} does not fit {ty}; annotate "
                                    f"64-bit parameters tl.int64")
        return scalar(value, ty)
    if isinstance(value, (float, np.floating)):
        return scalar(value, BY_SIGNATURE[param.type or "fp32"])
    if value is None:
        return None
    array = _array(memory.kernel_name, param.name, value)
    low, high = np.lib.array_utils.byte_bounds(array) if array.size else (0, 0)
    record = np.zeros(high - low, bool) if fresh else written(array)
    return scalar(memory.add(param.name, array, record), tl.pointer_type(TRITON_DTYPES[array.dtype]))
