"""Joining, padding, turning, triangles, diagonals: on the simulated device against NumPy, every type of element."""

import ml_dtypes
import numpy as np
import pytest

from tritonnet.kernels import shape as kernels
from tritonnet.kernels.arrays import to_device, to_host

DTYPES = [np.float32, np.float16, ml_dtypes.bfloat16, np.float64, np.int64, np.bool_]


def same(found, expected):
    found = to_host(found)
    assert (found.shape, found.dtype) == (expected.shape, expected.dtype)
    np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("dtype", DTYPES, ids=lambda d: np.dtype(d).name)
def test_kernels_agree_with_mirrors(simulated, dtype):
    x = (np.random.default_rng(0).standard_normal((3, 5, 7)) * 3).astype(dtype)
    there = to_device(np.array(x.T, order="C"), simulated).T  # strided
    for k in (-20, -1, 0, 2, 9):
        same(kernels.tril(there, k), np.where(np.tri(5, 7, k, dtype=bool), x, np.zeros((), dtype)))
        same(kernels.tril(there, k, upper=True), np.where(np.tri(5, 7, k - 1, dtype=bool), np.zeros((), dtype), x))
    same(kernels.flip(there, (0, 2)), x[::-1, :, ::-1])
    widths = ((1, 2), (0, -1), (-2, 3))
    framed = kernels.pad(x, widths, 1)
    same(framed[1:4, :, :5], x[:, :4, 2:])
    same(kernels.pad(there, widths, 1), framed)
    same(
        kernels.pad_backward(kernels.pad(there, widths, 1), x.shape, widths),
        kernels.pad_backward(framed, x.shape, widths),
    )
    for axis in range(3):
        same(kernels.cat([there, there[:, :, ::-1], there], axis), np.concatenate([x, x[:, :, ::-1], x], axis))
        same(kernels.stack([there, there], axis), np.stack([x, x], axis))
    key = (slice(None), slice(1, 7, 2))
    same(kernels.unslice(there[:, ::2], (3, 9, 7), key), kernels.unslice(x[:, ::2], (3, 9, 7), key))
    for offset in (-6, -1, 0, 3, 8):
        same(kernels.diagonal(there, offset, 2, 1), np.diagonal(x, offset, 2, 1))
        dy = kernels.diagonal(x, offset)
        same(
            kernels.undiagonal(kernels.diagonal(there, offset), x.shape, offset),
            kernels.undiagonal(dy, x.shape, offset),
        )


def test_joined_types_are_promoted(simulated):
    x, n = np.ones((2, 3), np.float16), np.ones((1, 3), np.int64)
    for place in (lambda a: a, lambda a: to_device(a, simulated)):
        assert kernels.cat([place(n), place(x)]).dtype == np.float16


@pytest.mark.parametrize("shape", [(0, 4, 3), (2, 0, 3), (2, 3, 0)], ids=str)
def test_nothing_to_move(simulated, shape):
    x = np.zeros(shape, np.float32)
    there = to_device(x, simulated)
    same(kernels.tril(there), x)
    same(kernels.flip(there, (0,)), x)
    same(kernels.cat([there, there], 1), np.concatenate([x, x], 1))
    same(kernels.pad(there, ((0, 0), (1, 0), (0, 2)), 7.0), kernels.pad(x, ((0, 0), (1, 0), (0, 2)), 7.0))


def test_diagonals_are_views(simulated):
    for x in (np.zeros((3, 4), np.float32), to_device(np.zeros((3, 4), np.float32), simulated)):
        kernels.assign(
            kernels.diagonal(x, 1),
            np.float32(1) if isinstance(x, np.ndarray) else to_device(np.ones(3, np.float32), simulated),
        )
        same(x, np.eye(3, 4, 1, dtype=np.float32))
