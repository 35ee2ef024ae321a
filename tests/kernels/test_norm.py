"""Norms beyond what samples show: running statistics, memory layouts, means far from zero, splits of rows."""

import numpy as np
import pytest

from tritonnet.kernels import norm
from tritonnet.kernels.arrays import to_device, to_host

RNG = np.random.default_rng(0)


def normal(*shape, dtype=np.float32):
    return RNG.standard_normal(shape).astype(dtype)


def channels_last(x, device):
    """The same array with channels innermost in memory."""
    return to_device(np.ascontiguousarray(x.transpose(0, 2, 3, 1)), device).transpose(0, 3, 1, 2)


@pytest.mark.parametrize("shape", [(6, 3), (4, 3, 5, 7), (33, 70)])
@pytest.mark.parametrize("momentum", [0.1, 1.0])
def test_running_statistics(shape, momentum, simulated):
    x, mean, var = normal(*shape) + 2, normal(shape[1]), np.abs(normal(shape[1]))
    axes = tuple(i for i in range(len(shape)) if i != 1)
    expected = ((1 - momentum) * mean + momentum * x.mean(axis=axes, dtype=float),
                (1 - momentum) * var + momentum * x.var(axis=axes, dtype=float, ddof=1))
    for place in (None, simulated):
        running = [p.copy() if place is None else to_device(p, place) for p in (mean, var)]
        norm.batch_norm(x if place is None else to_device(x, place), None, None, *running, True, momentum)
        for found, wanted in zip(running, expected):
            np.testing.assert_allclose(to_host(found), wanted, rtol=1e-5, atol=1e-6)


def test_evaluation_changes_nothing(simulated):
    x, mean, var = normal(4, 3, 5), normal(3), np.abs(normal(3))
    for place in (None, simulated):
        running = [p.copy() if place is None else to_device(p, place) for p in (mean, var)]
        y, _, _ = norm.batch_norm(x if place is None else to_device(x, place), None, None, *running, False)
        np.testing.assert_allclose(to_host(y), (x - mean[:, None]) / np.sqrt(var[:, None] + 1e-5), rtol=1e-5, atol=1e-6)
        assert all(np.array_equal(to_host(r), p) for r, p in zip(running, (mean, var)))


def test_channels_last_stays_channels_last(simulated):
    x, dy, w = normal(2, 6, 4, 5), normal(2, 6, 4, 5), normal(6)
    y, mean, rstd = norm.batch_norm(x, w, w)
    dx, dw, db = norm.batch_norm_backward(dy, x, w, mean, rstd, True)
    d_x, d_w = channels_last(x, simulated), to_device(w, simulated)
    found, d_mean, d_rstd = norm.batch_norm(d_x, d_w, d_w)
    assert found.strides == d_x.strides
    np.testing.assert_allclose(found.numpy(), y, rtol=1e-5, atol=1e-5)
    for d_dy in (channels_last(dy, simulated), to_device(dy, simulated)):  # a gradient in either layout
        grads = norm.batch_norm_backward(d_dy, d_x, d_w, d_mean, d_rstd, True)
        assert grads[0].strides == d_x.strides
        for g, wanted in zip(grads, (dx, dw, db)):
            np.testing.assert_allclose(g.numpy(), wanted, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("dtype, offset, tolerance", [(np.float32, 1e3, 1e-4), (np.float64, 1e7, 1e-8)])
def test_a_mean_far_from_zero(dtype, offset, tolerance, simulated):
    """Sums of squares would lose all digits: the statistics are taken from deviations."""
    x = normal(8, 3, 6, 5, dtype=dtype)
    expected = (x - x.mean((0, 2, 3), keepdims=True)) / np.sqrt(x.var((0, 2, 3), keepdims=True) + 1e-5)
    moved = (x + offset).astype(dtype)
    rounding = np.finfo(dtype).eps * offset
    for place in (None, simulated):
        y, _, _ = norm.batch_norm(moved if place is None else to_device(moved, place))
        np.testing.assert_allclose(to_host(y), expected, atol=10 * rounding + tolerance)
        rows = moved.reshape(8, 1, -1)
        y, _, _ = norm.norm_rows(rows if place is None else to_device(rows, place))
        v = x.reshape(8, -1)
        wanted = (v - v.mean(1, keepdims=True)) / np.sqrt(v.var(1, keepdims=True) + 1e-5)
        np.testing.assert_allclose(to_host(y)[:, 0], wanted, atol=10 * rounding + tolerance)


@pytest.mark.parametrize("wants", [(True, False, False), (False, True, True), (True, True, False)])
def test_only_what_is_wanted(wants, simulated):
    for place in (None, simulated):
        put = (lambda a: a) if place is None else lambda a: to_device(a, simulated)
        x, dy, w = put(normal(5, 4, 3)), put(normal(5, 4, 3)), put(normal(4))
        _, mean, rstd = norm.batch_norm(x, w)
        assert [g is not None for g in norm.batch_norm_backward(dy, x, w, mean, rstd, True, wants)] == list(wants)
        rows, d_rows, v = put(normal(5, 1, 4)), put(normal(5, 1, 4)), put(normal(4))
        _, mean, rstd = norm.norm_rows(rows, v)
        assert [g is not None for g in norm.norm_rows_backward(d_rows, rows, v, mean, rstd, 1, wants)] == list(wants)


def test_results_do_not_depend_on_the_number_of_threads():
    from tritonnet.kernels.runtime import host

    x, w, before = normal(4096, 1, 256), normal(256), host.get_num_threads()
    found = []
    for threads in (1, 2):
        host.set_num_threads(threads)
        y, mean, rstd = norm.norm_rows(x, w, w)
        found.append((y, *norm.norm_rows_backward(x, x, w, mean, rstd)))
    host.set_num_threads(before)
    for a, b in zip(*found):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-4)
