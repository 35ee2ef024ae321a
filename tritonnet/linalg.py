"""`torch.linalg`: norms, systems, decompositions.

Matrices are decomposed on the host by LAPACK; what is on a device is brought there and back. All have gradients.
Eigenvalues of general matrices are complex numbers, which there are none of here: eig and eigvals raise.
"""

from __future__ import annotations

import math

import tritonnet
from tritonnet.autograd.autocast import LOW, listed
from tritonnet.autograd.mode import state
from tritonnet.autograd.ops.decompose import Eigh, Pinv, Qr, Svd, SvdValues, check_matrices
from tritonnet.autograd.ops.factor import Cholesky, Det, Inverse, LogDet, Solve
from tritonnet.kernels.factor import LinAlgError
from tritonnet.tensor import products
from tritonnet.tensor.products import matrix_power, tensordot
from tritonnet.tensor.reduce import norm as _norm
from tritonnet.tensor.systems import cholesky_ex, inv_ex, matrix_exp, solve_triangular

__all__ = ["LinAlgError", "cholesky", "cholesky_ex", "cond", "cross", "det", "diagonal", "eig", "eigh", "eigvals",
           "eigvalsh", "inv", "inv_ex", "lstsq", "matmul", "matrix_exp", "matrix_norm", "matrix_power", "matrix_rank",
           "multi_dot", "norm", "pinv", "qr", "slogdet", "solve", "solve_triangular", "svd", "svdvals", "tensordot",
           "tensorinv", "tensorsolve", "vander", "vecdot", "vector_norm"]

matmul = tritonnet.matmul


class _Named(tuple):
    """Results by name and by position."""

    def __new__(cls, names, values):
        made = super().__new__(cls, values)
        made.__dict__.update(zip(names, values))
        return made

    def __repr__(self):
        return "tritonnet.return_types(\n" + "".join(f"{n}={v},\n" for n, v in self.__dict__.items()) + ")"


def vander(x, *, N=None):
    """Rising powers of the last dimension's elements: (…, n) -> (…, n, N), N = n."""
    if N is not None and N <= 1:
        raise RuntimeError("N must be greater than 1.")
    x = x.reshape(1) if x.ndim == 0 else x
    powers = tritonnet.arange(x.shape[-1] if N is None else N, device=x.device)
    return x.unsqueeze(-1) ** powers


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
    """(eigenvalues, eigenvectors) of symmetric matrices, in ascending order; one triangle is read: "L" or "U"."""
    return _Named(("eigenvalues", "eigenvectors"), Eigh.apply(A, UPLO))


def eigvalsh(A, UPLO="L"):
    """The eigenvalues of symmetric matrices."""
    return Eigh.apply(A, UPLO)[0]


def eig(A):
    """Raises: eigenvalues of general matrices are complex numbers."""
    raise NotImplementedError("linalg.eig: tritonnet has no complex element types, which eigenvalues of general "
                              "matrices need: use eigh for symmetric ones")


eigvals = eig


def tensorinv(A, ind=2):
    """The inverse of A as a map from its last dimensions to its first `ind`, whose sizes have one product."""
    if ind <= 0:
        raise RuntimeError("Expected a strictly positive integer for 'ind'")
    rows, columns = A.shape[:ind], A.shape[ind:]
    if math.prod(rows) != math.prod(columns):
        raise RuntimeError("Expected self to satisfy the requirement prod(self.shape[ind:]) == prod(self.shape[:ind]), "
                           f"but got {math.prod(columns)} != {math.prod(rows)}")
    return inv(A.reshape(math.prod(rows), -1)).reshape(*columns, *rows)


def tensorsolve(A, B, dims=None):
    """X with tensordot(A, X, X.ndim) = B; dims: of A, moved to its end first."""
    if dims is not None:
        A = A.movedim(tuple(dims), tuple(range(A.ndim - len(dims), A.ndim)))
    shape = A.shape[B.ndim:]
    if math.prod(shape) != B.numel():
        raise RuntimeError("Expected self to satisfy the requirement prod(self.shape[other.ndim:]) == "
                           f"prod(self.shape[:other.ndim]), but got {math.prod(shape)} != {B.numel()}")
    return solve(A.reshape(B.numel(), -1), B.reshape(-1)).reshape(shape)


def svd(A, full_matrices=True):
    """(U, S, Vh) with A = U diag(S) Vh, S in descending order.

    Gradients of U and Vh are infinite where singular values coincide; the vectors of full_matrices beyond the
    singular values have none.
    """
    return _Named(("U", "S", "Vh"), Svd.apply(A, bool(full_matrices)))


def svdvals(A):
    """The singular values, in descending order."""
    return SvdValues.apply(A)


def qr(A, mode="reduced"):
    """(Q, R) with A = Q R; mode: "reduced", "complete" or "r" (Q empty)."""
    if mode not in ("reduced", "complete", "r"):
        raise RuntimeError(f"qr received unrecognized mode '{mode}' but expected one of 'reduced' (default), 'r', or "
                           "'complete'")
    if mode == "r" and state.grad and A.requires_grad:
        raise RuntimeError("linalg.qr: The derivative of linalg.qr depends on Q: use mode='reduced' instead of 'r'")
    Q, R = Qr.apply(A, mode == "complete")
    return _Named(("Q", "R"), (A.new_empty(0) if mode == "r" else Q, R))


def _tolerance(s, shape, atol, rtol):
    """Up to where singular values count as 0: (…,), for values (…, K)."""
    atol, rtol = (t if t is None or isinstance(t, tritonnet.Tensor) else s.new_tensor(t) for t in (atol, rtol))
    if rtol is None:
        default = s.new_tensor(max(shape[-2:]) * tritonnet.finfo(s.dtype).eps)
        rtol = default if atol is None else tritonnet.where(atol > 0, default.new_zeros(()), default)
    largest = s.amax(-1) if s.shape[-1] else s.sum(-1)
    relative = largest * rtol
    return relative if atol is None else tritonnet.maximum(*tritonnet.broadcast_tensors(relative, atol))


def _sizes(A, hermitian):
    """The singular values, which are the sizes of the eigenvalues of symmetric matrices."""
    return eigvalsh(A).abs() if hermitian else svdvals(A)


def pinv(A, rcond=None, hermitian=False, *, atol=None, rtol=None):
    """The pseudo-inverse (…, N, M) of (…, M, N); singular values up to max(atol, rtol times the largest) count as 0."""
    check_matrices("linalg.pinv", A.array)
    rtol = rcond if rtol is None else rtol
    if 0 in A.shape[-2:]:
        return A.mT * 0
    if hermitian:  # one triangle counts
        A = A.tril() + A.tril(-1).mT
    least = _tolerance(_sizes(A.detach(), hermitian), A.shape, atol, rtol)
    return Pinv.apply(A, least.expand(A.shape[:-2]))


def matrix_rank(A, tol=None, hermitian=False, *, atol=None, rtol=None):
    """How many singular values are not (nearly) zero."""
    S = _sizes(A.detach(), hermitian)
    least = tritonnet.as_tensor(tol) if tol is not None else _tolerance(S, A.shape, atol, rtol)
    return (least.unsqueeze(-1) < S).sum(-1)


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
