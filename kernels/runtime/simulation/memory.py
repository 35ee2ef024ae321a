"""The heap as one launch sees it: virtual addresses checked and turned into real ones."""

import numpy as np

from tritonnet.kernels.runtime.errors import OutOfBounds, Uninitialised, UseAfterFree
from tritonnet.kernels.runtime.interpret.memory import Memory
from tritonnet.kernels.runtime.interpret.watching import Piece, lane
from tritonnet.kernels.runtime.simulation.heap import SHIFT


class LaunchMemory(Memory):
    """`arguments`: the pointer arguments by name, to tell where a stray came from."""

    shift = SHIFT

    def __init__(self, kernel_name, heap, arguments):
        super().__init__(kernel_name)
        self.heap, self.arguments = heap, arguments

    def find(self, number):
        return self.heap.find(number << SHIFT)

    def where_in(self, block):
        """(region, offset, bytes) of a block: an allocation of its own."""
        return block.number, 0, block.nbytes

    def called(self, block) -> str:
        """A block in messages."""
        via = [n for n, ptr in self.arguments.items() if self.heap.find(ptr) is block] or ["a pointer in memory"]
        return f"{block}, through {' or '.join(via)}"

    def element(self, block, offset, itemsize) -> str:
        """An element in messages."""
        return f"element {int(offset) // itemsize}"

    def _resolve(self, block, base, active, here, itemsize, what, real, lanes, shape):
        def complain(error, which, offsets, why):
            shown = ", ".join(f"lane {lane(n, shape)} -> {self.element(block, offset, itemsize)}"
                              for n, offset in zip(lanes[here[which]][:4], offsets))
            more = f", and {which.sum() - 4} more" if which.sum() > 4 else ""
            raise self.error(error, f"{what} {why} {self.called(block)}: {which.sum()} of {len(lanes)} active lanes, "
                             f"counting elements of {itemsize} bytes: {shown}{more}")

        offsets = (active[here] - np.uint64(base)).view(np.int64)
        if block.freed:
            complain(UseAfterFree, np.ones(len(offsets), bool), offsets, "of freed")
        bad = (offsets < 0) | (offsets + itemsize > block.nbytes)
        if bad.any():
            complain(OutOfBounds, bad, offsets[bad], "outside")
        block.touch(self.heap.track_writes)
        if self.heap.track_writes:
            spans = offsets[:, None] + np.arange(itemsize)
            if what != "store":
                unwritten = ~block.written[spans].all(axis=1)
                if unwritten.any():
                    complain(Uninitialised, unwritten, offsets[unwritten], "of never written elements of")
            if what != "load":
                block.written[spans] = True
        if self.watchers:
            self.pieces.append(Piece(block, offsets, lanes[here]))
        real[here] = offsets.view(np.uint64) + np.uint64(block.array.ctypes.data)

    def _look_up(self, active, here, itemsize, what, real, lanes, shape):
        raise self.error(OutOfBounds, f"{what} at address {int(active[here[0]]):#x} (lane "
                         f"{lane(lanes[here[0]], shape)}), which belongs to no block: null, a host address or garbage")
