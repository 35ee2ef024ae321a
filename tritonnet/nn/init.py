"""Initialisation in place, under no_grad; every function returns the tensor it filled."""

from __future__ import annotations

import functools
import math
import warnings

import numpy as np

import tritonnet
from tritonnet.autograd.mode import no_grad

GAINS = {
    "linear": 1.0, "conv1d": 1.0, "conv2d": 1.0, "conv3d": 1.0, "conv_transpose1d": 1.0, "conv_transpose2d": 1.0,
    "conv_transpose3d": 1.0, "sigmoid": 1.0, "tanh": 5.0 / 3, "relu": math.sqrt(2.0), "selu": 3.0 / 4,
}


def calculate_gain(nonlinearity, param=None):
    """By how much to scale the weights before a nonlinearity; param: leaky_relu's negative slope.

    >>> calculate_gain("leaky_relu", 0.2)   # sqrt(2 / (1 + 0.2^2))
    1.3867...
    """
    if nonlinearity == "leaky_relu":
        if param is None:
            param = 0.01
        elif isinstance(param, bool) or not isinstance(param, (int, float)):
            raise ValueError(f"negative_slope {param} not a valid number")
        return math.sqrt(2.0 / (1 + param**2))
    if nonlinearity not in GAINS:
        raise ValueError(f"Unsupported nonlinearity {nonlinearity}")
    return GAINS[nonlinearity]


def _calculate_fan_in_and_fan_out(tensor):
    """How many inputs feed one output of a weight, and how many outputs one input feeds."""
    if tensor.ndim < 2:
        raise ValueError("Fan in and fan out can not be computed for tensor with fewer than 2 dimensions")
    shape = tensor.shape
    window = math.prod(shape[2:])
    return shape[1] * window, shape[0] * window


def _calculate_correct_fan(tensor, mode):
    """fan_in or fan_out by name."""
    mode = mode.lower()
    if mode not in ("fan_in", "fan_out"):
        raise ValueError(f"Mode {mode} not supported, please use one of ['fan_in', 'fan_out']")
    return _calculate_fan_in_and_fan_out(tensor)[mode == "fan_out"]


@no_grad()
def uniform_(tensor, a=0.0, b=1.0, generator=None):
    """Fill from U(a, b)."""
    return tensor.uniform_(a, b, generator=generator)


@no_grad()
def normal_(tensor, mean=0.0, std=1.0, generator=None):
    """Fill from N(mean, std^2)."""
    return tensor.normal_(mean, std, generator=generator)


@no_grad()
def trunc_normal_(tensor, mean=0.0, std=1.0, a=-2.0, b=2.0, generator=None):
    """Fill from N(mean, std^2) cut off at a and b (by the inverse of the distribution function)."""
    if mean < a - 2 * std or mean > b + 2 * std:
        warnings.warn(
            "mean is more than 2 std from [a, b] in nn.init.trunc_normal_. "
            "The distribution of values may be incorrect.",
            stacklevel=2,
        )
    low, high = (0.5 * (1 + math.erf((limit - mean) / std / math.sqrt(2))) for limit in (a, b))
    uniform = tritonnet.empty(tensor.shape, dtype=tritonnet.float64).uniform_(low, high, generator=generator)
    values = mean + std * _normal_quantile(uniform.numpy())
    return tensor.copy_(tritonnet.from_numpy(np.clip(values, a, b)))


def _normal_quantile(p):
    """The inverse of the normal distribution function: Winitzki's formula, then three steps of Newton's method."""
    p = np.clip(p, 1e-300, 1 - 1e-16)
    erf = np.vectorize(math.erf, otypes=[np.float64])
    log = np.log(4 * p * (1 - p))
    c = 2 / (np.pi * 0.147) + log / 2
    x = np.sign(p - 0.5) * np.sqrt(np.sqrt(c * c - log / 0.147) - c) * math.sqrt(2)
    for _ in range(3):
        density = np.exp(-x * x / 2) / math.sqrt(2 * math.pi)
        x = x - (0.5 * (1 + erf(x / math.sqrt(2))) - p) / np.maximum(density, 1e-300)
    return x


@no_grad()
def constant_(tensor, val):
    """Fill with a number."""
    return tensor.fill_(val)


@no_grad()
def ones_(tensor):
    """Fill with ones."""
    return tensor.fill_(1.0)


@no_grad()
def zeros_(tensor):
    """Fill with zeros."""
    return tensor.zero_()


@no_grad()
def eye_(tensor):
    """Fill a matrix with ones on the diagonal and zeros elsewhere."""
    if tensor.ndim != 2:
        raise ValueError("Only tensors with 2 dimensions are supported")
    return tensor.copy_(tritonnet.eye(*tensor.shape))


