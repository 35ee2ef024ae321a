"""The library's operations as subjects of the lab: their inputs at typical sizes. Sources of names: PyTorch."""

from __future__ import annotations

import numpy as np

from tritonnet.kernels import elementwise, index, reduce
from tritonnet.kernels.attention import attention, attention_backward
from tritonnet.kernels.conv import conv2d, conv2d_backward
from tritonnet.kernels.lab.subjects import declare
from tritonnet.kernels.loss import cross_entropy
from tritonnet.kernels.matmul import linear, linear_backward, matmul, matmul_backward
from tritonnet.kernels.norm import batch_norm, batch_norm_backward, norm_rows, norm_rows_backward
from tritonnet.kernels.optim import Fused, adam_step, sgd_step
from tritonnet.kernels.pool import Windows, avg_pool2d, max_pool2d, max_pool2d_backward
from tritonnet.kernels.rng import Generator, dropout, same_stream_everywhere
from tritonnet.kernels.softmax import log_softmax, log_softmax_backward, softmax, softmax_backward

WITH_DOUBLE = ("float32", "float16", "bfloat16", "float64")


@declare("matmul", matmul, WITH_DOUBLE, M=4096, N=4096, K=4096)
def _(make, M, N, K):
    """x (M, K) times y (K, N)"""
    return make(M, K), make(K, N)


@declare("matmul_backward", matmul_backward, WITH_DOUBLE, M=4096, N=4096, K=4096)
def _(make, M, N, K):
    """both gradients of x (M, K) times y (K, N)"""
    return make(M, N), make(M, K), make(K, N)


@declare("bmm", matmul, WITH_DOUBLE, B=96, M=1024, N=1024, K=64)
def _(make, B, M, N, K):
    """B products of (M, K) and (K, N), as in attention"""
    return make(B, M, K), make(B, K, N)


HEADS = dict(B=8, H=16, L=2048, S=2048, E=64, causal=0)


def _attention(q, k, v, causal):
    return attention(q, k, v, None, bool(causal), q.shape[-1] ** -0.5, save=False)[0]


@declare("attention", _attention, WITH_DOUBLE, **HEADS)
def _(make, B, H, L, S, E, causal):
    """softmax(q k' / sqrt(E)) v: q (B, H, L, E), k and v (B, H, S, E); causal=1: each query sees keys up to its own"""
    return make(B, H, L, E), make(B, H, S, E), make(B, H, S, E), causal


def _attention_backward(do, q, k, v, causal):
    scale = q.shape[-1] ** -0.5
    o, lse, _ = attention(q, k, v, None, bool(causal), scale, save=False)
    return attention_backward(do, q, k, v, None, o, lse, bool(causal), scale)


@declare("attention_backward", _attention_backward, WITH_DOUBLE, **HEADS)
def _(make, B, H, L, S, E, causal):
    """the forward, then gradients of q, k and v"""
    return make(B, H, L, E), make(B, H, L, E), make(B, H, S, E), make(B, H, S, E), causal


@declare("linear", lambda x, w, b: linear(x, w, b, "relu"), WITH_DOUBLE, N=8192, I=1024, O=4096)
def _(make, N, I, O):
    """relu(x w' + b): x (N, I), w (O, I)"""
    return make(N, I), make(O, I), make(O)


@declare("linear_gelu", lambda x, w, b: linear(x, w, b, "gelu"), WITH_DOUBLE, N=8192, I=1024, O=4096)
def _(make, N, I, O):
    """gelu(x w' + b): x (N, I), w (O, I)"""
    return make(N, I), make(O, I), make(O)


@declare("linear_backward", linear_backward, WITH_DOUBLE, N=8192, I=1024, O=4096)
def _(make, N, I, O):
    """gradients of x, w and b of x w' + b"""
    return make(N, O), make(N, I), make(O, I)


def _images(make, N, C, H, W):
    """(N, C, H, W), channels last in memory."""
    return make(N, H, W, C).transpose(0, 3, 1, 2)


SECOND = dict(N=64, C=32, H=26, W=26, O=64, R=3, S=3, stride=1, padding=0, groups=1)  # layer of an MNIST network
FIRST = SECOND | dict(C=1, H=28, W=28, O=32)
DEPTHWISE = dict(N=32, C=96, H=56, W=56, O=96, R=3, S=3, stride=1, padding=1, groups=96)


