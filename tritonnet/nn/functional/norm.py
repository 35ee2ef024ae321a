"""Normalisation over the batch, the features, groups of channels, or a vector's length."""

from __future__ import annotations

import math

import tritonnet
from tritonnet.autograd.ops.norm import BatchNorm, GroupNorm, LayerNorm, RMSNorm

__all__ = [
    "batch_norm", "group_norm", "instance_norm", "layer_norm", "local_response_norm", "normalize", "rms_norm",
]


def batch_norm(
    input, running_mean, running_var, weight=None, bias=None, training=False, momentum=0.1, eps=1e-5
):
    """(x - mean) / sqrt(var + eps) * weight + bias per channel (dimension 1).

    training: statistics of the batch, and the running ones are updated in place:
    running = (1 - momentum) * running + momentum * batch. Otherwise the running ones are used.
    """
    return counted_batch_norm(input, running_mean, running_var, weight, bias, training, momentum, eps, None)


def counted_batch_norm(input, running_mean, running_var, weight, bias, training, momentum, eps, batches):
    """batch_norm that in training adds 1 to `batches`, an integer tensor, in the same launch."""
    if training:
        shape = input.array.shape
        if math.prod(shape[:1] + shape[2:]) == 1:
            raise ValueError(f"Expected more than 1 value per channel when training, got input size {input.shape}")
    elif running_mean is None or running_var is None:
        raise RuntimeError("Expected running_mean and running_var to be defined when training=False")
    return BatchNorm.apply(input, weight, bias, running_mean, running_var, training, momentum, eps, batches)


def layer_norm(input, normalized_shape, weight=None, bias=None, eps=1e-5):
    """(x - mean) / sqrt(var + eps) * weight + bias over the last dimensions, whose sizes are normalized_shape."""
    return LayerNorm.apply(input, normalized_shape, weight, bias, eps)


def rms_norm(input, normalized_shape, weight=None, eps=None):
    """x / sqrt(mean(x^2) + eps) * weight over the last dimensions; eps: that of the type unless given."""
    shape = tuple(normalized_shape)
    if input.array.shape[input.ndim - len(shape):] != shape or not shape:
        raise RuntimeError(
            f"Given normalized_shape={list(shape)}, expected input with shape [*, {', '.join(map(str, shape))}], "
            f"but got input of size {list(input.shape)}"
        )
    eps = tritonnet.finfo(input.dtype).eps if eps is None else eps
    if len(shape) == 1:
        return RMSNorm.apply(input, weight, eps)
    if weight is not None and weight.array.shape != shape:
        raise RuntimeError(f"Expected weight of shape {list(shape)} as normalized_shape says, got {list(weight.shape)}")
    flat = RMSNorm.apply(input.flatten(-len(shape)), None if weight is None else weight.flatten(), eps)
    return flat.reshape(input.shape)


def group_norm(input, num_groups, weight=None, bias=None, eps=1e-5):
    """(x - mean) / sqrt(var + eps) * weight + bias per sample and group of channels (dimension 1)."""
    return GroupNorm.apply(input, num_groups, weight, bias, eps)


def instance_norm(
    input, running_mean=None, running_var=None, weight=None, bias=None, use_input_stats=True, momentum=0.1, eps=1e-5
):
    """Normalisation per sample and channel: batch norm of a batch whose samples are further channels."""
    if not use_input_stats:
        return batch_norm(input, running_mean, running_var, weight, bias, False, momentum, eps)
    if math.prod(input.shape[2:]) == 1:
        raise ValueError(f"Expected more than 1 spatial element when training, got input size {input.shape}")
    samples, channels = input.shape[:2]
    repeated = [None if t is None else t.repeat(samples) for t in (running_mean, running_var, weight, bias)]
    flat = input.reshape(1, samples * channels, *input.shape[2:])
    result = batch_norm(flat, *repeated, training=True, momentum=momentum, eps=eps)
    for running, updated in zip((running_mean, running_var), repeated):
        if running is not None:
            running.copy_(updated.reshape(samples, channels).mean(0))
    return result.reshape(input.shape)


def normalize(input, p=2.0, dim=1, eps=1e-12, out=None):
    """x / max(|x|_p, eps) along `dim`."""
    result = input / input.norm(p, dim, keepdim=True).clamp(min=eps)
    return result if out is None else out.copy_(result)


def local_response_norm(input, size, alpha=1e-4, beta=0.75, k=1.0):
    """x / (k + alpha * mean of x^2 over `size` neighbouring channels) ** beta (Krizhevsky et al. 2012)."""
    if input.ndim < 3:
        raise ValueError(f"Expected 3D or higher dimensionality input (got {input.ndim} dimensions)")
    if input.numel() == 0:
        return input
    from tritonnet.nn.functional.pool import avg_pool1d

    squares = (input * input).flatten(2).transpose(1, 2)  # (N, positions, C)
    from tritonnet.nn.functional.padding import pad

    means = avg_pool1d(pad(squares, (size // 2, (size - 1) // 2)), size, stride=1)
    return input / (means.transpose(1, 2).reshape(input.shape) * alpha + k) ** beta
