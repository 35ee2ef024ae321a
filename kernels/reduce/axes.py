"""Which axes a reduction covers, and the shape of its result."""

from __future__ import annotations


def normal_axes(axis, ndim: int) -> tuple[int, ...]:
    """Sorted axes from the front; None and () are all of them. IndexError for one that is not there."""
    if axis is None or axis == ():
        return tuple(range(ndim))
    if type(axis) is int and -ndim <= axis < ndim:
        return (axis % ndim,)
    n, given = max(ndim, 1), axis if isinstance(axis, (tuple, list)) else (axis,)
    for a in given:
        if not -n <= a < n:
            raise IndexError(f"Dimension out of range (expected to be in range of [{-n}, {n - 1}], but got {a})")
    axes = sorted(int(a) % n for a in given)
    for a, b in zip(axes, axes[1:]):
        if a == b:
            raise RuntimeError(f"dim {a} appears multiple times in the list of dims")
    return tuple(axes) if ndim else ()


def reduced_shape(shape, axes, keepdims: bool) -> tuple[int, ...]:
    """The result's shape."""
    if keepdims:
        return tuple(1 if i in axes else n for i, n in enumerate(shape))
    return tuple(n for i, n in enumerate(shape) if i not in axes)


def count(shape, axes) -> int:
    """How many elements become one."""
    n = 1
    for a in axes:
        n *= shape[a]
    return n


def not_empty(name: str, shape, axes) -> None:
    """Refuse to look for an extreme of nothing."""
    for a in axes:
        if shape[a] == 0:
            raise IndexError(f"{name}(): Expected reduction dim {a} to have non-zero size.")
