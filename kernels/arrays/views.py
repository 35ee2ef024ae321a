"""Shapes and strides (in elements), as numbers only: what views of an array look like."""

from __future__ import annotations

import functools
import math
import operator


@functools.lru_cache(maxsize=1 << 14)
def c_strides(shape) -> tuple:
    """The strides of a dense array in C order."""
    strides, step = [], 1
    for n in reversed(shape):
        strides.append(step)
        step *= n
    return tuple(reversed(strides))


@functools.lru_cache(maxsize=1 << 14)
def is_contiguous(shape, strides) -> bool:
    """Whether elements lie densely in C order; axes of length 1 may have any stride."""
    step = 1
    for n, stride in zip(reversed(shape), reversed(strides)):
        if n != 1:
            if stride != step:
                return 0 in shape
            step *= n
    return True


def permutation(axes, ndim) -> tuple:
    """Axes as non-negative numbers, each once; () is all of them reversed."""
    if not axes:
        return tuple(range(ndim))[::-1]
    if sorted(a % ndim if -ndim <= a < ndim else ndim for a in axes) != list(range(ndim)):
        raise ValueError(f"transpose: {tuple(axes)} is no permutation of {ndim} axes")
    return tuple(a % ndim for a in axes)


def completed(shape, size) -> tuple:
    """A shape with its -1 worked out; raises ValueError where the sizes do not match."""
    shape = tuple(map(operator.index, shape))
    known = math.prod(n for n in shape if n != -1)
    if shape.count(-1) == 1 and known and size % known == 0:
        shape = tuple(size // known if n == -1 else n for n in shape)
    if math.prod(shape) != size or -1 in shape:
        raise ValueError(f"cannot reshape {size} elements to {shape}")
    return shape


def reshaped_strides(shape, strides, new) -> tuple | None:
    """The strides of a view of another shape, or None if there is none.

    Axes of the old and the new shape are matched in groups of equal size; within a group the old axes must lie
    densely behind each other.
    """
    if 0 in shape or is_contiguous(shape, strides):
        return c_strides(new)
    old = [(n, s) for n, s in zip(shape, strides) if n != 1]
    result, at = [], 0
    i = 0
    while i < len(new):
        if new[i] == 1:
            result.append(1)
            i += 1
            continue
        count, j = new[i], i + 1
        group, total = [old[at]], old[at][0]
        at += 1
        while total != count:
            if total < count:
                group.append(old[at])
                total *= old[at][0]
                at += 1
            else:
                count *= new[j]
                j += 1
        for (_, outer), (n, inner) in zip(group, group[1:]):
            if outer != n * inner:
                return None
        step = group[-1][1]
        part = []
        for n in reversed(new[i:j]):
            part.append(step)
            step *= n
        result += reversed(part)
        i = j
    return tuple(result)


def broadcast_strides(shape, strides, new) -> tuple:
    """The strides of a view repeated to a larger shape."""
    missing = len(new) - len(shape)
    if missing < 0 or any(n != m and n != 1 for n, m in zip(shape, new[missing:])):
        raise ValueError(f"cannot broadcast {shape} to {new}")
    return (0,) * missing + tuple(0 if n == 1 and m != 1 else s for n, s, m in zip(shape, strides, new[missing:]))


def indexed(shape, strides, key):
    """(shape, strides, offset) of a view by ints, slices, None and Ellipsis; raises IndexError."""
    key = key if isinstance(key, tuple) else (key,)
    taken = sum(1 for k in key if k is not None and k is not Ellipsis)
    if taken > len(shape):
        raise IndexError(f"too many indices: {taken} for an array of {len(shape)} dimensions")
    if sum(1 for k in key if k is Ellipsis) > 1:
        raise IndexError("an index can only have a single ellipsis ('...')")
    if not any(k is Ellipsis for k in key):
        key += (Ellipsis,)
    offset, new_shape, new_strides, axis = 0, [], [], 0
    for k in key:
        if k is None:
            new_shape.append(1)
            new_strides.append(0)
        elif k is Ellipsis:
            end = axis + len(shape) - taken
            new_shape += shape[axis:end]
            new_strides += strides[axis:end]
            axis = end
        else:
            n, stride = shape[axis], strides[axis]
            if isinstance(k, slice):
                chosen = range(n)[k]
                offset += stride * chosen.start if len(chosen) else 0
                new_shape.append(len(chosen))
                new_strides.append(stride * chosen.step)
            else:
                try:
                    k = operator.index(k)
                except TypeError:
                    raise IndexError(f"a view takes ints, slices, None and Ellipsis, not {type(k).__name__}; for "
                                     f"arrays of indices use kernels.index") from None
                if not -n <= k < n:
                    raise IndexError(f"index {k} is out of bounds for axis {axis} with size {n}")
                offset += stride * (k % n)
            axis += 1
    return tuple(new_shape), tuple(new_strides), offset


def span(shape, strides):
    """(lowest, highest) offset of any element; (0, -1) if there is none."""
    if 0 in shape:
        return 0, -1
    low = sum(min(0, (n - 1) * s) for n, s in zip(shape, strides))
    return low, sum(max(0, (n - 1) * s) for n, s in zip(shape, strides))
