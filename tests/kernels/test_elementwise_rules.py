"""What elementwise operations promise: special values, integers, element types, changes in place, refusals."""

import math
import warnings

import ml_dtypes
import numpy as np
import pytest

from tritonnet.kernels import elementwise as e
from tritonnet.kernels.arrays import to_device, to_host

SPECIAL = [np.nan, np.inf, -np.inf, 0.0, -0.0]


@pytest.mark.parametrize("size", [5, 40_000])
def test_relu_gradient_of_infinities_and_nan(size):
    dy = np.resize(np.array([np.inf, -np.inf, np.nan, 2.0, -0.0], np.float32), size)
    for y, passes in ((np.ones_like(dy), True), (np.zeros_like(dy), False), (np.full_like(dy, np.nan), False)):
        dx = e.relu_backward(dy, y)
        np.testing.assert_array_equal(dx, dy if passes else np.zeros_like(dy))


@pytest.mark.parametrize("size", [5, 40_000])
def test_steps_have_no_slope(size, simulated):
    dy = np.resize(np.array([np.inf, -2.0, np.nan], np.float32), size)
    for name in ("floor", "ceil", "round", "trunc", "sign"):
        np.testing.assert_array_equal(getattr(e, f"{name}_backward")(dy), np.zeros_like(dy))
    np.testing.assert_array_equal(e.floor_backward(to_device(dy[:5], simulated)).numpy(), np.zeros(5))


@pytest.mark.parametrize("size", [5, 40_000])
def test_nan_spreads_through_extremes_and_limits(size, simulated):
    x = np.resize(np.array([np.nan, 1.0, 2.0, -np.inf, np.nan], np.float32), size)
    y = np.resize(np.array([1.0, np.nan, 0.5, 3.0, np.nan], np.float32), size)
    for name, expected in (("maximum", np.maximum), ("minimum", np.minimum)):
        np.testing.assert_array_equal(getattr(e, name)(x, y), expected(x, y))
        there = getattr(e, name)(to_device(x[:5], simulated), to_device(y[:5], simulated))
        np.testing.assert_array_equal(there.numpy(), expected(x[:5], y[:5]))
    np.testing.assert_array_equal(e.clamp(x, 0.0, 1.5), np.clip(x, 0.0, 1.5))
    np.testing.assert_array_equal(e.relu(x), np.maximum(x, 0))


def test_sign_of_nan_is_zero():
    assert e.sign(np.array(SPECIAL)).tolist() == [0, 1, -1, 0, 0]
    assert e.sign(np.full(70_000, np.nan, np.float32)).any() == False  # noqa: E712  (a NumPy bool)


def test_error_function_is_as_exact_as_its_type():
    x = np.concatenate([np.linspace(-6.5, 6.5, 20_001), np.linspace(-0.01, 0.01, 101)])
    expected = np.array([math.erf(v) for v in x])
    np.testing.assert_allclose(e.erf(x), expected, rtol=4e-16)
    np.testing.assert_allclose(e.erf(x.astype(np.float32)), [math.erf(v) for v in x.astype(np.float32)], rtol=4e-7)
    tail = np.linspace(-6, 26, 10_001)
    np.testing.assert_allclose(e.erfc(tail), [math.erfc(v) for v in tail], rtol=1e-15)
    np.testing.assert_array_equal(e.erf(np.array(SPECIAL)), [np.nan, 1, -1, 0, -0.0])
    normal = np.array([0.5 * math.erfc(-v / math.sqrt(2)) for v in x])
    np.testing.assert_allclose(e.gelu(x.astype(np.float32)), x * normal, atol=1e-6)


@pytest.mark.parametrize("x, y, expected", [
    (np.array([7, -7, 7, -7]), np.array([2, 2, -2, -2]), [3, -4, -4, 3]),
    (np.array([7.5, -7.5, 1.0]), np.array([2.0, 2.0, 0.0]), [3, -4, np.inf]),
])
def test_floor_division_and_remainder(x, y, expected, simulated):
    for to in (lambda a: a, lambda a: to_device(a, simulated)):
        np.testing.assert_array_equal(to_host(e.floor_divide(to(x), to(y))), expected)
        rest = to_host(e.remainder(to(x), to(y)))[:2]
        np.testing.assert_array_equal(rest, np.remainder(x[:2], y[:2]))
        np.testing.assert_array_equal(to_host(e.fmod(to(x), to(y)))[:2], np.fmod(x[:2], y[:2]))


def test_integer_powers(simulated):
    x, y = np.array([2, -3, 0, 1, -1, -1, 7]), np.array([10, 3, 0, -2, -3, -2, 22])
    expected = [1024, -27, 1, 1, -1, 1, 7 ** 22 - (1 << 64) * (7 ** 22 >> 64)]
    np.testing.assert_array_equal(e.pow(x, y), np.array(expected).astype(np.int64))
    np.testing.assert_array_equal(e.pow(to_device(x, simulated), to_device(y, simulated)).numpy(), e.pow(x, y))
    assert e.pow(np.array([2, 3]), np.array([-1, -2])).tolist() == [0, 0]
    with pytest.raises(RuntimeError, match="negative integer powers"):
        e.pow(x, -1)


def test_integers_refuse_division_by_zero():
    for name in ("floor_divide", "remainder", "fmod"):
        with pytest.raises(RuntimeError, match="ZeroDivisionError"):
            getattr(e, name)(np.array([1, 2]), np.array([1, 0]))


