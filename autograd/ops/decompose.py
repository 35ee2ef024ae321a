"""Decompositions of matrices: eigenvalues of symmetric ones, singular values, QR, and the pseudo-inverse.

    A = V diag(l) V^T     dA = V (diag(dl) + V^T dV / E) V^T,                      E_ij = l_j - l_i
    A = U diag(s) V^T     dA = U (diag(ds) + (skew(U^T dU) / E) s + s skew(V^T dV) / E) V^T
                               + (1 - U U^T) dU V^T / s + U (dV / s)^T (1 - V V^T),  E_ij = s_j^2 - s_i^2
    A = Q R               dA = (dQ + Q sym(triu(dR R^T - Q^T dQ))) R^-T,           sym X = X + X^T, its diagonal once

skew X = X - X^T. Where values coincide, gradients of vectors are infinite, as they depend on the choice of vectors.
Sources: Giles 2008; Townsend 2016, "Differentiating the singular value decomposition"; Golub & Pereyra 1973 (pseudo-
inverse).
"""

from __future__ import annotations

import numpy as np

from tritonnet.autograd.function import Op, make
from tritonnet.autograd.mode import no_grad
from tritonnet.autograd.ops.factor import ONLY, Solve, check_square
from tritonnet.autograd.ops.matmul import MatMul
from tritonnet.autograd.samples import Sample, samples
from tritonnet.kernels import factor as kernels


def check_matrices(name, a):
    """RuntimeError unless these are matrices of float32 or float64."""
    if a.ndim < 2:
        raise RuntimeError(f"{name}: The input tensor A must have at least 2 dimensions.")
    if a.dtype not in (np.float32, np.float64):
        raise RuntimeError(f"{name}: Expected a floating point tensor of float32 or float64 as input. Got {a.dtype}")


def mT(x):
    """The last two axes of a tensor swapped."""
    return x.transpose(-1, -2)


def on_diagonal(x):
    """Vectors as diagonals of matrices."""
    return x.unsqueeze(-1) * x.new_tensor(np.eye(x.shape[-1]), dtype=x.dtype)


class _Decomposition(Op):
    """`tensors(*gradients)`: the gradient of A by operations on tensors, whether they are recorded or not."""

    def backward(ctx, *gradients):
        with no_grad():
            return ctx.tensors(*map(make, gradients)).array

    def differentiable_backward(ctx, *gradients):
        return ctx.tensors(*gradients)


def _apart(values):
    """1 / (value_j - value_i), 0 on the diagonal."""
    eye = values.new_tensor(np.eye(values.shape[-1]), dtype=values.dtype)
    return (1 - eye) / (values.unsqueeze(-2) - values.unsqueeze(-1) + eye)


class Eigh(_Decomposition):
    """(eigenvalues, in ascending order, and eigenvectors) of symmetric matrices, of which one triangle is read."""

    def forward(ctx, a, uplo="L"):
        check_square("linalg.eigh", a)
        if uplo.upper() not in ("L", "U"):
            raise RuntimeError(f"Expected UPLO argument to be 'L' or 'U', but got {uplo}")
        ctx.values, ctx.vectors = (ctx.save(found) for found in kernels.eigh(a, uplo.upper()))
        return ctx.values, ctx.vectors

    def tensors(ctx, dvalues, dvectors):
        values, vectors = ctx.output(ctx.values, 0), ctx.output(ctx.vectors, 1)
        inner = on_diagonal(dvalues) + MatMul.apply(mT(vectors), dvectors) * _apart(values)
        return MatMul.apply(MatMul.apply(vectors, inner), mT(vectors))


