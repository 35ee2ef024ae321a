"""Losses: PyTorch's names, reductions ("mean", "sum", "none") and checks."""

from __future__ import annotations

import warnings

import tritonnet
from tritonnet.autograd.autocast import REFUSED, SINGLE, listed
from tritonnet.autograd.ops.loss import (
    BceLoss,
    BceWithLogits,
    CrossEntropy,
    HuberLoss,
    KlDiv,
    L1Loss,
    MseLoss,
    NllLoss,
    SmoothL1Loss,
)
from tritonnet.autograd.ops.softmax import check_floats
from tritonnet.kernels.dtypes import int64, uint8
from tritonnet.tensor.core import Tensor

__all__ = [
    "binary_cross_entropy", "binary_cross_entropy_with_logits", "cross_entropy", "huber_loss", "kl_div", "l1_loss",
    "mse_loss", "nll_loss", "smooth_l1_loss",
]


def reduction_of(size_average, reduce, reduction):
    """The reduction, where the two arguments that PyTorch deprecated may have chosen it."""
    if size_average is not None or reduce is not None:
        averaged = size_average is None or size_average
        reduction = "none" if reduce is False else "mean" if averaged else "sum"
        warnings.warn(
            f"size_average and reduce args will be deprecated, please use reduction='{reduction}' instead.",
            stacklevel=3,
        )
    if reduction not in ("mean", "sum", "none"):
        raise ValueError(f"{reduction} is not a valid value for reduction")
    return reduction


def need_tensors(name, **given):
    """Raise TypeError unless all of these arguments are tensors."""
    for place, (argument, value) in enumerate(given.items(), 1):
        if not isinstance(value, Tensor):
            raise TypeError(f"{name}(): argument '{argument}' (position {place}) must be Tensor, not "
                            f"{type(value).__name__}")


def need_two(name, input, target):
    """The same for two, at less cost."""
    if not (isinstance(input, Tensor) and isinstance(target, Tensor)):
        need_tensors(name, input=input, target=target)


def cross_entropy(
    input, target, weight=None, size_average=None, ignore_index=-100, reduce=None, reduction="mean",
    label_smoothing=0.0,
):
    """Negative log-likelihood of `target` under softmax(`input`), in nats.

    input: (C,), (N, C) or (N, C, d1, …) logits.  target: class indices without the C dimension, or probabilities in
    input's shape.  weight: (C,), how much each class counts.  ignore_index: this class counts nothing.
    label_smoothing: this much of the target is spread over all classes (Szegedy et al. 2016).
    A class outside [0, C) raises IndexError on the host and gives NaN on a device.
    """
    need_two("cross_entropy", input, target)
    check_floats("cross_entropy", input.array)
    reduction = reduction_of(size_average, reduce, reduction)
    if not 0.0 <= label_smoothing <= 1.0:
        raise RuntimeError(f"label_smoothing must be between 0.0 and 1.0. Got: {label_smoothing}")
    if target.array.shape == input.array.shape:
        if not target.is_floating_point():
            raise RuntimeError(
                f"Expected floating point type for target with class probabilities, got {_scalar_type(target)}"
            )
        _check_weight(input, weight)
    else:
        _check_classes(input, target, weight)
    def loss(x, y):
        return CrossEntropy.apply(x, y, weight, ignore_index, reduction, label_smoothing)

    return _without_batch(loss, input, target, reduction)


def nll_loss(
    input, target, weight=None, size_average=None, ignore_index=-100, reduce=None, reduction="mean"
):
    """-input[target], the negative log-likelihood where `input` holds log-probabilities.

    input: (C,), (N, C) or (N, C, d1, …).  target: class indices without the C dimension.  See `cross_entropy`.
    """
    need_two("nll_loss", input, target)
    reduction = reduction_of(size_average, reduce, reduction)
    _check_classes(input, target, weight)
    def loss(x, y):
        return NllLoss.apply(x, y, weight, ignore_index, reduction)

    return _without_batch(loss, input, target, reduction)


def _without_batch(loss, input, target, reduction):
    """loss(input, target) for an input that may lack the batch dimension."""
    if input.array.ndim > 1:
        return loss(input, target)
    result = loss(input.unsqueeze(0), target.unsqueeze(0) if target.is_floating_point() else target.reshape(1))
    return result.squeeze(0) if reduction == "none" else result


def _check_classes(input, target, weight):
    """Raise unless `target` holds one class index for each place of `input` outside its class dimension."""
    x, y = input.array, target.array
    if x.ndim == 0:
        raise ValueError(f"Expected 1 or more dimensions (got {x.ndim})")
    if x.ndim > 1 and y.ndim > 0 and x.shape[0] != y.shape[0]:
        raise ValueError(f"Expected input batch_size ({x.shape[0]}) to match target batch_size ({y.shape[0]}).")
    if x.ndim <= 2 and y.ndim > 1:
        raise RuntimeError("0D or 1D target tensor expected, multi-target not supported")
    if y.dtype not in (int64, uint8):
        raise RuntimeError(f"expected target dtype to be Long or Byte, but got {_scalar_type(target)}")
    if x.ndim == 1:
        if y.size != 1:
            raise ValueError(f"Expected a single target for an input without a batch dimension, got {list(y.shape)}")
    elif y.shape != x.shape[:1] + x.shape[2:]:
        raise RuntimeError(f"Expected target size {list(x.shape[:1] + x.shape[2:])}, got {list(y.shape)}")
    _check_weight(input, weight)


