"""One entry of a trace: an access to memory, a matrix product, a reduction."""

from __future__ import annotations

import dataclasses
import functools

import numpy as np

from tritonnet.kernels.runtime.interpret.places import Place


@dataclasses.dataclass(eq=False, repr=False)
class Access:
    """A load, store or atomic of one program, as far as it touches one argument.

    kind: "load", "store" or "atomic". program: three ints. place: file, line, function, text. argument: its name.
    indices: one array of ints per dimension of the argument, one entry per active lane: `x[access.indices]`. mask,
    values: of the lanes' shape; which are active, and what was loaded, is stored, or was given to an atomic.
    """

    kind: str
    program: tuple[int, int, int]
    place: Place
    argument: str
    indices: tuple[np.ndarray, ...]
    flat: np.ndarray  # active lanes that touch this argument, over the flattened shape
    shape: tuple[int, ...]
    all_active: np.ndarray
    values: np.ndarray

    @functools.cached_property
    def mask(self) -> np.ndarray:
        """Which lanes are active and touch this argument: bool, of the lanes' shape."""
        if len(self.flat) == np.count_nonzero(self.all_active):
            return self.all_active
        mask = np.zeros(self.all_active.size, bool)
        mask[self.flat] = True
        return mask.reshape(self.shape)

    @property
    def lanes(self) -> np.ndarray:
        """The positions of the active lanes in their tensor: (n, dimensions) int64."""
        return np.stack(np.unravel_index(self.flat, self.shape), axis=-1)

    @property
    def nbytes(self) -> int:
        """What this record holds."""
        return self.flat.nbytes + self.values.nbytes + self.all_active.nbytes + sum(i.nbytes for i in self.indices)

    def __repr__(self):
        where = ", ".join(_span(i) for i in self.indices) if len(self.flat) else "nothing: no lane is active"
        return (f"{self.kind} of {self.argument}[{where}] by {len(self.flat)} of {self.all_active.size} lanes of "
                f"program {self.program} at {self.place}: {self.place.text}")


@dataclasses.dataclass(eq=False, repr=False)
class Dot:
    """tl.dot: result = a @ b + acc, as arrays."""

    program: tuple[int, int, int]
    place: Place
    a: np.ndarray
    b: np.ndarray
    acc: np.ndarray
    result: np.ndarray
    kind = "dot"

    @property
    def flops(self) -> int:
        """A multiplication and an addition count as two."""
        return 2 * self.result.size * self.a.shape[-1]

    @property
    def shapes(self) -> str:
        """For tables."""
        return f"{_type(self.a)} @ {_type(self.b)} -> {_type(self.result)}"

    @property
    def nbytes(self) -> int:
        """What this record holds."""
        return self.a.nbytes + self.b.nbytes + self.acc.nbytes + self.result.nbytes

    def __repr__(self):
        return f"dot {self.shapes} of program {self.program} at {self.place}: {self.place.text}"


@dataclasses.dataclass(eq=False, repr=False)
class Reduction:
    """tl.sum, tl.max, tl.reduce, … (kind "reduce") or tl.cumsum, tl.associative_scan, … (kind "scan").

    combine: the name of the function that joins two elements. axis: None for all. inputs, outputs: lists of arrays.
    """

    kind: str
    program: tuple[int, int, int]
    place: Place
    combine: str
    axis: int | None
    inputs: list[np.ndarray]
    outputs: list[np.ndarray]

    @property
    def shapes(self) -> str:
        """For tables."""
        return f"{self.combine.strip('_')}: {_type(self.inputs[0])} along {self.axis}"

    @property
    def nbytes(self) -> int:
        """What this record holds."""
        return sum(x.nbytes for x in self.inputs + self.outputs)

    def __repr__(self):
        return f"{self.kind} {self.shapes} of program {self.program} at {self.place}: {self.place.text}"


def _type(array) -> str:
    """float32[64, 32]"""
    return f"{array.dtype}{list(array.shape)}"


def _span(index) -> str:
    """The range of an axis that an access covers."""
    low, high = int(index.min()), int(index.max())
    return str(low) if low == high else f"{low}:{high + 1}"
