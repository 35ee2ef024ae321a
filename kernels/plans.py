"""Plans: what of a launch follows from shapes alone, worked out once.

    @planned
    def copy_plan(device, shape, strides, dtype):        # a device, then what can be hashed; no arrays
        variant, grid = copy_kernel.variant(device, …), …
        return lambda y, x: variant(grid, y, x, *numbers)

    copy_plan(x.device, x.shape, x.strides, x.dtype)(y, x)

Tiles, variants, grids, strides and the shapes of results are looked up in a dictionary from the second call on; a call
only puts the addresses in. Plans are kept on their device and die with it. They hold tuned configurations, so all of
them are forgotten when one changes.
"""

from __future__ import annotations

import functools
import math

from tritonnet.kernels.arrays.device_array import DeviceArray
from tritonnet.kernels.arrays.views import c_strides
from tritonnet.kernels.runtime.devices import alive

MOST = 4096  # plans of a device, before it starts anew

_elsewhere: list[dict] = []


def planned(make):
    """Decorate a function (device, *what) of hashable values: its result is kept until configurations change."""

    @functools.wraps(make)
    def plan(device, *what):
        plans, key = device.plans, (make, what)
        found = plans.get(key)
        if found is None:
            if len(plans) >= MOST:
                plans.clear()
            found = plans[key] = make(device, *what)
        return found

    return plan


def forget():
    """Make all plans anew: a configuration that they may have taken has changed."""
    for device in list(alive):
        device.plans = {}  # not cleared: a plan that another thread is making belongs to the old ones
    for found in _elsewhere:
        found.clear()


def elsewhere() -> dict:
    """A dictionary for plans that are kept by who makes them: emptied when all others are forgotten."""
    _elsewhere.append({})
    return _elsewhere[-1]


def fresh(device, shape, dtype, strides=None):
    """A function that gives uninitialised arrays of this shape; strides: of another memory order, dense too."""
    shape, strides = tuple(shape), c_strides(tuple(shape)) if strides is None else strides
    take, nbytes = device.pool.take, math.prod(shape) * dtype.itemsize

    def make():
        owner = take(nbytes, "")
        return DeviceArray(owner.ptr, shape, strides, dtype, device, owner)

    return make
