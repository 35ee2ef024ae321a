"""nn.init: the distributions, gains and errors."""

import math

import numpy as np
import pytest

import tritonnet
from tritonnet.nn import init

SHAPE = (200, 100, 3, 3)  # fan in 900, fan out 1800


def spread(values):
    return values.mean(), values.std(), values.min(), values.max()


UNIFORM = {
    "uniform_": (lambda t: init.uniform_(t, -2, 2), 2.0),
    "xavier_uniform_": (lambda t: init.xavier_uniform_(t, gain=2.0), 2 * math.sqrt(6 / 2700)),
    "kaiming_uniform_": (lambda t: init.kaiming_uniform_(t, a=math.sqrt(5)), 1 / 30),
    "kaiming_uniform_ out": (
        lambda t: init.kaiming_uniform_(t, mode="fan_out", nonlinearity="relu"), math.sqrt(6 / 1800)),
}
NORMAL = {
    "normal_": (lambda t: init.normal_(t, 0.0, 0.3), 0.3),
    "xavier_normal_": (lambda t: init.xavier_normal_(t), math.sqrt(2 / 2700)),
    "kaiming_normal_": (lambda t: init.kaiming_normal_(t, nonlinearity="relu"), math.sqrt(2 / 900)),
    "kaiming_normal_ out": (
        lambda t: init.kaiming_normal_(t, a=0.2, mode="fan_out"), math.sqrt(2 / 1.04 / 1800)),
}


@pytest.mark.parametrize("name", UNIFORM)
def test_uniform(name):
    tritonnet.manual_seed(0)
    fill, bound = UNIFORM[name]
    weight = tritonnet.empty(SHAPE, requires_grad=True)
    assert fill(weight) is weight and weight.is_leaf
    mean, std, low, high = spread(weight.detach().numpy())
    assert abs(mean) < 0.01 * bound and std == pytest.approx(bound / math.sqrt(3), rel=0.01)
    assert -bound <= low < -0.999 * bound and 0.999 * bound < high <= bound


@pytest.mark.parametrize("name", NORMAL)
def test_normal(name):
    tritonnet.manual_seed(0)
    fill, expected = NORMAL[name]
    mean, std, low, high = spread(fill(tritonnet.empty(SHAPE)).numpy())
    assert abs(mean) < 0.01 * expected and std == pytest.approx(expected, rel=0.01)
    assert 4 * expected < -low < 6 * expected and 4 * expected < high < 6 * expected


def test_truncated_normal():
    tritonnet.manual_seed(0)
    values = init.trunc_normal_(tritonnet.empty(40000), mean=1.0, std=2.0, a=0.0, b=4.0).numpy()
    assert values.min() >= 0 and values.max() <= 4
    # moments of N(1, 2) on [0, 4], by numerical integration
    x = np.linspace(0, 4, 100001)
    density = np.exp(-((x - 1) ** 2) / 8)
    mean = (x * density).sum() / density.sum()
    assert values.mean() == pytest.approx(mean, rel=0.01)
    assert values.var() == pytest.approx(((x - mean) ** 2 * density).sum() / density.sum(), rel=0.03)
    narrow = init.trunc_normal_(tritonnet.empty(20000), std=0.02).numpy()
    assert narrow.std() == pytest.approx(0.02, rel=0.03) and np.abs(narrow).max() < 0.12
    with pytest.warns(UserWarning, match="more than 2 std"):
        init.trunc_normal_(tritonnet.empty(2), mean=9.0)


def test_constants():
    w = tritonnet.empty(3, 4)
    assert (init.constant_(w, 2.5) == 2.5).all() and (init.ones_(w) == 1).all() and (init.zeros_(w) == 0).all()
    assert init.eye_(w).tolist() == np.eye(3, 4).tolist()


