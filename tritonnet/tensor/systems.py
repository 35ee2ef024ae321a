"""Systems with triangular matrices and Cholesky factors, exponentials of matrices, solutions with a word on success."""

from __future__ import annotations

import math
import typing

import tritonnet
from tritonnet.autograd.ops.factor import Cholesky, Inverse, Solve, check_square
from tritonnet.kernels.factor import LinAlgError

__all__ = ["cholesky_inverse", "cholesky_solve", "matrix_exp"]


def solve_triangular(A, B, *, upper, left=True, unitriangular=False):
    """X with A X = B (X A = B unless left), A triangular (…, N, N): what lies in its other triangle does not count.

    unitriangular: nor does its diagonal, which counts as ones.
    """
    check_square("linalg.solve_triangular", A.array)
    if B.ndim < 2 or A.shape[-1] != B.shape[-2 if left else -1]:
        raise RuntimeError("linalg.solve_triangular: Incompatible shapes of A and B for the equation "
                           f"{'AX' if left else 'XA'} = B ({'x'.join(map(str, A.shape[-2:]))} and "
                           f"{'x'.join(map(str, B.shape[-2:]))})")
    if unitriangular:
        A = (A.triu(1) if upper else A.tril(-1)) + tritonnet.eye(A.shape[-1], dtype=A.dtype, device=A.device)
    else:
        A = A.triu() if upper else A.tril()
    if not left:
        return solve_triangular(A.mT, B.mT, upper=not upper).mT
    batch = tritonnet.broadcast_shapes(A.shape[:-2], B.shape[:-2])
    return Solve.apply(A.expand(*batch, *A.shape[-2:]), B.expand(*batch, *B.shape[-2:]))


def cholesky_solve(B, L, upper=False):
    """X with A X = B, where A = L L^T (U^T U, if upper): B (…, N, K), L (…, N, N)."""
    for name, x in (("b", B), ("u", L)):
        if x.ndim < 2:
            raise RuntimeError(f"{name} should have at least 2 dimensions, but has {x.ndim} dimensions instead")
    first = solve_triangular(L.mT if upper else L, B, upper=False)
    return solve_triangular(L if upper else L.mT, first, upper=True)


def cholesky_inverse(L, upper=False):
    """A^-1 of A = L L^T (U^T U, if upper)."""
    check_square("cholesky_inverse", L.array)
    eye = tritonnet.eye(L.shape[-1], dtype=L.dtype, device=L.device)
    return cholesky_solve(eye.expand(L.shape), L, upper)


def matrix_exp(A):
    """The sum of A^k / k! of square matrices: 18 terms of the series for A / 2^s, squared s times."""
    check_square("linalg.matrix_exp", A.array)
    eye = tritonnet.eye(A.shape[-1], dtype=A.dtype, device=A.device).expand(A.shape)
    if not A.numel():
        return A * 1
    size = A.detach().abs().sum(-1).amax().item()
    if not math.isfinite(size):
        return A * math.nan
    squarings = max(0, math.ceil(math.log2(size))) + 1 if size else 0
    A = A / 2**squarings
    found = eye
    for k in range(18, 0, -1):  # Horner's scheme
        found = eye + (A @ found) / k
    for _ in range(squarings):
        found = found @ found
    return found


class WithInfo(typing.NamedTuple):
    """A result, and 0 where it could be computed, 1 where not."""

    result: object
    info: object


def with_info(op, *args):
    """op(*args) and 0; where that fails, NaN and 1 for all matrices of the stack."""
    shape = args[0].shape[:-2]
    try:
        return WithInfo(op.apply(*args), tritonnet.zeros(shape, dtype=tritonnet.int32, device=args[0].device))
    except LinAlgError:
        failed = tritonnet.full(shape, 1, dtype=tritonnet.int32, device=args[0].device)
        return WithInfo(args[-1] * math.nan, failed)


def inv_ex(A, *, check_errors=False):
    """(inverse, info): instead of an error for singular matrices, info 1 and NaN."""
    return WithInfo(Inverse.apply(A), tritonnet.zeros(A.shape[:-2], dtype=tritonnet.int32)) if check_errors else (
        with_info(Inverse, A))


def cholesky_ex(A, *, upper=False, check_errors=False):
    """(L, info): instead of an error for matrices that are not positive definite, info 1 and NaN."""
    if check_errors:
        Cholesky.apply(A.detach())
    found = with_info(Cholesky, A)
    return WithInfo(found.result.mT, found.info) if upper else found


class Systems:
    """The functions of this file as methods of Tensor."""

    __slots__ = ()


for _f in (cholesky_inverse, cholesky_solve, matrix_exp):
    setattr(Systems, _f.__name__, _f)
