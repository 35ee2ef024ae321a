"""Normalisation: batch norm over channels; layer, RMS and group norm over rows."""

from __future__ import annotations

import math

import numpy as np

from tritonnet.autograd.function import Op, make
from tritonnet.autograd.ops.elementwise import BY_DEFINITION
from tritonnet.autograd.samples import Sample, samples
from tritonnet.autograd.scalar_op import evaluated
from tritonnet.kernels import norm as kernels
from tritonnet.kernels.elementwise import OPERATIONS


def save_rows(ctx, x, rows, span, w, b, mean, rstd, activation=None):
    """What `rows_backward` needs."""
    for array in (rows, mean, rstd, w, b if activation else None):
        if array is not None:
            ctx.save(array)
    ctx.activation = activation
    ctx.x, ctx.rows, ctx.span, ctx.statistics, ctx.w, ctx.b = x, rows, span, (mean, rstd), w, b


def rows_backward(ctx, dy, activation=None):
    """(dx, dw, db) of a norm over rows."""
    w, b = ctx.w, ctx.b
    dx, dw, db = kernels.norm_rows_backward(
        dy.reshape(ctx.rows.shape), ctx.rows, w, *ctx.statistics, ctx.span,
        (ctx.parents[0] is not None, w is not None, b is not None), None if w is None else w.dtype, b, activation)
    return (None if dx is None else dx.reshape(ctx.x.shape), None if w is None else dw.reshape(w.shape),
            None if b is None else db.reshape(b.shape))


def recorded_backward(x, g, axes, eps, center=True):
    """(dx, xhat) by recorded operations on tensors; g: dy w.  What is normalised together lies along `axes`."""
    d = x - x.mean(axes, keepdim=True) if center else x
    rstd = ((d * d).mean(axes, keepdim=True) + eps).rsqrt()
    xhat = d * rstd
    dx = g - xhat * (g * xhat).mean(axes, keepdim=True)
    return (dx - g.mean(axes, keepdim=True) if center else dx) * rstd, xhat


def through_activation(v, dy, activation):
    """dy times the derivative of the activation of v, by recorded operations on tensors."""
    return evaluated(OPERATIONS[activation].gradients["x"], {"x": v, "y": BY_DEFINITION[activation].apply(v), "dy": dy})


def of_channels(p, x):
    """A vector of channels as it broadcasts over x (N, C, …)."""
    return p.reshape(-1, *[1] * (x.ndim - 2))


def channel_sums(x):
    """The transpose of that."""
    return x.sum(tuple(i for i in range(x.ndim) if i != 1))


class LayerNorm(Op):
    """(x - mean) / sqrt(var + eps) * weight + bias over the trailing axes, of sizes normalized_shape."""

    def forward(ctx, x, normalized_shape, weight=None, bias=None, eps=1e-5, activation=None):
        shape = tuple(normalized_shape)
        before = x.ndim - len(shape)
        if not shape or before < 0 or x.shape[before:] != shape:
            raise RuntimeError(f"Given normalized_shape={list(shape)}, expected input with shape "
                               f"[*, {', '.join(map(str, shape))}], but got input of size {list(x.shape)}")
        for name, p in (("weight", weight), ("bias", bias)):
            if p is not None and p.shape != shape:
                raise RuntimeError(f"Expected {name} to be of same shape as normalized_shape, but got {name} of shape "
                                   f"{list(p.shape)} and normalized_shape = {list(shape)}")
        rows = x.reshape(math.prod(x.shape[:before]), 1, math.prod(shape))
        y, mean, rstd = kernels.norm_rows(rows, weight, bias, eps, activation=activation)
        save_rows(ctx, x, rows, 1, weight, bias, mean, rstd, activation)
        ctx.axes, ctx.eps = tuple(range(before, x.ndim)), eps
        return y.reshape(x.shape)

    def backward(ctx, dy):
        dx, dw, db = rows_backward(ctx, dy, ctx.activation)
        return dx, None, dw, db

    def differentiable_backward(ctx, dy):
        x, w = ctx.input(0, ctx.x), None if ctx.w is None else ctx.input(2, ctx.w)
        if ctx.activation is not None:
            b = None if ctx.b is None else ctx.input(3, ctx.b)
            shape = [x.array.shape[i] for i in ctx.axes]
            dy = through_activation(LayerNorm.apply(x, shape, w, b, ctx.eps), dy, ctx.activation)
        dx, xhat = recorded_backward(x, dy if w is None else dy * w, ctx.axes, ctx.eps)
        return dx, None, None if w is None else dy * xhat, dy


