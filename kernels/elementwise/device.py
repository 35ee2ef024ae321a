"""Programs on a device: Triton kernels written out for the layout of the operands, and their launches.

Dense operands of one shape in one memory order are a line: every program of the grid takes BLOCK elements. Everything
else is walked as rows and columns after neighbouring axes have been merged: the columns are the fastest axis, and only
the row numbers are taken apart by division, so a broadcast bias costs hardly more than the line. What an operand looks
like from inside one program is its mode:

    line    as the result           one     a single element           number   a Python number, a kernel argument
    tile    rows and columns        row     the same for every row     column   the same for every column

A result's and an operand's inner stride is a literal 1 where it is 1: then loads are vectors.
"""

from __future__ import annotations

import functools
import math

import numpy as np

from tritonnet.kernels import arrays, strided, tuning
from tritonnet.kernels.arrays import DeviceArray
from tritonnet.kernels.arrays.views import span
from tritonnet.kernels.dtypes import FLOATS, bool_, float32, float64, int32, int64, uint8
from tritonnet.kernels.elementwise.expression import Ref
from tritonnet.kernels.elementwise.layout import memory_order, steps
from tritonnet.kernels.kernel import kernel_from_source
from tritonnet.kernels.space import LINES, WARPS, Space
from tritonnet.kernels.strided import collapsed

LINE_BYTES = 4096  # per operand and program of 4 warps: two 16-byte loads per thread of the widest operand
TILE = 1024  # elements
TILES = Space(
    ROWS=[1, 2, 4, 8, 16, 32, 64], COLS=[16, 64, 256, 1024, 4096], num_warps=WARPS,
    where=lambda ROWS, COLS, num_warps, rows, cols: (
        2 * rows > ROWS and min(cols, 64) <= COLS < 2 * max(cols, 16) and 1 <= ROWS * COLS / (32 * num_warps) <= 32))
NUMBER_TYPES = {float32: "tl.float32", float64: "tl.float64", int64: "tl.int64"}


@functools.cache
def written(program, modes, number_type, rank):
    """The kernel for operands (inputs, then results) of these modes; rank 0 is the line, else that of the rows."""
    from tritonnet.kernels.elementwise.triton_functions import FUNCTIONS

    names = [*program.inputs, *program.results]
    pointers = {name: mode for name, mode in zip(names, modes) if mode != "number"}
    numbers = [name for name, mode in zip(names, modes) if mode == "number"] + list(program.params)
    arguments = [f"{name}_ptr" for name in pointers] + [f"{name}_arg: {number_type}" for name in numbers]
    if rank:
        arguments += ["rows", "cols", *(f"n{k}" for k in range(1, rank))]
        for name, mode in pointers.items():
            if mode.startswith(("tile", "column")):
                arguments += [f"{name}_{k}: tl.int64" for k in range(rank)]
            if mode.endswith("strided"):
                arguments.append(f"{name}_step: tl.int64")
        lines = _rows_and_columns(rank)
        constants = ["COMPUTE", "ROWS", "COLS"]
    else:
        arguments.append("n: tl.int64")
        lines = ["at = tl.program_id(0).to(tl.int64) * BLOCK + tl.arange(0, BLOCK)", "inside = at < n"]
        constants = ["COMPUTE", "BLOCK"]
    for name in numbers:
        lines.append(f"{name} = {name}_arg.to(COMPUTE)")
    places = {}
    for name, mode in pointers.items():
        places[name] = _place(name, mode, rank, lines)
        if name in program.inputs:
            address, mask = places[name]
            to = "tl.int1" if name in program.conditions else "COMPUTE"
            lines.append(f"{name} = tl.load({address}{mask}).to({to})")
    for result, text in program.results.items():
        *before, last = [part.strip() for part in text.split(";")]
        lines += [*before, f"{result} = {last}"]
        address, mask = places[result]
        source = program.sources[result]
        boolean = program.steps[source].boolean if isinstance(source, Ref) else source in program.conditions
        if not boolean:  # a boolean is stored as a byte, 0 or 1: a number that becomes one must be compared, not cut
            lines += [f"if {result}_ptr.dtype.element_ty == tl.int1:", f"    {result} = {result} != 0"]
        lines.append(f"tl.store({address}, {result}.to({result}_ptr.dtype.element_ty){mask})")
    name = f"{program.name}_kernel"
    signature = ", ".join(arguments + [f"{c}: tl.constexpr" for c in constants])
    text = "\n    ".join([f"def {name}({signature}):", *lines])
    return kernel_from_source(name, text, flops=_flops(program.flops, rank),
                              bytes=_bytes([f"{p}_ptr" for p in pointers]), namespace=FUNCTIONS,
                              space=TILES if rank else LINES, variant=", ".join([*modes, number_type, f"rank {rank}"]))


