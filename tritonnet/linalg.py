"""`torch.linalg`: norms, systems, decompositions.

Matrices are decomposed on the host by LAPACK; what is on a device is brought there and back. inv, solve, det, slogdet,
cholesky, and what is made of them, have gradients; eigenvalues, singular values and QR have none, and say so.
"""

from __future__ import annotations

import numpy as np

import tritonnet
from tritonnet.autograd.autocast import LOW, listed
from tritonnet.autograd.function import make
from tritonnet.autograd.mode import state
from tritonnet.autograd.ops.factor import Cholesky, Det, Inverse, LogDet, Solve, check_square
from tritonnet.kernels.factor import LinAlgError, on_host
from tritonnet.tensor import products
from tritonnet.tensor.products import matrix_power, tensordot
from tritonnet.tensor.reduce import norm as _norm

__all__ = ["LinAlgError", "cholesky", "cond", "cross", "det", "diagonal", "eigh", "eigvalsh", "inv", "lstsq",
           "matmul", "matrix_norm", "matrix_power", "matrix_rank", "multi_dot", "norm", "pinv", "qr", "slogdet",
           "solve", "svd", "svdvals", "tensordot", "vander", "vecdot", "vector_norm"]

matmul, vander = tritonnet.matmul, tritonnet.vander


class _Named(tuple):
    """Results by name and by position."""

    def __new__(cls, names, values):
        made = super().__new__(cls, values)
        made.__dict__.update(zip(names, values))
        return made

    def __repr__(self):
        return "tritonnet.return_types(\n" + "".join(f"{n}={v},\n" for n, v in self.__dict__.items()) + ")"


def _decomposed(name, function, a):
    """Results of a NumPy function, without gradients."""
    if a.ndim < 2:
        raise RuntimeError(f"{name}: The input tensor A must have at least 2 dimensions.")
    if state.grad and a.requires_grad:
        raise NotImplementedError(f"{name} has no gradient: give it a.detach()")
    try:
        found = on_host(function)(a.array)
    except np.linalg.LinAlgError as error:
        raise LinAlgError(f"{name}: {error}") from None
    return tuple(make(f) for f in found) if isinstance(found, tuple) else make(found)


def inv(A):
    """The inverse of (…, N, N)."""
    return Inverse.apply(A)


def solve(A, B, *, left=True):
    """X with A X = B (X A = B unless left); B: (…, N, K), or (…, N) for one right side."""
    if not left:
        return solve(A.mT, B.mT).mT
    vector = B.ndim == 1 or B.ndim == A.ndim - 1 and tuple(B.shape) == tuple(A.shape[:-1])
    found = Solve.apply(A, B.unsqueeze(-1) if vector else B)
    return found.squeeze(-1) if vector else found


def det(A):
    """The determinant of (…, N, N)."""
    return Det.apply(A)


def slogdet(A):
    """(sign, logabsdet): det A = sign exp(logabsdet)."""
    return _Named(("sign", "logabsdet"), LogDet.apply(A))


def cholesky(A, *, upper=False):
    """The lower (upper) triangular L with L L^T = A (U^T U = A)."""
    found = Cholesky.apply(A)
    return found.mT if upper else found


def eigh(A, UPLO="L"):
    """(eigenvalues, eigenvectors) of symmetric matrices, in ascending order."""
    check_square("linalg.eigh", A.array)
    return _Named(("eigenvalues", "eigenvectors"),
                  _decomposed("linalg.eigh", lambda a: tuple(np.linalg.eigh(a, UPLO)), A))


def eigvalsh(A, UPLO="L"):
    """The eigenvalues of symmetric matrices."""
    return eigh(A, UPLO)[0]


def svd(A, full_matrices=True):
    """(U, S, Vh) with A = U diag(S) Vh, S in descending order."""
    return _Named(("U", "S", "Vh"), _decomposed("linalg.svd", lambda a: tuple(np.linalg.svd(a, full_matrices)), A))


def svdvals(A):
    """The singular values, in descending order."""
    return _decomposed("linalg.svdvals", lambda a: np.linalg.svd(a, compute_uv=False), A)


def qr(A, mode="reduced"):
    """(Q, R) with A = Q R; mode: "reduced", "complete" or "r" (Q empty)."""
    if mode == "r":
        return _Named(("Q", "R"), (A.new_empty(0), _decomposed("linalg.qr", lambda a: np.linalg.qr(a, "r"), A)))
    return _Named(("Q", "R"), _decomposed("linalg.qr", lambda a: tuple(np.linalg.qr(a, mode)), A))


