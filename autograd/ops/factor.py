"""Square systems: inverse, solution, determinants, Cholesky's factor."""

from __future__ import annotations

import numpy as np

from tritonnet.autograd.function import Op
from tritonnet.autograd.ops.matmul import MatMul
from tritonnet.autograd.samples import Sample, samples
from tritonnet.kernels import factor as kernels


def check_square(name, a):
    """RuntimeError unless these are square matrices of float32 or float64."""
    if a.ndim < 2:
        raise RuntimeError(f"{name}: The input tensor must have at least 2 dimensions.")
    if a.shape[-1] != a.shape[-2]:
        raise RuntimeError(f"{name}: A must be batches of square matrices, but they are {a.shape[-2]} by {a.shape[-1]} "
                           "matrices")
    if a.dtype not in (np.float32, np.float64):
        raise RuntimeError(f"{name}: Expected a floating point tensor of float32 or float64 as input. Got {a.dtype}")


class Inverse(Op):
    """A^-1 of (…, N, N)."""

    def forward(ctx, a):
        check_square("linalg.inv", a)
        ctx.y = ctx.save(kernels.inverse(a))
        return ctx.y

    def backward(ctx, dy):
        return kernels.inverse_backward(dy, ctx.y)

    def differentiable_backward(ctx, dy):
        y = ctx.output(ctx.y).transpose(-1, -2)
        return -MatMul.apply(MatMul.apply(y, dy), y)


class Solve(Op):
    """x with A x = b, for b (…, N, K)."""

    def forward(ctx, a, b):
        check_square("linalg.solve", a)
        if a.dtype != b.dtype:
            raise RuntimeError("linalg.solve: Expected A and B to have the same dtype, but found A of type "
                               f"{a.dtype} and B of type {b.dtype} instead")
        if a.shape[-1] != b.shape[-2]:
            raise RuntimeError(f"linalg.solve: Incompatible shapes of A and B for the equation AX = B "
                               f"({a.shape[-2]}x{a.shape[-1]} and {b.shape[-2]}x{b.shape[-1]})")
        ctx.a, ctx.x = ctx.save(a), ctx.save(kernels.solve(a, b))
        return ctx.x

    def backward(ctx, dx):
        return kernels.solve_backward(dx, ctx.a, ctx.x)

    def differentiable_backward(ctx, dx):
        db = Solve.apply(ctx.input(0, ctx.a).transpose(-1, -2), dx)
        return -MatMul.apply(db, ctx.output(ctx.x).transpose(-1, -2)), db


class Det(Op):
    """det A of (…, N, N)."""

    def forward(ctx, a):
        check_square("linalg.det", a)
        ctx.a = ctx.save(a)
        return kernels.determinant(a)

    def backward(ctx, dd):
        return kernels.determinant_backward(dd, ctx.a)

    def differentiable_backward(ctx, dd):
        a = ctx.input(0, ctx.a)
        return (dd * Det.apply(a)).unsqueeze(-1).unsqueeze(-1) * Inverse.apply(a).transpose(-1, -2)


class LogDet(Op):
    """(sign, log |det A|) of (…, N, N); the sign has no gradient."""

    def forward(ctx, a):
        check_square("linalg.slogdet", a)
        ctx.a = ctx.save(a)
        return kernels.log_determinant(a)

    def backward(ctx, dsign, dlog):
        return kernels.log_determinant_backward(dlog, ctx.a)

    def differentiable_backward(ctx, dsign, dlog):
        return dlog.unsqueeze(-1).unsqueeze(-1) * Inverse.apply(ctx.input(0, ctx.a)).transpose(-1, -2)


class Cholesky(Op):
    """The lower triangular L with L L^T = A of (…, N, N)."""

    def forward(ctx, a):
        check_square("linalg.cholesky", a)
        ctx.y = ctx.save(kernels.cholesky(a))
        return ctx.y

    def backward(ctx, dl):
        return kernels.cholesky_backward(dl, ctx.y)

    def differentiable_backward(ctx, dl):
        low = ctx.output(ctx.y)
        n = low.shape[-1]
        keep = np.tril(np.ones((n, n))) - 0.5 * np.eye(n)
        half = MatMul.apply(low.transpose(-1, -2), dl) * dl.new_tensor(keep, dtype=dl.dtype)
        back = Inverse.apply(low)
        s = MatMul.apply(MatMul.apply(back.transpose(-1, -2), half), back)
        return (s + s.transpose(-1, -2)) / 2


def _regular(rand, *shape):
    """Matrices far from singular."""
    return rand(*shape) * 0.3 + 2 * np.eye(shape[-1])


ONLY = ("float32",)  # LAPACK has no narrower type


@samples(Inverse, torch=lambda torch, a: torch.linalg.inv(a))
def inverse_samples(rand):
    yield Sample(_regular(rand, 4, 4), dtypes=ONLY)
    yield Sample(_regular(rand, 2, 3, 3, 3).transpose(1, 0, 2, 3), dtypes=ONLY)  # stacks
    yield Sample(_regular(rand, 1, 1), dtypes=ONLY)
    yield Sample(np.zeros((2, 2)), raises=RuntimeError)                         # singular
    yield Sample(rand(2, 3), raises=RuntimeError)
    yield Sample(rand(3), raises=RuntimeError)


@samples(Solve, torch=lambda torch, a, b: torch.linalg.solve(a, b))
def solve_samples(rand):
    yield Sample(_regular(rand, 4, 4), rand(4, 2), dtypes=ONLY)
    yield Sample(_regular(rand, 2, 3, 3), rand(2, 3, 5), dtypes=ONLY)
    yield Sample(np.zeros((2, 2)), rand(2, 1), raises=RuntimeError)
    yield Sample(_regular(rand, 3, 3), rand(2, 1), raises=RuntimeError)


@samples(Det, torch=lambda torch, a: torch.linalg.det(a))
def det_samples(rand):
    yield Sample(_regular(rand, 4, 4), dtypes=ONLY)
    yield Sample(_regular(rand, 2, 3, 3), dtypes=ONLY)
    yield Sample(rand(2, 3), raises=RuntimeError)


@samples(LogDet, torch=lambda torch, a: torch.linalg.slogdet(a))
def log_det_samples(rand):
    yield Sample(_regular(rand, 4, 4), dtypes=ONLY)
    yield Sample(-_regular(rand, 2, 3, 3), dtypes=ONLY)                         # negative determinants
    yield Sample(rand(3, 2), raises=RuntimeError)


@samples(Cholesky, torch=lambda torch, a: torch.linalg.cholesky(a))
def cholesky_samples(rand):
    x = rand(2, 4, 4)
    y = x @ x.transpose(0, 2, 1) + 2 * np.eye(4)
    yield Sample(y[0], dtypes=ONLY, grad=False)  # defined for symmetric matrices only: differences leave them
    yield Sample(y, dtypes=ONLY, grad=False)
    yield Sample(-np.eye(3), raises=RuntimeError)
    yield Sample(rand(3, 2), raises=RuntimeError)
