"""Losses of margins and of distances, and likelihoods of counts and of normal numbers."""

from __future__ import annotations

import math

import tritonnet
from tritonnet.autograd.autocast import SINGLE, listed
from tritonnet.nn.functional.activation import logsigmoid, softplus
from tritonnet.nn.functional.distance import pairwise_distance
from tritonnet.nn.functional.loss import need_tensors, reduction_of

__all__ = [
    "cosine_embedding_loss", "gaussian_nll_loss", "hinge_embedding_loss", "margin_ranking_loss", "multi_margin_loss",
    "multilabel_soft_margin_loss", "poisson_nll_loss", "soft_margin_loss", "triplet_margin_loss",
    "triplet_margin_with_distance_loss",
]


def _reduced(loss, reduction):
    return loss if reduction == "none" else loss.mean() if reduction == "mean" else loss.sum()


@listed(cuda=SINGLE, cpu=SINGLE)
def margin_ranking_loss(input1, input2, target, margin=0, size_average=None, reduce=None, reduction="mean"):
    """max(0, -target (input1 - input2) + margin): input1 is to rank higher where target is 1, lower where it is -1."""
    need_tensors("margin_ranking_loss", input1=input1, input2=input2, target=target)
    if not input1.ndim == input2.ndim == target.ndim:
        raise RuntimeError("margin_ranking_loss : All input tensors should have same dimension but got sizes: input1: "
                           f"{input1.shape}, input2: {input2.shape}, target: {target.shape} ")
    return _reduced((margin - target * (input1 - input2)).clamp(min=0), reduction_of(size_average, reduce, reduction))


@listed(cuda=SINGLE, cpu=SINGLE)
def hinge_embedding_loss(input, target, margin=1.0, size_average=None, reduce=None, reduction="mean"):
    """input where target is 1, max(0, margin - input) where it is -1."""
    need_tensors("hinge_embedding_loss", input=input, target=target)
    apart = tritonnet.where(target != 1, (margin - input).clamp(min=0), 0.0)
    return _reduced(apart + tritonnet.where(target != -1, input, 0.0), reduction_of(size_average, reduce, reduction))


@listed(cuda=SINGLE, cpu=SINGLE)
def cosine_embedding_loss(input1, input2, target, margin=0, size_average=None, reduce=None, reduction="mean"):
    """1 - cos(input1, input2) where target is 1, max(0, cos - margin) where it is -1.  inputs: (N, D) or (D,)."""
    need_tensors("cosine_embedding_loss", input1=input1, input2=input2, target=target)
    if target.ndim > 1:
        raise RuntimeError("0D or 1D target tensor expected, multi-target not supported")
    if input1.ndim != target.ndim + 1 or input2.ndim != target.ndim + 1:
        raise RuntimeError(f"{target.ndim}D target tensor expects {target.ndim + 1}D input tensors, but found inputs "
                           f"with sizes {list(input1.shape)} and {list(input2.shape)}.")
    lengths = [(x * x).sum(-1) + 1e-12 for x in (input1, input2)]
    cosine = (input1 * input2).sum(-1) / (lengths[0] * lengths[1]).sqrt()
    apart = (cosine - margin).clamp(min=0)
    loss = tritonnet.where(target == 1, 1 - cosine, 0.0) + tritonnet.where(target == -1, apart, 0.0)
    return _reduced(loss, reduction_of(size_average, reduce, reduction))


@listed(cuda=SINGLE, cpu=SINGLE)
def triplet_margin_loss(
    anchor, positive, negative, margin=1.0, p=2, eps=1e-6, swap=False, size_average=None, reduce=None,
    reduction="mean",
):
    """max(0, |anchor - positive|_p - |anchor - negative|_p + margin) over the last dimension.

    swap: the positive's distance to the negative counts instead of the anchor's where it is smaller.
    """
    if margin <= 0:
        raise ValueError(f"margin must be greater than 0, got {margin}")
    if not anchor.ndim == positive.ndim == negative.ndim:
        raise RuntimeError("The anchor, positive, and negative tensors are expected to have the same number of "
                           f"dimensions, but got: anchor {anchor.ndim}D, positive {positive.ndim}D, and negative "
                           f"{negative.ndim}D inputs")
    return triplet_margin_with_distance_loss(
        anchor, positive, negative, distance_function=lambda x, y: pairwise_distance(x, y, p, eps), margin=margin,
        swap=swap, reduction=reduction_of(size_average, reduce, reduction))


