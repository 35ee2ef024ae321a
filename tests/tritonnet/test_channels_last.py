"""Activations of convolutional nets lie channels last on a device, from the first convolution to the last pool, forward
and backward: nothing converts them on the way. Conversions are found in the launch log, by shapes and strides."""

import numpy as np
import pytest

import tritonnet
import tritonnet.nn.functional as F
from tritonnet import nn
from tritonnet.kernels import runtime
from tritonnet.kernels.arrays.views import is_contiguous
from tritonnet.kernels.runtime.simulation import DryDriver

LAST = tritonnet.channels_last


class Of(nn.Module):
    """A function as a module."""

    def __init__(self, function):
        super().__init__()
        self.function = function

    def forward(self, x):
        return self.function(x)


class Residual(nn.Module):
    """x + conv(relu(norm(conv(x))))."""

    def __init__(self):
        super().__init__()
        self.inner = nn.Sequential(nn.Conv2d(16, 16, 3, padding=1), nn.BatchNorm2d(16), nn.ReLU(),
                                   nn.Conv2d(16, 16, 3, padding=1))

    def forward(self, x):
        return F.relu(x + self.inner(x))


BETWEEN = {  # a convolution of 16 channels stands before it, one behind it
    "norm, relu, pool": lambda: [nn.BatchNorm2d(16), nn.ReLU(), nn.MaxPool2d(2)],
    "residual add": lambda: [Residual()],
    "cat of channels": lambda: [Of(lambda x: tritonnet.cat([x, x * 2], 1)), nn.Conv2d(32, 16, 1)],
    "cat of a channel": lambda: [Of(lambda x: tritonnet.cat([x, x.mean(1, keepdim=True)], 1)), nn.Conv2d(17, 16, 1)],
    "dropout": lambda: [nn.Dropout(0.5), nn.Dropout2d(0.5)],
    "average pool": lambda: [nn.AvgPool2d(2)],
    "adaptive pools": lambda: [nn.AdaptiveAvgPool2d(9), nn.AdaptiveMaxPool2d(5)],
    "activations": lambda: [nn.LeakyReLU(), nn.SiLU(), nn.GELU(), nn.PReLU(16), nn.ReLU(inplace=True)],
    "squeeze and excite": lambda: [Of(lambda x: x * x.mean((2, 3), keepdim=True).sigmoid())],
    "pad": lambda: [Of(lambda x: F.pad(x, (1, 2, 0, 1)))],
    "strided, depthwise, 1 x 1": lambda: [nn.Conv2d(16, 16, 3, stride=2), nn.Conv2d(16, 16, 3, groups=16),
                                          nn.Conv2d(16, 16, 1)],
    "transposed": lambda: [nn.ConvTranspose2d(16, 16, 2, stride=2)],
    "clone": lambda: [Of(lambda x: x.clone())],
}


def conversions(x_shape, *layers):
    """The launches of a training step that move images from one order to the other: (shape, from, to)."""
    found = []

    def note(launch):
        arrays = [a for a in launch.args if hasattr(a, "strides")]
        if launch.name in ("copy_kernel", "transpose_kernel") and arrays[0].ndim == 4:
            x, y = arrays[:2]
            kinds = [order(a) for a in (x, y)]
            if set(kinds) == {"first", "last"} and x.shape[0] == x_shape[0]:  # weights have other lengths
                found.append((x.shape, *kinds))

    with runtime.simulated(driver=DryDriver):
        model = nn.Sequential(*layers).cuda()
        x, y = tritonnet.zeros(*x_shape).cuda(), tritonnet.zeros(x_shape[0], dtype=tritonnet.int64).cuda()
        optimizer = tritonnet.optim.SGD(model.parameters(), lr=0.1)
        with runtime.watching(note):
            optimizer.zero_grad()
            F.cross_entropy(model(x), y).backward()
            optimizer.step()
    return found


def order(a):
    """How an array (N, C, H, W) lies."""
    (n, c, h, w), (sn, sc, sh, sw) = a.shape, a.strides
    if is_contiguous(a.shape, a.strides):
        return "first"
    return "last" if is_contiguous((n, h, w, c), (sn, sh, sw, sc)) else "neither"


TAIL = [lambda: nn.Conv2d(16, 12, 3), lambda: nn.AdaptiveAvgPool2d(1), nn.Flatten, lambda: nn.Linear(12, 4)]


@pytest.mark.parametrize("name", BETWEEN)
def test_nothing_is_converted(name):
    assert conversions((7, 1, 28, 28), nn.Conv2d(1, 16, 3), *BETWEEN[name](), *(make() for make in TAIL)) == []


