"""Which shape operands broadcast to, and in which order memory is walked."""

from __future__ import annotations


def broadcast(*shapes) -> tuple:
    """The shape that all of these repeat to; RuntimeError where two sizes differ and neither is 1."""
    first = shapes[0]
    if all(shape == first for shape in shapes):
        return first
    ndim = max(map(len, shapes))
    result = [1] * ndim
    for shape in shapes:
        for axis, n in enumerate(shape, ndim - len(shape)):
            if result[axis] == 1:
                result[axis] = n
            elif n != 1 and n != result[axis]:
                raise RuntimeError(f"The size of tensor a ({result[axis]}) must match the size of tensor b ({n}) at "
                                   f"non-singleton dimension {axis}")
    return tuple(result)


def steps(shape, of, strides) -> list[int]:
    """The strides of an operand of shape `of` walked over `shape`: 0 where it is repeated."""
    missing = len(shape) - len(of)
    return [0] * missing + [0 if n == 1 else s for n, s in zip(of, strides)]


def memory_order(shape, operands) -> tuple:
    """The axes from slowest to fastest, by the operands' strides (as `steps` gives them); the first operand decides.

    This is how PyTorch keeps channels-last arrays channels-last: axes are sorted by the stride of the first operand
    that is not repeated along either of two axes; C order where none decides.
    """
    axes = list(range(len(shape)))[::-1]  # fastest first

    def faster(a, b):
        """Whether axis b must come before axis a: 1 yes, -1 no, 0 it does not matter."""
        for strides in operands:
            s, t = abs(strides[a]), abs(strides[b])
            if s and t and s != t:
                return 1 if s > t else -1
            if s and t and shape[a] > shape[b]:
                return 1
        return 0

    for i in range(1, len(axes)):
        at = i
        for before in range(i - 1, -1, -1):
            verdict = faster(axes[before], axes[at])
            if verdict > 0:
                axes[before], axes[at] = axes[at], axes[before]
                at = before
            elif verdict < 0:
                break
    return tuple(axes[::-1])
