"""Races between the programs of a launch, found while they run one after another.

Two programs race where both touch an element, at least one of them writes it, not both atomically, and nothing orders
the two accesses: on a GPU either may come first. Each access is held against the last ones to the same element, its
own program's left out. What orders programs is an atomic on a single address: all that a program did before it has
happened for every program that comes to the same address later (vector clocks, as in FastTrack by Flanagan and Freund,
2009, here one clock per program). So the classic "the last program to arrive adds the parts up" is no race.

The lanes of one store race, too, where they write different values to one element.
"""

from __future__ import annotations

import typing

import numpy as np
from triton._C.libtriton import interpreter as native

from tritonnet.kernels.runtime.errors import Misaligned, Race
from tritonnet.kernels.runtime.interpret.memory import BITS
from tritonnet.kernels.runtime.interpret.watching import Watcher, lane

LANE_BITS = 32
AGAINST = {"load": ("store", "atomic"), "atomic": ("load", "earlier load", "store"),  # whom an access may race with
           "store": ("load", "earlier load", "store", "atomic")}


class Event(typing.NamedTuple):
    """An access, as later ones are told of it."""

    kind: str
    program: tuple
    place: typing.Any
    shape: tuple
    called: str


class Region:
    """The last accesses to each granule of a piece of memory: number of the event << 32 | lane; 0: none."""

    def __init__(self, nbytes, size):
        self.size = size  # of a granule, in bytes
        self.last = {kind: np.zeros(-(-nbytes // size), np.int64) for kind in AGAINST["store"]}

    def granules(self, offsets, itemsize):
        """(granules, for each the index of its lane) of accesses at these offsets; makes granules finer if need be."""
        fine = int(np.gcd.reduce(offsets, initial=np.gcd(itemsize, self.size)))
        if fine < self.size:
            self.last = {kind: np.repeat(last, self.size // fine) for kind, last in self.last.items()}
            self.size = fine
        per = itemsize // self.size
        which = np.repeat(np.arange(len(offsets)), per)
        return (offsets[:, None] // self.size + np.arange(per)).reshape(-1), which


class Races(Watcher):
    """A watcher of one launch that raises Race. same_value_ok: programs may write the same value to an element."""

    def __init__(self, memory, same_value_ok=False):
        self.memory, self.same_value_ok = memory, same_value_ok
        self.regions = {}
        self.events = [None]
        self.programs, self.epochs = np.zeros(256, np.int32), np.zeros(256, np.int32)  # of events
        self.program, self.number, self.epoch = None, -1, 1
        self.seen = np.zeros(0, np.int32)  # of each earlier program, up to which epoch it has happened for this one
        self.released = {}  # address -> the same for whoever comes to it

    def access(self, access):
        """Hold an access against earlier ones."""
        if access.program != self.program:
            self.program, self.number, self.epoch = access.program, self.number + 1, 1
            self.seen = np.zeros(self.number + 1, np.int32)
        itemsize, active = access.values.dtype.itemsize, int(access.mask.sum())
        values = access.values.reshape(-1)
        if access.kind == "atomic" and active == 1:
            self._order(access, before=True)
        for piece in access.pieces:
            name, start, nbytes = self.memory.where_in(piece.block)
            offsets = piece.offsets + start
            if (crooked := np.flatnonzero(offsets % itemsize)).size:
                n = piece.lanes[crooked[0]]
                raise self.memory.error(Misaligned, (
                    f"{access.kind} of {itemsize} bytes at an address of {self.memory.called(piece.block)} that is no "
                    f"multiple of {itemsize}, which is a fault on a GPU: lane {lane(n, access.shape)}"))
            region = self.regions.get(name) or self.regions.setdefault(name, Region(nbytes, itemsize))
            at, which = region.granules(offsets, itemsize)
            self._hold(access, piece, region, at, which, itemsize, values)
            if access.kind == "store":
                self._lanes(access, piece, offsets, values[piece.lanes], itemsize)
            self._note(access, piece, region, at, which)
        if access.kind == "atomic" and active == 1:
            self._order(access, before=False)

    def _hold(self, access, piece, region, at, which, itemsize, values):
        """Raise where an earlier access of another program, which nothing orders before this one, is in the way."""
        for kind in AGAINST[access.kind]:
            last = region.last[kind][at]
            event = last >> LANE_BITS
            of = self.programs[event]
            bad = (event > 0) & (of != self.number) & (self.epochs[event] > self.seen[of])
            if bad.any() and kind == access.kind == "store" and self.same_value_ok:
                stored = np.ascontiguousarray(values[piece.lanes]).view(np.uint8).reshape(-1, itemsize)
                bad[bad] = (self._there(piece, itemsize)[which[bad]] != stored[which[bad]]).any(axis=1)
            if bad.any():
                self._complain(access, piece, self.events[int(event[bad][0])], np.unique(which[bad]),
                               last[bad], which[bad], itemsize)

    def _there(self, piece, itemsize):
        """The bytes in memory now."""
        bits = BITS[itemsize]
        real = (piece.offsets + piece.block.array.ctypes.data).astype(np.uint64)
        there = native.load(real, np.ones(len(real), bool), np.zeros(len(real), bits), np.dtype(bits))
        return there.view(np.uint8).reshape(-1, itemsize)

    def _lanes(self, access, piece, offsets, values, itemsize):
        """Raise where lanes of one store write different values to one element."""
        order = np.argsort(offsets, kind="stable")
        same = offsets[order][1:] == offsets[order][:-1]
        if not same.any():
            return
        bits = np.ascontiguousarray(values[order]).view(np.uint8).reshape(-1, itemsize)
        if (bad := np.flatnonzero(same & (bits[1:] != bits[:-1]).any(axis=1))).size:
            one, two = order[bad[0]], order[bad[0] + 1]
            raise self.memory.error(Race, (
                f"lanes {lane(piece.lanes[one], access.shape)} and {lane(piece.lanes[two], access.shape)} of one store "
                f"write different values, {values[one]} and {values[two]}, to "
                f"{self.memory.element(piece.block, piece.offsets[one], itemsize)} of "
                f"{self.memory.called(piece.block)}: which one stays is left to chance"))

    def _note(self, access, piece, region, at, which):
        number = len(self.events)
        if number == len(self.programs):
            self.programs, self.epochs = (np.concatenate([a, np.zeros_like(a)]) for a in (self.programs, self.epochs))
        self.events.append(Event(access.kind, access.program, access.place, access.shape,
                                 self.memory.called(piece.block)))
        self.programs[number], self.epochs[number] = self.number, self.epoch
        codes = number << LANE_BITS | piece.lanes[which].astype(np.int64)
        if access.kind == "load":  # two programs' loads are kept, so that a program's own hides no other's
            last = region.last["load"][at]
            other = (last > 0) & (self.programs[last >> LANE_BITS] != self.number)
            region.last["earlier load"][at[other]] = last[other]
        region.last[access.kind][at] = codes

    def _order(self, access, before):
        """An atomic on one address, a ticket or a flag: take what others released there, and release."""
        piece = access.pieces[0]
        name, start, _ = self.memory.where_in(piece.block)
        address = name, int(piece.offsets[0]) + start
        there = self.released.get(address, np.zeros(0, np.int32))
        if before and "acquire" in access.order:
            n = min(len(there), len(self.seen))
            np.maximum(self.seen[:n], there[:n], out=self.seen[:n])
        elif not before and "release" in access.order:
            mine = self.seen.copy()
            mine[self.number] = self.epoch
            mine[:len(there)] = np.maximum(mine[:len(there)], there[:len(mine)])
            self.released[address] = mine
            self.epoch += 1

    def _complain(self, access, piece, event, lanes, last, which, itemsize):
        codes = dict(zip(which[::-1].tolist(), last[::-1].tolist()))
        shown = ", ".join(
            f"lane {lane(piece.lanes[i], access.shape)} -> "
            f"{self.memory.element(piece.block, piece.offsets[i], itemsize)} (its lane "
            f"{lane(codes[i] & (1 << LANE_BITS) - 1, self.events[codes[i] >> LANE_BITS].shape)})"
            for i in lanes[:4].tolist())
        more = f", and {len(lanes) - 4} more" if len(lanes) > 4 else ""
        called = self.memory.called(piece.block)
        theirs = "" if event.called == called else f" of {event.called}"
        raise self.memory.error(Race, (
            f"{access.kind} of {called} races with the {event.kind}{theirs} of program {event.program} at "
            f"{event.place}: no order is fixed between the two; {len(lanes)} of {len(piece.lanes)} active lanes: "
            f"{shown}{more}"))
