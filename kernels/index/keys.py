"""Keys of advanced indexing: what they select, and how they are checked.

A key is a tuple of `slice(None)` and arrays of integers or bools, at most one entry per axis. A bool array of d axes
stands for the d arrays of coordinates where it is true. The arrays broadcast together; their common axes replace
the indexed ones, in place where these are neighbours, else in front.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from tritonnet.kernels.arrays import is_host
from tritonnet.kernels.arrays.views import reshaped_strides
from tritonnet.kernels.index.nonzero import flat_nonzero, nonzero


class Plan(NamedTuple):
    """What a key does to an array of some shape."""

    axes: tuple  # those that are indexed
    indices: tuple  # an array of integers for each of them
    common: tuple  # the shape of these broadcast together
    position: int  # where the common axes stand in the result
    rest: tuple  # the axes that stay
    shape: tuple  # of the result


def out_of_bounds(index, axis, n):
    """PyTorch's words for a bad index."""
    return f"index {index} is out of bounds for dimension {axis} with size {n}"


def check_bounds(index, axis, n, wrap=False, error=IndexError):
    """Raise unless all of a host array of integers lies in [0, n), in [-n, n) if negative ones count from the end."""
    if index.size and (index.max() >= n or index.min() < (-n if wrap else 0)):
        bad = index[(index >= n) | (index < (-n if wrap else 0))]
        raise error(out_of_bounds(bad.flat[0], axis, n))


def check_mask(mask, axis, shape):
    """Raise unless the mask has the shape of the axes from `axis` on."""
    if mask.shape != shape[axis:axis + mask.ndim]:
        raise IndexError(f"The shape of the mask {list(mask.shape)} at index {axis} does not match the shape of the "
                         f"indexed tensor {list(shape)} at index {axis}")


def plan(key, shape) -> Plan:
    """The plan of a key; raises IndexError where the key does not fit. Masks on a device make the host wait for it."""
    axes, indices, axis = [], [], 0
    for k in key:
        if isinstance(k, slice):
            axis += 1
            continue
        width = k.ndim if k.dtype == np.bool_ else 1
        if axis + width > len(shape):
            raise IndexError(f"too many indices for tensor of dimension {len(shape)}")
        if k.dtype == np.bool_:
            check_mask(k, axis, shape)
        indices += nonzero(k) if k.dtype == np.bool_ else [k]
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
    return Plan(tuple(axes), tuple(indices), common, position, rest, (*kept[:position], *common, *kept[position:]))


def placed(p: Plan, rest, common):
    """What belongs to the axes that stay and to the common ones, in the order of the result's axes."""
    return (*rest[:p.position], *common, *rest[p.position:])


def neighbours(p: Plan, ndim) -> Plan:
    """The plan for an array whose axes were brought into the order placed(p, p.rest, p.axes)."""
    axes = tuple(range(p.position, p.position + len(p.axes)))
    return p._replace(axes=axes, rest=tuple(a for a in range(ndim) if a not in axes))


def resolve(x, key):
    """(x, key, whether no element is selected twice) with masks on a device replaced by integers; waits for it then.

    The axes of a single mask are made one where that is a view of x: one index array instead of several.
    """
    given = [k for k in key if not isinstance(k, slice)]
    masks = [k for k in given if k.dtype == np.bool_]
    distinct = len(given) == 1 == len(masks)
    if is_host(x) or not masks:
        return x, key, distinct
    if distinct:
        before = next(i for i, k in enumerate(key) if k is masks[0])
        check_mask(masks[0], before, x.shape)
        shape = (*x.shape[:before], masks[0].size, *x.shape[before + masks[0].ndim:])
        strides = reshaped_strides(x.shape, x.strides, shape)
        if strides is not None:
            return x.view(shape, strides), (slice(None),) * before + (flat_nonzero(masks[0]),), True
    p = plan(key, x.shape)
    found = dict(zip(p.axes, p.indices))
    return x, tuple(found.get(a, slice(None)) for a in range(p.axes[-1] + 1)), distinct
