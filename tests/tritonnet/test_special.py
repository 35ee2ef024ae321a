"""Special functions: the gamma function's family, logarithms of probabilities, divisors, parts of floats."""

import pytest

import tritonnet

SPECIAL = "torch.tensor([torch.nan, torch.inf, -torch.inf, 0.0, -0.0, 1.0, 0.5, -2.5, 1.5, 3.0, 1e-3, 20.0])"
UNARY = ["torch.lgamma(s)", "torch.digamma(s.detach())", "torch.digamma(x)", "torch.polygamma(1, s.detach()[3:])",
         "torch.polygamma(1, x)", "torch.polygamma(0, x)", "torch.erfinv(s)",
         "torch.polygamma(2, x + 1.5)", "x.polygamma(3)", "torch.mvlgamma(x + 3, 2)", "torch.logit(s[5:])",
         "p.logit(0.1)",
         "torch.special.entr(s)", "torch.special.ndtr(x)", "torch.special.ndtri(p)",
         "torch.special.log_ndtr(x.double() * 40)", "torch.special.expit(x)", "torch.special.gammaln(p)",
         "torch.special.psi(p)", "torch.special.multigammaln(x + 3, 2)", "torch.special.xlog1py(x, p)",
         "torch.special.xlog1py(x, 2.0)", "torch.special.logsumexp(x, 1)", "torch.special.softmax(x, 1)",
         "torch.round(x, decimals=1)", "(x * 100).round(decimals=-1)", "torch.round(x)", "torch.lgamma(n)",
         "torch.frexp(x * 9)", "torch.frexp(torch.tensor([0.0, -0.0, torch.inf, 1e-45, 3e38]))[1]"]
BINARY = ["torch.hypot(x, p)", "torch.hypot(x * 1e20, p * 1e20)", "torch.xlogy(x, p)", "torch.xlogy(2.0, p)",
          "x.xlogy(3.0)", "torch.xlogy(s, s.flip(0))", "torch.ldexp(x, torch.tensor([1, 2, 3, 4, 5]))",
          "torch.ldexp(x.detach(), -n.sign())",
          "torch.logaddexp2(x, p)", "torch.logaddexp(x, p)", "torch.nextafter(s, x[0, 0]).isfinite()",
          "torch.nextafter(x.detach(), p.detach()) * 1.0",
          "torch.nextafter(x.half().detach(), p.half().detach()) * 1.0",
          "torch.gcd(n, n.flip(0))", "torch.lcm(n, n.flip(0))", "torch.heaviside(s.detach(), s.detach())",
          "torch.atan2(x * 0, p * 0)"]
IN_PLACE = ["x.lgamma_()", "x.digamma_()", "x.erfinv_()", "x.hypot_(p)", "x.xlogy_(p)", "x.logit_(0.2)",
            "x.round_(decimals=1)", "x.polygamma_(1)", "x.deg2rad_()", "x.rad2deg_()", "x.sinc_()", "x.cumsum_(0)",
            "x.cumprod_(1)", "x.heaviside_(p)", "x.ldexp_(p)", "n.gcd_(n.flip(0))"]
MISTAKES = ["torch.polygamma(-1, x)", "torch.hypot(x, 2)", "torch.xlogy(2, 3)", "torch.gcd(x, x)", "torch.fmax(x, 2)",
            "torch.heaviside(x, 1)", "torch.logaddexp(x, 2)", "torch.mvlgamma(x, 0)", "torch.frexp(n)"]


@pytest.mark.parametrize("text", UNARY + BINARY)
def test_a_function_computes_what_pytorchs_does(alike, drawn, text):
    def program(torch):
        x, p = drawn(torch, 4, 5).requires_grad_(), drawn(torch, 4, 5, seed=1, low=0.1, high=0.9).requires_grad_()
        s = eval(SPECIAL, {"torch": torch}).requires_grad_("frexp" not in text)
        n = torch.tensor([12, -18, 0, 7, 1 << 40])
        found = eval(text, {"torch": torch, "x": x, "p": p, "s": s, "n": n})
        found = list(found) if isinstance(found, tuple) else [found]
        if found[0].requires_grad:
            found[0].sum().backward()
        return found, x.grad, p.grad, s.grad

    alike(program)


@pytest.mark.parametrize("text", IN_PLACE)
def test_methods_in_place(alike, drawn, text):
    def program(torch):
        x, p = drawn(torch, 4, 5), drawn(torch, 4, 5, seed=1, low=0.1, high=0.9)
        n = torch.tensor([12, -18, 0, 7])
        found = eval(text, {"torch": torch, "x": x, "p": p, "n": n})
        return found, x, n

    alike(program)


@pytest.mark.parametrize("text", MISTAKES)
def test_mistakes(alike, drawn, text):
    alike(lambda torch: eval(text, {"torch": torch, "x": drawn(torch, 3), "n": torch.tensor([1, 2])}), types_only=True)


def test_half_types_have_neighbours():
    x = tritonnet.tensor([1.0, -1.0, 0.0], dtype=tritonnet.bfloat16)
    up = tritonnet.nextafter(x, tritonnet.full_like(x, 9.0))
    assert up.tolist() == [1.0078125, -0.99609375, 9.183549615799121e-41]


RANGES = ["torch.arange(0, end=3)", "torch.arange(2, end=9, step=3)",
          "torch.arange(0.0, -8.1, -4.0, dtype=torch.int64)",
          "torch.linspace(-2, 5, 1, dtype=torch.int64)",
          "torch.linspace(0, 50, 7, dtype=torch.int32)", "torch.cov(x[:1])", "torch.corrcoef(x[:1])",
          "torch.cov(x, aweights=p[0, :5].double())", "torch.diff(x, 0, prepend=x)",
          "torch.quantile(x[0, 0], 0.3, dim=0)",
          "x[0, 0].index_reduce(0, n[:1] * 0, p[0, 0], 'amax')", "x.take_along_dim(-n[:4].reshape(4, 1), 1)",
          "torch.tensordot(x[:1], p, [[0], [0]])", "torch.searchsorted(x[0], p, sorter=x[0].argsort())",
          "x.norm(-0.5)", "(x * 0).norm(-0.5).detach()", "(x * 0).norm(0.5)", "x[0, 0].unfold(0, 1, 1)",
          "torch.nn.functional.conv_transpose1d(x[:, None], p[:1, None, :2], p[0, :1], output_padding=1, dilation=2)"]
WRONG = ["torch.arange(0, torch.inf)", "torch.linspace(0, 1, 2.0)", "torch.logspace(0, 1, -1)",
         "torch.linspace(x, 1, 2)",
         "torch.cov(x, fweights=p[0])", "torch.searchsorted(x[0], p, right=True, side='left')",
         "torch.nn.functional.prelu(x, p)"]


@pytest.mark.parametrize("text", RANGES)
def test_what_pytorchs_own_samples_found(alike, drawn, text):
    def program(torch):
        x, p = drawn(torch, 4, 5).requires_grad_(), drawn(torch, 4, 5, seed=1, low=0.1, high=0.9).requires_grad_()
        found = eval(text, {"torch": torch, "x": x, "p": p, "n": torch.tensor([1, 2, 3, 1])})
        if found.requires_grad:
            found.sum().backward()
        return found, x.grad, p.grad

    alike(program)


@pytest.mark.parametrize("text", WRONG)
def test_mistakes_that_they_found(alike, drawn, text):
    alike(lambda torch: eval(text, {"torch": torch, "x": drawn(torch, 3, 3), "p": drawn(torch, 3, 3)}), types_only=True)