class Svd(_Decomposition):
    """(U, S, Vh) with A = U diag(S) Vh, S in descending order; full: square U and Vh."""

    def forward(ctx, a, full=False):
        check_matrices("linalg.svd", a)
        ctx.full = full
        ctx.u, ctx.s, ctx.vh = (ctx.save(found) for found in kernels.svd(a, full))
        return ctx.u, ctx.s, ctx.vh

    def tensors(ctx, du, ds, dvh):
        u, s, vh = (ctx.output(saved, i) for i, saved in enumerate((ctx.u, ctx.s, ctx.vh)))
        m, k, n = u.shape[-2], s.shape[-1], vh.shape[-1]
        u, du, v, dv = u[..., :k], du[..., :k], mT(vh)[..., :k], mT(dvh)[..., :k]
        apart, column, row = _apart(s * s), s.unsqueeze(-1), s.unsqueeze(-2)
        of_u, of_v = MatMul.apply(mT(u), du), MatMul.apply(mT(v), dv)
        inner = on_diagonal(ds) + (of_u - mT(of_u)) * apart * row + column * (of_v - mT(of_v)) * apart
        found = MatMul.apply(MatMul.apply(u, inner), mT(v))
        if m > k:
            found = found + MatMul.apply((du - MatMul.apply(u, of_u)) / row, mT(v))
        if n > k:
            found = found + MatMul.apply(u, mT((dv - MatMul.apply(v, of_v)) / row))
        return found


class SvdValues(_Decomposition):
    """The singular values, in descending order."""

    def forward(ctx, a):
        check_matrices("linalg.svdvals", a)
        ctx.a = ctx.save(a)
        return kernels.svd_values(a)

    def tensors(ctx, ds):
        u, _, vh = Svd.apply(ctx.input(0, ctx.a))
        return MatMul.apply(u * ds.unsqueeze(-2), vh)


class Qr(_Decomposition):
    """(Q, R) with A = Q R, Q with orthogonal columns and R triangular; complete: a square Q, without gradient."""

    def forward(ctx, a, complete=False):
        check_matrices("linalg.qr", a)
        ctx.complete = complete and a.shape[-2] > a.shape[-1]
        ctx.q, ctx.r = (ctx.save(found) for found in kernels.qr(a, complete))
        return ctx.q, ctx.r

    def tensors(ctx, dq, dr):
        if ctx.complete:
            raise RuntimeError("The QR decomposition is not differentiable when mode='complete' and nrows > ncols")
        q, r = ctx.output(ctx.q, 0), ctx.output(ctx.r, 1)
        m, n = q.shape[-2], r.shape[-1]
        if m >= n:
            return _square_qr(q, r, dq, dr)
        dq = dq + MatMul.apply(MatMul.apply(q, r[..., m:]), mT(dr[..., m:]))  # A = [A1 A2], R2 = Q^T A2
        first = _square_qr(q, r[..., :m], dq, dr[..., :m])
        from tritonnet.autograd.ops.shape import Cat

        return Cat.apply(first, MatMul.apply(q, dr[..., m:]), axis=first.ndim - 1)


def _square_qr(q, r, dq, dr):
    """The gradient of A = Q R with a square R."""
    n = r.shape[-1]
    upper = r.new_tensor(np.triu(np.ones((n, n))) - 0.5 * np.eye(n), dtype=r.dtype)
    x = (MatMul.apply(dr, mT(r)) - MatMul.apply(mT(q), dq)) * upper
    inner = dq + MatMul.apply(q, x + mT(x))
    return mT(Solve.apply(r, mT(inner)))


class Pinv(_Decomposition):
    """The pseudo-inverse (…, N, M) of (…, M, N); singular values up to `least` (…,) count as 0."""

    def forward(ctx, a, least):
        check_matrices("linalg.pinv", a)
        ctx.a, ctx.y = ctx.save(a), ctx.save(kernels.pseudo_inverse(a, least))
        return ctx.y

    def backward(ctx, dy):
        return super().backward(dy), None

    def differentiable_backward(ctx, dy):
        return ctx.tensors(dy), None

    def tensors(ctx, dy):
        a, y, d = ctx.input(0, ctx.a), ctx.output(ctx.y), mT(dy)
        if a.shape[-2] <= a.shape[-1]:
            k = MatMul.apply(d, y)
            kyt = MatMul.apply(k, mT(y))
            return (kyt - mT(MatMul.apply(y, k)) - MatMul.apply(MatMul.apply(a, y), kyt)
                    + MatMul.apply(MatMul.apply(mT(y), y), d - MatMul.apply(k, a)))
        k = MatMul.apply(y, d)
        ytk = MatMul.apply(mT(y), k)
        return (MatMul.apply(MatMul.apply(d - MatMul.apply(a, k), y), mT(y)) - mT(MatMul.apply(k, y)) + ytk
                - MatMul.apply(MatMul.apply(ytk, y), a))


