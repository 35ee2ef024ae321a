"""Many arrays in one launch: a table of addresses in device memory, one row per chunk of an array.

    row:  up to five pointers (parameter, gradient, state …), address of the step count, elements, group

A program takes one row. Tables are cached by the addresses they hold: in a training loop gradients come to lie at the
same few places again and again. What changes from step to step (learning rate, step count) is in device memory, so
that a step can be captured; a table first needed during a capture is uploaded when the capture has ended.
"""

from __future__ import annotations

import collections
import itertools
import math
import typing

import numpy as np

from tritonnet.kernels import tuning
from tritonnet.kernels.arrays import DeviceArray, empty, to_device
from tritonnet.kernels.arrays.transfer import upload
from tritonnet.kernels.arrays.views import c_strides
from tritonnet.kernels.dtypes import accumulator
from tritonnet.kernels.kernel import jit, tl
from tritonnet.kernels.rows import next_power_of_2
from tritonnet.kernels.space import WARPS, Space, fitting
from tritonnet.kernels.strided import copy_to

POINTERS = 5
CHUNKS = Space(BLOCK=[256, 512, 1024, 2048, 4096], num_warps=WARPS,
               where=lambda BLOCK, num_warps, elements: fitting(BLOCK, num_warps, elements, 16))
STEP, COUNT, GROUP, COLUMNS = POINTERS, POINTERS + 1, POINTERS + 2, POINTERS + 3
KEPT = 8  # tables per cache
FILLS = 4  # words of settings that are filled in one by one; more are uploaded


class Table(typing.NamedTuple):
    """A table, and what a launch over it needs."""

    memory: object  # int64: all of it
    rows: object  # (chunks, COLUMNS)
    chunks: int
    elements: int
    steps: object  # (arrays,): addresses of the step counts, or None
    arrays: int
    block: int
    aligned: bool

    def config(self, kernel, dtype) -> dict:
        """BLOCK and num_warps of a kernel that walks over its chunks: the tuned ones, or how the table was made."""
        return tuning.chosen(kernel, self.memory.device, dtype, self.elements) or {"BLOCK": self.block, "num_warps": 4}


def lasting(shape, dtype, device):
    """Memory for `upload_when_possible`: nothing else in the graph being captured writes to it."""
    owner = device.pool.take(math.prod(shape) * dtype.itemsize, "", fresh=True)
    return DeviceArray(owner.ptr, shape, c_strides(shape), dtype, device, owner)


def upload_when_possible(array, values):
    """Upload now, or when the capture that is under way has ended."""
    arena = array.device.pool.capturing
    if arena is None:
        upload(array, values)
    else:
        arena.afterwards.append(lambda: upload(array, values))


def dense(x) -> bool:
    """Whether x fills its memory, its axes in any order."""
    step = 1
    for stride, n in sorted((s, n) for s, n in zip(x.strides, x.shape) if n != 1):
        if stride != step:
            return False
        step *= n
    return True


class Cache:
    """Tables by the addresses they hold; the last few.

    They share one piece of memory: a new allocation for each would move the gradients of the next step elsewhere, and
    no table would be met again.
    """

    def __init__(self):
        self.kept, self.memory = collections.OrderedDict(), None

    def of(self, columns, groups, steps=None):
        """(table, pairs of array and copy): the table of these lists of arrays.

        What is not dense, or not laid out as its parameter, is copied; such tables are not kept. A step that is being
        captured gets a table of its own, which lives as long as the graph.
        """
        key = (*[(a.ptr, a.strides) for column in columns for a in column], *[p.shape for p in columns[0]], *groups)
        capturing = columns[0][0].device.pool.capturing
        if capturing is not None:
            capturing.hold(*itertools.chain(*columns, steps or ()))
        table = None if capturing else self.kept.get(key)
        if table is not None:
            self.kept.move_to_end(key)
            return table, ()
        columns, copies = _alike(columns)
        if copies or capturing:
            return made(columns, groups, steps), copies
        table = self.kept[key] = made(columns, groups, steps, self._place)
        return table, copies

    def _place(self, words, device):
        """Memory for so many words: the place of the oldest table, once there are as many as are kept."""
        if self.memory is None or self.memory.shape[1] != words:
            self.kept.clear()
            self.memory = empty((KEPT, words), np.dtype(np.int64), device)
        if len(self.kept) < KEPT:
            return self.memory[len(self.kept)]
        return self.kept.popitem(last=False)[1].memory


