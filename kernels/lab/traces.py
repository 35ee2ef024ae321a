"""What an interpreted kernel did: every load, store, atomic, dot and reduction, as NumPy arrays.

    trace = kernels.interpret(add, (2,), x, y, z, 100, BLOCK=64, trace=True)
    trace                                    # what each line of the kernel did, in a table
    trace.stores.program(1).of("z")[0].values
    trace.writes("z")                        # how often each element was written, in z's shape
"""

from __future__ import annotations

import collections
import typing
import warnings

import numpy as np

from tritonnet.kernels.lab.records import Access, Dot, Reduction
from tritonnet.kernels.lab.tables import html_table, text_table
from tritonnet.kernels.runtime.interpret.memory import index_of
from tritonnet.kernels.runtime.interpret.watching import Watcher

LIMIT = 256 << 20  # bytes of arrays in a trace unless told otherwise
COLUMNS = ("line", "source", "does", "argument", "times", "elements")


class Trace:
    """What a launch did, in order: a sequence of `records.Access`, `Dot` and `Reduction`, that can be narrowed down.

    kernel: its name. grid: three ints. complete: False where the trace reached its limit and later records are missing
    (the counts of `reads` and `writes` are of the whole launch all the same).
    """

    def __init__(self, kernel, grid, records, arrays, counts, complete=True):
        self.kernel, self.grid, self.records, self.complete = kernel, grid, records, complete
        self.arrays = arrays  # by argument
        self._counts = counts  # {(argument, "read" or "written"): counts}; None: of these records only

    def __len__(self):
        return len(self.records)

    def __iter__(self) -> typing.Iterator[typing.Any]:
        return iter(self.records)

    def __getitem__(self, i):
        return self._only(self.records[i]) if isinstance(i, slice) else self.records[i]

    def _only(self, records):
        return Trace(self.kernel, self.grid, records, self.arrays, None, self.complete)

    def where(self, test: typing.Callable[[typing.Any], bool]) -> Trace:
        """The records that pass a test."""
        return self._only([r for r in self.records if test(r)])

    loads = property(lambda self: self.where(lambda r: r.kind == "load"), doc="The loads.")
    stores = property(lambda self: self.where(lambda r: r.kind == "store"), doc="The stores.")
    atomics = property(lambda self: self.where(lambda r: r.kind == "atomic"), doc="The atomics.")
    dots = property(lambda self: self.where(lambda r: r.kind == "dot"), doc="The matrix products.")
    reductions = property(lambda self: self.where(lambda r: r.kind in ("reduce", "scan")),
                          doc="The reductions and scans.")

    def program(self, x: int, y: int = 0, z: int = 0) -> Trace:
        """What one program did."""
        if not all(0 <= i < n for i, n in zip((x, y, z), self.grid)):
            raise IndexError(f"program {(x, y, z)} is not in the grid {self.grid}")
        return self.where(lambda r: r.program == (x, y, z))

    def of(self, argument: str) -> Trace:
        """The accesses to one argument of the kernel."""
        self._array(argument)
        return self.where(lambda r: getattr(r, "argument", None) == argument)

    def line(self, line: int | str) -> Trace:
        """What one line did: its number in its file, or a part of its text."""
        if isinstance(line, str):
            return self.where(lambda r: line in r.place.text)
        return self.where(lambda r: r.place.line == line)

    def _array(self, argument):
        if argument not in self.arrays:
            raise KeyError(f"{self.kernel} has no array {argument!r}; its arrays are {', '.join(self.arrays)}")
        return self.arrays[argument]

    def _count(self, argument, kinds, what) -> np.ndarray:
        array = self._array(argument)
        if self._counts is not None:
            return self._counts[argument, what].copy()
        counts = np.zeros(array.shape, np.int64)
        for r in self.records:
            if r.kind in kinds and r.argument == argument:
                np.add.at(counts, r.indices, 1)
        return counts

    def reads(self, argument: str) -> np.ndarray:
        """How often each element of an argument was loaded (atomics included): int64, of its shape."""
        return self._count(argument, ("load", "atomic"), "read")

    def writes(self, argument: str) -> np.ndarray:
        """How often each element of an argument was stored to (atomics included): int64, of its shape."""
        return self._count(argument, ("store", "atomic"), "written")

    def never_written(self, argument: str) -> np.ndarray:
        """The indices of the elements that nothing was stored to: (n, dimensions) int64."""
        return np.argwhere(self.writes(argument) == 0)

    def never_read(self, argument: str) -> np.ndarray:
        """The indices of the elements that were not loaded: (n, dimensions) int64."""
        return np.argwhere(self.reads(argument) == 0)

    def _rows(self):
        groups = collections.defaultdict(list)
        for r in self.records:
            groups[r.place, r.kind, getattr(r, "argument", "")].append(r)
        for (place, kind, argument), records in groups.items():
            yield str(place), place.text, kind, argument, str(len(records)), _extent(self, records, argument)

    def _title(self):
        programs = len({r.program for r in self.records})
        missing = "" if self.complete else "; the limit was reached, later ones are missing"
        return f"{self.kernel} over the grid {self.grid}: {len(self)} records of {programs} programs{missing}"

    def __repr__(self):
        return text_table(self._title(), COLUMNS, self._rows())

    def _repr_html_(self):
        return html_table(self._title(), COLUMNS, self._rows(), code=(1,))


