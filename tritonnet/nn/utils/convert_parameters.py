"""All parameters as one vector, and back."""

from __future__ import annotations

import tritonnet


def parameters_to_vector(parameters):
    """The elements of all parameters one after the other, as one recorded tensor."""
    return tritonnet.cat([p.reshape(-1) for p in parameters])


def vector_to_parameters(vec, parameters):
    """Give the parameters the elements of a vector, in order."""
    if not isinstance(vec, tritonnet.Tensor):
        raise TypeError(f"expected tritonnet.Tensor, but got: {type(vec).__name__}")
    at = 0
    for p in parameters:
        p.data = vec[at : at + p.numel()].view(p.shape).data
        at += p.numel()
