"""Reading and writing by index: kernels on the simulated device against their mirrors, and what both promise."""

import ml_dtypes
import numpy as np
import pytest

from tritonnet.kernels import index
from tritonnet.kernels.arrays import to_device, to_host
from tritonnet.kernels.index.sort import sort_lines, sort_mirror

DTYPES = [np.float32, np.float16, ml_dtypes.bfloat16, np.int64, np.bool_]
EVERY = slice(None)


def values(rng, shape, dtype):
    if dtype == np.bool_:
        return rng.random(shape) < 0.5
    if np.dtype(dtype).kind in "iu":
        return rng.integers(0, 100, shape).astype(dtype)
    return rng.standard_normal(shape).astype(dtype)


def agree(found, expected):
    found = to_host(found)
    assert (found.shape, found.dtype) == (expected.shape, expected.dtype)
    tolerance = {2: 1e-2, 4: 1e-5}.get(found.itemsize if found.dtype.kind not in "biu" else 0, 1e-12)
    np.testing.assert_allclose(found.astype(np.float64), expected.astype(np.float64), rtol=tolerance, atol=tolerance)


def keys(rng):
    """Keys of a (5, 7, 6) array: one index or several, neighbours or apart, masks, nothing."""

    def i(n, *shape):
        return rng.integers(-n, n, shape)

    yield (i(5, 9),)
    yield (EVERY, i(7, 2, 3))
    yield (i(5, 3, 1), i(7, 4))
    yield (i(5, 3, 1), EVERY, i(6, 4))
    yield (i(5, 3, 1), i(7, 3, 1), i(6, 4))
    yield (np.array(-2),)
    yield (i(5, 0),)
    yield (rng.random((5, 7)) < 0.4,)
    yield (EVERY, rng.random((7, 6)) < 0.4)
    yield (rng.random(5) < 0.7, EVERY, np.array([1]))


@pytest.fixture
def place(simulated):
    def to(a):
        return to_device(np.array(a, order="C"), simulated) if isinstance(a, np.ndarray) else a

    return to


@pytest.mark.parametrize("dtype", DTYPES, ids=lambda d: np.dtype(d).name)
def test_keys_read_and_write(place, dtype):
    rng = np.random.default_rng(0)
    x = values(rng, (5, 7, 6), dtype)
    dense, turned = place(x), place(x.T).T
    for key in keys(rng):
        there = tuple(map(place, key))
        expected = index.index_get(x, key)
        agree(index.index_get(dense, there), expected)
        agree(index.index_get(turned, there), expected)
        v = values(rng, expected.shape, dtype)
        agree(index.index_put(dense, there, place(v)), index.index_put(x, key, v))
        agree(index.index_put(dense, there, 1), index.index_put(x, key, 1))
        if dtype != np.bool_:
            agree(index.index_put(turned, there, place(v), True), index.index_put(x, key, v, True))


@pytest.mark.parametrize(
    "dtype, axis",
    [*((d, 1) for d in DTYPES), (np.float64, 0), (np.int32, 2), (np.uint8, 2)],
    ids=lambda v: v if isinstance(v, int) else np.dtype(v).name,
)
def test_along_an_axis(place, dtype, axis):
    rng = np.random.default_rng(axis)
    x = values(rng, (5, 7, 6), dtype)
    dense, turned = place(x), place(x.T).T
    for shape in ([5, 7, 6], [3, 4, 2]):
        shape[axis] = 9
        i = rng.integers(0, x.shape[axis], shape)
        agree(index.gather(dense, axis, place(i)), index.gather(x, axis, i))
        agree(index.gather(turned, axis, place(i.T).T), index.gather(x, axis, i))
        src = values(rng, shape, dtype)
        agree(index.scatter(dense, axis, place(i), place(src)), index.scatter(x, axis, i, src))
        if dtype not in (np.bool_, np.uint8):
            agree(index.scatter(turned, axis, place(i), place(src.T).T, True), index.scatter(x, axis, i, src, True))
    i = rng.integers(0, x.shape[axis], (4, 3))
    agree(index.take(turned, place(i), axis), index.take(x, i, axis))
    for descending in (False, True):
        for found, expected in zip(index.sort(turned, axis, descending), index.sort(x, axis, descending)):
            agree(found, expected)
        for found, expected in zip(index.topk(turned, 2, axis, descending), index.topk(x, 2, axis, descending)):
            agree(found, expected)