@no_grad()
def dirac_(tensor, groups=1):
    """Fill a convolution's weight so that it passes its input channels on unchanged."""
    if tensor.ndim not in (3, 4, 5):
        raise ValueError("Only tensors with 3, 4, or 5 dimensions are supported")
    if tensor.shape[0] % groups != 0:
        raise ValueError("dim 0 must be divisible by groups")
    per_group = tensor.shape[0] // groups
    values = np.zeros(tensor.shape)
    centre = tuple(size // 2 for size in tensor.shape[2:])
    for group in range(groups):
        for channel in range(min(per_group, tensor.shape[1])):
            values[(group * per_group + channel, channel, *centre)] = 1.0
    return tensor.copy_(tritonnet.from_numpy(values))


def xavier_uniform_(tensor, gain=1.0, generator=None):
    """Fill from U(-k, k), k = gain * sqrt(6 / (fan_in + fan_out)) (Glorot and Bengio 2010)."""
    fan_in, fan_out = _calculate_fan_in_and_fan_out(tensor)
    bound = gain * math.sqrt(6.0 / (fan_in + fan_out))
    return uniform_(tensor, -bound, bound, generator)


def xavier_normal_(tensor, gain=1.0, generator=None):
    """Fill from N(0, gain^2 * 2 / (fan_in + fan_out)) (Glorot and Bengio 2010)."""
    fan_in, fan_out = _calculate_fan_in_and_fan_out(tensor)
    return normal_(tensor, 0.0, gain * math.sqrt(2.0 / (fan_in + fan_out)), generator)


def kaiming_uniform_(tensor, a=0, mode="fan_in", nonlinearity="leaky_relu", generator=None):
    """Fill from U(-k, k), k = gain * sqrt(3 / fan) (He et al. 2015); a: leaky_relu's negative slope."""
    if 0 in tensor.shape:
        warnings.warn("Initializing zero-element tensors is a no-op", stacklevel=2)
        return tensor
    fan = _calculate_correct_fan(tensor, mode)
    bound = calculate_gain(nonlinearity, a) * math.sqrt(3.0 / fan)
    return uniform_(tensor, -bound, bound, generator)


def kaiming_normal_(tensor, a=0, mode="fan_in", nonlinearity="leaky_relu", generator=None):
    """Fill from N(0, gain^2 / fan) (He et al. 2015); a: leaky_relu's negative slope."""
    if 0 in tensor.shape:
        warnings.warn("Initializing zero-element tensors is a no-op", stacklevel=2)
        return tensor
    fan = _calculate_correct_fan(tensor, mode)
    return normal_(tensor, 0.0, calculate_gain(nonlinearity, a) / math.sqrt(fan), generator)


@no_grad()
def orthogonal_(tensor, gain=1, generator=None):
    """Fill with a (semi-)orthogonal matrix, the first dimension against all others (Saxe et al. 2013)."""
    if tensor.ndim < 2:
        raise ValueError("Only tensors with 2 or more dimensions are supported")
    if tensor.numel() == 0:
        return tensor
    rows, columns = tensor.shape[0], tensor.numel() // tensor.shape[0]
    drawn = tritonnet.empty((rows, columns), dtype=tritonnet.float64).normal_(generator=generator).numpy()
    q, r = np.linalg.qr(drawn.T if rows < columns else drawn)
    q *= np.sign(np.diag(r))  # makes the distribution uniform (Mezzadri 2007)
    q = q.T if rows < columns else q
    return tensor.copy_(tritonnet.from_numpy(np.ascontiguousarray(q.reshape(tensor.shape) * gain)))


@no_grad()
def sparse_(tensor, sparsity, std=0.01, generator=None):
    """Fill a matrix from N(0, std^2), with this fraction of each column set to zero."""
    if tensor.ndim != 2:
        raise ValueError("Only tensors with 2 dimensions are supported")
    rows, columns = tensor.shape
    zeros = math.ceil(sparsity * rows)
    tensor.normal_(0, std, generator=generator)
    for column in range(columns):
        tensor[tritonnet.randperm(rows, generator=generator)[:zeros].to(tensor.device), column] = 0
    return tensor


def _old_name(fill):
    """A function under the name it had before PyTorch marked in-place ones by an underscore."""
    new = fill.__name__

    @functools.wraps(fill)
    def old(*args, **kwargs):
        message = f"`nn.init.{new[:-1]}` is now deprecated in favor of `nn.init.{new}`."
        warnings.warn(message, FutureWarning, stacklevel=2)
        return fill(*args, **kwargs)

    old.__name__, old.__doc__ = new[:-1], f"The old name of `{new}`."
    return old


uniform, normal, constant, eye, dirac = map(_old_name, (uniform_, normal_, constant_, eye_, dirac_))
xavier_uniform, xavier_normal = _old_name(xavier_uniform_), _old_name(xavier_normal_)
kaiming_uniform, kaiming_normal = _old_name(kaiming_uniform_), _old_name(kaiming_normal_)
orthogonal, sparse = _old_name(orthogonal_), _old_name(sparse_)
