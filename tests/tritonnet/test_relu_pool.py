"""relu, then max_pool2d: on a device the pool leaves nothing for the relu's backward to do, and nobody can tell."""

import numpy as np
import pytest

import tritonnet
import tritonnet.nn.functional as F
from tritonnet.kernels import runtime

x0 = np.random.default_rng(0).standard_normal((2, 3, 6, 8)).astype(np.float32)
x0[0, 0, :2, :2] = -1  # a window that relu empties
x0[0, 1, 0, 0] = np.nan
weight = np.random.default_rng(1).standard_normal((2, 3, 3, 4)).astype(np.float32)


def tensors(place):
    x = tritonnet.from_numpy(x0.copy()).to(place).requires_grad_()
    return x, tritonnet.from_numpy(weight).to(place)


def alone(place):
    x, w = tensors(place)
    (F.max_pool2d(x.relu(), 2) * w).sum().backward()
    return x.grad


def in_place(place):
    x, w = tensors(place)
    y = x * 2
    (F.max_pool2d(F.relu(y, inplace=True), 2) * w).sum().backward()
    return x.grad


def two_readers(place):
    x, w = tensors(place)
    y = x.relu()
    ((F.max_pool2d(y, 2) * w).sum() + (y * y).sum()).backward()
    return x.grad


def two_pools(place):
    x, w = tensors(place)
    y = x.relu()
    ((F.max_pool2d(y, 2) * w).sum() + (F.max_pool2d(y, 2) * 3 * w).sum()).backward()
    return x.grad


def overlapping(place):
    x, _ = tensors(place)
    F.max_pool2d(x.relu(), 3, 1, 1).square().sum().backward()
    return x.grad


def twice(place):
    x, w = tensors(place)
    loss = (F.max_pool2d(x.relu(), 2) * w).sum()
    loss.backward(retain_graph=True)
    loss.backward()
    return x.grad


def by_grad(place):
    x, w = tensors(place)
    return tritonnet.autograd.grad((F.max_pool2d(x.relu(), 2) * w).sum(), x)[0]


def seen_by_grad(place):
    x, w = tensors(place)
    y = x.relu()
    return tritonnet.autograd.grad((F.max_pool2d(y, 2) * w).sum(), y)[0]


def seen_by_retain_grad(place):
    x, w = tensors(place)
    y = x.relu()
    y.retain_grad()
    (F.max_pool2d(y, 2) * w).sum().backward()
    return y.grad


def seen_and_changed_by_a_hook(place):
    x, w = tensors(place)
    y = x.relu()
    y.register_hook(lambda g: g.add_(1))
    (F.max_pool2d(y, 2) * w).sum().backward()
    return x.grad


def recorded(place):
    x, w = tensors(place)
    dx, = tritonnet.autograd.grad((F.max_pool2d(x.relu(), 2) * w).square().sum(), x, create_graph=True)
    (dx * dx).sum().backward()
    return x.grad


WAYS = [alone, in_place, two_readers, two_pools, overlapping, twice, by_grad, seen_by_grad, seen_by_retain_grad,
        seen_and_changed_by_a_hook, recorded]


@pytest.mark.parametrize("way", WAYS)
def test_gradients_are_those_of_the_host(way):
    expected = way("cpu").numpy()
    with runtime.simulated():
        np.testing.assert_allclose(way("cuda").cpu().numpy(), expected, rtol=1e-6)


@pytest.mark.parametrize("way, launches", [(alone, 0), (in_place, 0), (overlapping, 0), (twice, 0), (by_grad, 0),
                                           (two_readers, 1), (two_pools, 1), (seen_and_changed_by_a_hook, 1)])
def test_the_relu_has_nothing_left_to_do(way, launches):
    seen = []
    with runtime.simulated(), runtime.watching(lambda launch: seen.append(launch.name)):
        way("cuda")
    assert seen.count("relu_backward_kernel") == launches
    assert seen.count("max_pool2d_kernel") == {two_pools: 2, seen_and_changed_by_a_hook: 2}.get(way, 1)


def test_nobody_changes_the_gradient_1_that_all_share():
    with runtime.simulated():
        x = tritonnet.ones(3).cuda().requires_grad_()
        x.sum().backward()
        for _ in range(2):
            loss = x.sum()
            loss.register_hook(lambda g: g.mul_(5))
            loss.backward()
        scalar = tritonnet.tensor(2.0).cuda().requires_grad_()
        scalar.backward()
        scalar.grad.add_(1)
        y = (x * 1).sum()
        y.retain_grad()
        y.backward()
        y.grad.add_(1)

        class Doubling(tritonnet.autograd.Function):
            @staticmethod
            def forward(ctx, t):
                return t.clone()

            @staticmethod
            def backward(ctx, g):
                return g.mul_(2)

        Doubling.apply(x.sum()).backward()
        g, = tritonnet.autograd.grad(y := x.sum(), y)
        g.add_(7)
        x.grad = None
        x.sum().backward()
        assert x.grad.tolist() == [1, 1, 1]


def test_pieces_have_one_gradient():
    """Of split, chunk and unbind: put together once, not as many arrays as large as the whole."""
    host = np.arange(24, dtype=np.float32).reshape(2, 3, 4)

    def ways(x):
        a, b, c = x.chunk(3, 1)
        yield a * 1 + b * 2 + c * 3
        a, b, c = x.split([1, 1, 1], 1)
        yield a * 1 + c * 3
        a, b, c = x.unbind(1)
        yield a * 1 + b * b + c * 3
        a, b = x.transpose(0, 2).tensor_split(2)
        yield a.exp() * 3

    def gradients(place):
        for i in range(4):
            x = tritonnet.from_numpy(host).to(place).requires_grad_()
            list(ways(x))[i].sum().backward()
            yield x.grad.cpu().numpy()

    expected = list(gradients("cpu"))
    np.testing.assert_array_equal(expected[0], np.broadcast_to(np.array([1, 2, 3])[:, None], host.shape))
    with runtime.simulated():
        for found, wanted in zip(gradients("cuda"), expected):
            np.testing.assert_allclose(found, wanted, rtol=1e-6)


def test_a_batch_norm_counts_batches_in_its_own_launch():
    with runtime.simulated():
        norm, x, seen = tritonnet.nn.BatchNorm2d(3).cuda(), tritonnet.ones(2, 3, 2, 2).cuda(), []
        with runtime.watching(lambda launch: seen.append(launch.name)):
            for _ in range(3):
                norm(x)
            norm.eval()(x)
        assert norm.num_batches_tracked.item() == 3
        assert seen == ["moments_kernel", "batch_norm_kernel"] * 3 + ["batch_norm_kernel"]