def triplet_margin_with_distance_loss(
    anchor, positive, negative, *, distance_function=None, margin=1.0, swap=False, reduction="mean"
):
    """`triplet_margin_loss` with a distance of one's own."""
    if margin <= 0:
        raise ValueError(f"margin must be greater than 0, got {margin}")
    reduction = reduction_of(None, None, reduction)
    distance = pairwise_distance if distance_function is None else distance_function
    near, far = distance(anchor, positive), distance(anchor, negative)
    if swap:
        far = tritonnet.minimum(far, distance(positive, negative))
    return _reduced((margin + near - far).clamp(min=0), reduction)


@listed(cuda=SINGLE, cpu=SINGLE)
def soft_margin_loss(input, target, size_average=None, reduce=None, reduction="mean"):
    """log(1 + exp(-target input)); target: 1 or -1."""
    need_tensors("soft_margin_loss", input=input, target=target)
    return _reduced(softplus(-target * input), reduction_of(size_average, reduce, reduction))


@listed(cuda=SINGLE)
def multilabel_soft_margin_loss(input, target, weight=None, size_average=None, reduce=None, reduction="mean"):
    """Binary cross-entropy of sigmoid(input), averaged over the classes, the last dimension."""
    need_tensors("multilabel_soft_margin_loss", input=input, target=target)
    loss = -(target * logsigmoid(input) + (1 - target) * logsigmoid(-input))
    loss = (loss if weight is None else loss * weight).mean(-1)
    return _reduced(loss, reduction_of(size_average, reduce, reduction))


@listed(cuda=SINGLE, cpu=SINGLE)
def multi_margin_loss(
    input, target, p=1, margin=1.0, weight=None, size_average=None, reduce=None, reduction="mean"
):
    """sum_i max(0, margin - input[target] + input[i])^p / C over the classes i but target.  input: (N, C) or (C,)."""
    need_tensors("multi_margin_loss", input=input, target=target)
    if p not in (1, 2):
        raise ValueError("only p == 1 and p == 2 supported")
    if weight is not None and weight.ndim != 1:
        raise ValueError("weight must be one-dimensional")
    rows, labels = (input.unsqueeze(0), target.reshape(-1)) if input.ndim == 1 else (input, target)
    if labels.ndim != 1 or labels.numel() != rows.shape[0]:
        raise RuntimeError("multi_margin_loss: target tensor should be 1-D with size equal to the number of input "
                           f"samples (batch size). Expected target size [{rows.shape[0]}], but got "
                           f"{list(target.shape)}. Input has shape {list(input.shape)}.")
    loss = (margin - rows.gather(1, labels.unsqueeze(1)) + rows).clamp(min=0) ** p
    if weight is not None:
        loss = loss * weight[labels].unsqueeze(1)
    loss = loss.scatter(1, labels.unsqueeze(1), 0.0).sum(1) / rows.shape[1]
    return _reduced(loss.squeeze(0) if input.ndim == 1 else loss, reduction_of(size_average, reduce, reduction))


@listed(cuda=SINGLE, cpu=SINGLE)
def poisson_nll_loss(
    input, target, log_input=True, full=False, size_average=None, eps=1e-8, reduce=None, reduction="mean"
):
    """exp(input) - target input, or input - target log(input + eps); full: with Stirling's formula for log(target!)."""
    need_tensors("poisson_nll_loss", input=input, target=target)
    loss = input.exp() - target * input if log_input else input - target * (input + eps).log()
    if full:
        stirling = target * target.log() - target + 0.5 * (2 * math.pi * target).log()
        loss = loss + tritonnet.where(target > 1, stirling, 0.0)
    return _reduced(loss, reduction_of(size_average, reduce, reduction))


def gaussian_nll_loss(input, target, var, full=False, eps=1e-6, reduction="mean"):
    """(log var + (input - target)^2 / var) / 2, var at least eps; full: with the constant log(2 pi) / 2."""
    if not isinstance(var, tritonnet.Tensor):
        var = input.new_full((), float(var)).expand(input.shape)
    if var.shape != input.shape:
        if tuple(var.shape) == tuple(input.shape[:-1]):
            var = var.unsqueeze(-1)
        elif tuple(var.shape) != (*input.shape[:-1], 1):
            raise ValueError("var is of incorrect size")
    reduction = reduction_of(None, None, reduction)
    if (var.detach() < 0).any():
        raise ValueError("var has negative entry/entries")
    var = var + (var.detach().clamp(min=eps) - var.detach())  # at least eps, with the gradient of var all the same
    loss = 0.5 * (var.log() + (input - target) ** 2 / var)
    return _reduced(loss + 0.5 * math.log(2 * math.pi) if full else loss, reduction)
