"""Questions about tensors: their kind, their type, whether they agree."""

from __future__ import annotations

from tritonnet import dtypes as dt
from tritonnet.kernels import dtypes
from tritonnet.tensor.core import Tensor

__all__ = ["is_tensor", "is_floating_point", "is_complex", "is_nonzero", "numel", "result_type", "promote_types",
           "can_cast", "equal", "allclose", "isclose"]


def is_tensor(x) -> bool:
    """Whether x is a Tensor."""
    return isinstance(x, Tensor)


def is_floating_point(x) -> bool:
    """Whether the element type is a floating-point one."""
    return x.is_floating_point()


def is_complex(x) -> bool:
    """Never: there are no complex types."""
    return False


def is_nonzero(x) -> bool:
    """The truth of a tensor of one element."""
    return bool(x)


def numel(x) -> int:
    """The number of elements."""
    return x.numel()


def result_type(a, b):
    """The element type that an operation on a and b (tensors or numbers) gives."""
    return dt.from_numpy_dtype(dtypes.result_type(*(x.array if isinstance(x, Tensor) else x for x in (a, b))))


def promote_types(a, b):
    """The smallest element type that holds both."""
    return dt.from_numpy_dtype(dtypes.promote(dt.numpy_dtype(a), dt.numpy_dtype(b)))


def can_cast(source, to) -> bool:
    """Whether a result of one type may be written into another: not from float to integer, nor from integer to bool."""
    return dtypes.category(dt.numpy_dtype(source)) <= dtypes.category(dt.numpy_dtype(to))


def isclose(x, other, rtol=1e-05, atol=1e-08, equal_nan=False):
    """Per element: |x - other| <= atol + rtol |other|."""
    if x.dtype is not other.dtype:
        raise RuntimeError(f"{x.dtype} did not match {other.dtype}")
    close = x == other
    if x.is_floating_point():
        x, other = x.detach(), other.detach()
        finite = x.isfinite() & other.isfinite()
        close = close | (finite & ((x - other).abs() <= atol + rtol * other.abs()))
        if equal_nan:
            close = close | (x.isnan() & other.isnan())
    return close


def allclose(x, other, rtol=1e-05, atol=1e-08, equal_nan=False) -> bool:
    """Whether all elements are close."""
    return bool(isclose(x, other, rtol, atol, equal_nan).all())


def equal(x, other) -> bool:
    """Whether shape and all elements are the same."""
    return tuple(x.shape) == tuple(other.shape) and bool((x == other).all())


for _f in (equal, allclose, isclose, is_nonzero):
    setattr(Tensor, _f.__name__, _f)
