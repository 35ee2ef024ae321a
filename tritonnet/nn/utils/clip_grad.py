"""Clipping the gradients of many parameters at once, in place."""

from __future__ import annotations

import math
import warnings

import tritonnet
from tritonnet.autograd.function import make
from tritonnet.autograd.tape import modified
from tritonnet.kernels import optim as kernels
from tritonnet.tensor.core import Tensor


def clip_grad_norm_(parameters, max_norm, norm_type=2.0, error_if_nonfinite=False, foreach=None):
    """Scale the gradients so that the norm of all of them together is at most max_norm; returns the norm there was.

    parameters: a tensor or several; those without a gradient are left out.  norm_type: p, or inf for the largest.
    error_if_nonfinite: RuntimeError, and nothing is changed, where the norm is infinite or NaN.
    """
    grads = _grads(parameters)
    if not grads:
        return tritonnet.tensor(0.0)
    norm_type = float(norm_type)
    if error_if_nonfinite and not math.isfinite(kernels.grad_norm(grads, norm_type).item()):
        raise RuntimeError(
            f"The total norm of order {norm_type} for gradients from `parameters` is non-finite, so it cannot be "
            "clipped. To disable this error and scale the gradients by the non-finite norm anyway, set "
            "`error_if_nonfinite=False`"
        )
    return make(kernels.clip_grad_norm(grads, float(max_norm), norm_type))


def clip_grad_norm(parameters, max_norm, norm_type=2.0, error_if_nonfinite=False, foreach=None):
    """The old name of `clip_grad_norm_`."""
    warnings.warn(
        "`tritonnet.nn.utils.clip_grad_norm` is now deprecated in favor of `tritonnet.nn.utils.clip_grad_norm_`.",
        FutureWarning,
        stacklevel=2,
    )
    return clip_grad_norm_(parameters, max_norm, norm_type, error_if_nonfinite)


def clip_grad_value_(parameters, clip_value, foreach=None):
    """Cut off every element of the gradients at -clip_value and clip_value."""
    grads = _grads(parameters)
    if grads:
        kernels.clip_grad_value(grads, float(clip_value))


def _grads(parameters):
    """The gradients' arrays, about to be changed."""
    grads = []
    for p in [parameters] if isinstance(parameters, Tensor) else parameters:
        if p.grad is not None:
            grads.append(p.grad.array)
            if p.grad.requires_grad:  # part of a recorded graph, which may have saved it
                modified(p.grad.array)
    return grads
