"""torch.linalg and products beyond matrices', scans and statistics: values, gradients, errors as PyTorch's."""

import numpy as np
import pytest

import tritonnet

CALLS = [
    "torch.linalg.inv(a)", "torch.inverse(a)", "a.inverse()", "torch.linalg.solve(a, x[:4, :3])", "torch.linalg.det(a)",
    "torch.linalg.solve(a, x[:4, 0])", "torch.linalg.solve(a, x[:3, :4], left=False)", "torch.det(a * 0)", "a.det()",
    "torch.linalg.slogdet(-a)", "torch.logdet(a)", "torch.slogdet(a)", "torch.linalg.cholesky(a @ a.T)",
    "torch.linalg.cholesky(a @ a.T, upper=True)", "torch.linalg.eigh((a + a.T).detach())[0]",
    "torch.linalg.eigvalsh((a + a.T).detach())", "torch.linalg.svd(x.detach())[1]", "torch.linalg.svdvals(x.detach())",
    "abs(torch.linalg.qr(x.detach())[1])", "torch.linalg.pinv(x.detach())", "torch.linalg.matrix_rank(x.detach())",
    "torch.linalg.lstsq(x.detach(), p[:, :2].detach()).solution", "torch.linalg.cond(a.detach())",
    "torch.linalg.cond(a.detach(), 1)", "torch.svd(x.detach())[1]",
    "torch.linalg.lstsq(x.detach(), p.detach()).residuals",
    "torch.linalg.norm(x)", "torch.linalg.norm(x, 1)", "torch.linalg.norm(x, dim=1)", "torch.linalg.norm(x, 3, dim=0)",
    "torch.linalg.norm(x, float('inf'))", "torch.linalg.norm(x.detach(), 'nuc')", "torch.linalg.norm(x.detach(), 2)",
    "torch.linalg.norm(x.detach(), -2, keepdim=True)", "torch.linalg.vector_norm(x, 3)", "torch.linalg.norm(x[0], 1)",
    "torch.linalg.matrix_norm(r(2, 3, 4), float('-inf'))", "torch.linalg.matrix_norm(x, dtype=torch.float64)",
    "torch.linalg.matrix_norm(r(2, 3, 4), 1, keepdim=True)", "torch.linalg.vecdot(x, p)", "torch.linalg.diagonal(a)",
    "torch.linalg.multi_dot([a, a, x[:4]])", "torch.linalg.matrix_power(a, 3)", "torch.matrix_power(a, -2)",
    "torch.matrix_power(a.detach(), 0)", "torch.trace(a)", "torch.kron(a, x[:2, :3])", "torch.kron(x[0], x[1])",
    "torch.tensordot(x, p, dims=([0], [0]))", "torch.tensordot(r(2, 3, 4), r(3, 4, 2), 2)", "torch.tensordot(x, p, 0)",
    "torch.cross(x[:3, :3], p[:3, :3], dim=1)", "torch.linalg.cross(x[:3, :3], p[:3, :3])",
    "torch.chain_matmul(a, a, a)",
    "torch.addr(a, x[0, :4], x[1, :4], beta=2, alpha=0.5)", "torch.vander(x[0].detach())",
    "torch.vander(x[0].detach(), 3, True)",
    "torch.cartesian_prod(x[0], p[0, :2])", "torch.combinations(x[0])", "torch.combinations(x[0], 3, True)",
    "torch.combinations(x[0, :1].detach())", "torch.unravel_index(torch.tensor([5, 7]), (3, 4))[1] * 1.0",
    "torch.cumprod(x, 1)", "x.cumprod(0)", "torch.cumprod(torch.arange(1, 6), 0)", "torch.logcumsumexp(x, 1)",
    "torch.cummax(x, 1)", "torch.cummin(x, 0)", "torch.cummax(torch.tensor([1., 3., 3., torch.nan, 5.]), 0)",
    "torch.diff(x)", "torch.diff(x, 2, 0)", "torch.diff(x, prepend=x[:, :1], append=p)", "x.diff(dim=0)",
    "torch.trapezoid(x)", "torch.trapz(x, p)", "torch.trapezoid(x, dx=0.5, dim=0)", "torch.cumulative_trapezoid(x)",
    "torch.trapezoid(x, torch.arange(5.))", "torch.cov(x)", "torch.corrcoef(x)", "torch.cov(x[0])",
    "torch.cov(x, correction=0, fweights=torch.tensor([1, 2, 0, 1, 3]))", "torch.cov(x, aweights=p[0].detach())",
    "torch.histc(x, 5)", "torch.histc(x, 4, -0.5, 0.5)", "torch.histc(torch.ones(3), 3)", "x.histc()",
    "torch.mode(torch.tensor([[1, 2, 2, 3, 3], [5, 4, 4, 4, 5]])).values * 1.0", "torch.mode(x, 0).values",
    "torch.mode(torch.tensor([4, 2, 4]), keepdim=True).indices * 1.0", "torch.nanmean(x)", "torch.dist(x, p)",
    "torch.nanmean(torch.tensor([[1.0, torch.nan], [3.0, 4.0]]), 0)", "torch.dist(x, p, 1)", "torch.cdist(x, p)",
    "torch.cdist(x, p, 1.0)", "torch.cdist(r(2, 30, 4), r(2, 3, 4))", "torch.cdist(x, x)",
    "torch.nn.functional.pdist(x)",
    "torch.pdist(x)", "x.unfold(1, 2, 2)", "x.unfold(0, 3, 1)", "(x * 1).unsqueeze_(0)", "(x * 1)[:, :1].squeeze_(1)",
    "(x * 1).transpose_(0, 1)", "(a * 1).t_()", "(x * 1).tril_()", "(x * 1).triu_(1)",
]
MISTAKES = [
    "torch.linalg.inv(x)", "torch.linalg.inv(torch.zeros(2, 2))", "torch.linalg.inv(x[0])", "torch.trace(x[0])",
    "torch.linalg.solve(torch.zeros(2, 2), torch.ones(2, 1))", "torch.linalg.cholesky(-torch.eye(3))",
    "torch.linalg.solve(torch.eye(3), torch.ones(2, 1))", "torch.linalg.norm(r(2, 2, 2), 'fro')",
    "torch.linalg.matrix_norm(x, 3)", "torch.broadcast_shapes((2,), (3,))", "torch.cdist(x, p[:, :2])",
    "torch.cdist(x[0], p)", "torch.pdist(x[0])", "torch.tensordot(x, p, dims=([0], [1]))", "torch.cov(r(2, 2, 2))",
    "torch.cross(x, p)", "torch.matrix_power(x, 2)", "torch.combinations(x)", "x.unfold(0, 9, 1)", "x.unfold(0, 2, 0)",
    "x.unsqueeze_(0)", "torch.linalg.det(x)", "torch.linalg.eigh(x)", "x.cumprod(5)", "torch.tensordot(x, p, -1)",
    "torch.linalg.inv(a.half())",
]


