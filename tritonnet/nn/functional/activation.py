"""Activations: PyTorch's names and defaults over the elementwise operations."""

from __future__ import annotations

import tritonnet
from tritonnet.autograd.ops.elementwise import (
    Celu,
    Elu,
    Gelu,
    Hardsigmoid,
    Hardswish,
    Hardtanh,
    LeakyRelu,
    LogSigmoid,
    Mish,
    Prelu,
    Relu,
    Relu6,
    Selu,
    Sigmoid,
    Silu,
    Softplus,
    Softsign,
    Tanh,
    Threshold,
)

__all__ = [
    "celu", "celu_", "elu", "elu_", "gelu", "glu", "hardshrink", "hardsigmoid", "hardswish", "hardtanh", "hardtanh_",
    "leaky_relu", "leaky_relu_", "logsigmoid", "mish", "prelu", "relu", "relu6", "relu_", "rrelu", "selu", "selu_",
    "sigmoid", "silu", "softplus", "softshrink", "softsign", "tanh", "tanhshrink", "threshold", "threshold_",
]


def relu(input, inplace=False):
    """max(x, 0)."""
    return input._inplace(Relu) if inplace else Relu.apply(input)


def relu_(input):
    """`relu` in place."""
    return input._inplace(Relu)


def relu6(input, inplace=False):
    """min(max(x, 0), 6)."""
    return input._inplace(Relu6) if inplace else Relu6.apply(input)


def leaky_relu(input, negative_slope=0.01, inplace=False):
    """x where positive, negative_slope * x elsewhere."""
    return input._inplace(LeakyRelu, negative_slope) if inplace else LeakyRelu.apply(input, negative_slope)


def leaky_relu_(input, negative_slope=0.01):
    """`leaky_relu` in place."""
    return input._inplace(LeakyRelu, negative_slope)


def prelu(input, weight):
    """x where positive, weight * x elsewhere; one weight, or one per channel (dimension 1).

    RuntimeError where the number of weights is neither 1 nor the number of channels.
    """
    if weight.numel() != 1:
        channels = 1 if input.ndim < 2 else input.shape[1]
        if weight.numel() != channels:
            raise RuntimeError(
                f"Mismatch of parameter numbers and input channel size. Found parameter numbers = {weight.numel()} "
                f"and channel size = {channels}."
            )
        weight = weight.reshape(-1, *(1,) * (input.ndim - 2)) if input.ndim > 1 else weight
    return Prelu.apply(input, weight)


def rrelu(input, lower=1.0 / 8, upper=1.0 / 3, training=False, inplace=False):
    """Leaky ReLU with a slope drawn from [lower, upper] for each element in training, the mean slope otherwise."""
    if not training:
        return leaky_relu(input, (lower + upper) / 2, inplace)
    slope = tritonnet.empty_like(input, requires_grad=False).uniform_(lower, upper)
    result = tritonnet.where(input >= 0, input, input * slope)
    return input._become(result) if inplace else result


def elu(input, alpha=1.0, inplace=False):
    """x where positive, alpha * (exp(x) - 1) elsewhere."""
    return input._inplace(Elu, alpha) if inplace else Elu.apply(input, alpha)


def elu_(input, alpha=1.0):
    """`elu` in place."""
    return input._inplace(Elu, alpha)


def selu(input, inplace=False):
    """Scaled ELU: keeps mean and variance through a network (Klambauer et al. 2017)."""
    return input._inplace(Selu) if inplace else Selu.apply(input)


def selu_(input):
    """`selu` in place."""
    return input._inplace(Selu)


def celu(input, alpha=1.0, inplace=False):
    """x where positive, alpha * (exp(x / alpha) - 1) elsewhere."""
    return input._inplace(Celu, alpha) if inplace else Celu.apply(input, alpha)


def celu_(input, alpha=1.0):
    """`celu` in place."""
    return input._inplace(Celu, alpha)


def gelu(input, approximate="none"):
    """x times the normal distribution function of x; approximate="tanh" for the formula without erf."""
    if approximate not in ("none", "tanh"):
        raise RuntimeError("approximate argument must be either none or tanh.")
    return Gelu.apply(input, approximate)


def silu(input, inplace=False):
    """x * sigmoid(x)."""
    return input._inplace(Silu) if inplace else Silu.apply(input)


def mish(input, inplace=False):
    """x * tanh(softplus(x))."""
    return input._inplace(Mish) if inplace else Mish.apply(input)


def glu(input, dim=-1):
    """The first half along `dim`, gated by the sigmoid of the second."""
    if input.ndim == 0:
        raise RuntimeError("glu does not support 0-dimensional tensors")
    size = input.size(dim)
    if size % 2:
        raise RuntimeError(f"Halving dimension must be even, but dimension {dim % input.ndim} is size {size}")
    value, gate = input.chunk(2, dim)
    return value * Sigmoid.apply(gate)


def sigmoid(input):
    """1 / (1 + exp(-x))."""
    return Sigmoid.apply(input)


def tanh(input):
    """The hyperbolic tangent."""
    return Tanh.apply(input)


def logsigmoid(input):
    """log(sigmoid(x)), without overflow."""
    return LogSigmoid.apply(input)


def softplus(input, beta=1.0, threshold=20.0):
    """log(1 + exp(beta x)) / beta; x itself where beta x > threshold."""
    return Softplus.apply(input, beta, threshold)


def softsign(input):
    """x / (1 + |x|)."""
    return Softsign.apply(input)


def hardtanh(input, min_val=-1.0, max_val=1.0, inplace=False):
    """x cut off at min_val and max_val."""
    if min_val > max_val:
        raise ValueError("min_val cannot be greater than max_val")
    return input._inplace(Hardtanh, min_val, max_val) if inplace else Hardtanh.apply(input, min_val, max_val)


def hardtanh_(input, min_val=-1.0, max_val=1.0):
    """`hardtanh` in place."""
    return hardtanh(input, min_val, max_val, inplace=True)


def hardswish(input, inplace=False):
    """x * relu6(x + 3) / 6."""
    return input._inplace(Hardswish) if inplace else Hardswish.apply(input)


def hardsigmoid(input, inplace=False):
    """relu6(x + 3) / 6."""
    return input._inplace(Hardsigmoid) if inplace else Hardsigmoid.apply(input)


def threshold(input, threshold, value, inplace=False):
    """x where it is above the threshold, `value` elsewhere."""
    return input._inplace(Threshold, threshold, value) if inplace else Threshold.apply(input, threshold, value)


def threshold_(input, threshold, value):
    """`threshold` in place."""
    return input._inplace(Threshold, threshold, value)


def tanhshrink(input):
    """x - tanh(x)."""
    return input - Tanh.apply(input)


def hardshrink(input, lambd=0.5):
    """x where |x| > lambd, 0 elsewhere."""
    return tritonnet.where(input.abs() <= lambd, 0.0, input)  # this way round NaN stays NaN


def softshrink(input, lambd=0.5):
    """x moved towards 0 by lambd, 0 where |x| <= lambd."""
    if lambd < 0:
        raise RuntimeError(f"lambda must be greater or equal to 0, but found to be {lambd}.")
    return input - input.clamp(-lambd, lambd)
