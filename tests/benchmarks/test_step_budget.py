"""What training steps cost, counted on a dry device at the batch sizes people train with: launches, bytes, memory.

The figures are bounds, not exact: a kernel less, or bytes saved, passes; what comes on top does not.
"""

import math

import numpy as np
import pytest

import tritonnet
from benchmarks import step_budget
from benchmarks.step_minimum import Minimum
from benchmarks.step_nets import NETS
from tritonnet import nn
from tritonnet.kernels import runtime
from tritonnet.kernels.runtime.simulation import DryDriver

BATCHES = 64, 512, 1024
NOTHING = {}

WAYS = {"eager": None, "fused": tritonnet.compile}  # how a model is prepared
LAUNCHES = {  # at most, at each of BATCHES
    "eager": {"mnist_cnn": (29, 29, 31), "pool_first": (31, 31, 32), "pytorch_example": (32, 32, 34),
              "batch_norm_cnn": (42, 42, 43), "resnet_block": (41, 41, 42), "transformer_block": (48, 48, 48)},
    "fused": {"mnist_cnn": (16, 16, 23), "pool_first": (16, 16, 23), "pytorch_example": (22, 25, 29),
              "batch_norm_cnn": (37, 37, 40), "resnet_block": (35, 35, 38), "transformer_block": (48, 48, 48)},
}
ISSUE = {"eager": 32, "fused": 16}  # launches of the MNIST CNN that issue 5 allows
RATIO = 1.25  # bytes over the minimum of the same way, eager or fused
ABOVE = {  # where it is more. At 64 parts of the weights' gradients weigh as much as activations. Else dropout, norms
    # and their activations are passes of their own; batch norm gathers its statistics in one, too
    ("fused", "mnist_cnn"): (1.35, RATIO, RATIO), ("fused", "pool_first"): (1.35, RATIO, RATIO),
    ("fused", "pytorch_example"): (1.45, 1.6, 1.65), ("fused", "batch_norm_cnn"): (1.9, 1.8, 1.8),
    ("fused", "resnet_block"): (1.3, 1.3, 1.3),
}
LIVE = {"eager": 1.1, "fused": 1.15}  # bytes at the peak, over what is alive at the peak of the unfused step

CASES = [(way, net, batch, most) for way, nets in LAUNCHES.items() for net, counts in nets.items()
         for batch, most in zip(BATCHES, counts)]
OPTIMIZERS = {"adam": "Adam", "sgd": "SGD"}
_counted = {}


def counted(way, net, batch, optimizer="Adam"):
    """Counting takes a second: each step once."""
    key = way, net, batch, optimizer
    if key not in _counted:
        _counted[key] = step_budget.count(net, batch, optimizer, WAYS[way])
    return _counted[key]


@pytest.fixture(autouse=True)
def unpoisoned(monkeypatch):
    from tritonnet.kernels import arrays

    monkeypatch.setattr(arrays, "FILL_FRESH", None)  # poison is filled in, and would be counted


@pytest.mark.parametrize("way, net, batch, most", CASES)
def test_launches_and_nothing_else(way, net, batch, most):
    step = counted(way, net, batch)
    assert step.launches <= most, step.kernels
    if net in ("mnist_cnn", "pool_first") and (way, batch) != ("fused", 1024):
        assert step.launches <= ISSUE[way]
    assert step.others == NOTHING, "no copies, fills, synchronisation or memory: the host only launches"


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize("way, net, batch, most", [case for case in CASES if case[2] == 64])
def test_the_optimizer_is_one_launch_and_the_loss_with_its_gradient_two(way, net, batch, most, optimizer):
    kernels = counted(way, net, batch, OPTIMIZERS[optimizer]).kernels
    assert [k for k in kernels if k.startswith(optimizer)] == [f"{optimizer}_kernel"] == kernels[-1:]
    loss = sum("loss" in k or k == "label_weights_kernel" for k in kernels)
    assert 1 <= loss <= (3 if net == "transformer_block" else 2), "of thousands of labels the weights are summed first"


@pytest.mark.parametrize("way, net, batch, most", CASES)
def test_bytes_are_within_a_quarter_of_the_minimum(way, net, batch, most):
    step = counted(way, net, batch)
    assert step.ratio(way == "fused") <= ABOVE.get((way, net), (RATIO,) * 3)[BATCHES.index(batch)]


@pytest.mark.parametrize("way, net, batch, most", CASES)
def test_no_array_is_held_longer_than_the_maths_needs(way, net, batch, most):
    step = counted(way, net, batch)
    assert step.peak <= LIVE[way] * step.minimum.peak(step.optimizer)


def minimum_of(model, shape, classes=4):
    with runtime.simulated(driver=DryDriver):
        x = tritonnet.zeros(*shape).cuda()
        return Minimum.of(model.cuda(), x, tritonnet.zeros(shape[0], dtype=tritonnet.int64).cuda())


