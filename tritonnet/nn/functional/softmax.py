"""Softmax and its relatives along one dimension."""

from __future__ import annotations

import warnings

import tritonnet
from tritonnet.autograd.ops.softmax import LogSoftmax, Softmax

__all__ = ["gumbel_softmax", "log_softmax", "softmax", "softmin"]


def softmax(input, dim=None, _stacklevel=3, dtype=None):
    """exp(x) over its sum along `dim`. dtype: cast to it first."""
    if dim is None:
        dim = _implicit_dim("softmax", input.ndim, _stacklevel)
    return Softmax.apply(input if dtype is None else input.to(dtype), dim)


def log_softmax(input, dim=None, _stacklevel=3, dtype=None):
    """log(softmax(x)) along `dim`, without overflow. dtype: cast to it first."""
    if dim is None:
        dim = _implicit_dim("log_softmax", input.ndim, _stacklevel)
    return LogSoftmax.apply(input if dtype is None else input.to(dtype), dim)


def softmin(input, dim=None, _stacklevel=3, dtype=None):
    """softmax(-x) along `dim`."""
    if dim is None:
        dim = _implicit_dim("softmin", input.ndim, _stacklevel)
    return softmax(-input, dim, dtype=dtype)


def gumbel_softmax(logits, tau=1, hard=False, eps=1e-10, dim=-1):
    """A sample of the Gumbel-softmax distribution (Jang et al. 2017). hard: one-hot, with the soft one's gradient."""
    uniform = tritonnet.empty_like(logits, requires_grad=False).uniform_()
    tiny = tritonnet.finfo(logits.dtype).tiny
    gumbels = -(-uniform.clamp(min=tiny).log()).clamp(min=tiny).log()
    soft = softmax((logits + gumbels) / tau, dim)
    if not hard:
        return soft
    index = soft.argmax(dim, keepdim=True)
    one_hot = tritonnet.zeros_like(logits, requires_grad=False).scatter_(dim, index, 1.0)
    return one_hot - soft.detach() + soft


def _implicit_dim(name, ndim, stacklevel):
    """PyTorch's old choice of a dimension when none is given."""
    warnings.warn(
        f"Implicit dimension choice for {name} has been deprecated. Change the call to include dim=X as an argument.",
        stacklevel=stacklevel,
    )
    return 0 if ndim in (0, 1, 3) else 1