def _rows_and_columns(rank):
    """The row and column numbers of a program, and the row number taken apart into one index per axis."""
    lines = ["blocks = tl.cdiv(cols, COLS)",
             "row = tl.program_id(0) // blocks * ROWS + tl.arange(0, ROWS)",
             "col = tl.program_id(0) % blocks * COLS + tl.arange(0, COLS)",
             "inside = (row < rows)[:, None] & (col < cols)[None, :]",
             "left = row"]
    for k in range(rank - 1, 0, -1):
        lines += [f"i{k} = (left % n{k}).to(tl.int64)", f"left = left // n{k}"]
    return [*lines, "i0 = left.to(tl.int64)", "across = col.to(tl.int64)"]


def _place(name, mode, rank, lines):
    """(address, rest of the load's or store's arguments) of an operand; what it needs is added to the lines."""
    kind, _, stride = mode.partition(" ")
    if kind == "one":
        return f"{name}_ptr", ""
    if kind == "line":
        return f"{name}_ptr + at", ", mask=inside"
    columns = "across" if stride != "strided" else f"across * {name}_step"
    if kind == "row":
        return f"{name}_ptr + ({columns})[None, :]", ", mask=(col < cols)[None, :]"
    lines.append(f"{name}_row = " + " + ".join(f"i{k} * {name}_{k}" for k in range(rank)))
    if kind == "column":
        return f"{name}_ptr + {name}_row[:, None]", ", mask=(row < rows)[:, None]"
    return f"{name}_ptr + {name}_row[:, None] + ({columns})[None, :]", ", mask=inside"


def _flops(per_element, rank):
    """The declaration of the work: so many operations per element."""
    if rank:
        return lambda rows, cols: per_element * rows * cols
    return lambda n: per_element * n


def _bytes(pointers):
    """The declaration of the traffic: every array once. Its parameters must carry the names of the kernel's."""
    return eval(f"lambda {', '.join(pointers)}: {' + '.join(f'{p}.nbytes' for p in pointers)}")