def test_the_minimum_of_a_perceptron_by_hand():
    """The model of the minimum, against bytes written out for 3 samples, 5 -> 7 -> relu -> 2."""
    x, h, y, w1, b1, w2, b2 = (4 * n for n in (3 * 5, 3 * 7, 3 * 2, 5 * 7, 7, 7 * 2, 2))
    found = minimum_of(nn.Sequential(nn.Linear(5, 7), nn.ReLU(), nn.Linear(7, 2)), (3, 5))
    parameters = w1 + b1 + w2 + b2
    forward = (x + w1 + b1 + h) + (h + h) + (h + w2 + b2 + y)
    backward = (h + y + w2 + b2) + (y + w2 + b2 + h) + (h + h + h) + (x + h + w1 + b1)
    assert found.bytes("SGD") == forward + 2 * y + backward + 5 * parameters
    fused = (x + w1 + b1 + h) + (h + w2 + b2 + y) + (h + y + w2 + b2) + (y + w2 + b2 + h) + (x + h + w1 + b1) + h
    assert found.bytes("Adam", fused=True) == fused + 2 * y + 7 * parameters
    # worst: the relu's backward, with the second layer's gradients made: y of relu, dy, dx; and x with its targets
    batch = x + 3 * 8
    assert found.peak("SGD") == 2 * parameters + batch + 3 * h + (w2 + b2) or found.peak("SGD") == (
        2 * parameters + batch + parameters)


def test_the_minimum_of_a_pooled_convolution_by_hand():
    """conv 1 -> 3 channels, relu, pool, linear; 2 images of 6 x 6."""
    x, c, p, w, b, v, d, y = (4 * n for n in (72, 2 * 3 * 16, 2 * 3 * 4, 27, 3, 12 * 4, 4, 2 * 4))
    index = p // 4
    found = minimum_of(nn.Sequential(nn.Conv2d(1, 3, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(12, 4)),
                       (2, 1, 6, 6))
    linear = (p + v + d + y) + (p + y + v + d) + (y + v + d + p)
    plain = (x + w + b + c) + (c + c) + (c + p + index) + linear + (p + index + c) + (x + c + w + b)
    fused = (x + w + b + p + index) + linear + (x + p + index + w + b)
    parameters = w + b + v + d
    assert found.bytes("SGD") == plain + 2 * y + 5 * parameters
    assert found.bytes("SGD", fused=True) == fused + 2 * y + 5 * parameters


@pytest.mark.parametrize("net", LAUNCHES["fused"])
@pytest.mark.parametrize("batch", BATCHES)
def test_fusing_never_costs(net, batch):
    eager, fused = (counted(way, net, batch) for way in ("eager", "fused"))
    assert fused.launches <= eager.launches and fused.bytes <= eager.bytes


def test_waste_is_noticed():
    """A copy that is not needed shows in launches, bytes and memory."""
    class Wasteful(nn.Module):
        def __init__(self, inner):
            super().__init__()
            self.inner, self.held = inner, []

        def forward(self, x):
            for layer in self.inner:
                x = layer(x)
                copies = [x * 2 * 0.5 for _ in range(3)]
                self.held = [*self.held[-8:], *copies]
                x = copies[-1]
            return x

    plain = counted("eager", "mnist_cnn", 64)
    wasteful = step_budget.count("mnist_cnn", 64, prepare=Wasteful)
    assert wasteful.launches > plain.launches + 10
    assert wasteful.ratio() > RATIO > plain.ratio()
    assert wasteful.peak > LIVE["eager"] * wasteful.minimum.peak("Adam")


def test_the_table_prints(capsys):
    step_budget.main(["--nets", "mnist_cnn", "--batches", "64", "--optimizer", "SGD"])
    head, _, row = capsys.readouterr().out.strip().splitlines()
    assert head.count("|") == row.count("|") and row.startswith("| mnist_cnn, 64, SGD | ")
    assert all(math.isfinite(floor) for floor in counted("eager", "mnist_cnn", 64).floors())


def test_every_net_trains_with_either_optimizer_on_the_host():
    """The nets compute something: losses are finite, and go down on one batch."""
    for name, net in NETS.items():
        tritonnet.manual_seed(0)
        model = net.make(tritonnet)
        x = tritonnet.from_numpy(np.random.default_rng(0).standard_normal((4, *net.x)).astype(np.float32))
        y = tritonnet.from_numpy(np.random.default_rng(1).integers(0, 10, len(model(x))))
        optimizer, losses = step_budget.optimizer_of(tritonnet, "Adam", model.parameters()), []
        for _ in range(4):
            optimizer.zero_grad()
            loss = nn.functional.cross_entropy(model(x), y)
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
        assert losses[-1] < losses[0], name
