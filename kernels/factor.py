"""Square systems and decompositions of (stacks of) matrices, by LAPACK.

    y = A^-1,                  dA = -y^T dy y^T
    x = A^-1 b,                db = A^-T dx,             dA = -db x^T
    l = log |det A|,           dA = dl A^-T
    L L^T = A,                 dA = (S + S^T) / 2,  S = L^-T P(L^T dL) L^-1,  P: lower half, diagonal halved

There are no kernels: what is on a device is computed on the host and brought back. Source: Giles 2008.
"""

from __future__ import annotations

import numpy as np

from tritonnet.kernels.arrays import is_host, to_device, to_host


class LinAlgError(RuntimeError):
    """A matrix that is singular, or not positive definite."""


def on_host(function):
    """function of arrays, computed on the host wherever they are."""

    def run(*given):
        device = next((a.device for a in given if hasattr(a, "device") and not is_host(a)), None)
        found = function(*(to_host(a) if hasattr(a, "shape") and not is_host(a) else a for a in given))
        if device is None:
            return found
        if isinstance(found, tuple):
            return tuple(to_device(np.asarray(f, order="C"), device) for f in found)
        return to_device(np.asarray(found, order="C"), device)

    run.__name__, run.__doc__ = function.__name__, function.__doc__
    return run


def transposed(x):
    """The last two axes swapped."""
    return np.swapaxes(x, -1, -2)


@on_host
def inverse(a):
    """A^-1."""
    try:
        return np.linalg.inv(a)
    except np.linalg.LinAlgError:
        raise LinAlgError("linalg.inv: the inversion could not be completed because the input matrix is "
                          "singular.") from None


@on_host
def inverse_backward(dy, y):
    return -(transposed(y) @ dy @ transposed(y))


@on_host
def solve(a, b):
    """x with A x = b, b a matrix."""
    try:
        return np.linalg.solve(a, b)
    except np.linalg.LinAlgError:
        raise LinAlgError("torch.linalg.solve: The solver failed because the input matrix is singular.") from None


@on_host
def solve_backward(dx, a, x):
    db = np.linalg.solve(transposed(a), dx)
    return -(db @ transposed(x)), db


@on_host
def log_determinant(a):
    """(sign, log |det A|), -inf for singular matrices."""
    sign, log = np.linalg.slogdet(a)
    return np.asarray(sign, a.dtype), np.asarray(log, a.dtype)


@on_host
def log_determinant_backward(dl, a):
    return np.asarray(dl)[..., None, None] * transposed(np.linalg.inv(a))


@on_host
def determinant(a):
    """det A."""
    return np.asarray(np.linalg.det(a), a.dtype)


@on_host
def determinant_backward(dd, a):
    """dd times the cofactors, which singular matrices have too: det(U) det(V) U diag(products of the others) V^T."""
    u, s, vt = np.linalg.svd(a)
    n = s.shape[-1]
    others = np.where(np.eye(n, dtype=bool), 1, np.broadcast_to(s[..., None, :], (*s.shape[:-1], n, n))).prod(-1)
    sign = np.linalg.det(u) * np.linalg.det(vt)
    return (np.asarray(dd) * sign)[..., None, None] * ((u * others[..., None, :]) @ vt)


@on_host
def cholesky(a):
    """The lower triangular L with L L^T = A."""
    try:
        return np.linalg.cholesky(a)
    except np.linalg.LinAlgError:
        raise LinAlgError("linalg.cholesky: The factorization could not be completed because the input is not "
                          "positive-definite.") from None


@on_host
def cholesky_backward(dl, low):
    half = np.tril(transposed(low) @ dl)
    half = half - 0.5 * half * np.eye(half.shape[-1], dtype=half.dtype)
    back = np.linalg.inv(low)
    s = transposed(back) @ half @ back
    return (s + transposed(s)) / 2


def _converged(name, function, *args):
    """A decomposition, or LinAlgError."""
    try:
        return function(*args)
    except np.linalg.LinAlgError as error:
        raise LinAlgError(f"{name}: {error}") from None


@on_host
def eigh(a, uplo):
    """(eigenvalues, eigenvectors) of symmetric matrices."""
    return tuple(_converged("linalg.eigh", np.linalg.eigh, a, uplo))


@on_host
def svd(a, full):
    """(U, S, Vh)."""
    return tuple(_converged("linalg.svd", np.linalg.svd, a, full))


@on_host
def svd_values(a):
    """The singular values."""
    return _converged("linalg.svdvals", lambda a: np.linalg.svd(a, compute_uv=False), a)


@on_host
def qr(a, complete):
    """(Q, R)."""
    return tuple(np.linalg.qr(a, "complete" if complete else "reduced"))


@on_host
def pseudo_inverse(a, least):
    """The pseudo-inverse; singular values up to `least`, of the shape of the stack, count as 0."""
    u, s, vh = _converged("linalg.pinv", np.linalg.svd, a, False)
    kept = s > np.asarray(least)[..., None]
    inverse = np.where(kept, 1 / np.where(kept, s, 1), 0)
    return np.ascontiguousarray(transposed(vh) @ (inverse[..., None] * transposed(u)), a.dtype)
