"""The BLAS that NumPy brings: how many threads it may use, and the update by a column times a row, which NumPy lacks.

Both are asked of the library itself, where it is an OpenBLAS that shows its functions; elsewhere products are left to
its own threads and the update is done in two passes.
"""
from __future__ import annotations

import contextlib
import ctypes
import functools
import glob
import os
import threading

import numpy as np

ROW_MAJOR = 101


class Blas:
    """NumPy's OpenBLAS, if it is one that can be told its number of threads (`known`).

    `with blas(): ...` runs it on one thread (only if known).  ger: {element type: A += a x y'}, where it has that.
    """

    def __init__(self):
        self.users, self.saved, self.lock, self.ger = 0, 1, threading.Lock(), {}
        self.get = self.set = None
        for library, name in _libraries():
            if hasattr(library, name % "openblas_set_num_threads"):
                self.get, self.set = (getattr(library, name % f"openblas_{do}_num_threads") for do in ("get", "set"))
                self.get.restype, self.get.argtypes = ctypes.c_int, ()
                self.set.restype, self.set.argtypes = None, (ctypes.c_int,)
                self._find_updates(library, name)
                break
        self.known = self.set is not None

    def _find_updates(self, library, name):
        """The rank-one updates. Whole numbers pass in registers and words of 64 bits, also where BLAS reads but 32."""
        n, p = ctypes.c_int64, ctypes.c_void_p
        for dtype, letter, real in ((np.float32, "s", ctypes.c_float), (np.float64, "d", ctypes.c_double)):
            update = getattr(library, name % f"cblas_{letter}ger", None)
            if update is not None:
                update.restype, update.argtypes = None, (ctypes.c_int, n, n, real, p, n, p, n, p, n)
                self.ger[np.dtype(dtype)] = update

    def __enter__(self):
        """One thread from here on; several callers may overlap, the last to leave restores the count."""
        with self.lock:
            if self.users == 0:
                self.saved = self.get()
                if self.saved != 1:
                    self.set(1)
            self.users += 1

    def __exit__(self, *exception):
        with self.lock:
            self.users -= 1
            if self.users == 0 and self.saved != 1:
                self.set(self.saved)


def _libraries():
    """(library, pattern of its names) of each OpenBLAS in NumPy's folders or in this process."""
    here = os.path.dirname(np.__file__)
    files = [f for folder in (here + ".libs", os.path.join(here, ".dylibs"), os.path.join(here, ".libs"))
             for f in glob.glob(os.path.join(glob.escape(folder), "*openblas*"))]
    with contextlib.suppress(OSError), open("/proc/self/maps") as maps:     # NumPy built against a system library
        files += sorted({line.split()[-1] for line in maps if "openblas" in line})
    for file in files:
        with contextlib.suppress(OSError):
            library = ctypes.CDLL(file)
            for name in ("scipy_%s64_", "scipy_%s", "%s64_", "%s"):
                yield library, name


@functools.cache
def blas():
    """The one `Blas`, found at the first call."""
    return Blas()


def add_outer(a, x, y):
    """a += x y' in one pass over a, where NumPy takes two or three.

    a: (m, n), float32 or float64.  x: m elements, y: n elements of the same type.  All in C order, and writeable.
    Whether 0 times an infinity adds NaN or nothing is the library's choice.
    """
    update = blas().ger.get(a.dtype)
    if update is None:
        with np.errstate(all="ignore"):
            a += x.reshape(-1, 1) * y.reshape(-1)
    elif a.size:
        m, n = a.shape
        update(ROW_MAJOR, m, n, 1.0, _address(x), 1, _address(y), 1, _address(a), n)


def _address(a):
    """Where an array begins, in a sixth of the time of `a.ctypes.data`."""
    return ctypes.addressof(ctypes.c_char.from_buffer(a))


def fresh_lock():
    """After a fork: nobody of the parent's threads is inside."""
    if blas.cache_info().currsize:
        blas().lock, blas().users = threading.Lock(), 0