def _conv(make, N, C, H, W, O, R, S, stride, padding, groups):
    """x (N, C, H, W), channels last in memory, with w (O, C / groups, R, S) and a bias"""
    return (_images(make, N, C, H, W), _images(make, O, C // groups, R, S), make(O), (stride, stride),
            (padding, padding), (1, 1), groups)


def _conv_backward(make, N, C, H, W, O, R, S, stride, padding, groups):
    """gradients of input, weights and bias of a convolution"""
    P, Q = ((n + 2 * padding - k) // stride + 1 for n, k in ((H, R), (W, S)))
    return (_images(make, N, O, P, Q), _images(make, N, C, H, W), _images(make, O, C // groups, R, S),
            (stride, stride), (padding, padding), (1, 1), groups)


for _name, _dims in (("conv2d", SECOND), ("conv2d_first", FIRST), ("conv2d_depthwise", DEPTHWISE)):
    declare(_name, conv2d, WITH_DOUBLE, **_dims)(_conv)
    declare(f"{_name}_backward", conv2d_backward, WITH_DOUBLE, **_dims)(_conv_backward)


ROWS = dict(N=8192, C=1024)


@declare("softmax", softmax, WITH_DOUBLE, **ROWS)
def _(make, N, C):
    """along the last axis of x (N, C)"""
    return (make(N, C),)


@declare("softmax_backward", softmax_backward, WITH_DOUBLE, **ROWS)
def _(make, N, C):
    """dx from dy and y (N, C)"""
    return make(N, C), make(N, C, low=0.0)


@declare("log_softmax", log_softmax, WITH_DOUBLE, **ROWS)
def _(make, N, C):
    """along the last axis of x (N, C)"""
    return (make(N, C),)


@declare("log_softmax_backward", log_softmax_backward, WITH_DOUBLE, **ROWS)
def _(make, N, C):
    """dx from dy and y (N, C)"""
    return make(N, C), make(N, C, high=0.0)


@declare("cross_entropy", lambda x, target: cross_entropy(x, target, gradient=True), WITH_DOUBLE, N=8192, C=50257)
def _(make, N, C):
    """loss and gradient of logits (N, C)"""
    return make(N, C), make.integers(C, N)


@declare("layer_norm", lambda x, w, b: norm_rows(x[:, None], w, b)[0][:, 0], WITH_DOUBLE, **ROWS)
def _(make, N, C):
    """rows of x (N, C), with weight and bias"""
    return make(N, C), make(C), make(C)


@declare("rms_norm", lambda x, w: norm_rows(x[:, None], w, center=False)[0][:, 0], WITH_DOUBLE, **ROWS)
def _(make, N, C):
    """rows of x (N, C), with weight"""
    return make(N, C), make(C)


@declare("layer_norm_backward", lambda dy, x, w, mean, rstd: norm_rows_backward(
    dy[:, None], x[:, None], w, mean, rstd), WITH_DOUBLE, **ROWS)
def _(make, N, C):
    """gradients of x (N, C), weight and bias"""
    kept = np.float64 if make.dtype == np.float64 else np.float32
    return make(N, C), make(N, C), make(C), make(N, 1, dtype=kept), make(N, 1, low=0.5, high=2.0, dtype=kept)


IMAGES = dict(N=64, C=64, H=56, W=56)


@declare("batch_norm", batch_norm, WITH_DOUBLE, **IMAGES)
def _(make, N, C, H, W):
    """in training: x (N, C, H, W), channels last in memory"""
    return _images(make, N, C, H, W), make(C), make(C)


@declare("batch_norm_backward", lambda dy, x, w, mean, rstd: batch_norm_backward(dy, x, w, mean, rstd, True),
         WITH_DOUBLE, **IMAGES)
def _(make, N, C, H, W):
    """gradients of x (N, C, H, W), weight and bias, in training"""
    kept = np.float64 if make.dtype == np.float64 else np.float32
    return (_images(make, N, C, H, W), _images(make, N, C, H, W), make(C), make(C, dtype=kept),
            make(C, low=0.5, high=2.0, dtype=kept))


def _max_pool(x, windows):
    return max_pool2d(x, windows)[0]


@declare("max_pool2d", _max_pool, WITH_DOUBLE, **IMAGES, R=2, stride=2)
def _(make, N, C, H, W, R, stride):
    """R x R windows of x (N, C, H, W), channels last in memory"""
    return _images(make, N, C, H, W), Windows((R, R), (stride, stride))


def _max_pool_backward(dy, x, windows):
    y, where = max_pool2d(x, windows)
    return max_pool2d_backward(dy, x, y, where, windows)


@declare("max_pool2d_backward", _max_pool_backward, WITH_DOUBLE, **IMAGES, R=2, stride=2)
def _(make, N, C, H, W, R, stride):
    """the forward, then dx"""
    P, Q = ((n - R) // stride + 1 for n in (H, W))
    return _images(make, N, C, P, Q), _images(make, N, C, H, W), Windows((R, R), (stride, stride))


@declare("avg_pool2d", avg_pool2d, WITH_DOUBLE, **IMAGES, R=2, stride=2)
def _(make, N, C, H, W, R, stride):
    """R x R windows of x (N, C, H, W), channels last in memory"""
    return _images(make, N, C, H, W), Windows((R, R), (stride, stride))


@declare("sum", lambda x: reduce.sum(x, axis=1), WITH_DOUBLE, **ROWS)
def _(make, N, C):
    """of each row of x (N, C)"""
    return (make(N, C),)


@declare("sum_all", reduce.sum, WITH_DOUBLE, N=1 << 24)
def _(make, N):
    """of all N elements"""
    return (make(N),)


@declare("mean", lambda x: reduce.mean(x, axis=0), WITH_DOUBLE, **ROWS)
def _(make, N, C):
    """of each column of x (N, C)"""
    return (make(N, C),)


def _line(name, *others):
    """Declare an elementwise operation on as many arrays of N elements; `others`: their lower ends."""
    def arrays(make, N):
        return tuple(make(N, low=low) for low in others or (-1.0,))

    arrays.__doc__ = f"{name} of {'N elements' if len(others) < 2 else f'{len(others)} arrays of N elements'}"
    declare(name, getattr(elementwise, name), WITH_DOUBLE, N=1 << 24)(arrays)


for _name in ("relu", "gelu", "silu", "sigmoid", "tanh", "exp"):
    _line(_name)
for _name in ("add", "mul"):
    _line(_name, -1.0, -1.0)
_line("log", 0.1)
_line("div", -1.0, 0.5)


@declare("gelu_backward", lambda dy, x: elementwise.gelu_backward(dy, x), WITH_DOUBLE, N=1 << 24)
def _(make, N):
    """dx from dy and x of N elements"""
    return make(N), make(N)


@declare("bias_add", elementwise.add, WITH_DOUBLE, N=8192, C=4096)
def _(make, N, C):
    """x (N, C) + b (C)"""
    return make(N, C), make(C)


@declare("embedding", lambda indices, weight: index.take(weight, indices), WITH_DOUBLE, N=8192, V=50257, C=768)
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


@declare("dropout", _dropout, WITH_DOUBLE, N=1 << 24)
def _(make, N):
    """of N elements, p = 0.5"""
    return make(N), Generator(make.device)


def _adam(p, g, m, v, step, fused):
    adam_step([p], [g], [m], [v], None, [step], [0], [(1e-3, 0.9, 0.999, 1e-8, 0.0, False)], fused)
    return p, m, v


@declare("adam", _adam, WITH_DOUBLE, N=1 << 24)
def _(make, N):
    """one step of N parameters, in place"""
    return make(N), make(N), make.zeros(N), make.zeros(N), make.zeros(dtype=np.float32), Fused()


def _sgd(p, g, buffer, fused):
    sgd_step([p], [g], [buffer], None, [0], [(0.1, 0.9, 0.0, 1e-4, False)], fused, False)
    return p, buffer


@declare("sgd", _sgd, WITH_DOUBLE, N=1 << 24)
def _(make, N):
    """one step of N parameters with momentum, in place"""
    return make(N), make(N), make.zeros(N), Fused()
