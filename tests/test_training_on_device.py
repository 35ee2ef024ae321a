"""A small MLP and a small CNN learn on the simulated device as on the host, in as few launches as we know how.

The counts are exact: a launch or an allocation more is a regression that no GPU is needed to see, one less is progress
to be written down here.
"""

import numpy as np
import pytest

import tritonnet
from tritonnet import nn
from tritonnet.kernels import arrays, runtime

pytestmark = pytest.mark.slow  # trains, or simulates a lot

STEPS = 4
RTOL = 1e-5  # of losses: float32 sums in another order, over STEPS updates


def mlp():
    return nn.Sequential(nn.Flatten(), nn.Linear(48, 16), nn.ReLU(), nn.Linear(16, 4)), (8, 1, 6, 8)


def cnn():
    return nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(36, 4)), (8, 1, 8, 8)


def deep_cnn():
    """Its second convolution is a matrix product."""
    return nn.Sequential(nn.Conv2d(1, 8, 3), nn.ReLU(), nn.Conv2d(8, 8, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(),
                         nn.Linear(32, 4)), (8, 1, 8, 8)


def mobile_cnn():
    """A depthwise convolution, then one of single pixels: the blocks of MobileNet."""
    return nn.Sequential(nn.Conv2d(1, 8, 3), nn.ReLU(), nn.Conv2d(8, 8, 3, groups=8), nn.ReLU(), nn.Conv2d(8, 8, 1),
                         nn.ReLU(), nn.Flatten(), nn.Linear(128, 4)), (8, 1, 8, 8)


def sgd(parameters):
    return tritonnet.optim.SGD(parameters, lr=0.1, momentum=0.9)


def adam(parameters):
    return tritonnet.optim.Adam(parameters, lr=0.01)


LAUNCHES = {  # of one step; those of the optimizer are one kernel for all parameters
    mlp: ["gemm_kernel", "relu_kernel", "gemm_kernel",  # forward; the bias is added by gemm_kernel
          "class_loss_kernel",  # cross-entropy and its gradient
          "gemm_kernel", "gemm_kernel", "reduce_kernel",  # dx, dw, db
          "relu_backward_kernel", "gemm_kernel", "reduce_kernel"],  # dw, db: nobody wants dx
    cnn: ["conv2d_direct_kernel", "relu_kernel", "max_pool2d_kernel", "copy_kernel", "gemm_kernel",  # copy: to NCHW
          "class_loss_kernel",
          "gemm_kernel", "gemm_kernel", "reduce_kernel", "copy_kernel", "max_pool2d_backward_kernel",  # and the relu's
          "conv2d_direct_weight_kernel", "sum_parts_kernel"],
    deep_cnn: ["conv2d_direct_kernel", "relu_kernel", "transpose_kernel", "conv2d_kernel", "relu_kernel",  # of weights
               "max_pool2d_kernel", "copy_kernel", "gemm_kernel", "class_loss_kernel",
               "gemm_kernel", "gemm_kernel", "reduce_kernel", "copy_kernel", "max_pool2d_backward_kernel",
               "conv2d_kernel", "conv2d_weight_kernel", "sum_parts_kernel",  # as laid out above
               "relu_backward_kernel", "conv2d_direct_weight_kernel", "sum_parts_kernel"],
    mobile_cnn: ["conv2d_direct_kernel", "relu_kernel", "transpose_kernel", "depthwise_kernel", "relu_kernel",
                 "conv2d_kernel", "relu_kernel", "transpose_kernel", "gemm_kernel", "class_loss_kernel",
                 "gemm_kernel", "gemm_kernel", "reduce_kernel",
                 "relu_backward_kernel", "transpose_kernel", "conv2d_kernel", "conv2d_weight_kernel",
                 "sum_parts_kernel", "relu_backward_kernel", "depthwise_input_kernel", "depthwise_weight_kernel",
                 "sum_parts_kernel", "relu_backward_kernel", "conv2d_direct_weight_kernel", "sum_parts_kernel"],
}
# of one step, all from the pool's cache; the optimizer needs none
ALLOCATIONS = {mlp: 11, cnn: 16, deep_cnn: 24, mobile_cnn: 29}


class Training:
    """A model, its optimizer and one batch, on the host or on the current device."""

    def __init__(self, make, optimizer, place="cpu"):
        tritonnet.manual_seed(0)
        self.model, shape = make()
        rng = np.random.default_rng(0)
        self.x = tritonnet.from_numpy(rng.standard_normal(shape).astype(np.float32)).to(place)
        self.y = tritonnet.from_numpy(rng.integers(0, 4, len(self.x))).to(place)
        self.model.to(place)
        self.optimizer = optimizer(self.model.parameters())

    def step(self):
        self.optimizer.zero_grad()
        loss = nn.functional.cross_entropy(self.model(self.x), self.y)
        loss.backward()
        self.optimizer.step()
        return loss.detach()

    def parameters(self):
        return [p.detach().cpu().numpy() for p in self.model.parameters()]


CASES = pytest.mark.parametrize("make, optimizer", [(mlp, sgd), (mlp, adam), (cnn, sgd), (cnn, adam), (deep_cnn, sgd),
                                                    (mobile_cnn, adam)])


@CASES
def test_losses_are_those_of_the_host(make, optimizer):
    expected = Training(make, optimizer)
    expected_losses = [expected.step().item() for _ in range(STEPS)]
    with runtime.simulated(own_blocks=True):
        found = Training(make, optimizer, "cuda")
        losses = [found.step().item() for _ in range(STEPS)]
        parameters = found.parameters()
    assert expected_losses[-1] < 0.9 * expected_losses[0], "it learns"
    np.testing.assert_allclose(losses, expected_losses, rtol=RTOL)
    for f, e in zip(parameters, expected.parameters()):
        np.testing.assert_allclose(f, e, rtol=100 * RTOL, atol=100 * RTOL)  # Adam divides by small numbers


@CASES
def test_launches_and_allocations_of_a_step(make, optimizer, monkeypatch):
    monkeypatch.setattr(arrays, "FILL_FRESH", None)  # poison is filled in, and would be counted
    with runtime.simulated() as device:
        training, seen = Training(make, optimizer, "cuda"), []
        for _ in range(8):  # until gradients come to lie where they lay before: the optimizer knows their table then
            training.step()
        pool, before = device.pool, device.driver.counts.copy()
        requests, from_driver = pool.requests, pool.from_driver
        with runtime.watching(lambda launch: seen.append(launch.name)):
            training.step()
        did = device.driver.counts - before
        assert seen == [*LAUNCHES[make], f"{optimizer.__name__}_kernel"]
        assert pool.requests - requests == ALLOCATIONS[make]
        assert pool.from_driver == from_driver, "all memory comes from the pool's cache"
        assert did == {"launch": len(seen)}, "no copies, nothing synchronised, loaded or filled"


@CASES
def test_a_captured_step_replays(make, optimizer):
    expected = Training(make, optimizer)
    expected_losses = [expected.step().item() for _ in range(STEPS)]
    with runtime.simulated(own_blocks=True) as device:  # fresh memory is poisoned once, not at each replay
        training = Training(make, optimizer, "cuda")
        losses = [training.step().item()]  # compiles and loads everything
        graph = runtime.Graph.capture(device, training.step)
        before = device.driver.counts.copy()
        for _ in range(STEPS - 1):
            losses.append(graph().item())
        did = device.driver.counts - before
        assert did["replay"] == STEPS - 1 and not did["launch"] and not did["alloc"]
        np.testing.assert_allclose(losses, expected_losses, rtol=RTOL)
