"""The mirror: programs on NumPy arrays.

Small arrays: the expression itself is run as Python, with NumPy's functions. From 64 KB on: step by step into buffers,
over pieces that stay in the cache, on two threads. float16 and bfloat16 are computed in float32, rounded once.
"""

from __future__ import annotations

import contextlib
import functools

import numpy as np

from tritonnet.kernels.dtypes import bool_
from tritonnet.kernels.elementwise.expression import Program, Ref
from tritonnet.kernels.elementwise.layout import broadcast, memory_order, steps
from tritonnet.kernels.elementwise.numpy_functions import CAREFUL, FUNCTIONS
from tritonnet.kernels.elementwise.special import gelu_with_slope32
from tritonnet.kernels.runtime import host

SMALL = 1 << 17  # bytes: what malloc takes from its heap
LONG = 8  # steps
NOTHING = contextlib.nullcontext()
FUSED = {"gelu_with_slope": gelu_with_slope32}  # f(x, *results) for float32, in fewer passes


def expression_lines(text, result) -> list[str]:
    """Python statements that compute one result as it is written."""
    *assignments, last = [part.strip() for part in text.split(";")]
    return [*assignments, f"{result} = {last}"]


@functools.cache
def body(program: Program, in_place: bool):
    """A function (dtype, *results, *inputs, *params) that fills the results, all of one shape, in steps.

    in_place: a result shares memory with an input, so it is only written by its own last step.
    """
    if program.name in FUSED:
        fused, general = FUSED[program.name], written_out(program, in_place)
        return lambda dtype, *arrays: (fused(arrays[-1], *arrays[:-1]) if dtype == np.float32 else
                                       general(dtype, *arrays))
    return written_out(program, in_place)


def written_out(program, in_place):
    """The same, made from the steps."""
    steps, buffers = program.steps, Buffers(program, in_place)
    lines = []
    for i, step in enumerate(steps):
        shown = [buffers.of[o] if isinstance(o, Ref) else o if isinstance(o, str) else repr(o) for o in step.operands]
        buffer, fresh = buffers.choose(i)
        if fresh:
            lines.append(f"{buffer} = empty(shape, {'bool' if step.boolean else 'dtype'})")
        lines.append(f"{step.function}({', '.join(shown)}, out={buffer})")
    for result, source in program.sources.items():
        held = buffers.of[source] if isinstance(source, Ref) else source
        if held != result:
            lines.append(f"copyto({result}, {held}, casting='unsafe')")
    first = next(iter(program.results))
    names = ", ".join(["dtype", *program.results, *program.inputs, *program.params])
    text = "\n    ".join([f"def run({names}):", f"shape = {first}.shape", *lines])
    scope = {name: FUNCTIONS[name] for name in {s.function for s in steps}}
    scope |= {"empty": host.empty, "copyto": np.copyto, "__name__": __name__}
    exec(compile(text, f"<mirror of {program.name}>", "exec"), scope)
    return scope["run"]


class Buffers:
    """Which buffer each step writes to: that of a result, or a temporary one, as few as possible."""

    def __init__(self, program, in_place):
        self.steps, self.of, self.temporaries = program.steps, {}, 0
        self.last_use, self.final = {}, {}  # Ref -> the last step that reads it; step -> the result it computes
        for i, step in enumerate(self.steps):
            self.last_use |= {o: i for o in step.operands if isinstance(o, Ref)}
        for result, source in program.sources.items():
            if isinstance(source, Ref):
                self.last_use[source] = len(self.steps)
                if not in_place or self._writes_last(source):
                    self.final.setdefault(int(source), result)
        numeric = [r for i, r in self.final.items() if not self.steps[i].boolean]
        self.free = {False: [] if in_place else numeric, True: []}  # numeric and boolean buffers

    def _writes_last(self, i):
        """Whether no later step reads an input, so that the result of step i may overwrite one."""
        later = [o for step in self.steps[i + 1:] for o in step.operands]
        return not any(isinstance(o, str) for o in later) and self.steps[i].function not in CAREFUL

    def choose(self, i):
        """(the buffer of step i, whether it has to be made)."""
        step, dying = self.steps[i], {o for o in self.steps[i].operands if isinstance(o, Ref) and self.last_use[o] == i}
        free, careful = self.free[step.boolean], step.function in CAREFUL  # these must not write over what they read
        if not careful:
            self._release(dying)
        if i in self.final:
            buffer, fresh = self.final[i], False
            if buffer in free:
                free.remove(buffer)
        else:
            usable = [b for b in free if self._lives_short_enough(i, b)]
            buffer, fresh = (usable[-1], False) if usable else (f"t{self.temporaries}", True)
            if fresh:
                self.temporaries += 1
            else:
                free.remove(buffer)
        if careful:
            self._release(dying)
        self.of[Ref(i)] = buffer
        return buffer, fresh

    def _release(self, dying):
        for o in dying:
            self.free[self.steps[o].boolean].append(self.of[o])

    def _lives_short_enough(self, i, buffer):
        """Whether the value of step i is no longer needed when the result that owns the buffer is computed."""
        at = next((k for k, result in self.final.items() if result == buffer), len(self.steps))
        end = self.last_use.get(Ref(i), i)
        return end < at or end == at and self.steps[at].function not in CAREFUL if at < len(self.steps) else True


