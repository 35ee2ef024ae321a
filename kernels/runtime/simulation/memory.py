"""The heap as one launch sees it: virtual addresses checked and turned into real ones."""

import numpy as np

from tritonnet.kernels.runtime.errors import OutOfBounds, Uninitialised, UseAfterFree
from tritonnet.kernels.runtime.interpret.memory import Memory
from tritonnet.kernels.runtime.simulation.heap import SHIFT


class LaunchMemory(Memory):
    """`arguments`: the pointer arguments by name, to tell where a stray came from."""

    shift = SHIFT

    def __init__(self, kernel_name, heap, arguments):
        super().__init__(kernel_name)
        self.heap, self.arguments = heap, arguments

    def find(self, number):
        return self.heap.find(number << SHIFT)

    def _resolve(self, block, base, active, here, itemsize, what, real, lanes, shape):
        def complain(error, which, offsets, why):
            via = [n for n, ptr in self.arguments.items() if self.heap.find(ptr) is block] or ["a pointer in memory"]
            shown = ", ".join(f"lane {tuple(int(i) for i in np.unravel_index(lane, shape))} -> element "
                              f"{int(offset) // itemsize}" for lane, offset in zip(lanes[here[which]][:4], offsets))
            more = f", and {which.sum() - 4} more" if which.sum() > 4 else ""
            raise error(f"{self._where()}: {what} {why} {block}, through {' or '.join(via)}: {which.sum()} of "
                        f"{len(lanes)} active lanes, counting elements of {itemsize} bytes: {shown}{more}")

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
        real[here] = offsets.view(np.uint64) + np.uint64(block.array.ctypes.data)

    def _look_up(self, active, here, itemsize, what, real, lanes, shape):
        lane = tuple(int(i) for i in np.unravel_index(lanes[here[0]], shape))
        raise OutOfBounds(f"{self._where()}: {what} at address {int(active[here[0]]):#x} (lane {lane}), which belongs "
                          f"to no block: null, a host address or garbage")
