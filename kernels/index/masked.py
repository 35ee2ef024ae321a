"""Filling where a mask is true:  y = value where mask, else x."""

from __future__ import annotations

import numpy as np

from tritonnet.kernels.arrays import is_host
from tritonnet.kernels.dtypes import is_float
from tritonnet.kernels.elementwise import where


def in_type_of(x, value):
    """A number, or an array without axes, as it is written into x: a float would make integers floats."""
    if not isinstance(value, (bool, int, float)):
        return value.astype(x.dtype)
    return value if is_float(x.dtype) else x.dtype.type(value).item()


def masked_fill(x, mask, value):
    """value where mask, else x, in x's type. mask broadcasts with x; value: a number, or an array without axes."""
    return where(mask, in_type_of(x, value), x)


def fill_into(x, mask, value):
    """The same in place; mask broadcasts to x's shape."""
    value = in_type_of(x, value)
    if is_host(x):
        np.copyto(x, value, where=mask)
    else:
        where(mask, value, x, out=x)
