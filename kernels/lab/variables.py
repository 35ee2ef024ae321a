"""What the names in an interpreted kernel hold, as NumPy knows it, and in one line of text."""

from __future__ import annotations

import typing

import numpy as np
import triton.language as tl


class Pointers(typing.NamedTuple):
    """Addresses: elements (of the type pointed to) from the first element of an argument."""

    argument: str
    offsets: np.ndarray  # int64, of the tensor's shape


def seen(value, memory):
    """A tensor as an array (0-d where it is a scalar), pointers as Pointers, constants as what they are."""
    if isinstance(value, tl.constexpr):
        return value.value
    if isinstance(value, (tuple, list, tl.tuple)):
        return tuple(seen(v, memory) for v in value)
    if not isinstance(value, tl.tensor):
        return value
    data = np.asarray(value.handle.data)
    data = data if value.type.is_block() else data.reshape(())
    if not value.dtype.is_ptr():
        return data
    block = memory.find(int(data.flat[0]) >> memory.shift) if data.size else None
    if block is None:
        return data
    itemsize = max(value.dtype.element_ty.primitive_bitwidth // 8, 1)
    offsets = np.asarray(data - np.uint64(block.base)).view(np.int64) // itemsize
    return Pointers(block.name, np.asarray(offsets))


def same(a, b) -> bool:
    """Whether a name still holds the same."""
    if isinstance(a, Pointers) and isinstance(b, Pointers):
        return a.argument == b.argument and same(a.offsets, b.offsets)
    if isinstance(a, np.ndarray) and isinstance(b, np.ndarray):
        return a is b or (a.dtype == b.dtype and a.shape == b.shape and bool((a == b).all()))
    return a is b or (type(a) is type(b) and bool(a == b))


def in_a_line(value) -> str:
    """A value, shortened.

    >>> in_a_line(np.arange(100))
    'int64[100]  0 1 2 … 97 98 99'
    >>> in_a_line(np.array([True, False, True]))
    'bool[3]  2 of 3 true'
    """
    if isinstance(value, Pointers):
        lanes = str(list(value.offsets.shape)) if value.offsets.ndim else ""
        return f"pointer{lanes}  {value.argument} + {in_a_line(value.offsets).partition('  ')[2]}"
    if not isinstance(value, np.ndarray):
        return getattr(value, "__name__", None) or str(value)
    kind = f"{value.dtype}{list(value.shape) if value.ndim else ''}"
    if value.dtype == bool and value.size > 1:
        return f"{kind}  {np.count_nonzero(value)} of {value.size} true"
    flat = value.reshape(-1)
    ends = [flat] if flat.size <= 8 else [flat[:3], flat[-3:]]
    return f"{kind}  " + " … ".join(" ".join(_number(x) for x in part) for part in ends)


def _number(x) -> str:
    return f"{float(x):.4g}" if x.dtype.kind in "fV" else str(x)
