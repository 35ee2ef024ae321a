"""Activations that a product or a norm applies on its way out. Their maths is the elementwise family's."""

from __future__ import annotations

from tritonnet.kernels import elementwise
from tritonnet.kernels.kernel import jit, libdevice, tl

ACTIVATIONS = ("relu", "sigmoid", "tanh", "gelu")


def check_activation(activation):
    """ValueError unless it is one of those, or None."""
    if activation is not None and activation not in ACTIVATIONS:
        raise ValueError(f"activation {activation!r} is none of {', '.join(ACTIVATIONS)}")


def activate_mirror(v, activation):
    """In place."""
    check_activation(activation)
    if activation is not None:
        elementwise.function(activation)(v, out=v)


def slope_mirror(v, dy, activation):
    """dy times the derivative of the activation at v; both of the accumulator's type."""
    rule = elementwise.derivative(activation, ("x",))
    return rule.function(dy, v if rule.saved == ("x",) else elementwise.function(activation)(v))


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


@jit
def slope(v, ACTIVATION: tl.constexpr):
    """The derivative at v."""
    if ACTIVATION == "relu":
        d = tl.where(v > 0, 1.0, 0.0).to(v.dtype)
    elif ACTIVATION == "sigmoid":
        s = 1 / (1 + tl.exp(-v))
        d = s * (1 - s)
    elif ACTIVATION == "tanh":
        t = libdevice.tanh(v)
        d = 1 - t * t
    elif ACTIVATION == "gelu":
        d = 0.5 * (1 + tl.erf(v * 0.7071067811865476)) + v * 0.3989422804014327 * tl.exp(-0.5 * v * v)
    return d
