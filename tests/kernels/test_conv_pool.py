"""Convolution, relu and pooling as one operation: against the three in turn, and what is launched and kept for it."""

import numpy as np
import pytest

from tritonnet.kernels import elementwise
from tritonnet.kernels.conv import conv2d, conv2d_backward, pooled
from tritonnet.kernels.dtypes import bfloat16
from tritonnet.kernels.pool import Windows, max_pool2d, max_pool2d_backward

CELLS = Windows((2, 2), (2, 2))
GEOMETRIES = [  # x, w, the rest
    ((3, 4, 9, 11), (6, 4, 3, 3), ()),
    ((3, 4, 8, 7), (6, 4, 3, 3), ((1, 1), (1, 1))),
    ((2, 4, 13, 12), (6, 2, 3, 2), ((2, 1), (1, 0), (1, 2), 2)),
    ((40, 8, 26, 26), (16, 8, 3, 3), ()),                                # by Winograd's algorithm, in several pieces
]


def unfused(x, w, b, *geometry):
    """(y, dx, dw, db) of the three operations."""
    z = elementwise.relu(conv2d(x, w, b, *geometry))
    y, where = max_pool2d(z, CELLS)
    dy = np.random.default_rng(1).standard_normal(y.shape).astype(x.dtype)
    dz = elementwise.derivative("relu", ("x",)).function(max_pool2d_backward(dy, z, y, where, CELLS), z)
    return y, *conv2d_backward(dy=dz, x=x, w=w, **dict(zip(("stride", "padding", "dilation", "groups"), geometry)))


def fused(x, w, b, *geometry):
    y, taken = pooled.conv2d_pool(x, w, b, *geometry)
    dy = np.random.default_rng(1).standard_normal(y.shape).astype(x.dtype)
    return y, *pooled.conv2d_pool_backward(dy, taken, x, w, *geometry)


@pytest.mark.parametrize("dtype", [np.float64, np.float32, np.float16, bfloat16], ids=lambda d: np.dtype(d).name)
@pytest.mark.parametrize("x, w, geometry", GEOMETRIES)
def test_host_does_what_the_three_do(x, w, geometry, dtype):
    rng = np.random.default_rng(0)
    arrays = [rng.standard_normal(shape).astype(dtype) for shape in (x, w, w[:1])]
    for found, expected in zip(fused(*arrays, *geometry), unfused(*arrays, *geometry)):
        assert found.dtype == expected.dtype
        np.testing.assert_array_equal(found, expected)


def test_the_first_of_equals_is_taken_and_none_where_relu_is_flat():
    x = np.array([[1.0, 1.0, -1.0, 0.0, np.nan, 2.0], [1.0, 0.0, -3.0, -2.0, 5.0, 1.0]])[None, None]
    y, taken = pooled.conv2d_pool(x, np.ones((1, 1, 1, 1)))
    np.testing.assert_array_equal(y, [[[[1.0, 0.0, np.nan]]]])
    np.testing.assert_array_equal(taken, [[[[0, pooled.NONE, pooled.NONE]]]])
    assert taken.dtype == np.int8
    y, taken = pooled.conv2d_pool(-x, np.full((1, 1, 1, 1), 2.0))
    np.testing.assert_array_equal(taken, [[[[pooled.NONE, 2, pooled.NONE]]]])


def test_spreading_and_gathering_are_each_others_transpose():
    rng = np.random.default_rng(0)
    taken = rng.integers(0, 5, (2, 3, 4, 2)).astype(np.int8)
    dy, dz = rng.standard_normal(taken.shape), rng.standard_normal((2, 3, 9, 5))
    np.testing.assert_allclose((pooled.spread(dy, taken, (9, 5)) * dz).sum(), (dy * pooled.gathered(dz, taken)).sum())
