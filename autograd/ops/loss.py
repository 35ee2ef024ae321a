"""Losses. Each computes its gradient in the forward, in the same read; the backward weighs it."""

from __future__ import annotations

import math

import numpy as np

from tritonnet.autograd.function import Op, make
from tritonnet.autograd.samples import Sample, samples
from tritonnet.autograd.tape import is_one
from tritonnet.kernels import elementwise
from tritonnet.kernels import loss as kernels
from tritonnet.kernels.arrays import is_host
from tritonnet.kernels.softmax import log_softmax


def wants(ctx, i):
    """Whether argument i needs a gradient."""
    return i < len(ctx.parents) and ctx.parents[i] is not None


def weighed(d, dy):
    """The gradient d (for a gradient of 1) for the gradient dy."""
    return d if is_one(dy) or (is_host(d) and dy.ndim == 0 and dy == 1) else elementwise.mul(d, dy)


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
        """dx = softmax(x) (sum of q over the classes) - q, with q, which is constant, from the loss without softmax."""
        if wants(ctx, 1):
            raise NotImplementedError("create_graph=True: cross_entropy with probabilities that require a gradient")
        x, axis = ctx.input(0, ctx.x), min(1, ctx.x.ndim - 1)
        q = -make(kernels.weights_of_classes(ctx.x, ctx.target, *ctx.options))
        return (x.softmax(axis) * q.sum(axis, keepdim=True) - q) * along_classes(dy, ctx.x)


class _PairLoss(Op):
    """A loss of pairs of numbers; subclasses say which. Both arguments get gradients."""

    def of(ctx, name, x, target, reduction, weight=None, b=1.0, c=None):
        """Compute, and keep the gradients."""
        loss, dx, dt = kernels.pair_loss(name, x, target, weight, b, c, reduction, (wants(ctx, 0), wants(ctx, 1)))
        ctx.gradients = tuple(ctx.save(d) if wants(ctx, i) else None for i, d in enumerate((dx, dt)))
        return loss

    def backward(ctx, dy):
        return tuple(None if d is None else weighed(d, dy) for d in ctx.gradients)


class MseLoss(_PairLoss):
    """(x - target)^2."""

    def forward(ctx, x, target, reduction="mean"):
        ctx.x, ctx.target, ctx.mean = x, target, reduction == "mean"
        return ctx.of("mse", x, target, reduction)

    def differentiable_backward(ctx, dy):
        d = ctx.input(0, ctx.x) - ctx.input(1, ctx.target)
        dx = d * dy * (2 / d.numel() if ctx.mean else 2.0)
        return dx, -dx


class L1Loss(_PairLoss):
    """|x - target|."""

    def forward(ctx, x, target, reduction="mean"):
        return ctx.of("l1", x, target, reduction)

    def differentiable_backward(ctx, dy):
        return tuple(None if d is None else make(d) * dy for d in ctx.gradients)


class SmoothL1Loss(_PairLoss):
    """Quadratic for differences below beta, linear above."""

    def forward(ctx, x, target, beta=1.0, reduction="mean"):
        return ctx.of("l1" if beta == 0 else "smooth_l1", x, target, reduction, b=beta)


class HuberLoss(_PairLoss):
    """Quadratic for differences up to delta, of slope delta above."""

    def forward(ctx, x, target, delta=1.0, reduction="mean"):
        return ctx.of("huber", x, target, reduction, b=delta)


class BceLoss(_PairLoss):
    """Binary cross-entropy of probabilities x in [0, 1]; outside RuntimeError (on a device NaN)."""

    def forward(ctx, x, target, weight=None, reduction="mean"):
        check_pair("binary_cross_entropy", x, target, weight)
        return ctx.of("bce", x, target, reduction, weight)


class BceWithLogits(_PairLoss):
    """Binary cross-entropy of sigmoid(x); weight and pos_weight broadcast."""

    def forward(ctx, x, target, weight=None, pos_weight=None, reduction="mean"):
        check_pair("binary_cross_entropy_with_logits", x, target, weight, pos_weight)
        return ctx.of("bce_logits", x, target, reduction, weight, c=pos_weight)


class KlDiv(_PairLoss):
    """Kullback-Leibler divergence of target from exp(x); x holds log-probabilities, target too if log_target."""

    def forward(ctx, x, target, reduction="mean", log_target=False):
        return ctx.of("kl_div_log" if log_target else "kl_div", x, target, reduction)


def check_pair(name, x, target, *weights):
    """Raise if target is not of x's shape, or a weight does not broadcast to it."""
    if x.shape != target.shape:
        raise ValueError(f"{name}: Target size ({list(target.shape)}) must be the same as input size ({list(x.shape)})")
    for w in weights:
        if w is not None and (w.ndim > x.ndim or any(n not in (1, m) for n, m in zip(w.shape[::-1], x.shape[::-1]))):
            raise RuntimeError(f"{name}: weight of shape {list(w.shape)} does not broadcast to input {list(x.shape)}")


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


