"""Shapes that people train with, for dry runs: heuristics choose other tiles there than for samples.

Nothing of this is ever computed in the suite: kernels are chosen and compiled for a GPU, forward and backward.
"""

from __future__ import annotations

import numpy as np

from tritonnet.autograd.ops.attention import Attention
from tritonnet.autograd.ops.conv import Conv2d, ConvRelu2d, ConvReluPool2d, Fold, Unfold
from tritonnet.autograd.ops.elementwise import Add, Gelu, Mul, Prelu, Relu
from tritonnet.autograd.ops.index import Embedding, Gather, IndexSelect, ScatterAdd, Sort
from tritonnet.autograd.ops.loss import BceWithLogits, CrossEntropy, MseLoss
from tritonnet.autograd.ops.matmul import Linear, LinearAtOnce, MatMul
from tritonnet.autograd.ops.norm import BatchNorm, GroupNorm, LayerNorm, RMSNorm
from tritonnet.autograd.ops.pool import AvgPool2d, MaxPool2d
from tritonnet.autograd.ops.reduce import Amax, ArgMax, CumSum, LogSumExp, Max, Mean, Norm, Sum, Var
from tritonnet.autograd.ops.rng import Dropout
from tritonnet.autograd.ops.shape import Cat, Flip, Triu
from tritonnet.autograd.ops.softmax import LogSoftmax, Softmax
from tritonnet.autograd.samples import declared, every_op
from tritonnet.kernels import index, optim, pool, rng, strided, tuning
from tritonnet.kernels.arrays import empty
from tritonnet.kernels.attention import widest
from tritonnet.kernels.conv import conv2d, conv2d_backward
from tritonnet.kernels.conv.implicit import conv2d_kernel
from tritonnet.kernels.conv.weights import conv2d_weight_kernel
from tritonnet.kernels.dtypes import HALVES
from tritonnet.kernels.matmul import linear, matmul
from tritonnet.kernels.matmul.gemm import gemm_kernel


def heads(f, batch, queries, keys, length, width):
    """Query, key and value, as wide as the kernels take of this type."""
    x = f(1)
    width = min(width, widest(x.array)) if hasattr(x, "array") else width
    return [f(batch, n, length, width) for n in (queries, keys, keys)]