def called(torch, drawn, text):
    x, p = drawn(torch, 4, 5).requires_grad_(), drawn(torch, 4, 5, seed=2, low=0.05, high=0.95).requires_grad_()
    a = (torch.eye(4) * 2 + drawn(torch, 4, 4, seed=4) * 0.3).requires_grad_()
    result = eval(text, {"torch": torch, "x": x, "p": p, "a": a, "r": lambda *s: drawn(torch, *s, seed=7)})
    result = tuple(result) if isinstance(result, tuple) else (result,)
    for y in result:
        if y.requires_grad:
            (y * drawn(torch, *y.shape, seed=11)).sum().backward(retain_graph=True)
    return result, x.grad, p.grad, a.grad


@pytest.mark.parametrize("text", CALLS)
def test_a_function_computes_what_pytorchs_does(alike, drawn, text):
    alike(lambda torch: called(torch, drawn, text), rtol=2e-4)


@pytest.mark.parametrize("text", MISTAKES)
def test_a_mistake_raises_what_pytorch_raises(drawn, text):
    with pytest.raises((RuntimeError, IndexError, NotImplementedError)):
        called(tritonnet, drawn, text)


def test_shapes_broadcast(alike):
    alike(lambda torch: [list(torch.broadcast_shapes(*s)) for s in (((2, 1), (3,)), (4, (1, 1)), ((),), ((0,), (1,)))])


def test_factors_multiply_to_the_matrix(drawn):
    x = drawn(tritonnet, 4, 5)
    u, s, vh = tritonnet.linalg.svd(x, full_matrices=False)
    np.testing.assert_allclose((u * s) @ vh, x, atol=1e-5)
    u, s, v = x.svd()
    np.testing.assert_allclose(u @ s.diag() @ v.T, x, atol=1e-5)
    q, r = tritonnet.linalg.qr(x.T)
    np.testing.assert_allclose(q @ r, x.T, atol=1e-5)
    assert tritonnet.linalg.qr(x, "r").Q.numel() == 0 and "eigenvalues=" in repr(tritonnet.linalg.eigh(x @ x.T))


def test_the_device_agrees_with_the_host(simulated, drawn):
    for text in ("torch.linalg.solve(a, x)", "torch.linalg.svdvals(x.detach())", "torch.cdist(x, p)",
                 "torch.kron(a, x)",
                 "torch.cumprod(x, 1)", "torch.histc(x, 5)", "x.unfold(0, 2, 1)"):
        found = {}
        for place in ("cpu", "cuda"):
            x, p = drawn(tritonnet, 4, 5).to(place).requires_grad_(), drawn(tritonnet, 4, 5, seed=2).to(place)
            a = (tritonnet.eye(4) * 2 + drawn(tritonnet, 4, 4) * 0.3).to(place)
            y = eval(text, {"torch": tritonnet, "x": x, "p": p, "a": a})
            if y.requires_grad:
                y.sum().backward()
            assert y.is_cuda == (place == "cuda")
            found[place] = y.detach().cpu().numpy(), np.zeros(1) if x.grad is None else x.grad.cpu().numpy()
        for ours, theirs in zip(found["cuda"], found["cpu"]):
            np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-5)