def _spread(rand, m, n, values):
    """A matrix (or, with values of two dimensions, a stack) with these singular values."""
    k = values.shape[-1]
    u, v = (np.linalg.qr(rand(*values.shape[:-1], size, size))[0] for size in (m, n))
    return (u[..., :k] * values[..., None, :]) @ np.swapaxes(v, -1, -2)[..., :k, :]


@samples(Eigh)  # the signs of vectors are free: held against PyTorch in tests/tritonnet/test_decompositions.py
def eigh_samples(rand):
    x = rand(2, 4, 4)
    yield Sample(x + x.transpose(0, 2, 1), dtypes=ONLY, grad=False)  # defined for symmetric matrices only
    yield Sample(rand(3, 3), "U", dtypes=ONLY, grad=False)
    yield Sample(rand(2, 3), raises=RuntimeError)
    yield Sample(rand(2, 2), "B", raises=RuntimeError)


@samples(Svd)
def svd_samples(rand):
    yield Sample(_spread(rand, 4, 3, np.array([2.0, 1.2, 0.5])), dtypes=ONLY, loose=20)
    yield Sample(_spread(rand, 3, 4, np.array([[2.0, 1.2, 0.5], [3.0, 2.0, 1.0]])), dtypes=ONLY, loose=20)
    yield Sample(_spread(rand, 3, 3, np.array([2.0, 1.2, 0.5])), True, dtypes=ONLY, loose=20)
    yield Sample(rand(3), raises=RuntimeError)


@samples(SvdValues, torch=lambda torch, a: torch.linalg.svdvals(a))
def svd_values_samples(rand):
    yield Sample(_spread(rand, 4, 3, np.array([2.0, 1.2, 0.5])), dtypes=ONLY)
    yield Sample(_spread(rand, 3, 4, np.array([[2.0, 1.2, 0.5], [3.0, 2.0, 1.0]])), dtypes=ONLY)
    yield Sample(rand(3), raises=RuntimeError)


@samples(Qr, torch=lambda torch, a, complete=False: torch.linalg.qr(a, "complete" if complete else "reduced"))
def qr_samples(rand):
    yield Sample(_spread(rand, 4, 3, np.array([2.0, 1.2, 0.5])), dtypes=ONLY, loose=20)
    yield Sample(_spread(rand, 3, 5, np.array([[2.0, 1.2, 0.5], [3.0, 2.0, 1.0]])), dtypes=ONLY, loose=20)
    yield Sample(_spread(rand, 3, 3, np.array([2.0, 1.2, 0.5])), True, dtypes=ONLY, loose=20)
    yield Sample(rand(4, 2), True, dtypes=ONLY, grad=False)
    yield Sample(rand(3), raises=RuntimeError)


@samples(Pinv, torch=lambda torch, a, least: torch.linalg.pinv(a))
def pinv_samples(rand):
    yield Sample(_spread(rand, 4, 3, np.array([2.0, 2.0, 0.5])), np.zeros(()), dtypes=ONLY)  # equal singular values
    yield Sample(_spread(rand, 2, 4, np.array([[2.0, 1.2], [3.0, 2.0]])), np.zeros(2), dtypes=ONLY)
    yield Sample(rand(3), np.zeros(()), raises=RuntimeError)
