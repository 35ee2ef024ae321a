"""Whether numba's loops serve for an array: the extra `tritonnet[numba]`, imported when the first big array comes."""

from __future__ import annotations

import functools
import importlib.util
import os
import warnings

import numpy as np

WORTH = 1 << 14  # elements from which a loop gains more than its call costs


def loops_for(x):
    """The module `kernels.loops` if its functions serve for an array of this size and type, else None."""
    return loops() if x.dtype == np.float32 and x.size >= WORTH else None


@functools.cache
def loops():
    """The module, or None: numba is not installed or does not work here, or TRITONNET_NUMBA=0 says no."""
    if os.environ.get("TRITONNET_NUMBA") == "0" or importlib.util.find_spec("numba") is None:
        return None
    try:
        from tritonnet.kernels import loops
    except Exception as error:  # numba refuses a NumPy that is newer than it
        warnings.warn(f"numba is installed but cannot be used, NumPy alone serves: {error}")
        return None
    return loops