def _check_weight(input, weight):
    if weight is not None:
        classes = input.shape[0] if input.ndim == 1 else input.shape[1]
        if tuple(weight.shape) != (classes,):
            raise RuntimeError(
                f"weight tensor should be defined either for all {classes} classes or no classes but got weight tensor "
                f"of shape: {list(weight.shape)}"
            )


def _scalar_type(tensor):
    """PyTorch's name of an element type in messages: Float, Long, …"""
    return tensor.type().rpartition(".")[2].removesuffix("Tensor")


@listed(cuda=REFUSED, cpu=SINGLE)
def binary_cross_entropy(input, target, weight=None, size_average=None, reduce=None, reduction="mean"):
    """-(y log x + (1 - y) log(1 - x)) for probabilities x; the logarithms are cut off at -100.

    On the host, numbers outside [0, 1] raise RuntimeError; on a device they give NaN.
    """
    need_two("binary_cross_entropy", input, target)
    reduction = reduction_of(size_average, reduce, reduction)
    x, t = input.array, target.array
    if t.shape != x.shape:
        raise ValueError(
            f"Using a target size ({target.shape}) that is different to the input size ({input.shape}) is deprecated. "
            "Please ensure they have the same size."
        )
    if t.dtype is not x.dtype and t.dtype != x.dtype:
        raise RuntimeError(f"Found dtype {_scalar_type(target)} but expected {_scalar_type(input)}")
    return BceLoss.apply(input, target, weight, reduction)


def binary_cross_entropy_with_logits(
    input, target, weight=None, size_average=None, reduce=None, reduction="mean", pos_weight=None
):
    """`binary_cross_entropy` of sigmoid(`input`), without overflow. pos_weight: how much positive targets count."""
    need_two("binary_cross_entropy_with_logits", input, target)
    reduction = reduction_of(size_average, reduce, reduction)
    if target.array.shape != input.array.shape:
        raise ValueError(f"Target size ({target.shape}) must be the same as input size ({input.shape})")
    if not target.is_floating_point():
        raise RuntimeError(f"result type Float can't be cast to the desired output type {_scalar_type(target)}")
    return BceWithLogits.apply(input, target, weight, pos_weight, reduction)


def mse_loss(input, target, size_average=None, reduce=None, reduction="mean", weight=None):
    """(input - target)^2. weight: how much each element counts; the mean divides by the sum of the weights."""
    reduction = reduction_of(size_average, reduce, reduction)
    return _elementwise(MseLoss.apply, input, target, reduction, weight)


def l1_loss(input, target, size_average=None, reduce=None, reduction="mean", weight=None):
    """|input - target|. weight: how much each element counts; the mean divides by the sum of the weights."""
    reduction = reduction_of(size_average, reduce, reduction)
    return _elementwise(L1Loss.apply, input, target, reduction, weight)


def smooth_l1_loss(input, target, size_average=None, reduce=None, reduction="mean", beta=1.0):
    """Quadratic for differences below beta, |difference| - beta / 2 above."""
    reduction = reduction_of(size_average, reduce, reduction)
    if beta < 0:
        raise RuntimeError("smooth_l1_loss does not support negative values for beta.")
    return _elementwise(lambda x, y, how: SmoothL1Loss.apply(x, y, beta, how), input, target, reduction)


def huber_loss(input, target, reduction="mean", delta=1.0, weight=None):
    """Quadratic for differences below delta, delta * (|difference| - delta / 2) above."""
    reduction = reduction_of(None, None, reduction)
    if delta <= 0:
        raise RuntimeError("huber_loss does not support non-positive values for delta.")
    return _elementwise(lambda x, y, how: HuberLoss.apply(x, y, delta, how), input, target, reduction, weight)


def _elementwise(loss, input, target, reduction, weight=None):
    """A loss of two tensors element by element: a warning where they have to be broadcast, weights, reduction."""
    need_two("loss", input, target)
    if target.array.shape != input.array.shape:
        warnings.warn(
            f"Using a target size ({target.shape}) that is different to the input size ({input.shape}). This will "
            "likely lead to incorrect results due to broadcasting. Please ensure they have the same size.",
            stacklevel=3,
        )
        input, target = tritonnet.broadcast_tensors(input, target)
    if weight is None:
        return loss(input, target, reduction)
    if weight.shape != input.shape:
        raise ValueError("Weights and input must have the same size.")
    weighted = loss(input, target, "none") * weight
    if reduction == "none":
        return weighted
    return weighted.sum() if reduction == "sum" else weighted.sum() / weight.sum()


def kl_div(input, target, size_average=None, reduce=None, reduction="mean", log_target=False):
    """target * (log(target) - input), pointwise; input holds log-probabilities, target too if log_target.

    reduction: also "batchmean", the sum divided by the size of the first dimension.
    """
    if reduction == "batchmean" and size_average is None and reduce is None:
        total = kl_div(input, target, reduction="sum", log_target=log_target)
        return total / input.shape[0] if input.ndim else total
    reduction = reduction_of(size_average, reduce, reduction)
    if reduction == "mean":
        warnings.warn(
            "reduction: 'mean' divides the total loss by both the batch size and the support size.'batchmean' divides "
            "only by the batch size, and aligns with the KL div math definition.'mean' will be changed to behave the "
            "same as 'batchmean' in the next major release.",
            stacklevel=2,
        )
    if target.array.shape != input.array.shape:
        input, target = tritonnet.broadcast_tensors(input, target)
    return KlDiv.apply(input, target, reduction, log_target)
