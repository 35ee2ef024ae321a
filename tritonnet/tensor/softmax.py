"""Softmax and its logarithm, as functions and methods."""

from __future__ import annotations

from tritonnet.autograd.ops import softmax as ops

__all__ = ["softmax", "log_softmax"]


def softmax(x, dim, dtype=None):
    """exp(x) over its sum along dim. dtype: cast x first."""
    return ops.Softmax.apply(x if dtype is None else x._cast(dtype), dim)


def log_softmax(x, dim, dtype=None):
    """The logarithm of softmax, without overflow. dtype: cast x first."""
    return ops.LogSoftmax.apply(x if dtype is None else x._cast(dtype), dim)


class Softmax:
    """The functions of this file as methods of Tensor."""

    __slots__ = ()
    softmax, log_softmax = softmax, log_softmax
