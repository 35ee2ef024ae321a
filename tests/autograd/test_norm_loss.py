"""Second derivatives of softmax, norms and losses agree with finite differences of the first."""

import numpy as np
import pytest

import tritonnet as tn
from tritonnet.autograd.gradcheck import gradgradcheck
from tritonnet.nn import functional as F

RNG = np.random.default_rng(0)
LABELS, PIXELS = tn.tensor(RNG.integers(0, 4, 5)), tn.tensor(RNG.integers(0, 4, (5, 3)))
WEIGHT, SOFT = tn.tensor(RNG.random(4)), tn.tensor(RNG.random((5, 4)))
MEAN, VAR = tn.tensor(RNG.standard_normal(4)), tn.tensor(RNG.random(4) + 0.5)


def drawn(*shapes):
    return tuple(tn.tensor(RNG.standard_normal(s), requires_grad=True) for s in shapes)


@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
@pytest.mark.parametrize("function, shapes", [
    (lambda x, how: F.cross_entropy(x, LABELS, reduction=how), [(5, 4)]),
    (lambda x, how: F.cross_entropy(x, PIXELS, WEIGHT, None, 1, None, how, 0.2), [(5, 4, 3)]),
    (lambda x, how: F.cross_entropy(x, SOFT, WEIGHT, reduction=how, label_smoothing=0.2), [(5, 4)]),
    (lambda x, y, how: F.cross_entropy(x, y.sigmoid(), WEIGHT, reduction=how, label_smoothing=0.2), [(5, 4), (5, 4)]),
    (lambda x, how: F.nll_loss(x.log_softmax(1), LABELS, WEIGHT, reduction=how), [(5, 4)]),
    (lambda x, y, how: F.mse_loss(x, y, reduction=how), [(5, 4), (5, 4)]),
    (lambda x, y, how: F.l1_loss(x * x, y, reduction=how), [(5, 4), (5, 4)]),
    (lambda x, y, how: F.smooth_l1_loss(x, y, beta=0.7, reduction=how), [(5, 4), (5, 4)]),
    (lambda x, y, how: F.huber_loss(x, y, delta=0.7, reduction=how), [(5, 4), (4,)]),
    (lambda x, y, how: F.binary_cross_entropy(x.sigmoid(), y.sigmoid(), WEIGHT, reduction=how), [(5, 4), (5, 4)]),
    (lambda x, y, how: F.binary_cross_entropy_with_logits(x, y, reduction=how), [(5, 4), (5, 4)]),
    (lambda x, y, how: F.binary_cross_entropy_with_logits(x, y, WEIGHT, None, None, how, WEIGHT), [(5, 4), (5, 4)]),
    (lambda x, y, how: F.kl_div(x, y.sigmoid(), reduction=how), [(5, 4), (5, 4)]),
    (lambda x, y, how: F.kl_div(x, y, reduction=how.replace("mean", "batchmean"), log_target=True), [(5, 4), (5, 4)]),
], ids=["cross_entropy", "of pixels", "of probabilities", "of both", "nll", "mse", "l1", "smooth_l1", "huber", "bce",
        "logits", "weighted logits", "kl_div", "of logarithms"])
def test_losses(function, shapes, reduction):
    assert gradgradcheck(lambda *args: function(*args, reduction), drawn(*shapes))


@pytest.mark.parametrize("function, shapes", [
    (lambda x: F.softmax(x, 0), [(5, 4)]),
    (lambda x: F.log_softmax(x, 1), [(5, 4)]),
    (lambda x, w, b: F.layer_norm(x, (3, 4), w, b), [(5, 3, 4), (3, 4), (3, 4)]),
    (lambda x: F.layer_norm(x, (4,)), [(5, 4)]),
    (lambda x, w: F.rms_norm(x, (4,), w, 1e-5), [(5, 4), (4,)]),
    (lambda x, w, b: F.group_norm(x, 2, w, b), [(3, 4, 5), (4,), (4,)]),
    (lambda x, w, b: F.batch_norm(x, None, None, w, b, True), [(3, 4, 5), (4,), (4,)]),
    (lambda x: F.batch_norm(x, None, None, training=True), [(6, 4)]),
    (lambda x, w, b: F.batch_norm(x, MEAN, VAR, w, b), [(3, 4, 5), (4,), (4,)]),
], ids=["softmax", "log_softmax", "layer", "no weights", "rms", "group", "batch", "of vectors", "evaluation"])
def test_softmax_and_norms(function, shapes):
    assert gradgradcheck(function, drawn(*shapes))


def test_the_norm_of_zeros_has_no_gradient_when_recorded_either():
    x = tn.zeros(2, 3, requires_grad=True)
    first, = tn.autograd.grad(x.norm(dim=1).sum(), x, create_graph=True)
    second, = tn.autograd.grad((first ** 2).sum(), x)
    assert not first.any() and not second.any()
