"""Models that `tritonnet.compile` is tried on, and how they are compared with the plain ones."""

import numpy as np

import tritonnet
from tritonnet import nn
from tritonnet.nn import functional as F


def rows(model, *args, **kwargs):
    """What a call of a compiled model or function fuses here, as (computed at once, by itself)."""
    report = model._report if hasattr(model, "_report") else model.explain.__self__
    report.notes = None
    result = model(*args, **kwargs)
    return [(row.fused, row.alone) for row in report.notes.rows], result


class Functional(nn.Module):
    """As PyTorch's MNIST example."""

    def __init__(self):
        super().__init__()
        self.conv1, self.conv2 = nn.Conv2d(1, 4, 3), nn.Conv2d(4, 6, 3)
        self.fc1, self.fc2 = nn.Linear(24, 8), nn.Linear(8, 3)

    def forward(self, x):
        x = self.conv1(x)
        x = F.relu(x)
        x = F.max_pool2d(F.relu(self.conv2(x)), 2)
        x = tritonnet.flatten(x, 1)
        return F.log_softmax(self.fc2(F.relu(self.fc1(x))), dim=1)


class PoolFirst(Functional):
    def forward(self, x):
        x = F.max_pool2d(self.conv1(x), 2).relu()
        if x.mean() > -1e9:  # Python between: any
            x = self.conv2(x)
        return x.relu_().sum((2, 3))


class UsedTwice(Functional):
    def forward(self, x):
        x = self.conv1(x)
        return F.max_pool2d(F.relu(x), 2).sum() + x.sum()


class Residual(Functional):
    def forward(self, x):
        x = F.relu(self.conv1(x))
        y = self.conv2(x)
        return F.relu(y + x[:, :1, 1:-1, 1:-1])


class InPlace(Functional):
    def forward(self, x):
        x = self.conv1(x)
        same = x
        F.relu(x, inplace=True)
        x = self.conv2(same)
        x = nn.ReLU(inplace=True)(x)
        x = nn.MaxPool2d(2)(x)
        return F.relu_(x)


class Shared(nn.Module):
    """One convolution twice, and its result in a list."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(1, 1, 3, padding=1)

    def forward(self, x):
        kept = [self.conv(x)]
        kept.append(F.relu(self.conv(F.relu(kept[0]))))
        return kept[0].sum() + F.max_pool2d(kept.pop(), 2).sum()


class Views(Functional):
    """Whoever looks at a value computes it: its shape, a view, NumPy."""

    def forward(self, x):
        x = self.conv1(x)
        x = x[:, :, : x.shape[2] - 1]
        x = F.relu(x)
        x = self.conv2(x)
        assert x.detach().numpy().ndim == 4
        return F.relu(x)


class Changed(Functional):
    """What waits is computed before what it reads is changed in place."""

    @tritonnet.no_grad()
    def forward(self, x):
        x = x * 1
        y = self.conv1(x)
        x.mul_(0).add_(7)
        z = self.conv1(x)
        x[0] = 3
        with tritonnet.enable_grad():
            return (F.relu(y).sum() + F.relu(z).sum()) * self.fc1.weight


class Modes(Functional):
    """Gradients are recorded as they would have been at once."""

    def forward(self, x):
        with tritonnet.no_grad():
            x = self.conv1(x)
        x = F.relu(x)  # constant: no history
        y = self.conv2(x)
        with tritonnet.no_grad():
            assert F.relu(y).node is None
        return y


def sequential():
    return nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(4, 6, 3), nn.Sigmoid(), nn.Flatten(),
                         nn.Dropout(0.5), nn.Linear(6, 3), nn.Tanh())


CONV, RELU, ALL = "conv2d", "conv2d + relu", "conv2d + relu + max_pool2d"
NETS = {  # (computed at once, by itself) of each row, on the host
    sequential: [(ALL, ""), (CONV, ""), ("", "sigmoid"), ("", "dropout"), ("", "tanh")],
    Functional: [(RELU, ""), (ALL, ""), ("", "relu")],
    PoolFirst: [("conv2d + max_pool2d + relu", ""), (RELU, "")],
    UsedTwice: [(CONV, ""), ("", "relu + max_pool2d")],
    Residual: [(RELU, ""), (CONV, ""), ("", "relu")],
    InPlace: [(RELU, ""), (ALL, ""), ("", "relu")],
    Shared: [(CONV, ""), ("", "relu"), (ALL, "")],
    Views: [(CONV, ""), ("", "relu"), (CONV, ""), ("", "relu")],
    Changed: [(CONV, ""), (CONV, ""), ("", "relu"), ("", "relu")],
    Modes: None,
}


def run(model, call, x):
    """(result, gradients of parameters and x) of a seeded call."""
    tritonnet.manual_seed(1)
    x = x.detach().requires_grad_()
    model.zero_grad()
    y = call(x)
    (y * y).sum().backward()
    return [y.detach(), x.grad, *(p.grad for p in model.parameters())]


def agree(found, expected, rtol=1e-5, atol=1e-6):
    for a, b in zip(found, expected, strict=True):
        assert (a is None) == (b is None)
        if a is not None:
            assert a.dtype == b.dtype
            a, b = (t.detach().float().cpu().numpy() for t in (a, b))
            np.testing.assert_allclose(a, b, rtol=rtol, atol=atol)
