"""Training steps that run alike on tritonnet and on PyTorch: each takes the module and returns a step to be called."""

from __future__ import annotations

import numpy as np

WORKLOADS = {}


def workload(name, target):
    """Declare a workload; target: the ratio ours / torch to hold (two threads)."""

    def note(make):
        WORKLOADS[name] = (make, target)
        return make

    return note


def data(torch, *shape, seed=0):
    """Standard normal float32."""
    return torch.from_numpy(np.random.default_rng(seed).standard_normal(shape, dtype=np.float32))


def labels(torch, n, classes=10):
    """Class indices."""
    return torch.from_numpy(np.random.default_rng(1).integers(0, classes, n))


def training(model, optimizer, loss):
    """One step: gradients to zero, loss, backward, update."""

    def step():
        optimizer.zero_grad()
        loss(model).backward()
        optimizer.step()

    return step


@workload("one op", 1.0)
def one_op(torch):
    """x + y of 16 elements."""
    x, y = data(torch, 4, 4), data(torch, 4, 4)
    return lambda: x + y


@workload("one op, recorded", 0.8)
def one_op_recorded(torch):
    """x * y of 16 elements, x requires a gradient."""
    x, y = data(torch, 4, 4).requires_grad_(), data(torch, 4, 4)
    return lambda: x * y


@workload("linear forward + backward", 0.5)
def linear(torch):
    """An nn.Linear of 8 to 4 features, batch 4."""
    layer, x, g = torch.nn.Linear(8, 4), data(torch, 4, 8), data(torch, 4, 4)

    def step():
        layer.weight.grad = layer.bias.grad = None
        layer(x).backward(g)

    return step


@workload("W1 XOR MLP, BCE, SGD", 0.40)
def xor(torch):
    """2-8-1 MLP on the four rows of XOR."""
    nn = torch.nn
    x, y = torch.tensor([[0.0, 0], [0, 1], [1, 0], [1, 1]]), torch.tensor([[0.0], [1], [1], [0]])
    model = nn.Sequential(nn.Linear(2, 8), nn.Tanh(), nn.Linear(8, 1), nn.Sigmoid())
    criterion = nn.BCELoss()
    return training(model, torch.optim.SGD(model.parameters(), lr=0.1), lambda m: criterion(m(x), y))


@workload("W2 linear regression", 0.30)
def regression(torch):
    """y = 3 x + 2, 100 points."""
    nn = torch.nn
    x = data(torch, 100, 1)
    y, model = 3 * x + 2, nn.Linear(1, 1)
    criterion = nn.MSELoss()
    return training(model, torch.optim.SGD(model.parameters(), lr=0.01), lambda m: criterion(m(x), y))


@workload("W3 MNIST MLP, Adam", 0.95)
def mlp(torch):
    """784-128-10, batch 64."""
    nn = torch.nn
    x, y = data(torch, 64, 1, 28, 28), labels(torch, 64)
    model = nn.Sequential(nn.Flatten(), nn.Linear(784, 128), nn.ReLU(), nn.Linear(128, 10))
    return training(model, torch.optim.Adam(model.parameters()), lambda m: nn.functional.cross_entropy(m(x), y))


@workload("W4 CNN A, batch 64", 1.6)
def cnn_a(torch):
    """conv10k5-pool-conv20k5-pool-fc50, SGD with momentum."""
    nn = torch.nn
    x, y = data(torch, 64, 1, 28, 28), labels(torch, 64)
    model = nn.Sequential(nn.Conv2d(1, 10, 5), nn.MaxPool2d(2), nn.ReLU(), nn.Conv2d(10, 20, 5),
                          nn.MaxPool2d(2), nn.ReLU(),
                          nn.Flatten(), nn.Linear(320, 50), nn.ReLU(), nn.Linear(50, 10), nn.LogSoftmax(dim=1))
    return training(model, torch.optim.SGD(model.parameters(), lr=0.01, momentum=0.5),
                    lambda m: nn.functional.nll_loss(m(x), y))


@workload("W5 CNN B, batch 64", 1.4)
def cnn_b(torch):
    """conv32-conv64-pool-dropout-fc128, SGD with momentum."""
    nn = torch.nn
    x, y = data(torch, 64, 1, 28, 28), labels(torch, 64)
    model = nn.Sequential(nn.Conv2d(1, 32, 3), nn.ReLU(), nn.Conv2d(32, 64, 3), nn.ReLU(), nn.MaxPool2d(2),
                          nn.Dropout(0.25),
                          nn.Flatten(), nn.Linear(9216, 128), nn.ReLU(), nn.Dropout(0.5), nn.Linear(128, 10))
    return training(model, torch.optim.SGD(model.parameters(), lr=0.01, momentum=0.9),
                    lambda m: nn.functional.cross_entropy(m(x), y))