def full_size():
    """(operation, arguments): `arguments(f, i)` makes them of float tensors f(*shape) and integer tensors i(*shape)."""
    yield MatMul, lambda f, i: (f(4096, 4096), f(4096, 4096))  # the largest tiles
    yield MatMul, lambda f, i: (f(1024, 1024), f(1024, 1024))  # too few tiles for all multiprocessors
    yield MatMul, lambda f, i: (f(8, 12, 1024, 64), f(8, 12, 64, 1024))  # attention
    for width in (64, 128):
        yield Attention, lambda f, i, width=width: (*heads(f, 8, 16, 16, 2048, width), None, True, 0.1)
        yield Attention, lambda f, i, width=width: (*heads(f, 8, 16, 16, 2048, width), None, False, 0.1)
    yield Attention, lambda f, i: (*heads(f, 8, 8, 8, 1000, 80), None, False, 0.1, 0.1)  # dropout; nothing divides
    yield Attention, lambda f, i: (*heads(f, 4, 32, 8, 1024, 256), None, True, 0.1)  # four heads share keys
    yield Linear, lambda f, i: (f(64, 784), f(128, 784), f(128), "relu")  # an MNIST MLP
    yield Linear, lambda f, i: (f(64, 128), f(10, 128), f(10))  # few columns
    yield LinearAtOnce, lambda f, i: (f(64, 1600), f(128, 1600), f(128), "relu")  # those of an MNIST CNN
    yield LinearAtOnce, lambda f, i: (f(64, 128), f(10, 128), f(10))
    yield LinearAtOnce, lambda f, i: (f(512, 256), f(1024, 256), f(1024), "gelu")
    yield Linear, lambda f, i: (f(8192, 1024), f(4096, 1024), f(4096), "gelu")  # a transformer's
    yield Linear, lambda f, i: (f(8192, 1000), f(1001, 1000))  # nothing divides
    yield Conv2d, lambda f, i: (f(64, 1, 28, 28), f(32, 1, 3, 3), f(32))  # the first layer of an MNIST CNN
    yield Conv2d, lambda f, i: (f(64, 32, 26, 26), f(64, 32, 3, 3), f(64))  # its second
    yield Conv2d, lambda f, i: (f(32, 64, 56, 56), f(64, 64, 3, 3), None, (1, 1), (1, 1))  # ResNet
    yield Conv2d, lambda f, i: (f(32, 256, 14, 14), f(512, 256, 1, 1), None, (2, 2))  # its shortcut
    yield Conv2d, lambda f, i: (f(32, 3, 224, 224), f(64, 3, 7, 7), None, (2, 2), (3, 3))  # its first layer
    yield Conv2d, lambda f, i: (f(4, 3, 32, 32), f(6, 3, 5, 5), f(6))  # the first layer of PyTorch's CIFAR tutorial
    yield Conv2d, lambda f, i: (f(32, 96, 56, 56), f(96, 1, 3, 3), None, (1, 1), (1, 1), (1, 1), 96)  # depthwise
    yield Conv2d, lambda f, i: (f(32, 72, 56, 56), f(72, 1, 5, 5), f(72), (2, 2), (2, 2), (1, 1), 72)  # more taps
    yield ConvRelu2d, lambda f, i: (f(64, 1, 28, 28), f(32, 1, 3, 3), f(32))  # as Conv2d above: MNIST
    yield ConvRelu2d, lambda f, i: (f(64, 32, 26, 26), f(64, 32, 3, 3), f(64))
    yield ConvRelu2d, lambda f, i: (f(32, 64, 56, 56), f(64, 64, 3, 3), f(64), (1, 1), (1, 1))  # ResNet
    yield ConvRelu2d, lambda f, i: (f(32, 3, 224, 224), f(64, 3, 7, 7), f(64), (2, 2), (3, 3))
    yield ConvRelu2d, lambda f, i: (f(32, 96, 56, 56), f(96, 1, 3, 3), f(96), (1, 1), (1, 1), (1, 1), 96)
    yield ConvReluPool2d, lambda f, i: (f(64, 1, 28, 28), f(32, 1, 3, 3), f(32))  # with pooling: MNIST …
    yield ConvReluPool2d, lambda f, i: (f(64, 32, 26, 26), f(64, 32, 3, 3), f(64))
    yield ConvReluPool2d, lambda f, i: (f(64, 1, 28, 28), f(10, 1, 5, 5), f(10))  # … and a smaller network for it
    yield ConvReluPool2d, lambda f, i: (f(64, 10, 12, 12), f(20, 10, 5, 5), f(20))
    yield ConvReluPool2d, lambda f, i: (f(64, 3, 32, 32), f(6, 3, 5, 5), f(6))  # PyTorch's CIFAR tutorial
    yield ConvReluPool2d, lambda f, i: (f(8, 3, 224, 224), f(64, 3, 3, 3), f(64), (1, 1), (1, 1))  # VGG
    yield ConvReluPool2d, lambda f, i: (f(8, 128, 56, 56), f(256, 128, 3, 3), f(256), (1, 1), (1, 1))
    yield Softmax, lambda f, i: (f(8, 12, 1024, 1024),)
    yield LogSoftmax, lambda f, i: (f(8192, 50257),)  # longer than a program's registers
    yield Softmax, lambda f, i: (f(4096, 4096), 0)  # down the columns
    yield CrossEntropy, lambda f, i: (f(8192, 32000), i(8192))
    yield CrossEntropy, lambda f, i: (f(8192, 50257), i(8192))  # rows that begin anywhere
    yield CrossEntropy, lambda f, i: (f(64, 10), i(64))
    yield CrossEntropy, lambda f, i: (f(8, 21, 256, 256), i(8, 256, 256))  # segmentation
    yield LayerNorm, lambda f, i: (f(8192, 1024), (1024,), f(1024), f(1024))
    yield LayerNorm, lambda f, i: (f(2048, 12288), (12288,), f(12288), f(12288))
    yield LayerNorm, lambda f, i: (f(8192, 1024), (1024,), f(1024), f(1024), 1e-5, "gelu")
    yield LayerNorm, lambda f, i: (f(2048, 12288), (12288,), f(12288), f(12288), 1e-5, "relu")
    yield RMSNorm, lambda f, i: (f(8192, 4096), f(4096))
    yield GroupNorm, lambda f, i: (f(32, 256, 32, 32), 32, f(256), f(256))
    yield BatchNorm, lambda f, i: (f(32, 64, 56, 56), f(64), f(64), f(64), f(64), True, 0.1, 1e-5)
    yield BatchNorm, lambda f, i: (f(32, 64, 56, 56), *(f(64) for _ in range(4)), True, 0.1, 1e-5, None, "relu")
    yield BatchNorm, lambda f, i: (f(32, 64, 56, 56), *(f(64) for _ in range(4)), True, 0.1, 1e-5, None, "gelu")
    yield BatchNorm, lambda f, i: (f(256, 1024), f(1024), f(1024), f(1024), f(1024), True, 0.1, 1e-5)
    yield MaxPool2d, lambda f, i: (f(64, 64, 112, 112), (3, 3), (2, 2), (1, 1), (1, 1), False)
    yield AvgPool2d, lambda f, i: (f(64, 64, 24, 24), (2, 2), (2, 2), (0, 0), False, True)
    yield Sum, lambda f, i: (f(1 << 24),)
    yield Mean, lambda f, i: (f(8192, 4096), 0)
    yield Sum, lambda f, i: (f(8192, 4096), 1)
    yield Mean, lambda f, i: (f(64, 64, 56, 56), (0, 2, 3))  # of channels
    yield Var, lambda f, i: (f(8192, 4096), 1)
    yield Norm, lambda f, i: (f(8192, 4096), 1)
    yield LogSumExp, lambda f, i: (f(8192, 4096), 1)
    yield Amax, lambda f, i: (f(8192, 4096), 1)
    yield Max, lambda f, i: (f(8192, 4096), 1)
    yield ArgMax, lambda f, i: (f(8192, 4096), 1)
    yield CumSum, lambda f, i: (f(8192, 4096), 1)
    yield Sort, lambda f, i: (f(64, 50257),)  # longer than a run
    yield Sort, lambda f, i: (f(8192, 1024),)
    yield Gather, lambda f, i: (f(8192, 4096), 1, i(8192, 64))
    yield ScatterAdd, lambda f, i: (f(8192, 4096), 1, i(8192, 64), f(8192, 64))
    yield IndexSelect, lambda f, i: (f(50000, 256), 0, i(8192))  # a batch out of a set of data
    yield Embedding, lambda f, i: (i(8, 1024), f(50257, 768))
    yield MseLoss, lambda f, i: (f(8192, 4096), f(8192, 4096))
    yield BceWithLogits, lambda f, i: (f(8192, 4096), f(8192, 4096))
    yield Dropout, lambda f, i: (f(8192, 4096), 0.1)
    yield Cat, lambda f, i: (f(2048, 4096), f(6144, 4096))
    yield Triu, lambda f, i: (f(64, 1024, 1024), 1)
    yield Flip, lambda f, i: (f(64, 3, 224, 224), (3,))
    yield Unfold, lambda f, i: (f(32, 64, 56, 56), (3, 3), (1, 1), (1, 1))
    yield Fold, lambda f, i: (f(32, 576, 3136), (56, 56), (3, 3), (1, 1), (1, 1))
    yield Add, lambda f, i: (f(8192, 4096), f(4096))  # a bias
    yield Mul, lambda f, i: (f(1 << 24), f(1 << 24))
    yield Prelu, lambda f, i: (f(64, 64, 56, 56), f(64, 1, 1))
    yield Relu, lambda f, i: (f(64, 64, 112, 112),)
    yield Gelu, lambda f, i: (f(8192, 4096),)


