"""Nets whose training steps are counted: what people train on MNIST, a residual block, a transformer block.

Written once for tritonnet (or torch, whichever is given). What is no layer of `nn` is a small module of its own, so
that `step_minimum` meets every operation as a module.
"""

from __future__ import annotations

import typing


class Net(typing.NamedTuple):
    """A net to count: make(torch) -> module; x: the shape of one sample; classes: of its targets."""

    make: typing.Callable
    x: tuple
    classes: int = 10


def parts(torch):
    """The operations that `nn` has no layer for: Add, Attention."""
    nn = torch.nn

    class Add(nn.Module):
        """x + y."""

        def forward(self, x, y):
            return x + y

    class Attention(nn.Module):
        """Self-attention of (N, T, 3 C), the queries, keys and values side by side; 4 heads."""

        def forward(self, x):
            n, t, c = x.shape[0], x.shape[1], x.shape[2] // 3
            q, k, v = (p.reshape(n, t, 4, c // 4).transpose(1, 2) for p in x.chunk(3, -1))
            y = nn.functional.scaled_dot_product_attention(q, k, v)
            return y.transpose(1, 2).reshape(n, t, c)

    return Add, Attention


def mnist_cnn(torch):
    """conv10k5-relu-pool-conv20k5-relu-pool-fc50-relu-fc10: issue 5's net."""
    nn = torch.nn
    return nn.Sequential(nn.Conv2d(1, 10, 5), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(10, 20, 5), nn.ReLU(),
                         nn.MaxPool2d(2), nn.Flatten(), nn.Linear(320, 50), nn.ReLU(), nn.Linear(50, 10))


def pool_first(torch):
    """The same with the pools before the relus, as W4 has them."""
    nn = torch.nn
    return nn.Sequential(nn.Conv2d(1, 10, 5), nn.MaxPool2d(2), nn.ReLU(), nn.Conv2d(10, 20, 5), nn.MaxPool2d(2),
                         nn.ReLU(), nn.Flatten(), nn.Linear(320, 50), nn.ReLU(), nn.Linear(50, 10))


def pytorch_example(torch):
    """conv32k3-conv64k3-pool-fc128 with dropout: W5, PyTorch's MNIST example."""
    nn = torch.nn
    return nn.Sequential(nn.Conv2d(1, 32, 3), nn.ReLU(), nn.Conv2d(32, 64, 3), nn.ReLU(), nn.MaxPool2d(2),
                         nn.Dropout(0.25), nn.Flatten(), nn.Linear(9216, 128), nn.ReLU(), nn.Dropout(0.5),
                         nn.Linear(128, 10))


def batch_norm_cnn(torch):
    """Three times conv-batch norm-relu-pool, then the mean over pixels: the speedrun's shape."""
    nn, layers = torch.nn, []
    for before, after, size in ((1, 32, 5), (32, 64, 3), (64, 128, 3)):
        layers += [nn.Conv2d(before, after, size, padding=size // 2, bias=False), nn.BatchNorm2d(after), nn.ReLU(),
                   nn.MaxPool2d(2)]
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(128, 10))


def resnet_block(torch):
    """A stem of 64 channels and one basic block of ResNet on 32 x 32, global pool, fc."""
    nn, (Add, _) = torch.nn, parts(torch)

    class Block(nn.Module):
        def __init__(self):
            super().__init__()
            self.one, self.two = (nn.Conv2d(64, 64, 3, padding=1, bias=False) for _ in range(2))
            self.bn1, self.bn2 = nn.BatchNorm2d(64), nn.BatchNorm2d(64)
            self.relu1, self.relu2, self.add = nn.ReLU(), nn.ReLU(), Add()

        def forward(self, x):
            return self.relu2(self.add(self.bn2(self.two(self.relu1(self.bn1(self.one(x))))), x))

    return nn.Sequential(nn.Conv2d(3, 64, 3, padding=1, bias=False), nn.BatchNorm2d(64), nn.ReLU(), Block(),
                         nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(64, 10))


def transformer_block(torch):
    """A block of width 128 with 4 heads over 64 tokens, and a classifier of each token."""
    nn, (Add, Attention) = torch.nn, parts(torch)

    class Block(nn.Module):
        def __init__(self):
            super().__init__()
            self.norm1, self.norm2 = nn.LayerNorm(128), nn.LayerNorm(128)
            self.qkv, self.attention, self.out = nn.Linear(128, 384), Attention(), nn.Linear(128, 128)
            self.up, self.gelu, self.down = nn.Linear(128, 512), nn.GELU(), nn.Linear(512, 128)
            self.add1, self.add2, self.classes = Add(), Add(), nn.Linear(128, 10)

        def forward(self, x):
            x = self.add1(self.out(self.attention(self.qkv(self.norm1(x)))), x)
            x = self.add2(self.down(self.gelu(self.up(self.norm2(x)))), x)
            return self.classes(x).flatten(0, 1)

    return Block()


NETS = {
    "mnist_cnn": Net(mnist_cnn, (1, 28, 28)),
    "pool_first": Net(pool_first, (1, 28, 28)),
    "pytorch_example": Net(pytorch_example, (1, 28, 28)),
    "batch_norm_cnn": Net(batch_norm_cnn, (1, 28, 28)),
    "resnet_block": Net(resnet_block, (3, 32, 32)),
    "transformer_block": Net(transformer_block, (64, 128)),
}
