"""Keys of advanced indexing: what they select, and how they are checked.

A key is a tuple of `slice(None)` and arrays of integers or bools, at most one entry per axis. A bool array of d axes
stands for the d arrays of coordinates where it is true. The arrays broadcast together; their common axes replace
the indexed ones, in place where these are neighbours, else in front.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from tritonnet.kernels.arrays import contiguous
from tritonnet.kernels.arrays.views import reshaped_strides
from tritonnet.kernels.index.nonzero import nonzero


class Plan(NamedTuple):
    """What a key does to an array of some shape."""

    axes: tuple  # those that are indexed
    indices: tuple  # an array of integers for each of them
    common: tuple  # the shape of these broadcast together
    position: int  # where the common axes stand in the result
    rest: tuple  # the axes that stay
    shape: tuple  # of the result
    unique: bool  # whether no element can be selected twice


def out_of_bounds(index, axis, n):
    """PyTorch's words for a bad index."""
    return f"index {index} is out of bounds for dimension {axis} with size {n}"


def check_bounds(index, axis, n, wrap=False, error=IndexError):
    """Raise unless all of a host array of integers lies in [0, n), or in [-n, n) if negative ones count from the end."""
    if index.size and (index.max() >= n or index.min() < (-n if wrap else 0)):
        bad = index[(index >= n) | (index < (-n if wrap else 0))]
        raise error(out_of_bounds(bad.flat[0], axis, n))


def plan(key, shape) -> Plan:
    """The plan of a key; raises IndexError where the key does not fit. Finding true elements waits for the device."""
    axes, indices, masks = [], [], 0
    axis = 0
    for k in key:
        if isinstance(k, slice):
            axis += 1
            continue
        width = k.ndim if k.dtype == np.bool_ else 1
        if axis + width > len(shape):
            raise IndexError(f"too many indices for tensor of dimension {len(shape)}")
        if k.dtype == np.bool_:
            if k.shape != shape[axis:axis + width]:
                raise IndexError(f"The shape of the mask {list(k.shape)} at index {axis} does not match the shape of "
                                 f"the indexed tensor {list(shape)} at index {axis}")
            indices += nonzero(k)
            masks += 1
        else:
            indices.append(k)
        axes += range(axis, axis + width)
        axis += width
    try:
        common = np.broadcast_shapes(*[i.shape for i in indices])
    except ValueError:
        shapes = ", ".join(str(list(i.shape)) for i in indices)
        raise IndexError(
            f"shape mismatch: indexing tensors could not be broadcast together with shapes {shapes}") from None
    neighbours = axes[-1] - axes[0] == len(axes) - 1
    position = axes[0] if neighbours else 0
    rest = tuple(a for a in range(len(shape)) if a not in axes)
    kept = [shape[a] for a in rest]
    if math.prod(common) and any(shape[a] == 0 for a in axes):
        raise IndexError("index is out of bounds for dimension with size 0")
    return Plan(tuple(axes), tuple(indices), common, position, rest, (*kept[:position], *common, *kept[position:]),
                masks == 1 and len(indices) == len(axes) == sum(k.ndim for k in key if not isinstance(k, slice)))


def placed(p: Plan, rest, common):
    """What belongs to the axes that stay and to the common ones, in the order of the result's axes."""
    return (*rest[:p.position], *common, *rest[p.position:])


def neighbours(p: Plan, ndim) -> Plan:
    """The plan for an array whose axes were brought into the order placed(p, p.rest, p.axes)."""
    axes = tuple(range(p.position, p.position + len(p.axes)))
    return p._replace(axes=axes, rest=tuple(a for a in range(ndim) if a not in axes))


def merge_masked(x, key):
    """A device array and a key with the axes of a single mask made one, where that is a view: fewer index arrays."""
    masks = [k for k in key if not isinstance(k, slice)]
    if len(masks) != 1 or masks[0].dtype != np.bool_ or masks[0].ndim < 2:
        return x, key
    before = next(i for i, k in enumerate(key) if k is masks[0])
    after = before + masks[0].ndim
    if masks[0].shape != x.shape[before:after]:
        return x, key  # plan() raises
    shape = (*x.shape[:before], masks[0].size, *x.shape[after:])
    strides = reshaped_strides(x.shape, x.strides, shape)
    if strides is None:
        return x, key
    return x.view(shape, strides), (slice(None),) * before + (contiguous(masks[0]).reshape(-1),)
