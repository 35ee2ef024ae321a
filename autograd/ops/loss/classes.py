"""Losses of classes: the negative log-likelihood, of log-probabilities and of logits."""

from __future__ import annotations

import math

import numpy as np

from tritonnet.autograd.function import Op, make
from tritonnet.autograd.ops.loss.base import wants, weighed
from tritonnet.autograd.samples import Sample, samples
from tritonnet.autograd.tape import check_unmodified
from tritonnet.kernels import elementwise
from tritonnet.kernels import loss as kernels
from tritonnet.kernels.softmax import log_softmax


def along_classes(p, x):
    """One value per row as it broadcasts over x, whose axis 1 (or only axis) is the classes."""
    return p.reshape(p.shape[:1] + (1,) + p.shape[1:]) if p.ndim and x.ndim > 1 else p


class NllLoss(Op):
    """- weight[t] * x[t] over the classes (axis 1) of log-probabilities x; target: int labels."""

    def forward(ctx, x, target, weight=None, ignore_index=-100, reduction="mean"):
        loss, dx = kernels.nll(x, target, weight, ignore_index, reduction, wants(ctx, 0))
        ctx.dx = dx if dx is None else ctx.save(dx)
        return loss

    def backward(ctx, dy):
        return weighed(ctx.dx, along_classes(dy, ctx.dx))

    def differentiable_backward(ctx, dy):
        return make(ctx.dx) * along_classes(dy, ctx.dx)


class CrossEntropy(Op):
    """Negative log-likelihood of target under softmax(x) over axis 1; target: int labels or probabilities like x."""

    def forward(ctx, x, target, weight=None, ignore_index=-100, reduction="mean", label_smoothing=0.0):
        loss, dx = kernels.cross_entropy(x, target, weight, ignore_index, reduction, label_smoothing, wants(ctx, 0))
        ctx.dx = dx if dx is None else ctx.save(dx)
        ctx.x, ctx.target, ctx.options = x, target, (weight, ignore_index, reduction, label_smoothing)
        if wants(ctx, 1):
            ctx.save(x)
            rows = math.prod(x.shape[:1] + x.shape[2:]) if x.ndim > 1 else 1
            ctx.sharp = (label_smoothing - 1) / (rows if reduction == "mean" else 1)
        return loss

    def backward(ctx, dy):
        dx = None if ctx.dx is None else weighed(ctx.dx, along_classes(dy, ctx.dx))
        return (dx, ctx.target_gradient(dy)) if wants(ctx, 1) else dx

    def target_gradient(ctx, dy):
        """- (1 - smoothing) weight log softmax(x), over the number of rows for a mean."""
        dt = elementwise.mul(log_softmax(ctx.x, min(1, ctx.x.ndim - 1)), ctx.sharp)
        if ctx.options[0] is not None:
            dt = elementwise.mul(dt, ctx.options[0].reshape((-1,) + (1,) * (dt.ndim - 2)))
        return elementwise.mul(dt, along_classes(dy, dt))

    def differentiable_backward(ctx, dy):
        """dx = softmax(x) (sum of q over the classes) - q, with q linear in target: the loss without softmax.

        The gradient of target is dq/dtarget (- log softmax(x)).
        """
        check_unmodified(ctx, (ctx.x, ctx.target))
        x, axis = ctx.input(0, ctx.x), min(1, ctx.x.ndim - 1)
        dy, q = along_classes(dy, ctx.x), -make(kernels.weights_of_classes(ctx.x, ctx.target, *ctx.options))
        if not wants(ctx, 1):
            return (x.softmax(axis) * q.sum(axis, keepdim=True) - q) * dy
        slope = -ctx.sharp
        if (weight := ctx.options[0]) is not None:
            slope = slope * make(weight.reshape((-1,) + (1,) * (ctx.x.ndim - axis - 1)))
        q = q + slope * (ctx.input(1, ctx.target) - make(ctx.target))       # the same value, with its history
        return (x.softmax(axis) * q.sum(axis, keepdim=True) - q) * dy, -slope * x.log_softmax(axis) * dy


def _class_samples(rand, log):
    x = (lambda *shape: -rand(*shape, low=0.1, high=3)) if log else rand
    for reduction in ("mean", "sum", "none"):  # a label per row; per pixel, with weights, the second class ignored
        yield Sample(x(5, 3), rand.integers(0, 3, 5), None, -100, reduction)
        yield Sample(x(4, 3, 2, 5), rand.integers(0, 3, (4, 2, 5)), np.array([1, 2, 5]), 1, reduction)
    yield Sample(x(70, 10), rand.integers(0, 10, 70))                                  # a batch of digits
    yield Sample(x(3), np.array(1))                                                    # no batch
    yield Sample(x(6, 5).T, rand.integers(0, 6, 5))                                    # strides
    yield Sample(x(2, 5000), rand.integers(0, 5000, 2))                                # several blocks of classes
    yield Sample(x(5000, 4), rand.integers(0, 4, 5000), np.array([1, 2, 0, 1]))        # several programs
    yield Sample(x(4, 3), np.array([-100, 2, -100, 0]), None, -100, "sum")             # ignored
    yield Sample(x(2, 3), np.array([-100, -100]), grad=False)                          # nothing left: NaN
    yield Sample(x(0, 3), rand.integers(0, 3, 0), None, -100, "sum")
    yield Sample(x(2, 3), np.array([0, 3]), raises=IndexError)
    yield Sample(x(2, 3), np.array([0, -1]), raises=IndexError)
    yield Sample(x(2, 3), np.array([0, 1, 2]), raises=ValueError)
    yield Sample(x(2, 3), np.array([True, False]), raises=RuntimeError)
    yield Sample(x(2, 3), np.array([0, 1]), np.array([1, 2]), raises=RuntimeError)
    yield Sample(x(2, 3), np.array([0, 1]), None, -100, "median", raises=ValueError)


@samples(NllLoss, torch=lambda torch, x, t, w=None, ignore=-100, how="mean": torch.nn.functional.nll_loss(
    x, t, w if w is None else w.to(x.dtype), ignore_index=ignore, reduction=how))
def nll_samples(rand):
    yield from _class_samples(rand, True)


@samples(CrossEntropy, torch=lambda torch, x, t, w=None, ignore=-100, how="mean", s=0.0:
         torch.nn.functional.cross_entropy(x, t, w if w is None else w.to(x.dtype), None, ignore, None, how, s))
def cross_entropy_samples(rand):
    yield from _class_samples(rand, False)
    yield Sample(rand(5, 3), rand.integers(0, 3, 5), None, -100, "mean", 0.1)
    yield Sample(rand(4, 3, 6), rand.integers(0, 3, (4, 6)), np.array([1, 2, 5]), 0, "mean", 0.3)
    yield Sample(rand(2, 5000), rand.integers(0, 5000, 2), np.arange(5000) % 3, -100, "sum", 0.2)
    yield Sample(rand(3, 4) * 1e3, rand.integers(0, 4, 3), grad=False, dtypes=("float32", "bfloat16"))  # far apart
    for shape in ((5, 3), (4, 3, 2, 5), (2, 5000)):
        yield Sample(rand(*shape), rand(*shape, low=0))
        yield Sample(rand(*shape), rand(*shape, low=0), np.arange(shape[1]) % 4, -100, "sum", 0.1)
    yield Sample(rand(5, 3), rand(5, 3, low=0), np.array([1, 2, 0]), -100, "none", 0.1)
    yield Sample(rand(4), rand(4, low=0), np.array([1, 2, 0, 1]), -100, "none")
