"""The interpreter's memory: virtual addresses, bounds checks, loads and stores on NumPy arrays.

Array k is given the virtual base  TAG | k << 44 | 1 << 43 | (real address mod 4096). Pointer arithmetic may stray
8 TiB either way before it would reach another array's range, so the address alone names the argument, and an
overrun is found even where the next array happens to lie right behind in real memory. Addresses without the tag
(read from a pointer table) are looked up among the real ranges of the arrays known.
"""
import numpy as np
from triton._C.libtriton import interpreter as native

from tritonnet.kernels.runtime.errors import OutOfBounds

TAG, SHIFT = 1 << 62, 44
BITS = {1: np.uint8, 2: np.uint16, 4: np.uint32, 8: np.uint64}


class Block:
    def __init__(self, name, array, base):
        self.name, self.array, self.base = name, array, base
        self.real = array.ctypes.data
        low, high = np.lib.array_utils.byte_bounds(array) if array.size else (self.real, self.real)
        self.low, self.high = low - self.real, high - self.real  # valid offsets, relative to the first element
        self.valid = None
        if array.size and not (array.flags.c_contiguous or array.flags.f_contiguous):  # a view with gaps
            self.valid = np.zeros(high - low, bool)
            np.lib.stride_tricks.as_strided(self.valid[-self.low:], array.shape, array.strides)[...] = True

    def wrong(self, offsets, itemsize):
        bad = (offsets < self.low) | (offsets + itemsize > self.high)
        if self.valid is not None:
            bad |= ~self.valid[np.clip(offsets - self.low, 0, self.valid.size - 1)]
        return bad


class Memory:
    shift = SHIFT  # address bits below the block's number

    def __init__(self, kernel_name):
        self.kernel_name, self.blocks = kernel_name, []
        self.builder = None  # the interpreter's, which knows the program running

    def add(self, name, array):
        base = TAG | len(self.blocks) << SHIFT | 1 << (SHIFT - 1) | array.ctypes.data & 4095
        self.blocks.append(Block(name, array, base))
        return base

    def find(self, number):
        """The block that addresses of this number belong to, or None."""
        index = number - (TAG >> SHIFT)
        return self.blocks[index] if 0 <= index < len(self.blocks) else None

    def load(self, pointers, mask, other, dtype):
        real = self.translate(pointers, mask, dtype.itemsize, "load")
        bits = BITS[dtype.itemsize]
        other = np.broadcast_to(other, pointers.shape)
        return native.load(real, mask, np.ascontiguousarray(other).view(bits), np.dtype(bits)).view(dtype)

    def store(self, pointers, value, mask):
        real = self.translate(pointers, mask, value.dtype.itemsize, "store")
        value = np.ascontiguousarray(np.broadcast_to(value, pointers.shape))
        native.store(real, value.view(BITS[value.dtype.itemsize]), mask)

    def translate(self, pointers, mask, itemsize, what):
        """Virtual to real addresses, raising where an active lane is out of bounds; masked lanes become 0."""
        pointers, mask = np.asarray(pointers), np.broadcast_to(mask, pointers.shape)
        lanes = np.flatnonzero(mask)
        active = pointers.reshape(-1)[lanes]
        real = np.zeros(active.shape, np.uint64)
        tags = active >> np.uint64(self.shift)
        one = len(tags) and (tags == tags[0]).all()  # nearly always: all lanes point into the same argument
        for tag in tags[:1] if one else np.unique(tags):
            here = np.arange(len(tags)) if one else np.flatnonzero(tags == tag)
            block = self.find(int(tag))
            if block is not None:
                self._resolve(block, block.base, active, here, itemsize, what, real, lanes, pointers.shape)
            else:
                self._look_up(active, here, itemsize, what, real, lanes, pointers.shape)
        out = np.zeros(pointers.size, np.uint64)
        out[lanes] = real
        return out.reshape(pointers.shape)

    def _resolve(self, block, base, active, here, itemsize, what, real, lanes, shape):
        offsets = (active[here] - np.uint64(base)).view(np.int64)
        bad = block.wrong(offsets, itemsize)
        if bad.any():
            self._complain(block, offsets[bad], lanes[here[bad]], len(lanes), what, shape)
        if what != "load" and not block.array.flags.writeable:
            raise ValueError(f"{self._where()}: {what} into read-only array {block.name!r}")
        real[here] = offsets.view(np.uint64) + np.uint64(block.real)

    def _look_up(self, active, here, itemsize, what, real, lanes, shape):
        """Real addresses, read from memory by the kernel."""
        left = here
        for block in self.blocks:
            start, end = block.real + block.low, block.real + block.high
            inside = (active[left] >= np.uint64(start)) & (active[left] < np.uint64(end))
            if inside.any():
                self._resolve(block, block.real, active, left[inside], itemsize, what, real, lanes, shape)
            left = left[~inside]
        if len(left):
            lane = tuple(int(i) for i in np.unravel_index(lanes[left[0]], shape))
            raise OutOfBounds(f"{self._where()}: {what} at address {int(active[left[0]]):#x} (lane {lane}), which "
                              f"belongs to no argument; pass arrays behind pointer tables as reachable=[...]")

    def _complain(self, block, offsets, lanes, active, what, shape):
        array, size = block.array, block.array.itemsize
        shown = ", ".join(f"lane {tuple(int(i) for i in np.unravel_index(lane, shape))} -> element "
                          f"{int(offset) // size}" for lane, offset in list(zip(lanes, offsets))[:4])
        more = f", and {len(lanes) - 4} more" if len(lanes) > 4 else ""
        raise OutOfBounds(f"{self._where()}: {what} out of bounds of {block.name!r} ({array.dtype}{list(array.shape)}, "
                          f"{array.size} elements): {len(lanes)} of {active} active lanes: {shown}{more}")

    def _where(self):
        return f"kernel {self.kernel_name!r}, program {self.builder.grid_idx}"
