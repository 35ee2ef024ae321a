"""Lanes that a load masks off without `other` hold anything on a GPU: does what they hold reach memory?

The kernel runs again with other values in those lanes. A store whose addresses or values change depends on them, and
so does an access that now strays. Which load it was shows by changing one line's lanes at a time.
"""

from __future__ import annotations

import numpy as np

from tritonnet.kernels.runtime.errors import Undefined
from tritonnet.kernels.runtime.interpret import run
from tritonnet.kernels.runtime.interpret.places import here, of_traceback
from tritonnet.kernels.runtime.interpret.watching import Watcher, in_words, lane

FILLERS = ((np.nan, 113), (1021.0, -7))  # for floats and for ints: NaN, which maxima ignore, and an odd number


class Stores(Watcher):
    """The stores and atomics of a run; those of a later run are held against them."""

    def __init__(self, kernel, expected=None):
        self.kernel, self.seen, self.expected = kernel, [], expected

    def access(self, access):
        if access.kind == "load":
            return
        bits = np.ascontiguousarray(access.values).view(np.uint8).reshape(access.mask.size, -1)
        pieces = [(p.block.name, p.offsets, p.lanes, bits[p.lanes]) for p in access.pieces]
        if self.expected is None:
            self.seen.append((access, pieces))
            return
        before = self.expected[len(self.seen)] if len(self.seen) < len(self.expected) else None
        self.seen.append(None)
        if before is None or before[0].program != access.program or before[0].place != access.place:
            raise Differs(access, "whether this line runs", ())
        names, theirs = [p[0] for p in pieces], [p[0] for p in before[1]]
        if names != theirs or any(len(p[2]) != len(q[2]) or (p[2] != q[2]).any() or (p[1] != q[1]).any()
                                  for p, q in zip(pieces, before[1])):
            raise Differs(access, f"which elements this {access.kind} touches", ())
        for p, q in zip(pieces, before[1]):
            changed = (p[3] != q[3]).any(axis=1)
            if changed.any():
                lanes = [lane(n, access.shape) for n in p[2][changed]]
                raise Differs(access, f"the {access.kind} into {p[0]!r}", lanes)


class Differs(Exception):
    """A store that came out differently."""

    def __init__(self, access, what, lanes):
        self.access, self.what, self.lanes = access, what, lanes


def check(call, before, stores, **options):
    """Raise Undefined where the stores of a run, which `stores` saw, depend on undefined lanes.

    before: the contents that the arrays had. They are left in the state in which they were found.
    """
    after = contents(call)
    try:
        for filler in FILLERS:
            places = set()
            if (found := _run(call, before, stores, filler, places, options)) is None:
                continue
            guilty = [p for p in sorted(places) if _run(call, before, stores, filler, {p}, options, only=True)]
            loads = " or ".join(f"{p} ({p.text})" for p in guilty) or "several lines"
            raise Undefined(in_words(
                f"kernel {call.jit_fn.__name__!r}, program {found[0]}: {found[1]} depends on lanes that the load at "
                f"{loads} masks off without other=; they may hold anything", found[2])) from None
    finally:
        put_back(call, after)


def _run(call, before, stores, filler, places, options, only=False):
    """(program, what, place) of the first difference, or None; `places` are noted, or (only) the ones changed."""
    def undefined(dtype):
        place = here(2)
        if only and place not in places:
            return np.zeros((), dtype)
        places.add(place)
        with np.errstate(all="ignore"):
            return np.array(filler[0 if dtype.kind in "fV" else 1]).astype(dtype)

    put_back(call, before)
    memory = call.memory
    watchers, memory.watchers = memory.watchers, [Stores(call.jit_fn.__name__, stores.seen)]
    memory.undefined = undefined
    try:
        run(call.jit_fn, call.grid, call.values, memory, **options)
    except Differs as difference:
        lanes = difference.lanes
        shown = f" in lane {', '.join(map(str, lanes[:4]))}{f' and {len(lanes) - 4} more' if len(lanes) > 4 else ''}"
        return difference.access.program, difference.what + (shown if lanes else ""), difference.access.place
    except Exception as error:  # whatever the kernel does now it did not do before
        return memory.builder.grid_idx, f"this failure ({str(error).splitlines()[0]})", of_traceback(error)
    finally:
        memory.watchers = watchers
        del memory.undefined
    return None


def contents(call):
    """Copies of all arrays and of the records of what was written."""
    return [(block.array.copy(), None if block.written is None else block.written.copy())
            for block in call.memory.blocks]


def put_back(call, saved):
    """Undo what happened since `contents`."""
    for block, (array, written) in zip(call.memory.blocks, saved):
        if block.array.flags.writeable:
            np.copyto(np.asarray(block.array), array)
        if written is not None:
            block.written[:] = written