@workload("W6 residual block, batch norm", 1.6)
def residual(torch):
    """Two 3x3 convolutions of 64 channels with batch norm on 32x32, batch 32."""
    nn = torch.nn
    x = data(torch, 32, 64, 32, 32)
    one, two = nn.Conv2d(64, 64, 3, padding=1, bias=False), nn.Conv2d(64, 64, 3, padding=1, bias=False)
    block = nn.Sequential(one, nn.BatchNorm2d(64), nn.ReLU(), two, nn.BatchNorm2d(64))
    return training(block, torch.optim.SGD(block.parameters(), lr=0.01),
                    lambda m: nn.functional.relu(m(x) + x).mean())


@workload("W7 softmax, layer norm, GELU", 2.3)
def rowwise(torch):
    """Forward and backward of each on 1024 x 1024."""
    nn = torch.nn
    x, g, norm = data(torch, 1024, 1024).requires_grad_(), data(torch, 1024, 1024), nn.LayerNorm(1024)

    def step():
        x.grad = None
        for f in (lambda t: torch.softmax(t, -1), norm, nn.functional.gelu):
            f(x).backward(g)

    return step


@workload("W8 matmul 1024", 1.15)
def matmul(torch):
    """A product of two 1024 x 1024 matrices."""
    a, b = data(torch, 1024, 1024), data(torch, 1024, 1024, seed=1)
    return lambda: a @ b


@workload("W9 transformer block, AdamW", 1.6)
def transformer(torch):
    """8 x 64 tokens of width 128, 4 heads, written out."""
    nn, F = torch.nn, torch.nn.functional
    x = data(torch, 8, 64, 128)

    class Block(nn.Module):
        def __init__(self):
            super().__init__()
            self.a, self.b = nn.LayerNorm(128), nn.LayerNorm(128)
            self.qkv, self.out = nn.Linear(128, 384), nn.Linear(128, 128)
            self.up, self.down = nn.Linear(128, 512), nn.Linear(512, 128)

        def forward(self, x):
            n, t, c = x.shape
            q, k, v = (p.reshape(n, t, 4, 32).transpose(1, 2) for p in self.qkv(self.a(x)).split(128, dim=2))
            weights = F.softmax(q @ k.transpose(2, 3) * 32**-0.5, dim=-1)
            x = x + self.out((weights @ v).transpose(1, 2).reshape(n, t, c))
            return x + self.down(F.gelu(self.up(self.b(x))))

    block = Block()
    return training(block, torch.optim.AdamW(block.parameters()), lambda m: (m(x) ** 2).mean())


@workload("W10 relu(a*b+c), 10M", 0.6)
def chain(torch):
    """Forward only, ten million elements."""
    a, b, c = (data(torch, 10_000_000, seed=s) for s in range(3))
    return lambda: torch.relu(a * b + c)


@workload("W10b the same with backward", 0.5)
def chain_backward(torch):
    """Forward and backward, ten million elements."""
    a, b, c = (data(torch, 10_000_000, seed=s).requires_grad_() for s in range(3))

    def step():
        a.grad = b.grad = c.grad = None
        torch.relu(a * b + c).sum().backward()

    return step


@workload("W11 DataLoader, own dataset", 0.65)
def own_dataset(torch):
    """40 batches of 64 from a dataset with __getitem__."""
    x, y = data(torch, 2560, 1, 28, 28), labels(torch, 2560)

    class Own(torch.utils.data.Dataset):
        def __len__(self):
            return len(x)

        def __getitem__(self, i):
            return x[i], int(y[i])

    loader = torch.utils.data.DataLoader(Own(), batch_size=64, shuffle=True)
    return lambda: [None for _ in loader]


@workload("W11b DataLoader, TensorDataset", 0.15)
def tensor_dataset(torch):
    """40 batches of 64 from a TensorDataset."""
    loader = torch.utils.data.DataLoader(
        torch.utils.data.TensorDataset(data(torch, 2560, 1, 28, 28), labels(torch, 2560)), batch_size=64, shuffle=True)
    return lambda: [None for _ in loader]