def test_dirac_passes_channels_on(alike):
    alike(lambda torch: torch.nn.init.dirac_(torch.empty(4, 2, 3, 3)))
    alike(lambda torch: torch.nn.init.dirac_(torch.empty(4, 2, 5), groups=2))
    x = tritonnet.rand(1, 2, 5, 5)
    w = init.dirac_(tritonnet.empty(2, 2, 3, 3))
    assert (tritonnet.nn.functional.conv2d(x, w, padding=1) - x).abs().max().item() < 1e-6


@pytest.mark.parametrize("shape", [(5, 8), (8, 5), (4, 2, 3), (6, 6)])
def test_orthogonal(shape):
    tritonnet.manual_seed(0)
    w = init.orthogonal_(tritonnet.empty(shape), gain=2.0).numpy().reshape(shape[0], -1)
    product = w @ w.T if w.shape[0] <= w.shape[1] else w.T @ w
    np.testing.assert_allclose(product, 4 * np.eye(len(product)), atol=1e-5)
    assert init.orthogonal_(tritonnet.empty(0, 3)).shape == (0, 3)


def test_sparse():
    tritonnet.manual_seed(0)
    w = init.sparse_(tritonnet.empty(10, 7), 0.25, std=1.0).numpy()
    assert ((w == 0).sum(0) == 3).all()


def test_a_generator_decides():
    one, two = (tritonnet.Generator().manual_seed(7) for _ in range(2))
    assert init.normal_(tritonnet.empty(5), generator=one).tolist() == init.normal_(
        tritonnet.empty(5), generator=two).tolist()


GAINS = [("linear",), ("conv2d",), ("sigmoid",), ("tanh",), ("relu",), ("leaky_relu",), ("leaky_relu", 0.3), ("selu",),
         ("swish",), ("leaky_relu", "a"), ("leaky_relu", True)]


@pytest.mark.parametrize("arguments", GAINS)
def test_gains(alike, arguments):
    alike(lambda torch: float(torch.nn.init.calculate_gain(*arguments)))


MISTAKES = {
    "fan": lambda torch: torch.nn.init.kaiming_uniform_(torch.empty(3)),
    "mode": lambda torch: torch.nn.init.kaiming_normal_(torch.empty(3, 3), mode="fan"),
    "xavier": lambda torch: torch.nn.init.xavier_normal_(torch.empty(3)),
    "eye": lambda torch: torch.nn.init.eye_(torch.empty(3)),
    "dirac": lambda torch: torch.nn.init.dirac_(torch.empty(3, 3)),
    "dirac groups": lambda torch: torch.nn.init.dirac_(torch.empty(3, 3, 3), groups=2),
    "orthogonal": lambda torch: torch.nn.init.orthogonal_(torch.empty(3)),
    "sparse": lambda torch: torch.nn.init.sparse_(torch.empty(3), 0.1),
    "empty": lambda torch: torch.nn.init.kaiming_uniform_(torch.empty(0, 3)),
    "empty normal": lambda torch: torch.nn.init.kaiming_normal_(torch.empty(0, 3)),
    "fans": lambda torch: list(torch.nn.init._calculate_fan_in_and_fan_out(torch.empty(4, 3, 2, 2))),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_mistakes(alike, name):
    alike(MISTAKES[name])


def test_old_names_warn_and_fill(alike):
    alike(lambda torch: torch.nn.init.constant(torch.empty(2, 2), 3.0))
    alike(lambda torch: torch.nn.init.eye(torch.empty(2, 3)))
    for name in ("uniform", "normal", "xavier_uniform", "xavier_normal", "kaiming_uniform", "kaiming_normal",
                 "orthogonal", "dirac"):
        w = tritonnet.zeros(3, 3, 3)
        with pytest.warns(FutureWarning, match=f"`nn.init.{name}` is now deprecated in favor of `nn.init.{name}_`"):
            assert getattr(init, name)(w) is w and (w != 0).any()
    with pytest.warns(FutureWarning):
        init.sparse(tritonnet.zeros(4, 4), 0.5)
