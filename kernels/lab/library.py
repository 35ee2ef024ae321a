"""Products as subjects of the lab: matrix products, attention, convolutions, at typical sizes. PyTorch's names."""

from __future__ import annotations

from tritonnet.kernels.attention import attention, attention_backward
from tritonnet.kernels.conv import conv2d, conv2d_backward
from tritonnet.kernels.lab.subjects import ALL_FLOATS, declare, images
from tritonnet.kernels.matmul import linear, linear_backward, matmul, matmul_backward


@declare("matmul", matmul, ALL_FLOATS, M=4096, N=4096, K=4096)
def _(make, M, N, K):
    """x (M, K) times y (K, N)"""
    return make(M, K), make(K, N)


@declare("matmul_backward", matmul_backward, ALL_FLOATS, M=4096, N=4096, K=4096)
def _(make, M, N, K):
    """both gradients of x (M, K) times y (K, N)"""
    return make(M, N), make(M, K), make(K, N)


@declare("bmm", matmul, ALL_FLOATS, B=96, M=1024, N=1024, K=64)
def _(make, B, M, N, K):
    """B products of (M, K) and (K, N), as in attention"""
    return make(B, M, K), make(B, K, N)


HEADS = dict(B=8, H=16, L=2048, S=2048, E=64, causal=0)


def _attention(q, k, v, causal):
    return attention(q, k, v, None, bool(causal), q.shape[-1] ** -0.5, save=False)[0]


@declare("attention", _attention, ALL_FLOATS, **HEADS)
def _(make, B, H, L, S, E, causal):
    """softmax(q k' / sqrt(E)) v: q (B, H, L, E), k and v (B, H, S, E); causal=1: each query sees keys up to its own"""
    return make(B, H, L, E), make(B, H, S, E), make(B, H, S, E), causal


def _attention_backward(do, q, k, v, causal):
    scale = q.shape[-1] ** -0.5
    o, lse, _ = attention(q, k, v, None, bool(causal), scale, save=False)
    return attention_backward(do, q, k, v, None, o, lse, bool(causal), scale)


@declare("attention_backward", _attention_backward, ALL_FLOATS, **HEADS)
def _(make, B, H, L, S, E, causal):
    """the forward, then gradients of q, k and v"""
    return make(B, H, L, E), make(B, H, L, E), make(B, H, S, E), make(B, H, S, E), causal


@declare("linear", lambda x, w, b: linear(x, w, b, "relu"), ALL_FLOATS, N=8192, I=1024, O=4096)
def _(make, N, I, O):
    """relu(x w' + b): x (N, I), w (O, I)"""
    return make(N, I), make(O, I), make(O)


@declare("linear_gelu", lambda x, w, b: linear(x, w, b, "gelu"), ALL_FLOATS, N=8192, I=1024, O=4096)
def _(make, N, I, O):
    """gelu(x w' + b): x (N, I), w (O, I)"""
    return make(N, I), make(O, I), make(O)


@declare("linear_backward", linear_backward, ALL_FLOATS, N=8192, I=1024, O=4096)
def _(make, N, I, O):
    """gradients of x, w and b of x w' + b"""
    return make(N, O), make(N, I), make(O, I)


SECOND = dict(N=64, C=32, H=26, W=26, O=64, R=3, S=3, stride=1, padding=0, groups=1)  # layer of an MNIST network
FIRST = SECOND | dict(C=1, H=28, W=28, O=32)
DEPTHWISE = dict(N=32, C=96, H=56, W=56, O=96, R=3, S=3, stride=1, padding=1, groups=96)


def _conv(make, N, C, H, W, O, R, S, stride, padding, groups):
    """x (N, C, H, W), channels last in memory, with w (O, C / groups, R, S) and a bias"""
    return (images(make, N, C, H, W), images(make, O, C // groups, R, S), make(O), (stride, stride),
            (padding, padding), (1, 1), groups)


def _conv_backward(make, N, C, H, W, O, R, S, stride, padding, groups):
    """gradients of input, weights and bias of a convolution"""
    P, Q = ((n + 2 * padding - k) // stride + 1 for n, k in ((H, R), (W, S)))
    return (images(make, N, O, P, Q), images(make, N, C, H, W), images(make, O, C // groups, R, S),
            (stride, stride), (padding, padding), (1, 1), groups)


for _name, _dims in (("conv2d", SECOND), ("conv2d_first", FIRST), ("conv2d_depthwise", DEPTHWISE)):
    declare(_name, conv2d, ALL_FLOATS, **_dims)(_conv)
    declare(f"{_name}_backward", conv2d_backward, ALL_FLOATS, **_dims)(_conv_backward)