def _pair_samples(rand, reductions=("mean", "sum", "none")):
    for reduction in reductions:
        yield Sample(rand(5, 7), rand(5, 7), reduction=reduction)
        yield Sample(rand(3, 1, 4), rand(2, 1), reduction=reduction)           # broadcast
    yield Sample(rand(), rand())
    yield Sample(rand(4, 6).T, rand(6, 4))                                     # strides
    yield Sample(rand(300, 211), rand(300, 211))                               # several programs
    yield Sample(rand(0, 3), rand(0, 3), reduction="sum")
    yield Sample(rand(2, 3), rand(2, 3), reduction="median", raises=ValueError)


def _functional(name, **names):
    return lambda torch, x, t, **kwargs: getattr(torch.nn.functional, name)(
        *torch.broadcast_tensors(x, t), **{names.get(k, k): v for k, v in kwargs.items()})


@samples(MseLoss, torch=_functional("mse_loss"))
def mse_samples(rand):
    yield from _pair_samples(rand)


@samples(L1Loss, torch=_functional("l1_loss"))
def l1_samples(rand):
    yield from _pair_samples(rand)
    yield Sample(np.array([1.0, np.nan, 2.0]), np.array([1.0, 0.0, np.inf]), reduction="none", grad=False)  # 0; NaN


@samples(SmoothL1Loss, torch=_functional("smooth_l1_loss"))
def smooth_l1_samples(rand):
    yield from _pair_samples(rand)
    yield Sample(rand(5, 7), rand(5, 7), beta=0.3)
    yield Sample(rand(5, 7), rand(5, 7), beta=0)


@samples(HuberLoss, torch=_functional("huber_loss"))
def huber_samples(rand):
    yield from _pair_samples(rand)
    yield Sample(rand(5, 7), rand(5, 7), delta=0.3)


@samples(BceLoss, torch=lambda torch, x, t, w=None, how="mean": torch.nn.functional.binary_cross_entropy(
    x, t, w if w is None else w.to(x.dtype).expand(x.shape), reduction=how))
def bce_samples(rand):
    inside = lambda *shape: rand(*shape, low=0.05, high=0.95)
    for reduction in ("mean", "sum", "none"):
        yield Sample(inside(5, 7), inside(5, 7), None, reduction)
    yield Sample(inside(5, 7), inside(5, 7), rand.integers(1, 4, (7,)))          # weights per column,
    yield Sample(inside(5, 3, 2), inside(5, 3, 2), rand.integers(1, 4, (3, 1)))  # in the middle,
    yield Sample(inside(5, 3, 2), inside(5, 3, 2), rand.integers(1, 4, (5, 1, 2)))  # around it
    yield Sample(np.array([0.0, 1, 0, 1]), np.array([0.0, 1, 1, 0]), grad=False)  # logarithms end at -100
    yield Sample(np.array([0.5, 1.5]), np.array([0.0, 1]), raises=RuntimeError)
    yield Sample(np.array([0.5, np.nan]), np.array([0.0, 1]), raises=RuntimeError)
    yield Sample(inside(2, 3), inside(3), raises=ValueError)


@samples(BceWithLogits, torch=lambda torch, x, t, w=None, c=None, how="mean":
         torch.nn.functional.binary_cross_entropy_with_logits(
             x, t, *(p if p is None else p.to(x.dtype) for p in (w,)), reduction=how,
             pos_weight=c if c is None else c.to(x.dtype)))
def bce_logits_samples(rand):
    for reduction in ("mean", "sum", "none"):
        yield Sample(rand(5, 7, low=-4, high=4), rand(5, 7, low=0), None, None, reduction)
    yield Sample(rand(5, 7), rand(5, 7, low=0), rand.integers(1, 4, (7,)), rand.integers(1, 4, (7,)))
    yield Sample(rand(5, 3, 2), rand(5, 3, 2, low=0), None, rand.integers(1, 4, (3, 1)), "sum")
    yield Sample(rand(4, low=-80, high=80), np.array([0.0, 1, 0, 1]), dtypes=("float32", "bfloat16"))  # saturated
    yield Sample(rand(2, 3), rand(3), raises=ValueError)
    yield Sample(rand(2, 3), rand(2, 3), None, np.array([1, 2]), raises=RuntimeError)


@samples(KlDiv, torch=_functional("kl_div"))
def kl_div_samples(rand):
    for reduction in ("mean", "sum", "none", "batchmean"):
        yield Sample(rand(5, 7), rand(5, 7, low=0.1), reduction=reduction)
        yield Sample(rand(5, 7), rand(5, 7), reduction=reduction, log_target=True)
    yield Sample(rand(3), np.array([0.0, 0.5, 0.0]), grad=False)                 # 0 log 0 = 0
