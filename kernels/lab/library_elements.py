"""Elements as subjects of the lab: elementwise operations, losses of pairs, dropout, look-ups, optimizers. PyTorch's
names."""

from __future__ import annotations

import numpy as np

from tritonnet.kernels import elementwise, index
from tritonnet.kernels.lab.subjects import ALL_FLOATS, declare
from tritonnet.kernels.loss import pair_loss
from tritonnet.kernels.optim import Fused, adam_step, clip_grad_norm, rmsprop_step, sgd_step
from tritonnet.kernels.rng import Generator, dropout, same_stream_everywhere


def _line(name, *others):
    """Declare an elementwise operation on as many arrays of N elements; `others`: their lower ends."""
    def arrays(make, N):
        return tuple(make(N, low=low) for low in others or (-1.0,))

    arrays.__doc__ = f"{name} of {'N elements' if len(others) < 2 else f'{len(others)} arrays of N elements'}"
    declare(name, getattr(elementwise, name), ALL_FLOATS, N=1 << 24)(arrays)


for _name in ("relu", "gelu", "silu", "sigmoid", "tanh", "exp"):
    _line(_name)
for _name in ("add", "mul"):
    _line(_name, -1.0, -1.0)
_line("log", 0.1)
_line("div", -1.0, 0.5)


@declare("gelu_backward", lambda dy, x: elementwise.gelu_backward(dy, x), ALL_FLOATS, N=1 << 24)
def _(make, N):
    """dx from dy and x of N elements"""
    return make(N), make(N)


@declare("bias_add", elementwise.add, ALL_FLOATS, N=8192, C=4096)
def _(make, N, C):
    """x (N, C) + b (C)"""
    return make(N, C), make(C)


@declare("embedding", lambda indices, weight: index.take(weight, indices), ALL_FLOATS, N=8192, V=50257, C=768)
def _(make, N, V, C):
    """N rows of a table (V, C)"""
    return make.integers(V, N), make(V, C)


def _dropout(x, generator):
    before = same_stream_everywhere()
    same_stream_everywhere(True)  # so that mirror and kernel draw the same
    try:
        return dropout(x, 0.5, generator.manual_seed(0))[0]
    finally:
        same_stream_everywhere(before)


@declare("dropout", _dropout, ALL_FLOATS, N=1 << 24)
def _(make, N):
    """of N elements, p = 0.5"""
    return make(N), Generator(make.device)


def _adam(p, g, m, v, step, fused):
    adam_step([p], [g], [m], [v], None, [step], [0], [(1e-3, 0.9, 0.999, 1e-8, 0.0, False)], fused)
    return p, m, v


@declare("adam", _adam, ALL_FLOATS, N=1 << 24)
def _(make, N):
    """one step of N parameters, in place"""
    return make(N), make(N), make.zeros(N), make.zeros(N), make.zeros(dtype=np.float32), Fused()


def _sgd(p, g, buffer, fused):
    sgd_step([p], [g], [buffer], None, [0], [(0.1, 0.9, 0.0, 1e-4, False)], fused, False)
    return p, buffer


@declare("sgd", _sgd, ALL_FLOATS, N=1 << 24)
def _(make, N):
    """one step of N parameters with momentum, in place"""
    return make(N), make(N), make.zeros(N), Fused()


def _rmsprop(p, g, square, step, fused):
    rmsprop_step([p], [g], [square], None, None, [step], [0], [(1e-2, 0.99, 1e-8, 0.0, 0.0, False)], fused)
    return p, square


@declare("rmsprop", _rmsprop, ALL_FLOATS, N=1 << 24)
def _(make, N):
    """one step of N parameters, in place"""
    return make(N), make(N), make.zeros(N), make.zeros(dtype=np.float32), Fused()


@declare("clip_grad_norm", lambda g: (clip_grad_norm([g], 1.0), g), ALL_FLOATS, N=1 << 24)
def _(make, N):
    """the norm of N gradients, which are scaled to 1 in place"""
    return (make(N),)


for _name in ("mse", "huber", "bce_logits"):
    @declare(f"{_name}_loss", lambda x, t, name=_name: pair_loss(name, x, t, wants=(True, False)), ALL_FLOATS,
             N=1 << 24)
    def _(make, N):
        """mean loss of N pairs, and its gradient"""
        return make(N), make(N, low=0.0)