def _tolerance(s, shape, atol, rtol):
    eps = tritonnet.finfo(s.dtype).eps
    atol = 0.0 if atol is None else atol
    rtol = (0.0 if atol else max(shape[-2:]) * eps) if rtol is None else rtol
    largest = s.amax(-1, keepdim=True)
    return tritonnet.maximum(largest * rtol, tritonnet.full_like(largest, atol))


def pinv(A, *, atol=None, rtol=None, hermitian=False):
    """The pseudo-inverse (…, N, M) of (…, M, N)."""
    U, S, Vh = svd(A, full_matrices=False)
    kept = _tolerance(S, A.shape, atol, rtol) < S
    inverse = tritonnet.where(kept, 1 / S.masked_fill(~kept, 1.0), tritonnet.zeros_like(S))
    return Vh.mT @ (inverse.unsqueeze(-1) * U.mT)


def matrix_rank(A, *, atol=None, rtol=None, hermitian=False):
    """How many singular values are not (nearly) zero."""
    S = svdvals(A)
    return (_tolerance(S, A.shape, atol, rtol) < S).sum(-1)


def lstsq(A, B, rcond=None, *, driver=None):
    """(solution, residuals, rank, singular_values) of least squares: the X that makes |A X - B| least."""
    vector = B.ndim == A.ndim - 1
    right = B.unsqueeze(-1) if vector else B
    solution = pinv(A, rtol=rcond) @ right
    M, N = A.shape[-2:]
    rank = matrix_rank(A)
    full = M > N and bool((rank == N).all())
    residuals = (A @ solution - right).square().sum(-2) if full else A.new_empty(0)
    solution = solution.squeeze(-1) if vector else solution
    return _Named(("solution", "residuals", "rank", "singular_values"), (solution, residuals, rank, A.new_empty(0)))


def cond(A, p=None):
    """|A| |A^-1| in the norm p, by default the largest over the least singular value."""
    if p is None or p == 2:
        S = svdvals(A)
        return S[..., 0] / S[..., -1]
    if p == -2:
        S = svdvals(A)
        return S[..., -1] / S[..., 0]
    return matrix_norm(A, p) * matrix_norm(inv(A), p)


def vector_norm(x, ord=2, dim=None, keepdim=False, *, dtype=None):
    """(sum |x|^ord)^(1/ord), of everything or along dim."""
    return _norm(x, float(ord), dim, keepdim, dtype=dtype)


def matrix_norm(A, ord="fro", dim=(-2, -1), keepdim=False, *, dtype=None):
    """A norm of matrices: "fro", "nuc", 1, -1 (columns), inf, -inf (rows), 2, -2 (singular values)."""
    A = A if dtype is None else A.to(dtype)
    rows, columns = (d % A.ndim for d in dim)
    if ord == "fro":
        return _norm(A, 2, (rows, columns), keepdim)
    if ord in ("nuc", 2, -2):
        S = svdvals(A.movedim((rows, columns), (-2, -1)))
        found = S.sum(-1) if ord == "nuc" else S.amax(-1) if ord == 2 else S.amin(-1)
    elif ord in (1, -1, float("inf"), float("-inf")):
        summed, other = (rows, columns) if abs(ord) == 1 else (columns, rows)
        sums = A.abs().sum(summed, keepdim=True)
        found = (sums.amax if ord > 0 else sums.amin)((rows, columns))
    else:
        raise RuntimeError(f"linalg.matrix_norm: Order {ord} not supported.")
    return found.unsqueeze(min(rows, columns)).unsqueeze(max(rows, columns)) if keepdim else found


def norm(A, ord=None, dim=None, keepdim=False, *, dtype=None):
    """The 2-norm of all elements; vector_norm along an int dim; matrix_norm over two, or of a matrix with an ord."""
    matrix = isinstance(dim, (tuple, list)) and len(dim) == 2 or dim is None and A.ndim == 2
    if ord is not None and matrix:
        return matrix_norm(A, ord, (-2, -1) if dim is None else tuple(dim), keepdim, dtype=dtype)
    if isinstance(ord, str):
        raise RuntimeError("linalg.norm: If dim is not specified but ord is, the input must be 1D or 2D. Got "
                           f"{A.ndim}D.")
    return vector_norm(A, 2 if ord is None else ord, dim, keepdim, dtype=dtype)


def cross(input, other, *, dim=-1):
    """The cross product of vectors along dim."""
    return products.cross(input, other, dim)


@listed(cuda=LOW, cpu=LOW)
def vecdot(x, y, *, dim=-1):
    """Sums of products along dim."""
    return (x * y).sum(dim)


def multi_dot(tensors):
    """The product of several matrices."""
    return tritonnet.chain_matmul(*tensors)


def diagonal(A, *, offset=0, dim1=-2, dim2=-1):
    """A diagonal of each matrix."""
    return A.diagonal(offset, dim1, dim2)
