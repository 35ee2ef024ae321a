"""How shapes and dimensions are given: checked and in normal form, with PyTorch's errors."""

from __future__ import annotations

import math
import operator

from tritonnet.kernels.arrays import is_host
from tritonnet.kernels.arrays.views import reshaped_strides
from tritonnet.kernels.rows import normal_axis


def ints(args, name="size"):
    """Whole numbers given one by one, (2, 3), or as one sequence, ([2, 3],)."""
    if all([type(a) is int for a in args]):  # noqa: C419 (faster)
        return args
    if len(args) == 1 and not isinstance(args[0], int) and hasattr(args[0], "__iter__") and not _number(args[0]):
        args = args[0]
    try:
        return tuple(map(operator.index, args))
    except TypeError:
        wrong = next(a for a in args if not _number(a))
        raise TypeError(f"argument '{name}' must be a tuple of ints, but found element of type "
                        f"{type(wrong).__name__}") from None


def _number(a):
    """Whether something counts as one whole number: an int, or a tensor with a single one."""
    try:
        operator.index(a)
    except TypeError:
        return False
    return True


def dims(given, ndim):
    """Dimensions as a tuple of non-negative numbers; they are an int or a sequence of ints."""
    return tuple(normal_axis(d, ndim) for d in ints((given,), "dim"))


def distinct(axes):
    """The same tuple of dimensions, if none appears twice."""
    for a in axes:
        if axes.count(a) > 1:
            raise RuntimeError(f"dim {a} appears multiple times in the list of dims")
    return axes


def complete(shape, size):
    """A shape with its -1 worked out from the number of elements."""
    if math.prod(shape) == size and (size or 0 in shape) and all([n >= 0 for n in shape]):  # noqa: C419
        return shape
    for i, n in enumerate(shape):
        if n < -1:
            raise RuntimeError(f"invalid shape dimension {n} at index {i} of shape {list(shape)}")
    if shape.count(-1) > 1:
        raise RuntimeError("only one dimension can be inferred")
    known = math.prod(n for n in shape if n != -1)
    if -1 not in shape:
        fits = known == size
    elif known == 0:
        if size == 0:
            raise RuntimeError(f"cannot reshape tensor of 0 elements into shape {list(shape)} because the unspecified "
                               "dimension size -1 can be any value and is ambiguous")
        fits = False
    else:
        fits = size % known == 0
    if not fits:
        raise RuntimeError(f"shape '{list(shape)}' is invalid for input of size {size}")
    return tuple([size // known if n == -1 else n for n in shape])


def strides_of(array):
    """Strides in elements."""
    return tuple(s // array.itemsize for s in array.strides) if is_host(array) else array.strides


def can_view(array, shape):
    """Whether the array's elements can be seen in another shape without a copy."""
    if is_host(array) and array.flags.c_contiguous:
        return True
    return reshaped_strides(array.shape, strides_of(array), shape) is not None


def expanded(size, shape):
    """The shape that `shape` expands to: -1 in `size` keeps a length."""
    new = len(size) - len(shape)
    if new < 0:
        raise RuntimeError(f"expand: the number of sizes provided ({len(size)}) must be greater or equal to the number "
                           f"of dimensions in the tensor ({len(shape)})")
    found = []
    for i, n in enumerate(size):
        old = shape[i - new] if i >= new else None
        if n == -1:
            if old is None:
                raise RuntimeError(
                    f"The expanded size of the tensor (-1) isn't allowed in a leading, non-existing dimension {i}")
            n = old
        elif old not in (None, 1, n):
            raise RuntimeError(
                f"The expanded size of the tensor ({n}) must match the existing size ({old}) at non-singleton "
                f"dimension {i}.  Target sizes: {list(size)}.  Tensor sizes: {list(shape)}")
        found.append(n)
    return tuple(found)


def broadcast(*shapes):
    """The common shape of operands; RuntimeError where they do not broadcast."""
    common = [1] * max(map(len, shapes), default=0)
    for shape in shapes:
        for i in range(-1, -len(shape) - 1, -1):
            n = shape[i]
            if n != 1 and common[i] not in (1, n):
                raise RuntimeError(f"The size of tensor a ({common[i]}) must match the size of tensor b ({n}) at "
                                   f"non-singleton dimension {len(common) + i}")
            common[i] = n if common[i] == 1 else common[i]
    return tuple(common)
