"""Activations that a product applies on its way out. Their maths is the elementwise family's."""

from __future__ import annotations

from tritonnet.kernels import elementwise
from tritonnet.kernels.kernel import jit, libdevice, tl

ACTIVATIONS = ("relu", "sigmoid", "tanh", "gelu")


def check_activation(activation):
    """ValueError unless it is one of those, or None."""
    if activation is not None and activation not in ACTIVATIONS:
        raise ValueError(f"linear: activation {activation!r} is none of {', '.join(ACTIVATIONS)}")


def activate_mirror(v, activation):
    """In place."""
    check_activation(activation)
    if activation is not None:
        elementwise.function(activation)(v, out=v)


@jit
def activate(v, ACTIVATION: tl.constexpr):
    """NaN stays NaN."""
    if ACTIVATION == "relu":
        v = tl.maximum(v, 0.0, propagate_nan=tl.PropagateNan.ALL)
    elif ACTIVATION == "sigmoid":
        v = 1 / (1 + tl.exp(-v))
    elif ACTIVATION == "tanh":
        v = libdevice.tanh(v)
    elif ACTIVATION == "gelu":
        v = 0.5 * v * (1 + tl.erf(v * 0.7071067811865476))
    return v