class Fused:
    """What one optimizer keeps on one device for one kernel: tables, settings of its groups, a counter of programs.

    shown: the settings of launches from Python.  captured: those of the last launch that was captured, which have
    memory of their own: a graph may hold several steps with a rate each.
    """

    def __init__(self):
        self.tables, self.shown, self.captured, self.ticket = Cache(), None, None, None

    def launch(self, kernel, columns, groups, row, settings, steps=None, scale=None, found=None, **flags):
        """Launch `kernel` over lists of arrays of one type each: parameters, gradients, state.

        groups: per parameter the number of its `settings`, a list of tuples, which `row` turns into the kernel's.
        steps: step counts (float32).  scale: gradients are divided by this number (on the device).  found: where this
        is not 0 nothing changes.
        """
        table, copies = self.tables.of(columns, groups, steps)
        first = columns[0][0]
        if self.ticket is None:
            self.ticket = to_device(np.zeros(1, np.int32), first.device)
        if first.device.pool.capturing is None:
            self.shown = shown = self.shown or Settings(row)
        else:
            self.captured = shown = Settings(row)
        shown.show(settings, first)
        kernel[(table.chunks,)](
            table.rows, table.steps, self.ticket, shown.memory, scale, found, table.arrays, table.elements,
            P=first.dtype, G=columns[1][0].dtype, S=columns[-1][0].dtype, SETTINGS=shown.memory.shape[1],
            ACC=accumulator(first.dtype), ALIGNED=table.aligned, **flags, **table.config(kernel, first.dtype))
        for array, copy in copies:
            copy_to(array, copy)


class Settings:
    """What a kernel reads of the groups' settings, in device memory. `row` makes the kernel's numbers of a group's."""

    def __init__(self, row):
        self.row, self.settings, self.values, self.memory = row, None, None, None

    def show(self, settings, like=None):
        """Bring settings to the device if they have changed. like: an array there, where memory may be needed.

        A few numbers, a schedule's rates, are filled in one by one: that needs no memory to copy from and never waits.
        """
        if settings == self.settings:
            return
        like = self.memory if like is None else like
        values = np.array([self.row(*group) for group in settings], accumulator(like.dtype))
        if self.memory is None or self.memory.shape != values.shape:
            self.memory = lasting(values.shape, values.dtype, like.device)
            upload_when_possible(self.memory, values)
        else:
            before, after = (x.reshape(-1).view(np.uint32) for x in (self.values, values))
            changed = np.flatnonzero(before != after)
            if len(changed) > FILLS:
                upload_when_possible(self.memory, values)
            else:
                device = like.device
                for i in changed.tolist():
                    device.driver.fill(self.memory.ptr + 4 * i, after[i], 1, device.stream.handle)
        self.settings, self.values = settings, values


def _alike(columns):
    """(columns, copies): every array laid out densely, and as its parameter; pairs to copy back."""
    changed, copies = [list(column) for column in columns], []
    for i, p in enumerate(columns[0]):
        if dense(p) and all(column[i].strides == p.strides for column in columns):
            continue
        for k, column in enumerate(columns):
            if not column[i].contiguous:
                changed[k][i] = column[i].copy()
                copies.append((column[i], changed[k][i]))
    return changed, copies


