"""Dropout: zeros at random in training, the rest scaled up so that the expectation stays."""

from __future__ import annotations

import warnings

from tritonnet.autograd.ops.rng import Dropout, Dropout2d

__all__ = ["alpha_dropout", "dropout", "dropout1d", "dropout2d", "feature_alpha_dropout"]


def dropout(input, p=0.5, training=True, inplace=False):
    """Each element is zero with probability p, otherwise divided by 1 - p. Without training the input itself."""
    if not 0.0 <= p <= 1.0:
        raise _bad_probability(p)
    if not training or p == 0.0:
        return input
    return input._inplace(Dropout, p) if inplace else Dropout.apply(input, p)


def dropout1d(input, p=0.5, training=True, inplace=False):
    """`dropout` of whole channels of (N, C, L) or (C, L)."""
    if not 0.0 <= p <= 1.0:
        raise _bad_probability(p)
    if input.ndim not in (2, 3):
        raise RuntimeError(
            f"dropout1d: Expected 2D or 3D input, but received a {input.ndim}D input. Note that dropout1d exists to "
            "provide channel-wise dropout on inputs with 1 spatial dimension, a channel dimension, and an optional "
            "batch dimension (i.e. 2D or 3D inputs)."
        )
    return _channels(input, p, training, inplace, batched=input.ndim == 3)


def dropout2d(input, p=0.5, training=True, inplace=False):
    """`dropout` of whole channels of (N, C, H, W)."""
    if not 0.0 <= p <= 1.0:
        raise _bad_probability(p)
    if input.ndim not in (3, 4):
        warnings.warn(
            f"dropout2d: Received a {input.ndim}-D input to dropout2d, which is deprecated and will result in an error "
            "in a future release. To retain the behavior and silence this warning, please use dropout instead. Note "
            "that dropout2d exists to provide channel-wise dropout on inputs with 2 spatial dimensions, a channel "
            "dimension, and an optional batch dimension (i.e. 3D or 4D inputs).",
            stacklevel=2,
        )
    if input.ndim == 3:
        warnings.warn(
            "dropout2d: Received a 3D input to dropout2d and assuming that channel-wise 1D dropout behavior is desired "
            "- input is interpreted as shape (N, C, L), where C is the channel dim. This behavior will change in a "
            "future release to interpret the input as one without a batch dimension, i.e. shape (C, H, W). To maintain "
            "the 1D channel-wise dropout behavior, please switch to using dropout1d instead.",
            stacklevel=2,
        )
    return _channels(input, p, training, inplace, batched=True)


def feature_alpha_dropout(input, p=0.5, training=False, inplace=False):
    """`alpha_dropout` of whole channels of (N, C, …)."""
    if input.ndim < 2 and training and p:
        raise RuntimeError("Feature dropout requires at least 2 dimensions in the input")
    return _alpha(input, p, training, inplace, (*input.shape[:2], *[1] * (input.ndim - 2)))


def alpha_dropout(input, p=0.5, training=False, inplace=False):
    """Dropout after SELU: dropped elements get its lower limit, and mean and variance stay (Klambauer et al. 2017)."""
    return _alpha(input, p, training, inplace, input.shape)


def _alpha(input, p, training, inplace, shape):
    """Alpha dropout that draws a tensor of this shape."""
    if not 0.0 <= p <= 1.0:
        raise _bad_probability(p)
    if not training or p == 0.0:
        return input
    if p == 1.0:
        result = input * 0.0
        return input._become(result) if inplace else result
    saturated = -1.7580993408473766  # SELU's limit at minus infinity: -alpha * scale
    a = ((1 - p) * (1 + p * saturated**2)) ** -0.5
    kept = input.detach().new_empty(shape).bernoulli_(1 - p)
    result = (input * kept + (1 - kept) * saturated) * a - a * p * saturated
    return input._become(result) if inplace else result


def _channels(input, p, training, inplace, batched):
    if not training or p == 0.0:
        return input
    images = input if batched else input.unsqueeze(0)
    result = Dropout2d.apply(images, p)
    result = result if batched else result.squeeze(0)
    return input._become(result) if inplace else result


def _bad_probability(p):
    return ValueError(f"dropout probability has to be between 0 and 1, but got {p}")
