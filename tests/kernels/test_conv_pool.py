"""Convolution, relu and pooling as one operation: against the three in turn, and what is launched and kept for it."""

import numpy as np
import pytest

from tritonnet.kernels import elementwise, runtime
from tritonnet.kernels.arrays import to_device
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


def launched(simulated, x, w, *geometry, needs=(True, True, True)):
    """(names of the kernels, forward and backward, without what lays out; the launches; results on the host)."""
    rng = np.random.default_rng(0)
    arrays = [rng.standard_normal(shape).astype("f4") for shape in (x, w, w[:1])]
    x, w, b = (to_device(a, simulated) for a in arrays)
    with runtime.watching((seen := []).append):
        y, taken = pooled.conv2d_pool(x, w, b, *geometry)
        dy = to_device(rng.standard_normal(y.shape).astype("f4"), simulated)
        found = pooled.conv2d_pool_backward(dy, taken, x, w, **dict(zip(("stride", "padding", "dilation"), geometry)),
                                            needs=needs)
    seen = [one for one in seen if not one.name.startswith(("copy", "transpose"))]
    return [one.name for one in seen], seen, (y, taken, *found)


def test_a_block_is_one_launch_forward_and_three_backward(simulated):
    names, seen, _ = launched(simulated, (2, 9, 7, 8), (6, 9, 3, 3), (1, 1), (1, 1))
    assert names == ["conv2d_pool_kernel", "conv2d_pool_input_kernel", "conv2d_pool_weight_kernel", "sum_parts_kernel"]
    products = 2 * 2 * (6 * 8) * 6 * 9 * 9                               # of the 6 x 8 pixels that fill cells
    assert seen[0].flops == products == seen[2].flops and seen[1].flops == 2 * 2 * (7 * 8) * 6 * 9 * 9
    y, taken = 2 * 6 * 3 * 4 * 4, 2 * 6 * 3 * 4
    assert seen[0].bytes == 2 * 9 * 7 * 8 * 4 + 6 * 9 * 9 * 4 + y + taken
    assert seen[1].bytes == y + taken + 6 * 9 * 9 * 4 + 2 * 9 * 7 * 8 * 4


def test_a_first_layer_is_one_launch_forward_and_two_backward(simulated):
    needs = False, True, True
    names, seen, (y, taken, *_) = launched(simulated, (2, 1, 8, 8), (6, 1, 3, 3), needs=needs)
    assert names == ["conv2d_pool_direct_kernel", "conv2d_pool_direct_weight_kernel", "sum_parts_kernel"]
    assert y.transpose(0, 2, 3, 1).contiguous and taken.strides == y.strides
    assert seen[0].flops == seen[1].flops == 2 * 2 * 36 * 6 * 9


def test_what_no_kernel_pools_is_pooled_after(simulated):
    names, _, _ = launched(simulated, (1, 3, 16, 16), (4, 3, 7, 7), (2, 2), (3, 3), needs=(False, True, False))
    assert names[:2] == ["conv2d_gathered_kernel", "max_pool2d_kernel"] and names[-1] == "sum_parts_kernel"


@pytest.mark.parametrize("needs", [(True, False, False), (False, True, False), (False, False, True)])
@pytest.mark.parametrize("x, w", [((2, 9, 7, 8), (6, 9, 3, 3)), ((2, 1, 7, 8), (6, 1, 3, 3))])
def test_only_what_is_needed_is_returned(x, w, needs, simulated):
    _, _, (_, _, *whole) = launched(simulated, x, w)
    _, _, (_, _, *found) = launched(simulated, x, w, needs=needs)
    for f, e, needed in zip(found, whole, needs):
        assert (f is not None) == needed
        if needed:
            np.testing.assert_allclose(f.numpy(), e.numpy(), rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("dtype", [np.float32, np.float16, bfloat16], ids=lambda d: np.dtype(d).name)
@pytest.mark.parametrize("channels", [1, 9])
def test_kernels_take_the_pixels_that_the_host_takes(channels, dtype, simulated):
    """Small whole numbers: sums are exact, and many are equal."""
    rng = np.random.default_rng(0)
    x, w, b = (rng.integers(-2, 3, shape).astype(dtype) for shape in ((2, channels, 9, 8), (5, channels, 3, 3), (5,)))
    x[0, 0, 2, 2] = np.nan
    y, taken = pooled.conv2d_pool(x, w, b, (1, 1), (1, 0))
    on_device = pooled.conv2d_pool(*(to_device(a, simulated) for a in (x, w, b)), (1, 1), (1, 0))
    np.testing.assert_array_equal(on_device[0].numpy().astype("f4"), y.astype("f4"))
    np.testing.assert_array_equal(on_device[1].numpy(), taken)
    assert set(np.unique(taken)) == {0, 1, 2, 3, pooled.NONE} and np.isnan(y.astype("f4")).any()


def test_the_pooled_gradient_may_lie_either_way(simulated):
    """Whatever its strides."""
    rng = np.random.default_rng(0)
    x, w = (to_device(rng.standard_normal(shape).astype("f4"), simulated) for shape in ((2, 9, 6, 6), (6, 9, 3, 3)))
    _, taken = pooled.conv2d_pool(x, w)
    dense = rng.standard_normal((2, 6, 2, 2)).astype("f4")
    first = pooled.conv2d_pool_backward(to_device(dense, simulated), taken, x, w)
    channels_last = to_device(dense.transpose(0, 2, 3, 1).copy(), simulated).transpose(0, 3, 1, 2)
    last = pooled.conv2d_pool_backward(channels_last, taken, x, w)
    for f, e in zip(first, last):
        np.testing.assert_array_equal(f.numpy(), e.numpy())


def test_unmarked_results_are_the_same():
    rand = np.random.default_rng(0)
    x, w = rand.standard_normal((3, 2, 9, 8)).astype(np.float32), rand.standard_normal((4, 2, 3, 3)).astype(np.float32)
    y, taken = pooled.conv2d_pool(x, w, marked=False)
    assert taken is None
    np.testing.assert_array_equal(y, pooled.conv2d_pool(x, w)[0])
