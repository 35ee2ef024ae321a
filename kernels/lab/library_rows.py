"""Rows and channels as subjects of the lab: softmax, losses, norms, pooling, reductions. PyTorch's names."""

from __future__ import annotations

import numpy as np

from tritonnet.kernels import reduce
from tritonnet.kernels.lab.subjects import ALL_FLOATS, declare, images
from tritonnet.kernels.loss import cross_entropy
from tritonnet.kernels.norm import batch_norm, batch_norm_backward, norm_rows, norm_rows_backward
from tritonnet.kernels.pool import Windows, avg_pool2d, avg_pool2d_backward, max_pool2d, max_pool2d_backward
from tritonnet.kernels.softmax import log_softmax, log_softmax_backward, softmax, softmax_backward

ROWS = dict(N=8192, C=1024)


@declare("softmax", softmax, ALL_FLOATS, **ROWS)
def _(make, N, C):
    """along the last axis of x (N, C)"""
    return (make(N, C),)


@declare("softmax_backward", softmax_backward, ALL_FLOATS, **ROWS)
def _(make, N, C):
    """dx from dy and y (N, C)"""
    return make(N, C), make(N, C, low=0.0)


@declare("log_softmax", log_softmax, ALL_FLOATS, **ROWS)
def _(make, N, C):
    """along the last axis of x (N, C)"""
    return (make(N, C),)


@declare("log_softmax_backward", log_softmax_backward, ALL_FLOATS, **ROWS)
def _(make, N, C):
    """dx from dy and y (N, C)"""
    return make(N, C), make(N, C, high=0.0)


@declare("cross_entropy", lambda x, target: cross_entropy(x, target, gradient=True), ALL_FLOATS, N=8192, C=50257)
def _(make, N, C):
    """loss and gradient of logits (N, C)"""
    return make(N, C), make.integers(C, N)


@declare("layer_norm", lambda x, w, b: norm_rows(x[:, None], w, b)[0][:, 0], ALL_FLOATS, **ROWS)
def _(make, N, C):
    """rows of x (N, C), with weight and bias"""
    return make(N, C), make(C), make(C)


@declare("rms_norm", lambda x, w: norm_rows(x[:, None], w, center=False)[0][:, 0], ALL_FLOATS, **ROWS)
def _(make, N, C):
    """rows of x (N, C), with weight"""
    return make(N, C), make(C)


@declare("layer_norm_backward", lambda dy, x, w, mean, rstd: norm_rows_backward(
    dy[:, None], x[:, None], w, mean, rstd), ALL_FLOATS, **ROWS)
def _(make, N, C):
    """gradients of x (N, C), weight and bias"""
    kept = np.float64 if make.dtype == np.float64 else np.float32
    return make(N, C), make(N, C), make(C), make(N, 1, dtype=kept), make(N, 1, low=0.5, high=2.0, dtype=kept)


IMAGES = dict(N=64, C=64, H=56, W=56)


@declare("batch_norm", batch_norm, ALL_FLOATS, **IMAGES)
def _(make, N, C, H, W):
    """in training: x (N, C, H, W), channels last in memory"""
    return images(make, N, C, H, W), make(C), make(C)


@declare("batch_norm_backward", lambda dy, x, w, mean, rstd: batch_norm_backward(dy, x, w, mean, rstd, True),
         ALL_FLOATS, **IMAGES)
def _(make, N, C, H, W):
    """gradients of x (N, C, H, W), weight and bias, in training"""
    kept = np.float64 if make.dtype == np.float64 else np.float32
    return (images(make, N, C, H, W), images(make, N, C, H, W), make(C), make(C, dtype=kept),
            make(C, low=0.5, high=2.0, dtype=kept))


def _max_pool(x, windows):
    return max_pool2d(x, windows)[0]


@declare("max_pool2d", _max_pool, ALL_FLOATS, **IMAGES, R=2, stride=2)
def _(make, N, C, H, W, R, stride):
    """R x R windows of x (N, C, H, W), channels last in memory"""
    return images(make, N, C, H, W), Windows((R, R), (stride, stride))


def _max_pool_backward(dy, x, windows):
    y, where = max_pool2d(x, windows)
    return max_pool2d_backward(dy, x, y, where, windows)


@declare("max_pool2d_backward", _max_pool_backward, ALL_FLOATS, **IMAGES, R=2, stride=2)
def _(make, N, C, H, W, R, stride):
    """the forward, then dx"""
    P, Q = ((n - R) // stride + 1 for n in (H, W))
    return images(make, N, C, P, Q), images(make, N, C, H, W), Windows((R, R), (stride, stride))


@declare("avg_pool2d", avg_pool2d, ALL_FLOATS, **IMAGES, R=2, stride=2)
def _(make, N, C, H, W, R, stride):
    """R x R windows of x (N, C, H, W), channels last in memory"""
    return images(make, N, C, H, W), Windows((R, R), (stride, stride))


@declare("sum", lambda x: reduce.sum(x, axis=1), ALL_FLOATS, **ROWS)
def _(make, N, C):
    """of each row of x (N, C)"""
    return (make(N, C),)


@declare("sum_all", reduce.sum, ALL_FLOATS, N=1 << 24)
def _(make, N):
    """of all N elements"""
    return (make(N),)


@declare("mean", lambda x: reduce.mean(x, axis=0), ALL_FLOATS, **ROWS)
def _(make, N, C):
    """of each column of x (N, C)"""
    return (make(N, C),)


@declare("avg_pool2d_backward", lambda dy, shape, windows: avg_pool2d_backward(dy, shape, windows, last=True),
         ALL_FLOATS, **IMAGES, R=2, stride=2)
def _(make, N, C, H, W, R, stride):
    """dx of R x R windows of x (N, C, H, W), channels last in memory"""
    P, Q = ((n - R) // stride + 1 for n in (H, W))
    return images(make, N, C, P, Q), (N, C, H, W), Windows((R, R), (stride, stride))


@declare("argmax", lambda x: reduce.max(x, 1), ALL_FLOATS, **ROWS)
def _(make, N, C):
    """the largest of each row of x (N, C), and where it is"""
    return (make(N, C),)


@declare("logsumexp", lambda x: reduce.logsumexp(x, 1), ALL_FLOATS, **ROWS)
def _(make, N, C):
    """of each row of x (N, C)"""
    return (make(N, C),)
