"""What one operation can do at once: a head, and what follows it.

    PATTERNS[head][names of what follows] = the operation, of the head's arguments and of what follows

A chain that is no whole pattern is computed by the longest pattern that it begins with, and the rest as it came.
On the host only convolutions begin one: there are no launches to save, and nothing else would become faster.
"""

from __future__ import annotations

import numpy as np

from tritonnet.autograd.ops.conv import ConvRelu2d, ConvReluPool2d, check_conv
from tritonnet.autograd.ops.matmul import LinearAtOnce
from tritonnet.autograd.ops.norm import BatchNorm, LayerNorm
from tritonnet.kernels.conv import output_size
from tritonnet.kernels.dtypes import FLOATS
from tritonnet.kernels.matmul.activation import ACTIVATIONS
from tritonnet.tensor.core import Tensor

NAMES = {"Relu": "relu", "Sigmoid": "sigmoid", "Tanh": "tanh", "_GeluErf": "gelu"}
POOL = (2, 2), (2, 2), (0, 0), (1, 1), False, False  # of `MaxPool2d`: what follows the input


def _of(op):
    """Its `apply`, as it is when it is called: a profiler may take its place."""
    return lambda *args: op.apply(*args)


def _activated(op):
    """The patterns of an operation whose last argument is an activation."""
    def pattern(name):
        return lambda *args: op.apply(*args[:-1], name)

    return {(name,): pattern(name) for name in ACTIVATIONS}


PATTERNS = {
    "Linear": {(): _of(LinearAtOnce)} | _activated(LinearAtOnce),
    "LayerNorm": _activated(LayerNorm),
    "BatchNorm": _activated(BatchNorm),
    "Conv2d": {("relu",): _of(ConvRelu2d), ("relu", "max_pool2d"): _of(ConvReluPool2d),
               ("max_pool2d", "relu"): _of(ConvReluPool2d)},  # the same: relu never falls
}
BEGINNINGS = {(head, names[:n]) for head, found in PATTERNS.items() for names in found for n in range(len(names) + 1)}


def name_of(op, rest):
    """The name of an operation in patterns, by what follows its input, or None."""
    if op.__name__ == "MaxPool2d":
        return "max_pool2d" if rest == POOL else None
    return NAMES.get(op.__name__)


def on_device(x):
    """Whether this is a tensor on a device."""
    return isinstance(x, Tensor) and type(x.array) is not np.ndarray


def _floats(*tensors):
    """Whether these are tensors of one floating type."""
    return all(isinstance(t, Tensor) and t.array.dtype == tensors[0].array.dtype for t in tensors) and (
        tensors[0].array.dtype in FLOATS)


def _linear_ready(x, w, bias, activation):
    if not on_device(x) or activation is not None or not _floats(*(t for t in (x, w, bias) if t is not None)):
        return False
    x, w = x.array.shape, w.array.shape
    return len(w) == 2 and bool(x) and x[-1] == w[1] and (bias is None or bias.array.shape == w[:1])


def _conv_ready(x, w, bias, *window):
    if not _floats(*(t for t in (x, w, bias) if t is not None)):
        return False
    try:
        check_conv(x.array, w.array, None if bias is None else bias.array, *window)
    except RuntimeError:
        return False
    return True


def _fit(shape, *vectors):
    """Whether these are tensors of a shape, or None."""
    return all(t is None or isinstance(t, Tensor) and t.array.shape == shape for t in vectors)


def _layer_norm_ready(x, shape, w, bias, eps, activation):
    if not on_device(x) or activation is not None or not _floats(x):
        return False
    shape = tuple(shape)
    return 0 < len(shape) <= x.array.ndim and x.array.shape[-len(shape):] == shape and _fit(shape, w, bias)


def _batch_norm_ready(x, w, bias, mean, var, training, momentum, eps, batches, activation):
    if not on_device(x) or activation is not None or not _floats(x) or x.array.ndim < 2 or not x.array.size:
        return False
    return _fit(x.array.shape[1:2], w, bias, mean, var) and all(type(t) is Tensor for t in written(
        BatchNorm, (x, w, bias, mean, var, training, momentum, eps, batches, activation)))


READY = {"Linear": _linear_ready, "Conv2d": _conv_ready, "LayerNorm": _layer_norm_ready,
         "BatchNorm": _batch_norm_ready}


def written(head, arguments):
    """The tensors that a call of a head changes: running statistics."""
    if head is not BatchNorm or not arguments[5]:
        return ()
    return tuple(t for t in (*arguments[3:5], arguments[8]) if t is not None)


def may_wait(head, arguments):
    """Whether a call of a head is one that patterns begin with; what is wrong with its arguments is told at once."""
    return head.__name__ in PATTERNS and READY[head.__name__](*arguments)


def goes_on(head, arguments, names):
    """Whether a pattern begins with this head and these names."""
    if (head.__name__, names) not in BEGINNINGS:
        return False
    if "max_pool2d" not in names:
        return True
    x, w, _, *window = arguments
    return min(map(output_size, x.array.shape[2:], w.array.shape[2:], *window[:3])) >= 2


def longest(head, names):
    """(how many of the names, the operation) of the longest pattern that the chain begins with; (0, None) if none."""
    for n in range(len(names), -1, -1):
        if made := PATTERNS[head.__name__].get(names[:n]):
            return n, made
    return 0, None