def made(columns, groups, steps=None, place=None) -> Table:
    """The table of arrays that are dense and alike from list to list. place: gives the memory for so many words."""
    device, sizes = columns[0][0].device, np.array([a.size for a in columns[0]], np.int64)
    total = int(sizes.sum())
    if device.simulated:
        block = chunk = min(65536, next_power_of_2(int(sizes.max())))
    else:
        block = 1024
        chunk = min(max(next_power_of_2(total // (8 * device.multi_processor_count)), 2 * block), 65536)
    per = -(-sizes // chunk)
    which = np.repeat(np.arange(len(sizes)), per)
    start = (np.arange(len(which)) - np.repeat(np.cumsum(per) - per, per)) * chunk
    rows, aligned = np.zeros((len(which), COLUMNS), np.int64), True
    for k, column in enumerate(columns):
        addresses = np.array([a.ptr for a in column], np.int64)
        aligned = aligned and not (addresses % 16).any()
        rows[:, k] = addresses[which] + start * column[0].itemsize
    rows[:, COUNT] = np.minimum(chunk, sizes[which] - start)
    rows[:, GROUP] = np.asarray(groups, np.int64)[which]
    counts = np.zeros(0 if steps is None else len(sizes), np.int64)
    if steps is not None:
        counts[:] = [s.ptr for s in steps]
        rows[:, STEP] = counts[which]
    words = np.zeros(-(-(rows.size + counts.size) // 32) * 32, np.int64)  # each table begins at a multiple of 256 bytes
    words[:rows.size], words[rows.size:rows.size + counts.size] = rows.reshape(-1), counts
    memory = place(words.size, device) if place else lasting(words.shape, words.dtype, device)
    upload_when_possible(memory, words)
    shown = memory[:rows.size].reshape(rows.shape), memory[rows.size:rows.size + counts.size]
    return Table(memory, shown[0], len(rows), total, shown[1] if counts.size else None, len(sizes), block, aligned)


@jit
def value(p, at, mask, ACC: tl.constexpr):
    """Elements of an array; all of them where there is no mask."""
    if mask is None:
        return tl.load(p + at).to(ACC)
    else:
        return tl.load(p + at, mask=mask, other=0).to(ACC)


@jit
def pointer(row, k, TYPE: tl.constexpr, ALIGNED: tl.constexpr):
    """Pointer number k of a row. Told that it is a multiple of 16, the compiler loads 16 bytes at a time."""
    p = tl.load(row + k).to(tl.pointer_type(TYPE))
    if ALIGNED:
        p = tl.multiple_of(p, 16)
    return p


@jit
def over_chunk(UPDATE: tl.constexpr, FLAGS: tl.constexpr, table, steps, ticket, settings, scale, found, arrays,
               P: tl.constexpr, G: tl.constexpr, S: tl.constexpr, SETTINGS: tl.constexpr, ACC: tl.constexpr,
               ALIGNED: tl.constexpr, BLOCK: tl.constexpr):
    """UPDATE on the chunk of this program's row (columns: POINTERS, STEP, COUNT, GROUP); then count the step."""
    row = table + tl.program_id(0).to(tl.int64) * 8
    p, g = pointer(row, 0, P, ALIGNED), pointer(row, 1, G, ALIGNED)
    s0, s1, s2 = pointer(row, 2, S, ALIGNED), pointer(row, 3, S, ALIGNED), pointer(row, 4, S, ALIGNED)
    count = tl.load(row + 6).to(tl.int32)
    settings += tl.load(row + 7) * SETTINGS
    inverse = tl.full((), 1, ACC)
    if scale is not None:
        inverse = 1 / tl.load(scale).to(ACC)
    changed = 1
    if found is not None:
        changed = tl.where(tl.load(found) == 0, 1, 0)
        count *= changed
    step = tl.full((), 0, tl.float32)
    if steps is not None:
        step += tl.load(tl.load(row + 5).to(tl.pointer_type(tl.float32))) + 1
    whole = count // BLOCK * BLOCK
    for start in range(0, whole, BLOCK):  # without a mask, whose bound is not known to be a multiple of 16
        UPDATE(p, g, s0, s1, s2, start + tl.arange(0, BLOCK), None, settings, step, inverse, FLAGS, ACC)
    at = whole + tl.arange(0, BLOCK)
    UPDATE(p, g, s0, s1, s2, at, at < count, settings, step, inverse, FLAGS, ACC)
    if steps is not None:
        tl.debug_barrier()
        if tl.atomic_add(ticket, 1) == tl.num_programs(0) - 1:  # the last program: all have read their step
            for i in range(0, arrays, 64):
                array = i + tl.arange(0, 64)
                inside = array < arrays * changed
                counts = tl.load(steps + array, mask=inside, other=0).to(tl.pointer_type(tl.float32))
                tl.store(counts, tl.load(counts, mask=inside, other=0) + 1, mask=inside)
            tl.store(ticket, 0)


@jit
def put(p, at, value, mask):
    """Store; everywhere where there is no mask."""
    if mask is None:
        tl.store(p + at, value)
    else:
        tl.store(p + at, value, mask=mask)
