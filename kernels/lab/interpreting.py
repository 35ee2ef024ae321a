"""Run one Triton kernel on NumPy arrays, and see what it does.

    kernels.interpret(add, (2,), x, y, z, 100, BLOCK=64)                         # computes, bounds-checked
    trace = kernels.interpret(add, (2,), x, y, z, 100, BLOCK=64, trace=True)     # and tells what each line did
    kernels.interpret(add, (2,), x, y, z, 100, BLOCK=64, races=True, undefined=True)
"""

from __future__ import annotations

from tritonnet.kernels.lab import undefined as undefined_lanes
from tritonnet.kernels.lab.traces import LIMIT, Recorder, Trace
from tritonnet.kernels.runtime.interpret import interpreter, prepare, run
from tritonnet.kernels.runtime.interpret.races import Races

RACES = (False, True, "same-value-ok")


def interpret(kernel, grid, *args, trace=False, races=False, undefined=False, uninitialised=(), reachable=(),
              debug=False, emulate_tf32=False, trace_limit=LIMIT, **kwargs) -> Trace | None:
    """Run `kernel` over `grid` on NumPy arrays, in place; no GPU, no compiler. Returns the trace that was asked for.

    kernel: one of ours or a @triton.jit function. grid: one to three ints, or a function of a dict of all arguments.
    args, kwargs: the kernel's parameters; launch options (num_warps, …) are accepted and change nothing.

    trace: record what the kernel does: True, or the programs to record, [(0, 0), (1, 0)]. trace_limit: bytes of arrays
    that a trace may hold; what comes later is counted only. An exception carries the trace so far as `error.trace`.
    races: raise Race where two programs touch an element in an order left to chance. "same-value-ok": programs may
    write the same value to one element. Loads and stores of one program are taken to happen in the order written.
    undefined: raise Undefined where memory comes to depend on lanes that a load masks off without `other`; the kernel
    then runs three times and more.
    uninitialised: names of arguments that count as never written, for Uninitialised to be raised where they are read;
    arrays made by `kernels.uninitialised` are checked always.
    reachable: arrays that the kernel reaches through addresses it reads (pointer tables), not as arguments.
    debug: also check int32 overflow and tl.device_assert. emulate_tf32: round dot operands as tensor cores do.

    Always raised: OutOfBounds. Messages name the kernel, the program, the argument, lanes and the line of source.
    """
    if races not in RACES:
        raise ValueError(f"races={races!r}: one of {', '.join(map(repr, RACES))}")
    call = prepare(kernel, grid, args, kwargs, reachable, [uninitialised] if isinstance(uninitialised, str) else
                   uninitialised)
    recorder = Recorder(call, _programs(trace, call.grid), trace_limit) if trace else None
    stores = undefined_lanes.Stores(call.jit_fn.__name__) if undefined else None
    finder = Races(call.memory, races == "same-value-ok") if races else None
    call.memory.watchers = [w for w in (finder, recorder, stores) if w is not None]
    before = undefined_lanes.contents(call) if undefined else None
    interpreter()[0].forget()
    try:
        run(call.jit_fn, call.grid, call.values, call.memory, debug, emulate_tf32)
        if undefined:
            undefined_lanes.check(call, before, stores, debug=debug, emulate_tf32=emulate_tf32)
    except Exception as error:
        if recorder is not None:
            error.trace = recorder.trace()
        raise
    return recorder.trace() if recorder is not None else None


def _programs(trace, grid):
    """The programs to record, as tuples of three; None: all."""
    if trace is True:
        return None
    chosen = {(*((p,) if isinstance(p, int) else tuple(p)), 0, 0)[:3] for p in trace}
    for program in chosen:
        if not all(0 <= i < n for i, n in zip(program, grid)):
            raise ValueError(f"trace={trace!r}: program {program} is not in the grid {grid}")
    return chosen