def test_inputs_of_few_channels_are_read_as_they_lie_and_others_converted_once():
    tail = [make() for make in TAIL]
    assert conversions((7, 3, 28, 28), nn.Conv2d(3, 16, 3), nn.BatchNorm2d(16), nn.ReLU(), *tail) == []
    assert conversions((7, 16, 28, 28), nn.Conv2d(16, 16, 3), nn.ReLU(), *tail) == [
        ((7, 16, 28, 28), "first", "last")]


def test_flattened_images_are_converted_once_in_either_direction():
    """A linear layer's weights follow PyTorch's order of pixels; channels-last PyTorch copies here as well."""
    found = conversions((7, 1, 10, 10), nn.Conv2d(1, 16, 3), nn.BatchNorm2d(16), nn.ReLU(), nn.MaxPool2d(2),
                        nn.Conv2d(16, 8, 3, padding=1), nn.ReLU(), nn.Flatten(), nn.Linear(8 * 16, 4))
    assert len(found) <= 2


def test_the_log_shows_a_conversion_where_there_is_one():
    found = conversions((7, 1, 28, 28), nn.Conv2d(1, 16, 3), Of(lambda x: x.contiguous()), *(make() for make in TAIL))
    assert ((7, 16, 26, 26), "last", "first") in found and ((7, 16, 26, 26), "first", "last") in found


def test_orders_as_in_pytorch():
    """x.to, contiguous, clone and is_contiguous by memory_format, on either side."""
    with runtime.simulated():
        for place in ("cpu", "cuda"):
            x = tritonnet.arange(120.0).reshape(2, 3, 4, 5).to(place)
            y = x.to(memory_format=LAST)
            assert y.stride() == (60, 1, 15, 3) and y.shape == x.shape
            assert y.is_contiguous(memory_format=LAST) and not y.is_contiguous() and x.is_contiguous()
            assert not x.is_contiguous(memory_format=LAST)
            assert y.contiguous(memory_format=LAST) is y and x.contiguous() is x
            assert y.clone().stride() == y.clone(memory_format=tritonnet.preserve_format).stride() == y.stride()
            assert y.clone(memory_format=tritonnet.contiguous_format).stride() == x.stride() == x.clone().stride()
            assert x.clone(memory_format=LAST).stride() == y.stride()
            assert place == "cpu" or (y * 2).stride() == (y + x).stride() == y.stride(), "the first operand decides"
            np.testing.assert_array_equal(y.cpu().numpy(), x.cpu().numpy())
            np.testing.assert_array_equal(y.clone().cpu().numpy(), x.cpu().numpy())
            one = tritonnet.zeros(2, 1, 4, 5).to(place)
            assert one.is_contiguous() and one.is_contiguous(memory_format=LAST)
            assert not tritonnet.zeros(2, 3).to(place).is_contiguous(memory_format=LAST)
        with pytest.raises(RuntimeError, match="rank 4"):
            tritonnet.zeros(2, 3).to(memory_format=LAST)


def test_joined_and_framed_images_keep_their_order_and_values():
    rng = np.random.default_rng(0)
    a, b = rng.standard_normal((2, 3, 4, 5)).astype("f4"), rng.standard_normal((2, 2, 4, 5)).astype("f4")
    with runtime.simulated():
        x, y = (tritonnet.from_numpy(v).cuda().to(memory_format=LAST) for v in (a, b))
        both, mixed = tritonnet.cat([x, y], 1), tritonnet.cat([x, tritonnet.from_numpy(b).cuda()], 1)
        assert both.is_contiguous(memory_format=LAST) and mixed.is_contiguous()
        framed = F.pad(x, (1, 0, 2, 1), value=3.0)
        assert framed.is_contiguous(memory_format=LAST)
        for found in (both, mixed):
            np.testing.assert_array_equal(found.cpu().numpy(), np.concatenate([a, b], 1))
        np.testing.assert_array_equal(framed.cpu().numpy(), np.pad(a, ((0, 0), (0, 0), (2, 1), (1, 0)),
                                                                   constant_values=3.0))


def test_a_model_asked_to_be_channels_last_computes_the_same():
    x = np.random.default_rng(0).standard_normal((2, 3, 8, 8)).astype("f4")

    def gradients(last):
        tritonnet.manual_seed(0)
        model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Conv2d(4, 2, 3)).cuda()
        given = tritonnet.from_numpy(x).cuda()
        if last:
            model, given = model.to(memory_format=LAST), given.to(memory_format=LAST)
        model(given).square().sum().backward()
        return [p.grad.cpu().numpy() for p in model.parameters()]

    with runtime.simulated():
        for found, expected in zip(gradients(True), gradients(False)):
            np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)
