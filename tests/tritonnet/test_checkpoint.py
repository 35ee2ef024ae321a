"""`utils.checkpoint`: gradients as without it, the same random numbers, fewer arrays kept."""

import pytest

import tritonnet
from tritonnet import nn
from tritonnet.utils.checkpoint import checkpoint, checkpoint_sequential


def gradients(run, model, *inputs):
    model.zero_grad()
    for x in inputs:
        x.grad = None
    tritonnet.manual_seed(1)
    run(*inputs).pow(2).sum().backward()
    return [t.grad.clone() for t in (*model.parameters(), *inputs) if t.grad is not None]


@pytest.mark.parametrize("wanted", [True, False])
@pytest.mark.parametrize("reentrant", [True, False])
def test_gradients_are_those_of_the_plain_function(wanted, reentrant):
    model = nn.Sequential(nn.Linear(3, 4), nn.Dropout(0.5), nn.Tanh(), nn.Linear(4, 2))
    x = tritonnet.randn(5, 3, requires_grad=wanted)
    plain = gradients(model, model, x)
    checked = gradients(lambda x: checkpoint(model, x, use_reentrant=reentrant), model, x)
    pieces = gradients(lambda x: checkpoint_sequential(model, 2, x, use_reentrant=reentrant), model, x)
    assert len(plain) == 4 + wanted
    for a, b, c in zip(plain, checked, pieces, strict=True):
        assert tritonnet.equal(a, b) and tritonnet.equal(a, c)


def test_several_results_closures_and_second_derivatives():
    x = tritonnet.tensor([1.0, 2.0], requires_grad=True)
    inner = x * 3

    def run(y, n, scale):
        return y * inner, y.detach(), (y ** n).sum() * scale, n

    a, b, c, n = checkpoint(run, x, 3, scale=2)
    assert n == 3 and not b.requires_grad and b.tolist() == [1, 2]
    (a.sum() + c).backward()
    assert x.grad.tolist() == [6 + 6, 12 + 24]  # 3 x^2 and 2 x^3
    first, = tritonnet.autograd.grad(checkpoint(lambda y: (y ** 3).sum(), x), x, create_graph=True)
    second, = tritonnet.autograd.grad(first.sum(), x)
    assert second.tolist() == [6, 12]


def test_nothing_is_recorded_without_need():
    with tritonnet.no_grad():
        assert not checkpoint(lambda y: y * 2, tritonnet.ones(2, requires_grad=True)).requires_grad
    assert not checkpoint(lambda y: y * 2, tritonnet.ones(2)).requires_grad
    assert checkpoint(lambda y: None, tritonnet.ones(2)) is None


def test_activations_are_let_go():
    import weakref

    kept = []

    def run(y):
        y = y.exp()
        kept.append(weakref.ref(y.array))
        return y.sin().sum()

    loss = checkpoint(run, tritonnet.ones(3, requires_grad=True))
    assert kept[0]() is None
    loss.backward()
    assert len(kept) == 2


def test_autocast_is_as_it_was():
    x, w = tritonnet.randn(4, 4), nn.Parameter(tritonnet.randn(4, 4))
    types = []

    def run(x):
        product = x @ w
        types.append(product.dtype)
        return product.float().sum()

    with tritonnet.autocast("cpu", dtype=tritonnet.bfloat16):
        loss = checkpoint(run, x)
    loss.backward()
    assert types == [tritonnet.bfloat16] * 2
