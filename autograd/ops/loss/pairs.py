"""Losses of pairs of numbers, one for each element; kernels/loss/pointwise.py has their formulas."""

from __future__ import annotations

import math

import numpy as np

from tritonnet.autograd.function import Op, make
from tritonnet.autograd.ops.elementwise import LogSigmoid
from tritonnet.autograd.ops.loss.base import weighed
from tritonnet.autograd.samples import Sample, samples
from tritonnet.autograd.tape import check_unmodified
from tritonnet.kernels import loss as kernels


class PairLoss(Op):
    """A loss of pairs of numbers; subclasses say which. Both arguments get gradients."""

    def of(ctx, name, x, target, reduction, weight=None, b=1.0, c=None):
        """Compute, and keep the gradients."""
        wants_x, wants_t = needs = ctx.parents[0] is not None, ctx.parents[1] is not None
        loss, dx, dt = kernels.pair_loss(name, x, target, weight, b, c, reduction, needs)
        ctx.gradients = dx if wants_x else None, dt
        ctx.saved = ctx.gradients if wants_x and wants_t else (dx,) if wants_x else (dt,) if wants_t else ()
        ctx.x, ctx.target, ctx.weight, ctx.b, ctx.c, ctx.reduction = x, target, weight, b, c, reduction
        return loss

    def backward(ctx, dy):
        dx, dt = ctx.gradients
        return None if dx is None else weighed(dx, dy), None if dt is None else weighed(dt, dy)

    def differentiable_backward(ctx, dy):
        check_unmodified(ctx, (ctx.x, ctx.target))
        slopes = ctx.slopes(ctx.input(0, ctx.x), ctx.input(1, ctx.target))
        if ctx.weight is not None:
            dy = dy * make(ctx.weight)
        if ctx.reduction in ("mean", "batchmean"):
            shape = np.broadcast_shapes(ctx.x.shape, ctx.target.shape)
            dy = dy / (math.prod(shape) if ctx.reduction == "mean" else shape[0] if shape else 1)
        return tuple(None if slope is None else slope * dy for slope in slopes)

    def slopes(ctx, x, t):
        """(dL/dx, dL/dt) on tensors."""
        raise NotImplementedError


class MseLoss(PairLoss):
    """(x - target)^2."""

    def forward(ctx, x, target, reduction="mean"):
        return ctx.of("mse", x, target, reduction)

    def slopes(ctx, x, t):
        d = 2 * (x - t)
        return d, -d


class L1Loss(PairLoss):
    """|x - target|."""

    def forward(ctx, x, target, reduction="mean"):
        return ctx.of("l1", x, target, reduction)

    def slopes(ctx, x, t):
        d = (x - t).sign()
        return d, -d


class SmoothL1Loss(PairLoss):
    """Quadratic for differences below beta, linear above."""

    def forward(ctx, x, target, beta=1.0, reduction="mean"):
        return ctx.of("l1" if beta == 0 else "smooth_l1", x, target, reduction, b=beta)

    def slopes(ctx, x, t):
        d = ((x - t) / ctx.b).clamp(-1, 1) if ctx.b else (x - t).sign()
        return d, -d


class HuberLoss(PairLoss):
    """Quadratic for differences up to delta, of slope delta above."""

    def forward(ctx, x, target, delta=1.0, reduction="mean"):
        return ctx.of("huber", x, target, reduction, b=delta)

    def slopes(ctx, x, t):
        d = (x - t).clamp(-ctx.b, ctx.b)
        return d, -d


class BceLoss(PairLoss):
    """Binary cross-entropy of probabilities x in [0, 1]; outside RuntimeError (on a device NaN)."""

    def forward(ctx, x, target, weight=None, reduction="mean"):
        check_pair("binary_cross_entropy", x, target, weight)
        return ctx.of("bce", x, target, reduction, weight)

    def slopes(ctx, x, t):
        log, log_rest = x.log().clamp(min=-100), (1 - x).log().clamp(min=-100)
        return (x - t) / (x * (1 - x)).clamp(min=1e-12), log_rest - log


class BceWithLogits(PairLoss):
    """Binary cross-entropy of sigmoid(x); weight and pos_weight broadcast."""

    def forward(ctx, x, target, weight=None, pos_weight=None, reduction="mean"):
        check_pair("binary_cross_entropy_with_logits", x, target, weight, pos_weight)
        return ctx.of("bce_logits", x, target, reduction, weight, c=pos_weight)

    def slopes(ctx, x, t):
        if ctx.c is None:
            return x.sigmoid() - t, -x
        c = make(ctx.c) - 1
        return 1 - t - (1 + c * t) * (-x).sigmoid(), -c * LogSigmoid.apply(x) - x


class KlDiv(PairLoss):
    """Kullback-Leibler divergence of target from exp(x); x holds log-probabilities, target too if log_target."""

    def forward(ctx, x, target, reduction="mean", log_target=False):
        ctx.log_target = log_target
        return ctx.of("kl_div_log" if log_target else "kl_div", x, target, reduction)

    def slopes(ctx, x, t):
        if ctx.log_target:
            return -t.exp(), t.exp() * (t - x + 1)
        return -t, t.log() + 1 - x


def check_pair(name, x, target, *weights):
    """Raise if target is not of x's shape, or a weight does not broadcast to it."""
    if x.shape != target.shape:
        raise ValueError(f"{name}: Target size ({list(target.shape)}) must be the same as input size ({list(x.shape)})")
    for w in weights:
        if w is not None and (w.ndim > x.ndim or any(n not in (1, m) for n, m in zip(w.shape[::-1], x.shape[::-1]))):
            raise RuntimeError(f"{name}: weight of shape {list(w.shape)} does not broadcast to input {list(x.shape)}")


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
