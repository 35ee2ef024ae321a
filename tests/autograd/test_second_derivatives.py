"""Second derivatives of convolution, pooling, reductions, dropout and views agree with finite differences of the first.

Those of norms and losses are in test_norm_loss.py.
"""

import numpy as np
import pytest

import tritonnet as tn
from tritonnet.autograd.gradcheck import gradgradcheck
from tritonnet.autograd.ops.conv import ConvTranspose2d
from tritonnet.autograd.ops.conv.columns import Fold, Unfold
from tritonnet.nn import functional as F


def drawn(*shapes):
    rng = np.random.default_rng(0)
    return tuple(tn.tensor(rng.standard_normal(s), requires_grad=True) for s in shapes)


def with_zeros(x):
    """Products with one zero, two zeros and none in a row."""
    return x * tn.tensor([[1.0, 0, 1, 1], [0, 1, 0, 1], [1, 1, 1, 1]], dtype=tn.float64)


def changed_view(x):
    y = x * 1
    y.view(4, 3)[1].mul_(y[0, :3])
    return y * y


CASES = {
    "conv2d": (lambda x, w, b: F.conv2d(x, w, b, 2, 1), [(2, 3, 5, 4), (4, 3, 3, 2), (4,)]),
    "conv2d groups": (lambda x, w: F.conv2d(x, w, dilation=2, groups=2), [(1, 4, 5, 5), (2, 2, 2, 2)]),
    "conv1d": (lambda x, w, b: F.conv1d(x, w, b, padding=1), [(2, 3, 5), (4, 3, 3), (4,)]),
    "transposed": (lambda x, w, b: ConvTranspose2d.apply(x, w, b, (6, 5), (2, 2), (1, 1)), [
        (1, 3, 3, 3), (3, 2, 3, 3), (2,)]),
    "unfold": (lambda x: Unfold.apply(x, (2, 2)) ** 2, [(1, 2, 3, 4)]),
    "fold": (lambda x: Fold.apply(x, (3, 4), (2, 2)) ** 2, [(1, 8, 6)]),
    "max_pool2d": (lambda x: F.max_pool2d(x, 2) ** 2, [(2, 2, 4, 6)]),
    "max_pool2d indices": (lambda x: F.max_pool2d(x, 3, 1, return_indices=True)[0] ** 2, [(2, 4, 6)]),
    "avg_pool2d": (lambda x: F.avg_pool2d(x, 3, 2, 1, count_include_pad=False) ** 2, [(2, 2, 5, 6)]),
    "adaptive_avg_pool2d": (lambda x: F.adaptive_avg_pool2d(x, (2, 3)) ** 2, [(2, 2, 5, 6)]),
    "adaptive_max_pool2d": (lambda x: F.adaptive_max_pool2d(x, (2, 3)) ** 2, [(2, 2, 5, 6)]),
    "max_pool1d": (lambda x: F.max_pool1d(x, 2) ** 2, [(2, 2, 6)]),
    "dropout": (lambda x: F.dropout(x, 0.0) ** 2, [(3, 4)]),
    "dropout2d": (lambda x: F.dropout2d(x, 0.0) ** 2, [(2, 3, 2, 2)]),
    "var": (lambda x: x.var((0, 2)) ** 2, [(3, 4, 2)]),
    "std": (lambda x: x.std(1, correction=0), [(3, 4)]),
    "prod": (lambda x: x.prod(1), [(3, 5)]),
    "prod of all": (lambda x: x.prod(), [(3, 2)]),
    "prod with zeros": (lambda x: with_zeros(x).prod(1), [(3, 4)]),
    "logsumexp": (lambda x: x.logsumexp((0, 1)), [(3, 4)]),
    "cumsum": (lambda x: x.cumsum(1) ** 2, [(3, 4)]),
    "max": (lambda x: x.max(1)[0] ** 2, [(3, 4)]),
    "min": (lambda x: x.min(0, keepdim=True).values ** 2, [(3, 4)]),
    "amax": (lambda x: x.amax((0, 2)) ** 2, [(3, 4, 2)]),
    "amin": (lambda x: x.amin() ** 2, [(3, 4)]),
    "changed view": (changed_view, [(3, 4)]),
}


@pytest.mark.parametrize("name", CASES)
def test_second_derivative(name):
    function, shapes = CASES[name]
    assert gradgradcheck(function, drawn(*shapes))


def test_third_derivative_of_convolution():
    x, w = drawn((1, 1, 4, 4), (2, 1, 2, 2))
    first = tn.autograd.grad((F.conv2d(x, w) ** 3).sum(), [w], create_graph=True)[0]
    assert gradgradcheck(lambda x, w: tn.autograd.grad((F.conv2d(x, w) ** 3).sum(), [w], create_graph=True)[0], (x, w))
    assert first.requires_grad


def test_a_changed_saved_value_is_noticed_when_the_backward_is_recorded():
    x, w = drawn((1, 1, 4, 4), (2, 1, 2, 2))
    y = F.conv2d(x, w).sum()
    with tn.no_grad():
        w.add_(1)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        tn.autograd.grad(y, [x], create_graph=True)


def test_gradient_penalty_on_the_simulated_device():
    """WGAN-GP: the norm of the gradient by the image is itself differentiated."""
    x, w1, w2 = (t.detach().float() for t in drawn((2, 1, 6, 6), (3, 1, 3, 3), (1, 3)))

    def penalties(x, w1, w2):
        x, w1, w2 = (t.detach().requires_grad_() for t in (x, w1, w2))
        h = F.avg_pool2d(F.leaky_relu(F.conv2d(x, w1, stride=1), 0.2), 2).amax((2, 3))
        by_image, = tn.autograd.grad(F.linear(h, w2).sum(), x, create_graph=True)
        ((by_image.flatten(1).norm(2, dim=1) - 1) ** 2).mean().backward()
        return [t.grad.cpu().numpy() for t in (w1, w2)]

    expected = penalties(x, w1, w2)
    with tn.cuda.simulated():
        found = penalties(x.cuda(), w1.cuda(), w2.cuda())
    for f, e in zip(found, expected):
        np.testing.assert_allclose(f, e, rtol=1e-4, atol=1e-6)