def test_writing_through_views_leaves_the_rest_alone(place):
    rng = np.random.default_rng(3)
    for view in (np.s_[1::2, :, ::3], np.s_[::-1, 1:, ::-2], np.s_[2]):
        x = rng.standard_normal((6, 5, 7)).astype(np.float32)
        there = place(x)
        i = rng.integers(0, x[view].shape[0], 4)
        v = rng.standard_normal(x[view][i].shape).astype(np.float32)
        index.put_into(x[view], (i,), v)
        index.put_into(there[view], (place(i),), place(v))
        index.put_into(x[view], (i,), v, accumulate=True)
        index.put_into(there[view], (place(i),), place(v), accumulate=True)
        agree(there, x)


def test_bad_indices_raise_on_the_host_and_touch_nothing_on_a_device(place):
    x = np.arange(12, dtype=np.float32).reshape(3, 4)
    bad = np.array([0, 3, -4])
    for call, error in (
        (lambda: index.index_get(x, (bad,)), IndexError),
        (lambda: index.take(x, bad), IndexError),
        (lambda: index.gather(x, 0, bad[:, None]), RuntimeError),
        (lambda: index.index_put(x, (bad,), 1), IndexError),
        (lambda: index.scatter(x, 0, bad[:, None], 1.0), RuntimeError),
    ):
        with pytest.raises(error, match="index (3|-4) is out of bounds for dimension 0 with size 3"):
            call()
    there, i = place(x), place(bad)
    for found in (index.index_get(there, (i,)), index.take(there, i)):
        found = found.numpy()
        assert np.isnan(found[1:]).all() and (found[0] == x[0]).all()
    assert index.take(place(x.astype(np.int32)), i).numpy()[1:].tolist() == [[-1] * 4] * 2
    assert np.isnan(index.index_get(there, (i, place(np.array([0, 1, 2])))).numpy()[1:]).all()
    v = place(np.full((3, 4), 100, np.float32))
    for accumulate in (False, True):
        changed = index.index_put(there, (i,), v, accumulate).numpy()
        assert (changed[1:] == x[1:]).all() and (changed[0] >= 100).all()
        index.scatter_into(there, 0, i.reshape(3, 1), v, accumulate)
    assert (there.numpy()[1:] == x[1:]).all()


def test_keys_that_do_not_fit(place):
    x = np.zeros((3, 4), np.float32)
    for there in (lambda a: a, place):
        y = there(x)
        with pytest.raises(IndexError, match=r"shape of the mask \[2\] at index 0 does not match .* \[3, 4\]"):
            index.index_get(y, (there(np.array([True, False])),))
        with pytest.raises(IndexError, match="too many indices"):
            index.index_get(y, (EVERY, EVERY, there(np.array([0]))))
        with pytest.raises(IndexError, match=r"could not be broadcast together with shapes \[2\], \[3\]"):
            index.index_get(y, (there(np.array([0, 1])), there(np.array([0, 1, 2]))))
        with pytest.raises(RuntimeError, match=r"value tensor of shape \[3\] cannot be broadcast .* of shape \[2, 4\]"):
            index.index_put(y, (there(np.array([0, 1])),), there(np.zeros(3, np.float32)))
        with pytest.raises(IndexError, match="out of bounds"):
            index.index_get(there(np.zeros((0, 3))), (there(np.array([0])),))


def test_the_last_of_equal_indices_stays(place):
    x, v = np.zeros(3, np.float32), np.arange(50, dtype=np.float32)
    i = np.arange(50) % 3
    assert index.index_put(x, (i,), v).tolist() == [48, 49, 47]
    assert index.index_put(place(x), (place(i),), place(v)).numpy().tolist() == [48, 49, 47]
    assert index.scatter(place(x), 0, place(i), place(v)).numpy().tolist() == [48, 49, 47]


