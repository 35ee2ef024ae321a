"""Decompositions of matrices and what is made of them, with gradients, as PyTorch's."""

import numpy as np
import pytest

import tritonnet

# what has free signs is made independent of them
CALLS = {
    "eigenvalues": "torch.linalg.eigvalsh(s)", "eigenvectors": "torch.linalg.eigh(s)[1].abs()",
    "upper triangle": "torch.linalg.eigh(a @ a.mT + a.tril(-1) * 0, 'U')[0]",
    "singular values": "torch.linalg.svdvals(a)", "wide singular values": "torch.linalg.svdvals(a[:, :2])",
    "U": "torch.linalg.svd(a[:, 1:], full_matrices=False)[0].abs()",
    "Vh": "torch.linalg.svd(a[:, 1:].mT, full_matrices=False)[2].abs()",
    "from full": "torch.linalg.svd(a[:, 1:])[0][..., :3].abs() * torch.linalg.svd(a[:, 1:])[1]",
    "Q": "torch.linalg.qr(a).Q", "R": "torch.linalg.qr(a[..., 2:])[1]", "wide": "torch.linalg.qr(a[:, :2])[1]",
    "complete": "torch.linalg.qr(a.detach()[..., 2:], 'complete')[1]",
    "pseudo-inverse": "torch.linalg.pinv(a[..., 1:])", "cut": "torch.linalg.pinv(a, rtol=0.3)",
    "symmetric": "torch.linalg.pinv(s, hermitian=True)", "of equal values": "torch.linalg.pinv(a * 0 + torch.eye(4))",
    "rank": "torch.linalg.matrix_rank(a) + a.sum() * 0",
    "rank 2": "torch.linalg.matrix_rank(a[..., :2] @ a[..., :2].mT)",
    "rank with tolerances": "torch.linalg.matrix_rank(a, atol=torch.tensor([0.1, 2.0]), rtol=torch.tensor(0.2))",
    "no rank": "torch.linalg.matrix_rank(torch.zeros(0, 0))", "cond": "torch.linalg.cond(a)",
    "nuclear": "torch.linalg.matrix_norm(a, 'nuc')", "norm 2": "torch.linalg.norm(a[0], 2)",
    "least squares": "torch.linalg.lstsq(a[..., 1:], a[..., :1]).solution",
    "triangular": "torch.linalg.solve_triangular(a + 2 * torch.eye(4), a, upper=True)",
    "from the right": "torch.linalg.solve_triangular(a + 2 * torch.eye(4), a, upper=False, left=False)",
    "ones": "torch.linalg.solve_triangular(a, a, upper=False, unitriangular=True)",
    "by a factor": "torch.cholesky_solve(a, torch.linalg.cholesky(s))",
    "inverse of a factor": "torch.cholesky_inverse(torch.linalg.cholesky(s))",
    "exponential": "torch.linalg.matrix_exp(a)", "large exponential": "torch.matrix_exp(a * 5)",
    "power 0": "torch.linalg.matrix_power(a, 0)", "tensorinv": "torch.linalg.tensorinv(a[0].reshape(2, 2, 4), ind=2)",
    "tensorsolve": "torch.linalg.tensorsolve(a[0].reshape(2, 2, 4), a[0, :2, :2])",
    "vander": "torch.linalg.vander(a[..., 0], N=3)", "old svd": "torch.svd(a[..., 1:])[1]",
    "norm of zeros": "torch.linalg.vector_norm(a * 0, 3)",
    "half": "torch.linalg.vector_norm(a.detach().half() * 60, 4)",
    "inv_ex": "torch.linalg.inv_ex(s)[0]", "cholesky_ex": "torch.linalg.cholesky_ex(s)[0]",
    "info": "torch.linalg.cholesky_ex(-s)[1] > 0",
}
MISTAKES = ["torch.linalg.eigh(a[..., 1:])", "torch.linalg.eigh(a, 'B')", "torch.linalg.qr(a, 'x')",
            "torch.linalg.qr(a, 'r')[1].sum().backward()", "torch.linalg.solve_triangular(a, a[:, 1:], upper=True)",
            "torch.linalg.matrix_exp(a[:, 1:])",
            "torch.linalg.qr(a[..., 2:], 'complete')[1].sum().backward()", "torch.linalg.tensorinv(a)",
            "torch.linalg.vander(a, N=1)"]


def matrices(torch, drawn):
    a = drawn(torch, 2, 4, 4, dtype="float64").requires_grad_()
    return a, a @ a.mT + 0.1 * torch.eye(4).double()


@pytest.mark.parametrize("text", CALLS.values(), ids=CALLS)
def test_a_decomposition_and_its_gradient(alike, drawn, text):
    def program(torch):
        torch.set_default_dtype(torch.float64)
        try:
            a, s = matrices(torch, drawn)
            found = eval(text, {"torch": torch, "a": a, "s": s})
            if found.requires_grad:
                weights = torch.tensor(np.random.default_rng(3).uniform(0.5, 1.5, tuple(found.shape)))
                (found * weights).sum().backward()
            return found, a.grad
        finally:
            torch.set_default_dtype(torch.float32)

    alike(program, rtol=1e-6)


@pytest.mark.parametrize("text", MISTAKES)
def test_mistakes(alike, drawn, text):
    def program(torch):
        a, s = matrices(torch, drawn)
        return eval(text, {"torch": torch, "a": a, "s": s})

    alike(program, types_only=True)


def test_what_is_not_positive_definite_is_told():
    with pytest.raises(tritonnet.linalg.LinAlgError):
        tritonnet.linalg.cholesky_ex(-tritonnet.eye(2), check_errors=True)


def test_complex_eigenvalues_are_told():
    with pytest.raises(NotImplementedError, match="complex"):
        tritonnet.linalg.eig(tritonnet.eye(2))


@pytest.mark.parametrize("text", ["torch.linalg.eigh(a @ a.mT)[0]", "torch.linalg.svdvals(a)", "torch.linalg.pinv(a)"])
def test_second_derivatives(alike, drawn, text):
    def program(torch):
        a = drawn(torch, 3, 3, dtype="float64").requires_grad_()
        found = eval(text, {"torch": torch, "a": a})
        first, = torch.autograd.grad((found * found).sum(), a, create_graph=True)
        (first * first).sum().backward()
        return first, a.grad

    alike(program, rtol=1e-6)