def _extent(trace, records, argument) -> str:
    """What records of one line and kind amount to."""
    if records[0].kind not in ("load", "store", "atomic"):
        return records[0].shapes
    counts, touched = np.zeros(trace.arrays[argument].shape, np.int64), 0
    for r in records:
        np.add.at(counts, r.indices, 1)
        touched += len(r.lanes)
    distinct = int((counts > 0).sum())
    often = "" if touched == distinct else f", {touched / max(distinct, 1):.3g} times each"
    return f"{distinct} of {counts.size}{often}"


class Recorder(Watcher):
    """A watcher that makes a Trace. programs: which ones to record, None for all. limit: bytes of arrays."""

    def __init__(self, call, programs=None, limit=LIMIT):
        self.call, self.programs, self.left = call, programs, limit
        self.records, self.limit, self.met = [], limit, 0
        self.arrays = {block.name: block.array for block in call.memory.blocks}
        self.counts = {(name, what): np.zeros(array.shape, np.int64) for name, array in self.arrays.items()
                       for what in ("read", "written")}

    def trace(self) -> Trace:
        """What was recorded."""
        complete = len(self.records) == self.met
        if not complete:
            warnings.warn(f"{len(self.records)} of {self.met} records fit into trace_limit={self.limit} bytes; "
                          f"trace=[programs] records some programs only", stacklevel=4)
        return Trace(self.call.jit_fn.__name__, self.call.grid, self.records, self.arrays, self.counts, complete)

    def access(self, access):
        for block, offsets, lanes in access.pieces:
            index = index_of(block.array, offsets)
            for what, kinds in (("read", ("load", "atomic")), ("written", ("store", "atomic"))):
                if access.kind in kinds:
                    np.add.at(self.counts[block.name, what], index, 1)
            self._keep(Access(access.kind, access.program, access.place, block.name, index, lanes, access.shape,
                              access.mask, access.values))

    def dot(self, program, place, a, b, acc, result):
        self._keep(Dot(program, place, a, b, acc, result))

    def reduction(self, program, place, kind, combine, axis, inputs, outputs):
        self._keep(Reduction(kind, program, place, combine, axis, inputs, outputs))

    def _keep(self, record):
        if self.programs is not None and record.program not in self.programs:
            return
        self.met += 1
        self.left -= record.nbytes
        if self.left >= 0:  # it only shrinks: nothing is recorded after the first that does not fit
            self.records.append(record)
