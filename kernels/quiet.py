"""Mirrors that say nothing about infinities and NaN, which are results like any other, at the price of one call.

np.errstate would cost as much as the arithmetic of a small array, so NumPy's warnings are filtered; where they are
errors the mirror is run anew with np.errstate.
"""

from __future__ import annotations

import functools
import warnings

import numpy as np

warnings.filterwarnings("ignore", category=RuntimeWarning, module=r"tritonnet\.kernels\.")


def quietly(mirror):
    """Decorate a mirror that changes none of its arguments."""

    @functools.wraps(mirror)
    def quiet(*args):
        try:
            return mirror(*args)
        except (RuntimeWarning, FloatingPointError):
            with np.errstate(all="ignore"):
                return mirror(*args)

    return quiet


@functools.lru_cache(maxsize=256)
def number(value, dtype):
    """A number as an array of this type, which NumPy takes in less time than a Python number."""
    made = np.array(value, dtype)
    made.flags.writeable = False
    return made
