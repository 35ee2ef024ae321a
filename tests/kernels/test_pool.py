"""Pooling: windows, ties and NaN on every road of the host, layouts and launches; values are tested by the samples."""

import itertools

import numpy as np
import pytest

from tritonnet.kernels import runtime
from tritonnet.kernels.arrays import to_device
from tritonnet.kernels.pool import (
    Windows,
    adaptive_avg_pool2d,
    adaptive_max_pool2d,
    avg_pool2d,
    avg_pool2d_backward,
    max_pool2d,
    max_pool2d_backward,
)
from tritonnet.kernels.pool.windows import adaptive, counts, pooled
from tritonnet.kernels.runtime import host


def reference(x, windows):
    """(largest, its index) of each window as PyTorch defines it: the first of equals, the last NaN."""
    (N, C, H, W), (P, Q) = x.shape, windows.output(*x.shape[2:])
    y, where = np.empty((N, C, P, Q), x.dtype), np.empty((N, C, P, Q), np.int64)
    for n, c, p, q in np.ndindex(y.shape):
        best, index = -np.inf, None
        for r, s in itertools.product(*map(range, windows.kernel)):
            h, v = (k * t - b + i * d for k, t, b, i, d in zip((p, q), windows.stride, windows.padding, (r, s),
                                                               windows.dilation))
            if 0 <= h < H and 0 <= v < W:
                value = x[n, c, h, v]
                if index is None or value > best or np.isnan(value):
                    best, index = value, h * W + v
        y[n, c, p, q], where[n, c, p, q] = best, index
    return y, where


def values(kind, shape):
    rng = np.random.default_rng(0)
    x = rng.standard_normal(shape).astype(np.float32)
    if kind == "ties":
        return np.maximum(x, 0).round()
    if kind == "nan":
        x[rng.random(shape) < 0.2] = np.nan
    if kind == "infinite":
        x[rng.random(shape) < 0.6] = -np.inf
        x[rng.random(shape) < 0.1] = np.inf
    return x


@pytest.mark.parametrize("kind", ["plain", "ties", "nan", "infinite"])
@pytest.mark.parametrize("windows", [
    Windows((2, 2), (2, 2)), Windows((3, 3), (2, 2), (1, 1)), Windows((3, 2), (1, 2), (1, 0), (2, 3)),
    Windows((2, 3), (3, 2), ceil_mode=True), Windows((1, 1), (1, 1)),
])
def test_largest_of_each_window(kind, windows):
    x = values(kind, (2, 2, 7, 8))
    y, where = reference(x, windows)
    np.testing.assert_array_equal(max_pool2d(x, windows)[0], y)
    found, indices = max_pool2d(x, windows, indices=True)
    np.testing.assert_array_equal(found, y)
    np.testing.assert_array_equal(indices, where)
    dy = np.random.default_rng(1).standard_normal(y.shape).astype(np.float32)
    dy[0, 0, 0, 0] = np.inf                              # 0 times it must not become NaN
    expected = np.zeros(x.shape, np.float32)
    for n, c, p, q in np.ndindex(y.shape):
        expected[n, c, where[n, c, p, q] // 8, where[n, c, p, q] % 8] += dy[n, c, p, q]
    for state in ((found, None, windows), (found, indices, windows, True)):
        np.testing.assert_allclose(max_pool2d_backward(dy, x, *state), expected, rtol=1e-6)


def test_integers_have_a_largest():
    x = np.arange(32).reshape(1, 2, 4, 4) - 20
    y, where = max_pool2d(x, Windows((3, 3), (2, 2), (1, 1)), indices=True)
    assert y.dtype == np.int64 and y[0, 1, 1, 1] == 11 and where[0, 1, 1, 1] == 15


def test_planes_are_split_over_threads(monkeypatch):
    monkeypatch.setattr(host, "_team", host.Team(2))
    monkeypatch.setattr(host, "SPLIT", 2)
    x, windows = values("ties", (3, 5, 6, 6)), Windows((3, 3), (2, 2), (1, 1))
    y, _ = max_pool2d(x, windows)
    np.testing.assert_array_equal(y, reference(x, windows)[0])
    assert max_pool2d_backward(y, x, y, None, windows).sum() == pytest.approx(y.sum())
    mean = avg_pool2d(x, Windows((2, 2), (2, 2)))
    np.testing.assert_allclose(mean, x.reshape(3, 5, 3, 2, 3, 2).mean(axis=(3, 5)), rtol=1e-6)
    spread = avg_pool2d_backward(mean, x.shape, Windows((2, 2), (2, 2)))
    np.testing.assert_allclose(spread, mean.repeat(2, axis=2).repeat(2, axis=3) / 4, rtol=1e-6)


@pytest.mark.parametrize("size, kernel, stride, padding, dilation", list(itertools.product(
    (4, 7, 10), (1, 2, 3), (1, 2, 3, 5), (0, 1), (1, 2))))
def test_the_number_of_windows(size, kernel, stride, padding, dilation):
    reach = (kernel - 1) * dilation + 1
    floor = [p for p in range(50) if p * stride - padding + reach <= size + padding]
    ceil = [p for p in range(50) if p == 0 or p * stride - padding + reach - stride < size + padding
            and p * stride - padding < size]
    assert pooled(size, kernel, stride, padding, dilation, False) == len(floor)
    if size + 2 * padding >= reach:
        assert pooled(size, kernel, stride, padding, dilation, True) == len(ceil)


def test_what_a_window_averages_over():
    assert counts(5, 3, 3, 2, 1, True).tolist() == [3, 3, 3]
    assert counts(5, 3, 3, 2, 1, False).tolist() == [2, 3, 2]
    assert counts(6, 4, 3, 2, 1, True).tolist() == [3, 3, 3, 2]          # sticks out even of the border


@pytest.mark.parametrize("size, count", [(7, 3), (5, 5), (3, 7), (10, 1), (12, 4)])
def test_adaptive_windows_cover_the_axis(size, count):
    found = adaptive(size, count)
    assert {i for start, end in found for i in range(start, end)} == set(range(size))
    assert all(0 < end - start <= -(-size // count) + 1 for start, end in found)


@pytest.mark.parametrize("pool", [
    lambda x: max_pool2d(x, Windows((2, 2), (2, 2)))[0], lambda x: avg_pool2d(x, Windows((2, 2), (2, 2))),
    lambda x: adaptive_avg_pool2d(x, (3, 2)), lambda x: adaptive_max_pool2d(x, (3, 2))[1],
])
def test_results_lie_as_the_input_does(simulated, pool):
    x = to_device(values("plain", (2, 6, 4, 5)), simulated)
    assert pool(x).contiguous
    last = x.transpose(0, 3, 1, 2)
    seen = []
    with runtime.watching(seen.append):
        assert pool(last).transpose(0, 2, 3, 1).contiguous
    assert len(seen) == 1 and seen[0].flops and seen[0].bytes