def dense(program, dtypes, boolean, operands, params, out=None):
    """The results where all is simple: one element type out of `dtypes`, dense arrays in one memory order, numbers, and
    smaller arrays that broadcast. None for anything else: then `evaluate` is asked, whose preparations cost more.

    boolean: the result is. out: an operand that is to be changed in place.
    """
    arrays = [a for a in operands if type(a) is np.ndarray]
    plain = [a for a, name in zip(operands, program.inputs) if type(a) is np.ndarray and name not in program.conditions]
    if not plain or plain[0].dtype not in dtypes:
        return None
    dtype, shape = plain[0].dtype, arrays[0].shape
    numbers = (int,) if dtype.kind == "i" else (float, int)
    for a, name in zip(operands, program.inputs):
        if type(a) is np.ndarray:
            if a.dtype != (bool_ if name in program.conditions else dtype):
                return None
        elif type(a) not in numbers:
            return None
    same, order = all(a.shape == shape for a in arrays), None
    if not same:
        try:
            shape = broadcast(*[a.shape for a in arrays])
        except RuntimeError:
            return None
        if not all(a.flags.c_contiguous for a in arrays if a.shape == shape):
            return None
    elif not all(a.flags.c_contiguous for a in arrays):
        strides = arrays[0].strides
        order = sorted(range(len(shape)), key=strides.__getitem__, reverse=True)
        if not arrays[0].transpose(order).flags.c_contiguous or any(a.strides != strides for a in arrays):
            return None
    if out is None:
        result = bool_ if boolean else dtype
        outs = [host.empty(shape if order is None else [shape[k] for k in order], result) for _ in program.results]
    elif out.dtype == dtype and out.shape == shape and any(out is a for a in operands) and (
            same or all(a is out or a.base is None for a in arrays) and out.base is None):
        outs = [out if order is None else out.transpose(order)]
    else:
        return None
    if order is not None:
        operands = [a.transpose(order) if type(a) is np.ndarray else a for a in operands]
    with np.errstate(all="ignore") if out is not None else NOTHING:  # a change in place cannot be begun anew
        if not _run_dense(program, dtype, outs, operands, params, same, out is not None):
            return None
    if order is not None:
        back = [order.index(k) for k in range(len(order))]
        outs = [a.transpose(back) for a in outs] if out is None else [out]
    return outs[0] if len(outs) == 1 else tuple(outs)


def _run_dense(program, dtype, outs, operands, params, same, in_place):
    """Fill C-contiguous results, if that can be split into pieces. same: all arrays have one shape."""
    size, run = outs[0].size, body(program, in_place)
    try:
        if size < host.SPLIT:
            if size:
                run(dtype, *outs, *operands, *params)
            return True
        n, arguments = len(outs[0]), [*outs, *operands]
        if same:
            n, arguments = size, [a.reshape(-1) if type(a) is np.ndarray else a for a in arguments]
        elif n < 16:
            return False
        ndim = arguments[0].ndim
        cut = [type(a) is np.ndarray and a.ndim == ndim and a.shape[0] == n for a in arguments]

        def part(i, j):
            run(dtype, *[a[i:j] if c else a for a, c in zip(arguments, cut)], *params)

        host.parallel(part, n, size, _piece(program, n, size) if len(program.steps) > 1 else None)
        return True
    except RuntimeWarning:  # only where warnings are errors
        return False


def _piece(program, n, size):
    """How many of the n to take at once: the longer the chain, the more it matters that all stays in the cache."""
    return (host.PIECE if len(program.steps) < LONG else host.PIECE // 2) * n // size


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
        inputs = [_as(a[cut] if a.ndim and a.shape[axis] == n else a, compute, c) if isinstance(a, np.ndarray) else a
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
        host.parallel(part, n, size, _piece(program, n, size) if several else None)


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
