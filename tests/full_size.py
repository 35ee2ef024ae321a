"""Shapes that people train with, for dry runs: heuristics choose other tiles there than for samples.

Nothing of this is ever computed in the suite: kernels are chosen and compiled for a GPU, forward and backward.
"""

from __future__ import annotations

from tritonnet.autograd.ops.conv import Conv2d
from tritonnet.autograd.ops.elementwise import Add, Gelu, Mul, Relu
from tritonnet.autograd.ops.index import Embedding, Sort
from tritonnet.autograd.ops.loss import CrossEntropy
from tritonnet.autograd.ops.matmul import Linear, MatMul
from tritonnet.autograd.ops.norm import BatchNorm, GroupNorm, LayerNorm, RMSNorm
from tritonnet.autograd.ops.pool import AvgPool2d, MaxPool2d
from tritonnet.autograd.ops.reduce import Mean, Sum
from tritonnet.autograd.ops.softmax import LogSoftmax, Softmax


def full_size():
    """(operation, arguments): `arguments(f, i)` makes them of float tensors f(*shape) and integer tensors i(*shape)."""
    yield MatMul, lambda f, i: (f(4096, 4096), f(4096, 4096))  # the largest tiles
    yield MatMul, lambda f, i: (f(1024, 1024), f(1024, 1024))  # too few tiles for all multiprocessors
    yield MatMul, lambda f, i: (f(8, 12, 1024, 64), f(8, 12, 64, 1024))  # attention
    yield Linear, lambda f, i: (f(64, 784), f(128, 784), f(128), "relu")  # an MNIST MLP
    yield Linear, lambda f, i: (f(64, 128), f(10, 128), f(10))  # few columns
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
    yield Softmax, lambda f, i: (f(8, 12, 1024, 1024),)
    yield LogSoftmax, lambda f, i: (f(8192, 50257),)  # longer than a program's registers
    yield Softmax, lambda f, i: (f(4096, 4096), 0)  # down the columns
    yield CrossEntropy, lambda f, i: (f(8192, 50257), i(8192))
    yield CrossEntropy, lambda f, i: (f(64, 10), i(64))
    yield CrossEntropy, lambda f, i: (f(8, 21, 256, 256), i(8, 256, 256))  # segmentation
    yield LayerNorm, lambda f, i: (f(8192, 1024), (1024,), f(1024), f(1024))
    yield LayerNorm, lambda f, i: (f(2048, 12288), (12288,), f(12288), f(12288))
    yield RMSNorm, lambda f, i: (f(8192, 4096), f(4096))
    yield GroupNorm, lambda f, i: (f(32, 256, 32, 32), 32, f(256), f(256))
    yield BatchNorm, lambda f, i: (f(32, 64, 56, 56), f(64), f(64), f(64), f(64), True, 0.1, 1e-5)
    yield BatchNorm, lambda f, i: (f(256, 1024), f(1024), f(1024), f(1024), f(1024), True, 0.1, 1e-5)
    yield MaxPool2d, lambda f, i: (f(64, 64, 112, 112), (3, 3), (2, 2), (1, 1), (1, 1), False)
    yield AvgPool2d, lambda f, i: (f(64, 64, 24, 24), (2, 2), (2, 2), (0, 0), False, True)
    yield Sum, lambda f, i: (f(1 << 24),)
    yield Mean, lambda f, i: (f(8192, 4096), 0)
    yield Sum, lambda f, i: (f(8192, 4096), 1)
    yield Sort, lambda f, i: (f(64, 50257),)  # longer than a run
    yield Embedding, lambda f, i: (i(8, 1024), f(50257, 768))
    yield Add, lambda f, i: (f(8192, 4096), f(4096))  # a bias
    yield Mul, lambda f, i: (f(1 << 24), f(1 << 24))
    yield Relu, lambda f, i: (f(64, 64, 112, 112),)
    yield Gelu, lambda f, i: (f(8192, 4096),)
