"""Compiled models on the simulated device: as on the host, in fewer launches."""

import copy

import pytest

import tritonnet
from tests.fusion_nets import ALL, CONV, RELU, Functional, agree, rows, run
from tritonnet import nn
from tritonnet.kernels import runtime
from tritonnet.kernels.runtime.simulation import DryDriver
from tritonnet.nn import functional as F

ACTIVATIONS = (F.relu, F.sigmoid, F.tanh, F.gelu)


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_linear_on_a_device(activation):
    tritonnet.manual_seed(0)
    model = nn.Sequential(nn.Linear(20, 9), nn.Linear(9, 3))
    x = tritonnet.randn(5, 20)
    expected = run(model, lambda x: model[1](activation(model[0](x))), x)
    with runtime.simulated():
        on_device = copy.deepcopy(model).cuda()
        compiled = tritonnet.compile(lambda x: on_device[1](activation(on_device[0](x))))
        agree(run(on_device, compiled, x.cuda()), expected, rtol=1e-4, atol=1e-5)
        assert rows(compiled, x.cuda())[0] == [(f"linear + {activation.__name__}", ""), ("linear", "")]


def test_convolutions_on_a_device():
    tritonnet.manual_seed(0)
    model, x = Functional(), tritonnet.randn(3, 1, 8, 8)
    expected = run(model, model, x)
    with runtime.simulated():
        on_device = copy.deepcopy(model).cuda()
        compiled = tritonnet.compile(on_device)
        assert rows(compiled, x.cuda())[0] == [(RELU, ""), (ALL, ""), ("linear + relu", ""), ("linear", "")]
        agree(run(on_device, compiled, x.cuda()), expected, rtol=1e-4, atol=1e-5)


class Norms(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv, self.bn, self.ln = nn.Conv2d(1, 3, 3), nn.BatchNorm2d(3), nn.LayerNorm(12)
        self.bn1 = nn.BatchNorm1d(12, affine=False)

    def forward(self, x):
        x = F.relu(self.bn(self.conv(x)))
        x = F.gelu(self.ln(x.flatten(1)))
        return F.tanh(self.bn1(x))


@pytest.mark.parametrize("training", [True, False])
def test_norms_on_a_device(training):
    tritonnet.manual_seed(0)
    model, x = Norms().train(training), tritonnet.randn(4, 1, 4, 4)
    with runtime.simulated():
        on_device = copy.deepcopy(model).cuda()
        compiled = tritonnet.compile(on_device)
        expected = run(model, model, x), list(model.buffers())
        agree(run(on_device, compiled, x.cuda()), expected[0], rtol=1e-3, atol=1e-4)
        agree(on_device.buffers(), expected[1])
        assert rows(compiled, x.cuda())[0] == [(CONV, ""), ("batchnorm + relu", ""), ("layernorm + gelu", ""),
                                               ("batchnorm + tanh", "")]


def test_running_statistics_are_changed_when_somebody_looks_and_once():
    bn, x = nn.BatchNorm1d(3), tritonnet.randn(5, 3)
    expected = []
    for _ in range(3):
        F.relu(bn(x))
        expected.append([bn.running_mean.clone(), bn.num_batches_tracked.clone()])
    with runtime.simulated():
        bn, x = nn.BatchNorm1d(3).cuda(), x.cuda()

        @tritonnet.compile
        def f(x):
            y = bn(x)
            seen = bn.running_mean.clone()  # looks while y waits
            y = F.relu(y)
            F.relu(bn(x))
            z = F.relu(bn(y))  # the same norm again
            assert type(bn.running_mean) is not tritonnet.Tensor
            return seen, z

        @tritonnet.compile
        def unused(x):
            bn(x)

        agree([f(x)[0]], [expected[0][0]])
        assert type(bn.running_mean) is tritonnet.Tensor and bn.num_batches_tracked.item() == 3
        unused(x)
        assert bn.num_batches_tracked.item() == 4
        bn.reset_running_stats()
        for i in range(3):
            unused(x)
            agree([bn.running_mean, bn.num_batches_tracked], expected[i])


class MnistNet(nn.Module):
    """Convolution, relu, pool twice; linear, relu, linear."""

    def __init__(self):
        super().__init__()
        self.conv1, self.conv2 = nn.Conv2d(1, 32, 3), nn.Conv2d(32, 64, 3)
        self.fc1, self.fc2 = nn.Linear(1600, 128), nn.Linear(128, 10)

    def forward(self, x):
        x = F.max_pool2d(F.relu(self.conv1(x)), 2)
        x = F.max_pool2d(F.relu(self.conv2(x)), 2)
        x = F.relu(self.fc1(tritonnet.flatten(x, 1)))
        return self.fc2(x)


@pytest.mark.parametrize("optimizer", [tritonnet.optim.SGD, tritonnet.optim.Adam])
def test_launches_of_a_training_step(optimizer):
    with runtime.simulated(driver=DryDriver, arch=90):
        model = MnistNet().cuda()
        compiled, optimizer = tritonnet.compile(model), optimizer(model.parameters(), lr=0.01)
        x, y = tritonnet.zeros(64, 1, 28, 28).cuda(), tritonnet.zeros(64, dtype=tritonnet.int64).cuda()
        counts = []
        for call in (model, compiled, compiled):
            launches = []
            with runtime.watching(lambda launch, launches=launches: launches.append(launch.name)):
                optimizer.zero_grad()
                F.cross_entropy(call(x), y).backward()
                optimizer.step()
            counts.append(len(launches))
        assert counts[0] <= 32 and counts[2] <= 16, launches


def test_a_compiled_step_is_captured_and_replayed():
    tritonnet.manual_seed(0)
    model, x = Norms(), tritonnet.randn(4, 1, 4, 4)
    with runtime.simulated() as device:
        losses = []
        for captured in (False, True):
            on_device = copy.deepcopy(model).cuda()
            compiled, images = tritonnet.compile(on_device), x.cuda()
            optimizer = tritonnet.optim.SGD(on_device.parameters(), lr=0.1)

            def step(compiled=compiled, images=images, optimizer=optimizer):
                optimizer.zero_grad()
                loss = compiled(images).square().sum()
                loss.backward()
                optimizer.step()
                return loss.detach()

            found = [step().item()]
            again = runtime.Graph.capture(device, step) if captured else step
            losses.append(found + [again().item() for _ in range(2)])
    assert losses[0] == losses[1]