def test_sums_over_long_runs_are_exact_in_halves_too(place):
    """1000 updates of one element: added in float32, rounded once."""
    x, ones = np.zeros(2, np.float16), np.ones(1000, np.float16)
    i = np.ones(1000, np.int64)
    assert index.index_put(x, (i,), ones, True).tolist() == [0, 1000]
    assert index.index_put(place(x), (place(i),), place(ones), True).numpy().tolist() == [0, 1000]


def test_repeated_sums_are_the_same_bits(place):
    rng = np.random.default_rng(1)
    i, v = place(rng.integers(0, 5, 500)), place(rng.standard_normal((500, 3)).astype(np.float32))
    x = place(np.zeros((5, 3), np.float32))
    first = index.index_put(x, (i,), v, True).numpy()
    assert all((index.index_put(x, (i,), v, True).numpy() == first).all() for _ in range(2))


@pytest.mark.parametrize("dtype", [np.float32, ml_dtypes.bfloat16, np.int64, np.uint8], ids=lambda d: np.dtype(d).name)
@pytest.mark.parametrize("descending", [False, True])
def test_runs_are_merged(place, dtype, descending):
    """Lines longer than a run, ragged at the end, with many equal elements: stable."""
    x = values(np.random.default_rng(2), (2, 1500), dtype)
    x[0, 100:600] = x[0, 0]
    for found, expected in zip(sort_lines(place(x), descending, run=128), sort_mirror(x, -1, descending)):
        agree(found, expected)


def test_nan_counts_as_greatest(place):
    x = np.array([np.nan, -np.inf, 3, -0.0, 0.0, np.inf, np.nan, -3], np.float32)
    for there in (lambda a: a, place):
        assert to_host(index.sort(there(x))[1]).tolist() == [1, 7, 3, 4, 2, 5, 0, 6]
        assert to_host(index.sort(there(x), descending=True)[1]).tolist() == [0, 6, 5, 2, 3, 4, 7, 1]


@pytest.mark.parametrize("shape", [(150_000,), (3, 0), (), (40, 7, 5)], ids=str)
def test_nonzero(place, shape):
    x = (np.random.default_rng(4).random(shape) < 0.2) * np.float32(2.5)
    x = np.asarray(x, np.float32)
    for found, expected in zip(index.nonzero(place(x)), index.nonzero(x), strict=True):
        agree(found, expected)


def test_an_embedding_skips_its_padding(place):
    rng = np.random.default_rng(5)
    i, dy = rng.integers(0, 4, (6, 5)), rng.standard_normal((6, 5, 8)).astype(np.float32)
    expected = index.take_backward(dy, (4, 8), i, skip=2)
    assert not expected[2].any() and expected[1].any()
    agree(index.take_backward(place(dy), (4, 8), place(i), skip=2), expected)


@pytest.mark.parametrize("dtype", [np.float32, np.float16, ml_dtypes.bfloat16, np.int32, np.int16, np.uint8, np.bool_])
@pytest.mark.parametrize("descending", [False, True])
def test_long_lines_are_sorted_on_the_host_as_short_ones_are(dtype, descending):
    """Above a size the host sorts keys and places packed into one integer: stable, NaN last, -0.0 equal to 0.0."""
    x = (np.random.default_rng(0).standard_normal((40, 50)) * 9).astype(dtype)
    if dtype not in (np.int32, np.int16, np.uint8, np.bool_):
        x.flat[:6] = np.nan, -0.0, 0.0, np.inf, -np.inf, -np.nan
    for axis in (0, 1):
        values, order = sort_mirror(x, axis, descending)
        with pytest.MonkeyPatch.context() as patch:
            patch.setitem(sort_mirror.__globals__, "PACKED", 1 << 62)
            expected, expected_order = sort_mirror(x, axis, descending)
        np.testing.assert_array_equal(order, expected_order)
        np.testing.assert_array_equal(values.astype(np.float32), expected.astype(np.float32))
        assert order.dtype == np.int64 and values.dtype == x.dtype
