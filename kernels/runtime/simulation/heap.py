"""The simulated device's memory: blocks in virtual ranges of their own, and every access checked.

Block k lies at  TAG | k << 36 | 1 << 35: addresses derived from it stay recognisable up to 32 GiB either side, also
when they were stored in device memory and read back (pointer tables). Numbers are not used again for long, so a
stale address names the freed block. Fresh memory is full of 0xFF bytes: NaN in every float type, -1 in signed integers.
"""
from __future__ import annotations

import collections

import numpy as np

from tritonnet.kernels.runtime.callers import caller
from tritonnet.kernels.runtime.errors import OutOfBounds, UseAfterFree

TAG, SHIFT, NUMBERS = 1 << 62, 36, 22  # bits: 36 within a block, 22 for its number, 4 for the device
REMEMBERED = 1 << 18  # freed blocks that stale addresses are recognised of


class Block:
    """One allocation."""

    __slots__ = ("number", "nbytes", "name", "freed", "base", "array", "written")

    def __init__(self, device, number, nbytes, name):
        self.number, self.nbytes, self.name, self.freed = number, nbytes, name or caller(), None
        self.base = TAG | (device << NUMBERS | number) << SHIFT | 1 << (SHIFT - 1)
        self.array = self.written = None  # made at the first access: a dry run costs no memory

    def touch(self, track_writes):
        """Make the contents, at the first access."""
        if self.array is None:
            self.array = np.full(self.nbytes, 0xFF, np.uint8)
            self.written = np.zeros(self.nbytes, bool) if track_writes else None
        return self.array

    def __str__(self):
        freed = f", freed at {self.freed}" if self.freed else ""
        return f"block {self.number} ({self.name}, {self.nbytes} bytes{freed})"


class Heap:
    """Every block in use, and the last ones freed, without contents."""

    def __init__(self, track_writes, device=0):
        self.blocks, self.track_writes, self.device, self.used = [], track_writes, device, 0
        self.freed = collections.deque()  # numbers, oldest first

    def add(self, nbytes, name):
        """A new block."""
        if nbytes > 1 << (SHIFT - 1):
            raise ValueError(f"{name or 'block'}: {nbytes} bytes; the simulated device's ranges end at 32 GiB")
        if len(self.freed) > REMEMBERED:
            number = self.freed.popleft()
        else:
            number = len(self.blocks)
            self.blocks.append(None)
        self.blocks[number] = Block(self.device, number, nbytes, name)
        self.used += nbytes
        return self.blocks[number]

    def find(self, ptr):
        """The block that an address was derived from, freed or not, or None."""
        number = (ptr >> SHIFT) - (TAG >> SHIFT | self.device << NUMBERS)
        return self.blocks[number] if 0 <= number < len(self.blocks) else None

    def free(self, ptr):
        """Give a block back; its number is not used again for long."""
        block = self.find(ptr)
        if block is None or ptr != block.base:
            raise OutOfBounds(f"free of {ptr:#x}, where no block begins{f' (inside {block})' if block else ''}")
        if block.freed:
            raise UseAfterFree(f"{block} freed again")
        block.freed, block.array, block.written = caller(), None, None
        self.used -= block.nbytes
        self.freed.append(block.number)

    def slice(self, ptr, nbytes, what):
        """The bytes themselves, for a copy or a fill, and the matching part of the record of writes."""
        block = self.find(ptr)
        if block is None:
            raise OutOfBounds(f"{what}: address {ptr:#x} belongs to no block")
        if block.freed:
            raise UseAfterFree(f"{what}: {block}")
        start = ptr - block.base
        if start < 0 or start + nbytes > block.nbytes:
            raise OutOfBounds(f"{what}: bytes {start} to {start + nbytes} of {block}")
        block.touch(self.track_writes)
        at = slice(start, start + nbytes)
        return block.array[at], block.written[at] if self.track_writes else None

    def write(self, ptr, data, what):
        """Copy bytes in."""
        target, written = self.slice(ptr, len(data), what)
        target[:] = data
        if written is not None:
            written[:] = True