def elementwise():
    """(operation, arguments, keyword arguments) of every elementwise operation: of its samples, those whose arrays have
    one shape. What runs them puts arrays of `ELEMENTS` in their place.
    """
    for op in every_op():
        if op.__module__.endswith("ops.elementwise"):
            for sample in declared[op]:
                shapes = {a.shape for a in sample.args if isinstance(a, np.ndarray)}
                if not sample.raises and len(shapes) == 1 and () not in shapes:
                    yield op, sample.args, sample.kwargs


ELEMENTS = (1024, 4096)
SIZES = [(64, 1, 3, 3), (64,), (1024, 4096), (4096,)]  # of parameters


def fills(device, dtype):
    x = empty(ELEMENTS, dtype, device)
    rng.uniform(x)
    rng.normal(x)
    rng.bernoulli(x, 0.5)
    rng.bernoulli(x, empty(ELEMENTS, dtype, device))
    rng.randint(empty(ELEMENTS, np.dtype(np.int64), device), 0, 1000)
    rng.permutation(60000, device)
    strided.fill(empty(ELEMENTS, np.dtype(np.int64), device), 7)


def copies(device, dtype):
    x = empty((64, 64, 56, 56), dtype, device)
    x.transpose(0, 2, 3, 1).copy()
    x[:, ::2].copy()
    x[..., ::2].copy()
    x.reshape(4096, -1).T.copy()
    empty(ELEMENTS, np.dtype(np.uint8), device).astype(dtype)


def choosing(device, dtype):
    index.nonzero(empty(ELEMENTS, dtype, device))
    index.masked_fill(empty(ELEMENTS, dtype, device), empty(ELEMENTS, np.dtype(bool), device), 0.0)


