"""Host arrays that nobody has written yet: what a kernel may not read."""

from __future__ import annotations

import numpy as np

from tritonnet.kernels.dtypes import TRITON_NAMES

NAN, ODD = 0xFF, 0xA5  # bytes: NaN in every float type; a number that nobody writes by chance in integers


class Fresh(np.ndarray):
    """An array with a record of which bytes were written, by kernels or through indexing; views share it."""

    def __array_finalize__(self, parent):
        self.root = getattr(parent, "root", None)

    def __setitem__(self, key, value):
        super().__setitem__(key, value)
        if self.root is not None and self.size:
            root, written, _ = self.root
            start = self.ctypes.data - root.ctypes.data
            here = np.lib.stride_tricks.as_strided(written[start:], (*self.shape, self.itemsize), (*self.strides, 1))
            index = np.arange(self.size).reshape(self.shape)[key]
            here[np.unravel_index(np.asarray(index), self.shape)] = True

    def fill(self, value):
        """As ndarray.fill."""
        self[...] = value


def garbage(dtype) -> np.ndarray:
    """What memory that nobody wrote may hold, 0-d: NaN, an odd number, or True."""
    byte = 1 if dtype.kind == "b" else NAN if dtype.kind in "fV" else ODD
    return np.full(dtype.itemsize, byte, np.uint8).view(dtype).reshape(())


def uninitialised(shape, dtype=np.float32) -> np.ndarray:
    """An array for `kernels.interpret`, where reading what was not written before raises Uninitialised.

    shape: int or tuple. It is full of NaN (integers: odd numbers), but not the values decide: a record of the bytes
    written does, so that integers are checked, too, and a NaN that a kernel stores is a value like any other. Writing
    by indexing (`x[3:] = 0`) counts; so does any other way of changing elements wider than a byte (np.copyto, out=).
    Raises TypeError for a dtype that kernels do not know.
    """
    dtype = np.dtype(dtype)
    if dtype not in TRITON_NAMES:
        raise TypeError(f"uninitialised: Triton does not know {dtype}; it knows "
                        f"{', '.join(d.name for d in TRITON_NAMES)}")
    plain = np.full(shape, garbage(dtype), dtype)
    array = plain.view(Fresh)
    array.root = plain, np.zeros(plain.nbytes, bool), plain.reshape(-1).view(np.uint8).copy()
    return array


def written(array) -> np.ndarray | None:
    """Which bytes of an array were written, from its lowest address on; None: all of them, or it has no record."""
    root = getattr(array, "root", None)
    if root is None or not array.size or not np.may_share_memory(array, root[0]):
        return None
    plain, record, poison = root
    if array.itemsize > 1:  # changed by NumPy in a way that shows in the contents only
        size = plain.itemsize
        changed = (plain.reshape(-1).view(np.uint8) != poison).reshape(-1, size).any(axis=1)
        record |= np.repeat(changed, size)
    low, high = np.lib.array_utils.byte_bounds(array)
    start = low - plain.ctypes.data
    return record[start:start + high - low]