@pytest.mark.parametrize("x, y, both, zero_dim", [
    (np.int64, np.float16, np.float16, np.float16), (np.uint8, np.int8, np.int16, np.uint8),
    (np.bool_, np.int32, np.int32, np.int32), (np.float16, ml_dtypes.bfloat16, np.float32, np.float16),
    (np.float32, np.float64, np.float64, np.float32), (np.float32, np.int64, np.float32, np.float32),
])
def test_types_are_promoted_as_in_pytorch(x, y, both, zero_dim, simulated):
    x, y = np.ones(3, x), np.ones(3, y)
    integer = x.dtype.kind in "iub"
    for to in (lambda a: a, lambda a: to_device(a, simulated)):
        assert e.add(to(x), to(y)).dtype == both and e.gt(to(x), to(y)).dtype == np.bool_
        assert e.add(to(x), to(np.ones((), y.dtype))).dtype == zero_dim  # y without dimensions
        assert e.add(to(x), 1).dtype == (np.int64 if x.dtype == np.bool_ else x.dtype)
        assert e.add(to(x), 1.5).dtype == (np.float32 if integer else x.dtype)
        assert e.div(to(x), 2).dtype == e.exp(to(x)).dtype == (np.float32 if integer else x.dtype)


def test_numbers_wrap_around_in_small_integers(simulated):
    x = np.array([100, -100], np.int8)
    for to in (lambda a: a, lambda a: to_device(a, simulated)):
        assert to_host(e.add(to(x), 300)).tolist() == [-112, -56]
    assert e.neg(np.array([1], np.uint8)).tolist() == [255]


def test_changes_in_place_are_checked(simulated):
    x = np.arange(12, dtype=np.float32).reshape(3, 4)
    for to in (lambda a: a.copy(), lambda a: to_device(a, simulated)):
        with pytest.raises(RuntimeError, match="broadcast shape"):
            e.add(to(x[:1]), to(x), out=to(x[:1]))
        with pytest.raises(RuntimeError, match="can't be cast"):
            e.add(to(x.astype(np.int64)), 0.5, out=to(x.astype(np.int64)))
    wide = to_device(x[:1], simulated).broadcast_to((3, 4))
    with pytest.raises(RuntimeError, match="more than one element"):
        e.add(wide, 1.0, out=wide)
    with pytest.raises(RuntimeError, match="more than one element"):
        e.add(np.broadcast_to(x[:1], (3, 4)), 1.0, out=np.broadcast_to(x[:1], (3, 4)))


def test_operands_that_overlap_the_result_are_read_first(simulated):
    square = np.arange(256 * 256, dtype=np.float32).reshape(256, 256)
    expected = square + square.T
    x = square.copy()
    np.testing.assert_array_equal(e.add(x, x.T, out=x), expected)
    x = square[:8, :8].copy()
    there = to_device(x, simulated)
    np.testing.assert_array_equal(e.add(there, there.T, out=there).numpy(), x + x.T)
    there = to_device(x, simulated)
    expected = x.copy()
    expected[1:] += x[:-1]
    e.add(there[1:], there[:-1], out=there[1:])
    np.testing.assert_array_equal(there.numpy(), expected)


def test_sizes_that_do_not_match_are_told(simulated):
    x, y = np.zeros((2, 3), np.float32), np.zeros((2, 4), np.float32)
    for to in (lambda a: a, lambda a: to_device(a, simulated)):
        with pytest.raises(RuntimeError, match=r"tensor a \(3\) must match .* b \(4\) at non-singleton dimension 1"):
            e.mul(to(x), to(y))


def test_places_that_do_not_match_are_told(simulated):
    with pytest.raises(RuntimeError, match="same device, but found at least two devices, cuda:0 and cpu"):
        e.add(to_device(np.zeros(3, np.float32), simulated), np.zeros(3, np.float32))
    found = e.add(to_device(np.zeros(3, np.float32), simulated), np.array(2.0))  # a single number may be on the host
    assert found.numpy().tolist() == [2, 2, 2] and found.dtype == np.float32


def test_other_types_are_refused():
    with pytest.raises(TypeError, match="got str"):
        e.add(np.zeros(3), "a")
    with pytest.raises(RuntimeError, match="Negation"):
        e.neg(np.zeros(3, bool))
    with pytest.raises(RuntimeError, match="Subtraction"):
        e.sub(np.zeros(3, bool), 1)
    with pytest.raises(RuntimeError, match="boolean tensor"):
        e.where(np.zeros(3, np.int64), np.zeros(3), 1.0)
    with pytest.raises(AttributeError):
        _ = e.no_such_operation


@pytest.mark.parametrize("size", [4, 40_000])
def test_infinities_and_nan_warn_nobody(size):
    x = np.resize(np.array([-1.0, 0.0, 1e38, np.inf], np.float32), size)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for name in ("log", "sqrt", "exp", "reciprocal", "square", "sigmoid", "tan", "acosh"):
            getattr(e, name)(x)
        e.div(x, 0.0)
        e.sub(x, x)


def test_numbers_that_are_zero_keep_their_sign():
    x = np.ones(3, np.float32)
    assert (e.div(x, 0.0) > 0).all() and (e.div(x, -0.0) < 0).all() and (e.div(x, 0) > 0).all()


@pytest.mark.parametrize("dtype", [np.float16, ml_dtypes.bfloat16, np.float32, np.float64, np.int32, np.uint8, bool])
def test_cast(dtype, simulated):
    for x in (np.array([[0.0, 1.75, 2.0], [3.5, 0.25, 100.0]]), np.array([[0, 1, 2]]), np.array([True, False])):
        expected = x.astype(dtype)
        for a in (x, x.T):
            np.testing.assert_array_equal(e.cast(a, dtype), a.astype(dtype))
            assert e.cast(a, dtype).dtype == dtype
        np.testing.assert_array_equal(e.cast(to_device(x, simulated), dtype).numpy(), expected)
