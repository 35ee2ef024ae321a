"""Distributions: densities, entropies, divergences, gradients, messages as PyTorch's; samples by their moments."""

import importlib

import pytest

import tritonnet

CALLS = [
    "D.Categorical(logits=x).log_prob(torch.tensor([0, 3, 1]))", "D.Categorical(s).log_prob(torch.tensor([0, 3, 1]))",
    "D.Categorical(logits=x).entropy()", "D.Categorical(s).log_prob(torch.tensor([[0], [1]]))",
    "D.Categorical(s).probs", "D.Categorical(s).logits", "D.Categorical(logits=x).probs", "D.Categorical(s).mode",
    "D.Categorical(s).mean", "D.Categorical(s).enumerate_support()",
    "D.OneHotCategorical(s).log_prob(torch.eye(4)[:3])",
    "D.OneHotCategorical(s).entropy()", "D.OneHotCategorical(s).variance", "D.Normal(x, s).log_prob(s)",
    "D.Normal(x, s).entropy()", "D.Normal(x, s).cdf(s)", "D.Normal(x, 2.0).variance", "D.Normal(x, s).stddev",
    "D.Bernoulli(s / 2).log_prob(torch.ones(3, 4))", "D.Bernoulli(logits=x).entropy()", "D.Bernoulli(s / 2).variance",
    "D.Bernoulli(0.7).mode", "D.Bernoulli(0.3).mean", "D.Uniform(x, x + s).log_prob((x + s / 2).detach())",
    "D.Uniform(0.0, 2.0).entropy()", "D.Uniform(0.0, 2.0).stddev", "D.Uniform(0.0, 2.0).cdf(torch.tensor(0.5))",
    "D.Uniform(0.0, 2.0).mean", "D.Uniform(0.0, 2.0).variance", "D.Exponential(s).log_prob(s)",
    "D.Exponential(s).entropy()", "D.Exponential(s).cdf(s)", "D.Exponential(s).variance", "D.Laplace(x, s).log_prob(s)",
    "D.Laplace(x, s).entropy()", "D.Laplace(x, s).stddev", "D.LogNormal(x, s).log_prob(s)",
    "D.LogNormal(x, s).entropy()",
    "D.LogNormal(x, s).mean", "D.LogNormal(x, s).variance", "D.LogNormal(x, s).mode",
    "D.Independent(D.Normal(x, s), 1).log_prob(x + 1)", "D.Independent(D.Normal(x, s), 1).entropy()",
    "D.kl_divergence(D.Normal(x, s), D.Normal(0.0, 1.0))", "D.kl_divergence(D.Categorical(s), D.Categorical(logits=x))",
    "D.kl_divergence(D.Bernoulli(s / 2), D.Bernoulli(logits=x))", "D.kl_divergence(D.Laplace(x, s), D.Laplace(0., 1.))",
    "D.kl_divergence(D.Exponential(s), D.Exponential(1.0))", "D.Normal(x, s).perplexity()",
    "D.kl_divergence(D.Uniform(x, x + s), D.Uniform(-3.0, 3.0))",
    "D.kl_divergence(D.OneHotCategorical(s), D.OneHotCategorical(logits=x))",
    "D.kl_divergence(D.Independent(D.Normal(x, s), 1), D.Independent(D.Normal(s, s), 1))",
]
SHOWN = [
    "D.Categorical(s)", "D.Categorical(logits=x[0])", "D.Normal(0.0, 1.0)", "D.Normal(x, s)", "D.Bernoulli(0.5)",
    "D.Uniform(0, 1)", "D.Exponential(2.0)", "D.Laplace(0.0, 1.0)", "D.Independent(D.Normal(x, s), 1)",
    "D.LogNormal(0.0, 1.0)", "D.OneHotCategorical(s)",
]
MISTAKES = [
    "D.kl_divergence(D.Normal(0.0, 1.0), D.Categorical(s))", "D.Normal(x, -s)", "D.Normal(0.0, -1.0)",
    "D.Normal('a', 1.0)", "D.Categorical()", "D.Categorical(s, x)", "D.Uniform(1.0, 0.0)",
    "D.Categorical(torch.tensor(1.0))", "D.Categorical(logits=x * float('nan'))", "D.Categorical(s).log_prob(1)",
    "D.Categorical(s).log_prob(torch.tensor([0, 4, 1]))", "D.Categorical(s).log_prob(torch.tensor([0, 1]))",
    "D.Bernoulli(s / 2).log_prob(s)", "D.Bernoulli(2.0)", "D.Exponential(1.0).log_prob(torch.tensor(-1.0))",
    "D.Independent(D.Normal(0.0, 1.0), 1)",
]


def names(torch, drawn):
    return {"torch": torch, "D": importlib.import_module(f"{torch.__name__}.distributions"),
            "x": drawn(torch, 3, 4).requires_grad_(), "s": drawn(torch, 3, 4, low=0.1, seed=1).requires_grad_()}


@pytest.mark.parametrize("text", CALLS)
def test_a_distribution_computes_what_pytorchs_does(alike, drawn, text):
    def program(torch):
        found = names(torch, drawn)
        result = eval(text, found)
        if result.requires_grad:
            result.sum().backward()
        return result, found["x"].grad, found["s"].grad

    alike(program, rtol=1e-4)


@pytest.mark.parametrize("text", SHOWN)
def test_shapes_and_repr(alike, drawn, text):
    def program(torch):
        d = eval(text, names(torch, drawn))
        drawn_shapes = [list(d.sample().shape), list(d.sample((5, 2)).shape), str(d.sample().dtype)]
        return repr(d), list(d.batch_shape), list(d.event_shape), drawn_shapes, d.has_rsample

    alike(program)


@pytest.mark.parametrize("text", MISTAKES)
def test_a_mistake_raises_what_pytorch_raises(alike, drawn, text):
    alike(lambda torch: repr(eval(text, names(torch, drawn))), types_only="x, -s" in text
          or "nan" in text or "log_prob(s)" in text)


@pytest.mark.parametrize("text", ["D.Normal(x, s)", "D.Laplace(x, s)", "D.Uniform(x, x + s)", "D.Exponential(s)",
                                  "D.LogNormal(x, s)"])
def test_samples_carry_gradients_to_the_parameters(drawn, text):
    found = names(tritonnet, drawn)
    d = eval(text, found)
    assert not d.sample().requires_grad
    d.rsample((2,)).sum().backward()
    assert found["s"].grad.abs().sum() > 0


@pytest.mark.parametrize("text, mean, std", [
    ("D.Normal(2.0, 3.0)", 2, 3), ("D.Laplace(1.0, 1.0)", 1, 2**0.5), ("D.Exponential(2.0)", 0.5, 0.5),
    ("D.Uniform(1.0, 3.0)", 2, 12**-0.5 * 2), ("D.Bernoulli(0.8)", 0.8, 0.4),
    ("D.Categorical(torch.ones(4))", 1.5, 1.118),
])
def test_samples_have_the_moments_they_should(drawn, text, mean, std):
    tritonnet.manual_seed(0)
    sample = eval(text, names(tritonnet, drawn)).sample((4000,)).float()
    assert sample.mean().item() == pytest.approx(mean, abs=0.1 * std)
    assert sample.std().item() == pytest.approx(std, rel=0.1)


def test_checks_can_be_left_out():
    distributions = importlib.import_module("tritonnet.distributions")
    assert distributions.Normal(0.0, -1.0, validate_args=False).scale == -1
    with pytest.raises(NotImplementedError, match="No KL"):
        distributions.kl_divergence(distributions.Normal(0.0, 1.0), distributions.Laplace(0.0, 1.0))
