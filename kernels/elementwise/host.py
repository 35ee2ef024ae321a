"""The mirror: programs on NumPy arrays.

Small arrays: the expression itself is run as Python, with NumPy's functions. From 64 KB on: step by step into buffers,
over pieces that stay in the cache, on two threads. float16 and bfloat16 are computed in float32, rounded once.
"""

from __future__ import annotations

import functools

import numpy as np

from tritonnet.kernels.dtypes import float32, float64
from tritonnet.kernels.elementwise.expression import Program, Ref
from tritonnet.kernels.elementwise.layout import memory_order, steps
from tritonnet.kernels.elementwise.numpy_functions import CAREFUL, FUNCTIONS
from tritonnet.kernels.runtime import host

SMALL = 1 << 16  # bytes


def expression_lines(text, result) -> list[str]:
    """Python statements that compute one result as it is written."""
    *assignments, last = [part.strip() for part in text.split(";")]
    return [*assignments, f"{result} = {last}"]


@functools.cache
def body(program: Program, in_place: bool):
    """A function (dtype, *results, *inputs, *params) that fills the results, all of one shape, in steps.

    in_place: a result shares memory with an input, so it is only written by its own last step.
    """
    results = list(program.results)
    steps, sources = program.steps, program.sources
    last_use = {}
    for i, step in enumerate(steps):
        for operand in step.operands:
            if isinstance(operand, Ref):
                last_use[operand] = i
    wanted = {}  # Ref -> its result
    for result, source in sources.items():
        if isinstance(source, Ref):
            wanted.setdefault(source, result)
            last_use[source] = len(steps)  # results stay
    free = {False: [] if in_place else results[::-1], True: []}  # numeric and boolean buffers
    where, lines, made = {}, [], 0
    question = {r for r, s in sources.items() if isinstance(s, Ref) and steps[s].boolean}
    free[False] = [r for r in free[False] if r not in question]
    for i, step in enumerate(steps):
        dying = {o for o in step.operands if isinstance(o, Ref) and last_use[o] == i}
        if step.function not in CAREFUL:
            for o in dying:
                free[steps[o].boolean].append(where[o])
        pool = free[step.boolean]
        target = wanted.get(Ref(i))
        if target is not None and (target in pool or target in question or in_place and last_write(steps, i)):
            buffer = target
            if target in pool:
                pool.remove(target)
        elif pool:
            buffer = pool.pop()
        else:
            buffer, made = f"t{made}", made + 1
            lines.append(f"{buffer} = empty(shape, {'bool' if step.boolean else 'dtype'})")
        if step.function in CAREFUL:
            for o in dying:
                free[steps[o].boolean].append(where[o])
        where[Ref(i)] = buffer
        shown = [where[o] if isinstance(o, Ref) else o if isinstance(o, str) else repr(o) for o in step.operands]
        lines.append(f"{step.function}({', '.join(shown)}, out={buffer})")
    for result, source in sources.items():
        held = where[source] if isinstance(source, Ref) else source
        if held != result:
            lines.append(f"copyto({result}, {held}, casting='unsafe')")
    names = ", ".join(["dtype", *results, *program.inputs, *program.params])
    text = "\n    ".join([f"def run({names}):", f"shape = {results[0]}.shape", *lines])
    scope = {name: FUNCTIONS[name] for name in {s.function for s in steps}}
    scope |= {"empty": host.empty, "copyto": np.copyto, "__name__": __name__}
    exec(compile(text, f"<mirror of {program.name}>", "exec"), scope)
    return scope["run"]


def last_write(steps, i):
    """Whether no later step reads an input, so that the result of step i may overwrite one."""
    return not any(isinstance(o, str) for step in steps[i + 1:] for o in step.operands) and (
        steps[i].function not in CAREFUL)


def dense(program, operands, params):
    """The results for C-contiguous arrays of one shape and one float type, and numbers; None for anything else."""
    shape = dtype = None
    for a in operands:
        if type(a) is np.ndarray:
            if shape is None:
                shape, dtype = a.shape, a.dtype
                if dtype is not float32 and dtype is not float64 or a.nbytes < SMALL:
                    return None
            if a.shape != shape or a.dtype is not dtype or not a.flags.c_contiguous:
                return None
        elif type(a) is not float and type(a) is not int:
            return None
    if shape is None:
        return None
    outs = [host.empty(shape, dtype) for _ in program.results]
    size, run = outs[0].size, body(program, False)
    try:
        if size < host.SPLIT:
            run(dtype, *outs, *operands, *params)
        else:
            flat = [a.reshape(-1) if type(a) is np.ndarray else a for a in (*outs, *operands)]

            def part(i, j):
                run(dtype, *[a[i:j] if type(a) is np.ndarray else a for a in flat], *params)

            host.parallel(part, size, size, host.PIECE if len(program.steps) > 1 else None)
    except RuntimeWarning:  # only where warnings are errors
        return None
    return outs[0] if len(outs) == 1 else tuple(outs)