def steps(device, dtype):
    """Of every optimizer, and clipping."""
    p, g, *state = ([empty(shape, dtype, device) for shape in SIZES] for _ in range(5))
    counts = [empty((), np.dtype(np.float32), device) for _ in SIZES]
    groups = [0] * len(SIZES)
    optim.sgd_step(p, g, None, None, groups, [(0.1, 0.0, 0.0, 0.0, False)], optim.Fused())
    optim.sgd_step(p, g, state[0], counts, groups, [(0.1, 0.9, 0.5, 1e-4, False)], optim.Fused(), True)
    for adamw, amsgrad in ((False, False), (True, True)):
        optim.adam_step(p, g, state[0], state[1], state[2] if amsgrad else None, counts, groups,
                        [(1e-3, 0.9, 0.999, 1e-8, 0.01, False)], optim.Fused(), adamw)
    optim.rmsprop_step(p, g, state[0], state[1], state[2], counts, groups, [(0.1, 0.9, 1e-2, 0.01, 0.9, False)],
                       optim.Fused())
    for norm in (2.0, 1.0, float("inf")):
        optim.clip_grad_norm(g, 1.0, norm)
        optim.grad_norm(g, norm)
    optim.clip_grad_value(g, 0.5)
    scale, mark = empty((), np.dtype(np.float32), device), empty((), np.dtype(np.int32), device)
    optim.unscale(g, scale, mark)
    optim.update_scale(scale, empty((), np.dtype(np.int32), device), mark, 2.0, 0.5, 2000)


def products(device, dtype):
    """In ways that only tuning chooses."""
    a, b = empty((4096, 4096), dtype, device), empty((4096, 4096), dtype, device)
    large = {"BLOCK_M": 128, "BLOCK_N": 128, "BLOCK_K": 64 if dtype in HALVES else 32, "GROUP_M": 8, "SPLIT": 1,
             "num_warps": 8, "num_stages": 3}
    if dtype not in HALVES and device.capability == (8, 0):
        large["BLOCK_N"] = 64                                # as the heuristic has it: more would spill
    for ways in ({"RESIDENT": 1}, {"RESIDENT": 1, "STREAM": 1}):
        if "STREAM" in ways and dtype not in HALVES:
            ways["BLOCK_N"] = 64                             # a second end of the tile takes registers
        with tuning.forced(gemm_kernel, large | ways):
            matmul(a, b)
            linear(a, b, empty((4096,), dtype, device), "relu")
    if device.capability >= (9, 0):
        for ways in ({}, {"RESIDENT": 1}, {"RESIDENT": 1, "SPECIALIZE": 1}):
            if "SPECIALIZE" not in ways or device.capability == (10, 0) and dtype in HALVES:
                with tuning.forced(gemm_kernel, large | ways | {"DESCRIPTORS": 1}):
                    for x, y in ((a, b), (a.T, b), (a, b.T)):
                        matmul(x, y)


def pooling(device, dtype):
    """Of images that lie channels last, as convolutions leave them."""
    x = empty((64, 56, 56, 64), dtype, device).transpose(0, 3, 1, 2)
    for windows in (pool.Windows((2, 2), (2, 2)), pool.Windows((3, 3), (2, 2), (1, 1))):
        y, where = pool.max_pool2d(x, windows)
        pool.max_pool2d_backward(y, x, y, where, windows)
        pool.avg_pool2d_backward(pool.avg_pool2d(x, windows), x.shape, windows, last=True)


def planes(device, dtype):
    """Convolutions of images that lie as planes, which only tuning leaves so."""
    forward = {"BLOCK_M": 128, "BLOCK_N": 64, "BLOCK_K": 32 if dtype in HALVES else 16, "GROUP_M": 8, "PLANES": 1,
               "num_warps": 8, "num_stages": 3}
    weight = {"BLOCK_M": 64 if dtype in HALVES else 32, "BLOCK_O": 64, "BLOCK_C": 64, "PLANES": 1, "num_warps": 4,
              "num_stages": 3}
    with tuning.forced(conv2d_kernel, forward), tuning.forced(conv2d_weight_kernel, weight):
        for shape, w_shape, padding in (((32, 64, 56, 56), (64, 64, 3, 3), (1, 1)),
                                        ((32, 256, 28, 28), (128, 256, 1, 1), (0, 0))):
            x, w = empty(shape, dtype, device), empty(w_shape, dtype, device)
            y = conv2d(x, w, empty(w_shape[:1], dtype, device), (1, 1), padding)
            conv2d_backward(y, x, w, (1, 1), padding, needs=(False, True, True))


WITHOUT_TAPE = (fills, copies, choosing, steps, products, pooling, planes)
