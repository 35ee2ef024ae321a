"""What a kernel does, for those who watch: traces, the search for races."""

from __future__ import annotations

import typing

import numpy as np

from tritonnet.kernels.runtime.interpret.places import Place


class Piece(typing.NamedTuple):
    """The part of an access that touches one block of memory."""

    block: typing.Any  # of the memory: an argument, or an allocation of the simulated device
    offsets: np.ndarray  # bytes from the block's first element, one per active lane
    lanes: np.ndarray  # which lanes these are, counted over the flattened shape


class Access(typing.NamedTuple):
    """One load, store or atomic of one program."""

    kind: str  # "load", "store" or "atomic"
    program: tuple[int, int, int]
    place: Place
    pieces: list[Piece]
    shape: tuple[int, ...]  # of the lanes
    mask: np.ndarray  # of that shape
    values: np.ndarray  # of that shape: what was loaded, what is stored, what an atomic was given
    order: str = "relaxed"  # of an atomic: "relaxed", "acquire", "release" or "acquire_release"


class Watcher:
    """What a memory's `watchers` are told. Kernels that nobody watches pay for one test per operation."""

    def access(self, access: Access):
        """A load or an atomic happened, or a store is about to."""

    def dot(self, program, place, a, b, acc, result):
        """tl.dot gave `result` = a @ b + acc; all arrays."""

    def reduction(self, program, place, kind, combine, axis, inputs, outputs):
        """tl.reduce or tl.associative_scan (kind "reduce", "scan") with the function `combine`; lists of arrays."""


def lane(number, shape) -> tuple[int, ...]:
    """The position of a lane in its tensor."""
    return tuple(int(i) for i in np.unravel_index(int(number), shape))


def in_words(error, place: Place) -> str:
    """A message with the line of source that it is about underneath."""
    return f"{error}\n    {place}:  {place.text}"