class RMSNorm(Op):
    """x / sqrt(mean x^2 + eps) * weight over the last axis."""

    def forward(ctx, x, weight=None, eps=1e-6):
        if x.ndim == 0 or (weight is not None and weight.shape != x.shape[-1:]):
            raise RuntimeError(f"rms_norm: expected a weight of the last axis of input {list(x.shape)}, got "
                               f"{None if weight is None else list(weight.shape)}")
        rows = x.reshape(math.prod(x.shape[:-1]), 1, x.shape[-1])
        y, mean, rstd = kernels.norm_rows(rows, weight, None, eps, center=False)
        save_rows(ctx, x, rows, 1, weight, None, mean, rstd)
        ctx.eps = eps
        return y.reshape(x.shape)

    def backward(ctx, dy):
        return rows_backward(ctx, dy)[:2]

    def differentiable_backward(ctx, dy):
        x, w = ctx.input(0, ctx.x), None if ctx.w is None else ctx.input(1, ctx.w)
        dx, xhat = recorded_backward(x, dy if w is None else dy * w, (-1,), ctx.eps, center=False)
        return dx, None if w is None else dy * xhat


class GroupNorm(Op):
    """(x - mean) / sqrt(var + eps) * weight + bias over each sample's groups of channels; x (N, C, …)."""

    def forward(ctx, x, groups, weight=None, bias=None, eps=1e-5):
        if x.ndim < 2 or groups < 1 or x.shape[1] % groups:
            raise RuntimeError(f"Expected number of channels in input to be divisible by num_groups, but got input of "
                               f"shape {list(x.shape)} and num_groups={groups}")
        for name, p in (("weight", weight), ("bias", bias)):
            if p is not None and p.shape != x.shape[1:2]:
                raise RuntimeError(f"Expected {name} to be a vector of size equal to the number of channels in input, "
                                   f"but got {name} of shape {list(p.shape)} and input of shape {list(x.shape)}")
        span = math.prod(x.shape[2:])
        rows = x.reshape(x.shape[0], groups, x.shape[1] // groups * span)
        y, mean, rstd = kernels.norm_rows(rows, weight, bias, eps, span)
        save_rows(ctx, x, rows, span, weight, bias, mean, rstd)
        ctx.eps = eps
        return y.reshape(x.shape)

    def backward(ctx, dy):
        dx, dw, db = rows_backward(ctx, dy)
        return dx, None, dw, db

    def differentiable_backward(ctx, dy):
        x, w = ctx.input(0, ctx.x), None if ctx.w is None else ctx.input(2, ctx.w)
        g = dy if w is None else dy * of_channels(w, dy)
        dx, xhat = recorded_backward(x.reshape(ctx.rows.shape), g.reshape(ctx.rows.shape), (2,), ctx.eps)
        dw = None if w is None else channel_sums(dy * xhat.reshape(dy.shape))
        return dx.reshape(dy.shape), None, dw, channel_sums(dy)


class BatchNorm(Op):
    """(x - mean) / sqrt(var + eps) * weight + bias per channel; x (N, C, …), the rest (C,).

    training: statistics of x, and the running arrays (or None) are updated in place, `batches` (None or one integer)
    by 1; else the running arrays serve.
    """

    def forward(ctx, x, weight=None, bias=None, running_mean=None, running_var=None, training=True, momentum=0.1,
                eps=1e-5, batches=None, activation=None):
        if x.ndim < 2:
            raise RuntimeError(f"batch_norm: expected input (N, C, …), got {list(x.shape)}")
        for name, p in (("weight", weight), ("bias", bias), ("running_mean", running_mean),
                        ("running_var", running_var)):
            if p is not None and p.shape != x.shape[1:2]:
                raise RuntimeError(f"{name} should contain {x.shape[1]} elements not {p.size}")
        if not x.size:
            raise ValueError(f"batch_norm: expected input with at least one element, got {list(x.shape)}")
        y, mean, rstd = kernels.batch_norm(x, weight, bias, running_mean, running_var, training, momentum, eps,
                                           batches, activation)
        for array in (x, mean, rstd, weight, bias if activation else None):
            if array is not None:
                ctx.save(array)
        ctx.activation = activation
        ctx.x, ctx.w, ctx.b, ctx.statistics, ctx.training, ctx.eps = x, weight, bias, (mean, rstd), training, eps
        return y

    def backward(ctx, dy):
        w, b = ctx.w, ctx.b
        return kernels.batch_norm_backward(
            dy, ctx.x, w, *ctx.statistics, ctx.training, (ctx.parents[0] is not None, w is not None, b is not None),
            None if w is None else w.dtype, b, ctx.activation)

    def differentiable_backward(ctx, dy):
        x, w = ctx.input(0, ctx.x), None if ctx.w is None else ctx.input(1, ctx.w)
        if ctx.activation is not None:
            dy = through_activation(ctx.before_activation(x, w), dy, ctx.activation)
        g = dy if w is None else dy * of_channels(w, dy)
        if ctx.training:
            dx, xhat = recorded_backward(x, g, (0, *range(2, x.ndim)), ctx.eps)
        else:
            mean, rstd = (of_channels(make(p), dy) for p in ctx.statistics)
            dx, xhat = g * rstd, (x - mean) * rstd
        return dx, None if w is None else channel_sums(dy * xhat), channel_sums(dy)

    def before_activation(ctx, x, w):
        """What was activated, by recorded operations."""
        b = None if ctx.b is None else ctx.input(2, ctx.b)
        if ctx.training:
            return BatchNorm.apply(x, w, b, None, None, True, 0.0, ctx.eps)
        mean, rstd = (of_channels(make(p), x) for p in ctx.statistics)
        v = (x - mean) * rstd
        v = v if w is None else v * of_channels(w, v)
        return v if b is None else v + of_channels(b, v)


def _layer_norm(torch, *args, activation=None):
    y = torch.nn.functional.layer_norm(*args)
    return y if activation is None else getattr(torch.nn.functional, activation)(y)


@samples(LayerNorm, torch=_layer_norm)
def layer_norm_samples(rand):
    yield Sample(rand(3, 781), (781,), rand(781), rand(781))                  # not a power of two
    yield Sample(rand(2, 3, 5, 4) + 3, (5, 4), rand(5, 4), rand(5, 4), 1e-3)  # two axes, a mean that is not 0
    yield Sample(rand(40, 8), (8,))                                           # without weights; several programs
    yield Sample(rand(40, 8), (8,), rand(8))
    yield Sample(rand(4, 6), (6,), None, rand(6))
    yield Sample(rand(6, 5).T, (6,), rand(6), rand(6))                        # rows are not dense
    yield Sample(rand(4, 2, 6)[:, 0], (6,), rand(6), rand(6))                 # rows are dense, with gaps between
    yield Sample(rand(2, 5000), (5000,), rand(5000), rand(5000))              # several blocks
    yield Sample(rand(0, 4), (4,), rand(4), rand(4))
    for activation in ("relu", "sigmoid", "tanh", "gelu"):
        yield Sample(rand(6, 20), (20,), rand(20), rand(20), activation=activation)
    yield Sample(rand(3, 5000), (5000,), rand(5000), rand(5000), activation="gelu")
    yield Sample(rand(4, 6), (6,), activation="relu")
    yield Sample(rand(4, 6), (6,), activation="softmax", raises=ValueError)
    yield Sample(rand(2, 4), (3,), raises=RuntimeError)
    yield Sample(rand(2, 4), (4,), rand(3), raises=RuntimeError)


@samples(RMSNorm, torch=lambda torch, x, w=None, eps=1e-6: torch.nn.functional.rms_norm(x, x.shape[-1:], w, eps))
def rms_norm_samples(rand):
    yield Sample(rand(3, 781) + 1, rand(781))
    yield Sample(rand(2, 20, 8))
    yield Sample(rand(2, 5000), rand(5000), 1e-3)
    yield Sample(rand(2, 4), rand(3), raises=RuntimeError)


@samples(GroupNorm, torch=lambda torch, *args: torch.nn.functional.group_norm(*args))
def group_norm_samples(rand):
    yield Sample(rand(20, 6, 3, 5), 3, rand(6), rand(6))                      # several programs a group
    yield Sample(rand(2, 6, 3, 5), 1, rand(6), rand(6))                       # one group
    yield Sample(rand(2, 6, 7), 6)                                            # instance norm, without weights
    yield Sample(rand(5, 6), 2, rand(6), rand(6))                             # no pixels
    yield Sample(rand(2, 2, 60, 80), 2, rand(2), rand(2))                     # several blocks
    yield Sample(rand(2, 3, 5, 6).transpose(0, 3, 1, 2), 2, rand(6), rand(6))  # channels last
    yield Sample(rand(2, 5), 2, raises=RuntimeError)


def _batch_norm(torch, x, w=None, b=None, mean=None, var=None, training=True, momentum=0.1, eps=1e-5, activation=None):
    mean, var = (None if p is None else p.to(x.dtype) for p in (mean, var))
    y = torch.nn.functional.batch_norm(x, mean, var, w, b, training, momentum, eps)
    return y if activation is None else getattr(torch.nn.functional, activation)(y)


@samples(BatchNorm, torch=_batch_norm)
def batch_norm_samples(rand):
    yield Sample(rand(6, 3), rand(3), rand(3))                                # no pixels
    yield Sample(rand(40, 70), rand(70), rand(70))                            # several tiles of channels
    yield Sample(rand(5, 3, 7), rand(3), rand(3))
    yield Sample(rand(4, 3, 5, 7) + 2, rand(3), rand(3))                      # a mean that is not 0
    yield Sample(rand(4, 5, 7, 3).transpose(0, 3, 1, 2), rand(3), rand(3))    # channels last
    yield Sample(rand(4, 3, 5, 7).transpose(0, 1, 3, 2), rand(3), rand(3))    # neither: a copy
    yield Sample(rand(1, 2, 40, 45), rand(2), None)                           # several blocks of pixels; one weight
    yield Sample(rand(7, 3, 2, 2), eps=1e-2)
    yield Sample(rand(4, 3, 5, 7) + 1e4, rand(3), rand(3), dtypes=("float32",), loose=1e4, grad=False)  # far from 0
    mean, var = np.array([1, 0, -2]), np.array([1, 4, 2])                     # integers: constants to the tests
    yield Sample(rand(4, 3, 5), rand(3), rand(3), mean, var, False)           # evaluation
    yield Sample(rand(4, 2, 5, 3).transpose(0, 3, 1, 2), None, None, mean, var, False, 0.1, 0.5)
    for activation in ("relu", "sigmoid", "tanh", "gelu"):
        yield Sample(rand(4, 3, 5, 7), rand(3), rand(3), activation=activation)
    yield Sample(rand(4, 5, 7, 3).transpose(0, 3, 1, 2), None, None, mean, var, False, activation="gelu")
    yield Sample(rand(40, 70), rand(70), rand(70), activation="relu")
    yield Sample(rand(4), raises=RuntimeError)
    yield Sample(rand(4, 3), rand(2), raises=RuntimeError)
    yield Sample(rand(4, 3), activation="softmax", raises=ValueError)
    yield Sample(rand(0, 3), raises=ValueError)
