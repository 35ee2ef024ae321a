"""The interpreter's memory: virtual addresses, bounds checks, loads and stores on NumPy arrays.

Array k is given the virtual base  TAG | k << 44 | 1 << 43 | (real address mod 4096). Pointer arithmetic may stray
8 TiB either way before it would reach another array's range, so the address alone names the argument, and an
overrun is found even where the next array happens to lie right behind in real memory. Addresses without the tag
(read from a pointer table) are looked up among the real ranges of the arrays known.
"""
import numpy as np
from triton._C.libtriton import interpreter as native

from tritonnet.kernels.runtime.errors import OutOfBounds, Uninitialised
from tritonnet.kernels.runtime.interpret.places import here as line_of_kernel
from tritonnet.kernels.runtime.interpret.watching import Access, Piece, in_words, lane

TAG, SHIFT = 1 << 62, 44
BITS = {1: np.uint8, 2: np.uint16, 4: np.uint32, 8: np.uint64}


class Block:
    """One array. written: which of its bytes somebody wrote, from the lowest address on; None: all of them."""

    def __init__(self, name, array, base, written=None):
        self.name, self.array, self.base, self.written = name, array, base, written
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
        self.watchers, self.pieces = [], []  # see watching.py; of the access under way

    def add(self, name, array, written=None):
        if not array.flags.aligned:
            raise ValueError(f"kernel {self.kernel_name!r}: {name!r} is misaligned: its address is no multiple of the "
                             f"{array.itemsize} bytes of {array.dtype}, which is a fault on a GPU; pass a copy")
        base = TAG | len(self.blocks) << SHIFT | 1 << (SHIFT - 1) | array.ctypes.data & 4095
        self.blocks.append(Block(name, array, base, written))
        return base

    def find(self, number):
        """The block that addresses of this number belong to, or None."""
        index = number - (TAG >> SHIFT)
        return self.blocks[index] if 0 <= index < len(self.blocks) else None

    def load(self, pointers, mask, other, dtype):
        real = self.translate(pointers, mask, dtype.itemsize, "load")
        bits = BITS[dtype.itemsize]
        other = np.broadcast_to(other, pointers.shape)
        values = native.load(real, mask, np.ascontiguousarray(other).view(bits), np.dtype(bits)).view(dtype)
        if self.watchers:
            self.tell("load", mask, values)
        return values

    def store(self, pointers, value, mask):
        real = self.translate(pointers, mask, value.dtype.itemsize, "store")
        value = np.ascontiguousarray(np.broadcast_to(value, pointers.shape))
        if self.watchers:
            self.tell("store", np.broadcast_to(mask, pointers.shape), value)
        native.store(real, value.view(BITS[value.dtype.itemsize]), mask)

    def undefined(self, dtype):
        """What a lane that a load masks off without `other` holds; anything on a GPU."""
        return np.zeros((), dtype)

    def tell(self, kind, mask, values, order="relaxed"):
        """Tell the watchers of the access whose addresses were translated last."""
        pieces, self.pieces = self.pieces, []
        mask, values = np.broadcast_to(mask, values.shape), np.asarray(values)
        access = Access(kind, self.builder.grid_idx, line_of_kernel(), pieces, values.shape, mask, values, order)
        for watcher in self.watchers:
            watcher.access(access)

    def where_in(self, block):
        """(region, offset, bytes): a region of memory is the same for arguments that overlap."""
        start, end = block.real + block.low, block.real + block.high
        grown = True
        while grown:
            low, high = start, end
            for other in self.blocks:
                if other.real + other.low < end and other.real + other.high > start:
                    start, end = min(start, other.real + other.low), max(end, other.real + other.high)
            grown = (low, high) != (start, end)
        start &= ~15  # so that offsets are aligned where addresses are
        return start, block.real - start, end - start

    def called(self, block) -> str:
        """A block in messages."""
        return repr(block.name)

    def element(self, block, offset, itemsize) -> str:
        """An element in messages: 'x[3, 4]', or its number where it lies outside."""
        index = index_of(block.array, np.array([offset]))
        return f"{block.name}[{', '.join(str(int(i[0])) for i in index)}]" if block.array.ndim else block.name

    def translate(self, pointers, mask, itemsize, what):
        """Virtual to real addresses, raising where an active lane is out of bounds; masked lanes become 0."""
        pointers, mask = np.asarray(pointers), np.broadcast_to(mask, pointers.shape)
        lanes = np.flatnonzero(mask)
        self.pieces.clear()
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
            raise self.error(ValueError, f"{what} into read-only array {block.name!r}")
        if block.written is not None:
            self._initialised(block, offsets, itemsize, what, lanes[here], shape)
        if self.watchers:
            self.pieces.append(Piece(block, offsets, lanes[here]))
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
            raise self.error(OutOfBounds, f"{what} at address {int(active[left[0]]):#x} (lane "
                             f"{lane(lanes[left[0]], shape)}), which belongs to no argument; pass arrays behind "
                             f"pointer tables as reachable=[...]")

    def _initialised(self, block, offsets, itemsize, what, lanes, shape):
        """Complain of reading what nobody wrote; note what is written."""
        spans = offsets[:, None] - block.low + np.arange(itemsize)
        if what != "store" and (fresh := ~block.written[spans].all(axis=1)).any():
            raise self.error(Uninitialised, f"{what} of elements of {block.name!r} that nobody wrote: "
                             + self._shown(block, offsets[fresh], lanes[fresh], len(lanes), shape, self.element))
        if what != "load":
            block.written[spans] = True

    def _complain(self, block, offsets, lanes, active, what, shape):
        array = block.array
        raise self.error(OutOfBounds, f"{what} out of bounds of {block.name!r} ({array.dtype}{list(array.shape)}, "
                         f"{array.size} elements): " + self._shown(
                             block, offsets, lanes, active, shape, lambda b, o, size: f"element {int(o) // size}"))

    def _shown(self, block, offsets, lanes, active, shape, name):
        """The first lanes of those that went wrong."""
        shown = ", ".join(f"lane {lane(n, shape)} -> {name(block, offset, block.array.itemsize)}"
                          for n, offset in zip(lanes[:4], offsets))
        more = f", and {len(lanes) - 4} more" if len(lanes) > 4 else ""
        return f"{len(lanes)} of {active} active lanes: {shown}{more}"

    def error(self, kind, what):
        """An exception that says where."""
        return kind(in_words(f"kernel {self.kernel_name!r}, program {self.builder.grid_idx}: {what}", line_of_kernel()))


def index_of(array, offsets):
    """The indices, one array per axis, of the elements that lie so many bytes behind an array's first."""
    left, index = np.array(offsets, np.int64), [None] * array.ndim
    for n, stride in zip(array.shape, array.strides):
        left += (n - 1) * -stride if stride < 0 and n else 0
    for axis in sorted(range(array.ndim), key=lambda a: (-abs(array.strides[a]), array.shape[a] == 1)):
        n, stride = array.shape[axis], array.strides[axis]
        if n <= 1 or stride == 0:
            index[axis] = np.zeros_like(left)
            continue
        at, left = np.divmod(left, abs(stride))
        index[axis] = n - 1 - at if stride < 0 else at
    return tuple(index)