@functools.cache
def small(program):
    """The expressions as a function of inputs and params: a tuple of arrays."""
    arguments = ", ".join([*program.inputs, *program.params])
    lines = [line for r, text in program.results.items() for line in expression_lines(text, r)]
    returned = f"return ({''.join(f'asarray({r}), ' for r in program.results)})"
    scope = {"asarray": np.asarray, "__name__": __name__} | FUNCTIONS
    exec("\n    ".join([f"def run({arguments}):", *lines, returned]), scope)
    return scope["run"]


def evaluate_small(program, operands, params, compute, dtype):
    """Fresh results of this type, without pieces and buffers."""
    operands = [_as(a, compute, name in program.conditions) if isinstance(a, np.ndarray) else a
                for a, name in zip(operands, program.inputs)]
    with np.errstate(all="ignore"):
        found = small(program)(*operands, *params)
    return [a if a.dtype == dtype else a.astype(dtype) for a in found]


def evaluate(program, operands, params, compute, shape, outs):
    """Run a program into `outs`, arrays of `shape`; operands are arrays that broadcast to it, or numbers.

    compute: the type of everything between loads and stores.
    """
    if 0 in shape:
        return
    in_place = any(np.may_share_memory(out, a) for out in outs for a in operands if isinstance(a, np.ndarray))
    run = body(program, in_place)
    order = memory_order(shape, [steps(shape, a.shape, a.strides) for a in outs])
    outs, operands = [_walked(a, shape, order) for a in outs], [_walked(a, shape, order) for a in operands]
    size, arrays = outs[0].size, [*outs, *(a for a in operands if isinstance(a, np.ndarray) and a.ndim)]
    if all(a.flags.c_contiguous and a.size == size for a in arrays):
        outs, operands = ([a.reshape(-1) if isinstance(a, np.ndarray) and a.ndim else a for a in group]
                          for group in (outs, operands))
        axis = 0
    else:
        walked = outs[0].shape
        axis = next((i for i, n in enumerate(walked) if n >= 16), walked.index(max(walked)) if walked else 0)
    if not outs[0].ndim:
        outs, axis = [a.reshape(1) for a in outs], 0
    n = outs[0].shape[axis]
    conditions = [name in program.conditions for name in program.inputs]

    def part(i, j):
        cut = (slice(None),) * axis + (slice(i, j),)
        inputs = [a if not isinstance(a, np.ndarray) else _as(a[cut] if a.ndim and a.shape[axis] == n else a, compute, c)
                  for a, c in zip(operands, conditions)]
        targets = [out[cut] for out in outs]
        fresh = [t if t.dtype == compute or t.dtype == bool and boolean else np.empty(t.shape, compute)
                 for t, boolean in zip(targets, _booleans(program))]
        run(compute, *fresh, *inputs, *params)
        for target, result in zip(targets, fresh):
            if target is not result:
                np.copyto(target, result, casting="unsafe")

    several = len(program.steps) > 1 or any(a.dtype != compute for a in arrays)
    with np.errstate(all="ignore"):
        host.parallel(part, n, size, max(1, host.PIECE * n // size) if several else None)


def _booleans(program):
    """For each result whether its last step gives booleans."""
    return [program.steps[s].boolean if isinstance(s, Ref) else s in program.conditions
            for s in program.sources.values()]


def _walked(a, shape, order):
    """An array with its axes in the order in which memory is walked, those along which it is repeated of length 1."""
    if not isinstance(a, np.ndarray):
        return a
    if a.size == 1 and a.shape != shape:
        return a.reshape(())
    return a.reshape((1,) * (len(shape) - a.ndim) + a.shape).transpose(order)


def _as(a, compute, condition):
    """A piece of an operand in the type to compute in; conditions are booleans."""
    dtype = np.bool_ if condition else compute
    return a if a.dtype == dtype else a.astype(dtype)
