"""Updates of one parameter on the host: in pieces that stay in the cache, in both threads where it pays."""

from __future__ import annotations

import functools

import numpy as np

from tritonnet.kernels.dtypes import HALVES, float32
from tritonnet.kernels.runtime.host import SPLIT, parallel

SMALL = 1 << 14  # elements up to which nothing is cut
ALONE, TOGETHER = 1 << 14, 1 << 16  # elements per piece on one thread and on several


@functools.lru_cache(maxsize=64)
def scalar(value, dtype):
    """A number as NumPy takes it in the least time."""
    return np.array(value, dtype)


def each(update, arrays, *settings):
    """update(*arrays, *settings), in place in all arrays but the second (the gradient); None among them stays None.

    Half precision is computed in float32 and rounded once.
    """
    p, n = arrays[0], arrays[0].size
    if n <= SMALL and p.itemsize >= 4:
        update(*arrays, *settings)
        return
    if p.dtype in HALVES:
        wide = [None if a is None else a.astype(float32) for a in arrays]
        each(update, wide, *settings)
        for k, (array, new) in enumerate(zip(arrays, wide)):
            if array is not None and k != 1:
                array[...] = new
        return
    if not all(a is None or a.flags.c_contiguous for a in arrays):
        update(*arrays, *settings)
        return
    flat = [None if a is None else a.reshape(-1) for a in arrays]
    parallel(lambda i, j: update(*[None if a is None else a[i:j] for a in flat], *settings), n, n,
             piece=TOGETHER if 2 * n >= 2 * SPLIT else ALONE)