class Plan:
    """A launch, but for the addresses: variant, grid, sizes and strides, and what the results look like.

    It holds for all operands of the same types, shapes and strides; making one costs more than a launch.
    """

    def __init__(self, program, operands, compute, device, outs):
        self.device, self.outs = device, [(a.shape, a.strides, a.dtype, a.nbytes) for a in outs]
        self.single = len(outs) == 1
        self.pointers = [i for i, a in enumerate(operands) if hasattr(a, "ptr")]
        self.numbers = [i for i, a in enumerate(operands) if not hasattr(a, "ptr")]
        self.numbers_as = None if compute in FLOATS else compute
        shape = outs[0].shape
        self.empty = 0 in shape
        if self.empty:
            return
        ranked = [*(operands[i] for i in self.pointers), *outs]
        walks = [steps(shape, a.shape, a.strides) for a in ranked]
        order = memory_order(shape, walks[-1:] + walks[:-1])
        sizes, *walks = collapsed([shape[k] for k in order], *([w[k] for k in order] for w in walks))
        line = len(sizes) == 1 and all(w == (1,) or a.size == 1 for a, w in zip(ranked, walks))
        found = iter([("line" if w == (1,) else "one", ()) if line else _mode(w) for w in walks])
        seen = [next(found) if i in self.pointers else ("number", ()) for i in range(len(operands))] + list(found)
        modes, strides = tuple(mode for mode, _ in seen), [s for _, needed in seen for s in needed]
        widest = max(ranked, key=lambda a: a.itemsize)
        kernel = written(program, modes, NUMBER_TYPES.get(compute, "tl.int32"), 0 if line else max(1, len(sizes) - 1))
        if line:
            n = math.prod(shape)
            config = tuning.chosen(kernel, device, widest.dtype, n) or {
                "BLOCK": _up(n, 65536) if device.simulated else LINE_BYTES // max(4, widest.itemsize), "num_warps": 4}
            self.variant = kernel.variant(device, COMPUTE=compute, **config)
            self.grid, self.tail = (-(-n // config["BLOCK"]),), (n,)
            return
        *outer, cols = sizes if len(sizes) > 1 else (1, *sizes)
        rows = math.prod(outer)
        config = tuning.chosen(kernel, device, widest.dtype, rows, cols) or _tile(
            rows, cols, any(mode.endswith("strided") for mode in modes), device.simulated)
        self.variant = kernel.variant(device, COMPUTE=compute, **config)
        self.grid = (-(-rows // config["ROWS"]) * -(-cols // config["COLS"]),)
        self.tail = (rows, cols, *outer[1:], *strides)

    def __call__(self, operands, params):
        """Launch with fresh results."""
        outs = []
        for shape, strides, dtype, nbytes in self.outs:
            owner = self.device.pool.take(nbytes, "")
            outs.append(DeviceArray(owner.ptr, shape, strides, dtype, self.device, owner))
        if arrays.FILL_FRESH is not None:
            for out in outs:
                strided.fill(DeviceArray(out.ptr, (out.nbytes,), (1,), uint8, out.device, out.owner), arrays.FILL_FRESH)
        self.launch(operands, outs, params)
        return outs[0] if self.single else tuple(outs)

    def launch(self, operands, outs, params):
        """Launch."""
        if self.empty:
            return
        if self.numbers:
            params = (*[operands[i] for i in self.numbers], *params)
            operands = [operands[i] for i in self.pointers]
        if self.numbers_as is not None and params:
            params = [wrapped(p, self.numbers_as) for p in params]
        self.variant(self.grid, *operands, *outs, *params, *self.tail)


def wrapped(value, dtype):
    """A Python number as an integer of this type (it wraps around, as in PyTorch) or as a truth value."""
    if dtype == bool_:
        return bool(value)
    limits = np.iinfo(dtype)
    value = int(value)
    return value if limits.min <= value <= limits.max else int(np.array(value).astype(dtype))


def _mode(walk):
    """(mode, strides to pass) of an operand that is walked by rows and columns."""
    *outer, inner = walk if len(walk) > 1 else (0, *walk)
    ending, step = ("", ()) if inner in (0, 1) else (" strided", (inner,))
    if not any(outer):
        return ("row" + ending, step) if inner else ("one", ())
    return ("tile" + ending, (*outer, *step)) if inner else ("column", tuple(outer))


def _up(n, most):
    """The power of two at or above n, from 16 to `most`."""
    return min(most, max(16, 1 << (n - 1).bit_length()))


def _tile(rows, cols, transposed, simulated):
    """The tile of one program: long along the columns, square where an operand is fast along the rows."""
    most, size = (65536, 65536) if simulated else (64, 4096) if transposed else (TILE, TILE)
    wide = _up(cols, most)
    return {"ROWS": max(1, min(size // wide, 1 << (rows - 1).bit_length())), "COLS": wide, "num_warps": 4}


def overlaps(a, b) -> bool:
    """Whether two arrays on a device may share memory, as far as the spans of their addresses tell."""
    (low_a, high_a), (low_b, high_b) = span(a.shape, a.strides), span(b.shape, b.strides)
    return (a.ptr + low_a * a.itemsize < b.ptr + (high_b + 1) * b.itemsize
            and b.ptr + low_b * b.itemsize < a.ptr + (high_a + 1) * a.itemsize)


def compute_type(common):
    """What a kernel computes in: booleans as int32, float16 and bfloat16 as float32."""
    if common in FLOATS:
        return float64 if common == float64 else float32
    return int32 if common == bool_ else common
