"""Functions of each element on tensors: operators, numbers, in-place changes, gradients of gradients, errors."""

import math
import operator

import numpy as np
import pytest

import tritonnet as tn
from tritonnet.autograd.gradcheck import gradgradcheck
from tritonnet.tensor import elementwise

OPERATORS = [operator.add, operator.sub, operator.mul, operator.truediv, operator.floordiv, operator.mod, operator.pow]
COMPARISONS = [operator.eq, operator.ne, operator.lt, operator.le, operator.gt, operator.ge]


def tensor64(*values, grad=True):
    return tn.tensor(values, dtype=tn.float64, requires_grad=grad)


@pytest.mark.parametrize("op", OPERATORS + COMPARISONS, ids=lambda op: op.__name__)
def test_operators_take_tensors_and_numbers_on_either_side(op):
    x, y = np.array([1.5, 2.0, 7.0]), np.array([2.0, 2.0, 3.0])
    a, b = tn.tensor(x), tn.tensor(y)
    np.testing.assert_allclose(op(a, b).numpy(), op(x, y))
    np.testing.assert_allclose(op(a, 2.0).numpy(), op(x, 2.0))
    np.testing.assert_allclose(op(2.0, a).numpy(), op(2.0, x))
    assert op(a, b).dtype is (tn.bool if op in COMPARISONS else tn.float64)


@pytest.mark.parametrize("op", [operator.and_, operator.or_, operator.xor, operator.lshift, operator.rshift],
                         ids=lambda op: op.__name__)
def test_operators_on_bits(op):
    x, y = np.array([12, 10, -7]), np.array([1, 3, 2])
    np.testing.assert_array_equal(op(tn.tensor(x), tn.tensor(y)).numpy(), op(x, y))
    np.testing.assert_array_equal(op(tn.tensor(x), 2).numpy(), op(x, 2))
    np.testing.assert_array_equal(op(200, tn.tensor(y)).numpy(), op(200, y))


def test_unary_operators():
    x = tn.tensor([1.0, -2.0])
    assert (-x).tolist() == [-1, 2] and (+x) is x and abs(x).tolist() == [1, 2]
    assert (~tn.tensor([True, False])).tolist() == [False, True] and (~tn.tensor([5])).tolist() == [-6]
    with pytest.raises(TypeError, match="integer and Boolean"):
        _ = ~x


def test_other_classes_are_asked_before_giving_up():
    class Right:
        def __radd__(self, left):
            return "asked"

        __rmul__ = __rsub__ = __rtruediv__ = __rpow__ = __radd__

    x = tn.ones(2)
    assert x + Right() == x * Right() == x - Right() == x / Right() == x ** Right() == "asked"
    with pytest.raises(TypeError, match="unsupported operand"):
        _ = x + "a"
    with pytest.raises(TypeError):
        _ = x < "a"
    assert (x == "a") is False and (x != None) is True  # noqa: E711
    with pytest.raises(TypeError, match="not list"):
        tn.relu([1.0])


def test_numbers_are_weak():
    assert (tn.ones(2, dtype=tn.float16) * 2.5).dtype is tn.float16
    assert (tn.ones(2, dtype=tn.int32) * 2.5).dtype is tn.float32
    assert (tn.ones(2, dtype=tn.int8) + 1).dtype is tn.int8
    assert (tn.tensor([True]) + 1).dtype is tn.int64
    assert (tn.ones(2, dtype=tn.int64) / 2).dtype is tn.float32
    assert tn.exp(tn.tensor([1])).dtype is tn.float32
    assert (tn.ones(2) + tn.tensor(1.0, dtype=tn.float64)).dtype is tn.float32


@pytest.mark.parametrize("name, args, expected", [
    ("add_", (2.0,), [3, 4]), ("sub_", (2.0,), [-1, 0]), ("mul_", (3,), [3, 6]), ("div_", (2,), [0.5, 1]),
    ("pow_", (2,), [1, 4]), ("clamp_", (1.5,), [1.5, 2]), ("relu_", (), [1, 2]), ("zero_", (), [0, 0]),
    ("neg_", (), [-1, -2]), ("fill_", (7,), [7, 7]), ("exp_", (), [math.e, math.e ** 2]),
    ("remainder_", (2,), [1, 0]), ("floor_divide_", (2,), [0, 1]), ("lerp_", (tn.tensor([3.0, 4.0]), 0.5), [2, 3]),
    ("addcmul_", (tn.tensor([1.0, 2.0]), tn.tensor([3.0, 4.0])), [4, 10]),
    ("gt_", (1.0,), [0, 1]), ("clip_", (None, 1.5), [1, 1.5]), ("square_", (), [1, 4]), ("logical_not_", (), [0, 0]),
])
def test_in_place(name, args, expected):
    x = tn.tensor([1.0, 2.0])
    memory = x.data_ptr()
    assert getattr(x, name)(*args) is x and x.data_ptr() == memory
    np.testing.assert_allclose(x.numpy(), expected, rtol=1e-6)


def test_in_place_operators_keep_the_tensor():
    x = y = tn.tensor([8.0, 5.0])
    x += 1
    x -= 3
    x *= 2
    x /= 4
    x //= 1
    x **= 2
    x %= 3
    assert x is y and y.tolist() == [0, 1]
    z = tn.tensor([6, 3])
    z &= 3
    z |= 4
    z ^= 1
    z <<= 2
    z >>= 1
    assert z.tolist() == [14, 12]


def test_in_place_changes_are_recorded():
    x = tensor64(1.0, -2.0)
    y = x * 3
    y.relu_()
    y += x
    y.mul_(2)
    y.sum().backward()
    assert x.grad.tolist() == [8, 2]
    leaf = tensor64(1.0)
    with pytest.raises(RuntimeError, match="leaf Variable"):
        leaf.add_(1)
    with pytest.raises(RuntimeError, match="leaf Variable"):
        leaf.zero_()
    with tn.no_grad():
        leaf.add_(1)
    assert leaf.item() == 2


def test_in_place_changes_of_saved_values_are_caught():
    x = tensor64(1.0, 2.0)
    y = x.exp()
    y.add_(1)
    with pytest.raises(RuntimeError, match="modified by an inplace operation.*ExpBackward"):
        y.sum().backward()
    a, b = tensor64(1.0), tensor64(2.0)
    with tn.no_grad():
        c = b * 1
    product = a * c
    c.zero_()
    with pytest.raises(RuntimeError, match="MulBackward"):
        product.backward()


def test_in_place_results_must_fit():
    with pytest.raises(RuntimeError, match="can't be cast"):
        tn.tensor([1]).add_(1.5)
    with pytest.raises(RuntimeError, match="can't be cast"):
        tn.tensor([1]).div_(2)
    with pytest.raises(RuntimeError, match="broadcast shape"):
        tn.ones(1).add_(tn.ones(3))
    with pytest.raises(RuntimeError, match="more than one element"):
        tn.ones(1).expand(3).add_(1)
    with pytest.raises(RuntimeError, match="0-dimension value tensor"):
        tn.ones(2).fill_(tn.ones(2))
    with pytest.raises(TypeError):
        tn.ones(2).fill_("a")


def test_fill_takes_tensors_without_dimensions():
    x = tensor64(3.0)
    y = tn.zeros(2, dtype=tn.float64).fill_(x.sum())
    assert y.tolist() == [3, 3]
    y.sum().backward()
    assert x.grad.tolist() == [2]
    assert tn.tensor([1, 2]).fill_(2.7).tolist() == [2, 2]


def test_alpha():
    x, y = tn.tensor([1.0]), tn.tensor([2.0])
    assert tn.add(x, y, alpha=3).item() == 7
    assert tn.sub(x, y, alpha=2).item() == -3 and tn.rsub(x, y, alpha=2).item() == 0
    assert x.add_(y, alpha=2).item() == 5
    with pytest.raises(RuntimeError, match="alpha must not be a floating point"):
        tn.add(tn.tensor([1]), tn.tensor([1]), alpha=1.5)


def test_division_with_rounding():
    x, y = tn.tensor([-7.0, 7.0]), tn.tensor([2.0, 2.0])
    assert tn.div(x, y, rounding_mode="trunc").tolist() == [-3, 3]
    assert tn.div(x, y, rounding_mode="floor").tolist() == [-4, 3]
    whole = tn.div(tn.tensor([-7, 7, 9007199254740993]), tn.tensor([2, -2, 1]), rounding_mode="trunc")
    assert whole.tolist() == [-3, -3, 9007199254740993] and whole.dtype is tn.int64
    with pytest.raises(RuntimeError, match="rounding_mode"):
        tn.div(x, y, rounding_mode="up")
    with pytest.raises(RuntimeError, match="ZeroDivisionError"):
        tn.tensor([1]) // 0


def test_powers_with_a_number_take_the_short_way():
    x = tensor64(2.0, 3.0)
    assert (x ** 2).grad_fn.name == "PowBackward0" and (x ** 0.5).grad_fn.name == "SqrtBackward0"
    for exponent in (2, 0.5, -1, 3, 0):
        x.grad = None
        (x ** exponent).sum().backward()
        np.testing.assert_allclose(x.grad.numpy(), exponent * np.array([2.0, 3.0]) ** (exponent - 1))
    assert (tn.tensor([2, 3]) ** 2).tolist() == [4, 9] and (2 ** tn.tensor([3.0])).tolist() == [8]
    with pytest.raises(RuntimeError, match="negative integer powers"):
        tn.tensor([2]) ** -1


def test_where_and_limits():
    x = tn.tensor([1.0, -2.0, math.nan])
    assert tn.where(x > 0, x, 0.0).tolist() == [1, 0, 0]
    assert x.where(x > 0, tn.tensor(5.0)).tolist() == [1, 5, 5]
    assert tn.clamp(x, -1, 0.5).tolist()[:2] == [0.5, -1] and math.isnan(tn.clamp(x, -1, 0.5)[2].item())
    assert x.clamp(max=0).tolist()[:2] == [0, -2] and tn.clamp(tn.tensor([1, 9]), max=5.5).tolist() == [1, 5.5]
    assert tn.clamp(tn.tensor([1.0, 5.0]), tn.tensor([2.0, 2.0])).tolist() == [2, 5]
    with pytest.raises(RuntimeError, match="At least one of"):
        tn.clamp(x)
    with pytest.raises(RuntimeError, match="boolean tensor"):
        tn.where(tn.tensor([1, 0, 1]), x, x)


def test_composites():
    x, y = tn.tensor([0.5, -1.0, 0.0]), tn.tensor([2.0, 2.0, 2.0])
    np.testing.assert_allclose(tn.logaddexp(x, y).numpy(), np.logaddexp(x.numpy(), y.numpy()), rtol=1e-6)
    np.testing.assert_allclose(tn.hypot(x, y).numpy(), np.hypot(x.numpy(), y.numpy()), rtol=1e-6)
    assert tn.xlogy(tn.zeros(2), tn.tensor([0.0, 3.0])).tolist() == [0, 0]
    np.testing.assert_allclose(tn.logit(tn.tensor([0.25, 0.0]), eps=0.1).numpy(), np.log([1 / 3, 1 / 9]), rtol=1e-5)
    assert tn.nan_to_num(tn.tensor([math.nan, math.inf, -math.inf, 1.0]), 1.0, 2.0, 3.0).tolist() == [1, 2, 3, 1]
    assert tn.isposinf(tn.tensor([math.inf, -math.inf])).tolist() == [True, False]
    np.testing.assert_allclose(tn.rad2deg(tn.deg2rad(tn.tensor([90.0]))).numpy(), [90], rtol=1e-6)
    assert tn.addcdiv(x, x, y, value=2).tolist() == [1, -2, 0]
    assert tn.float_power(tn.tensor([2]), 3).dtype is tn.float64
    assert tn.copysign(tn.tensor([1.0, 1.0]), tn.tensor([-0.0, 3.0])).tolist() == [-1, 1]
    assert tn.prelu(tn.tensor([[-1.0, -1.0]]), tn.tensor([0.5, 0.1])).tolist() == [[-0.5, pytest.approx(-0.1)]]


def test_gradients_of_broadcast_operands_are_summed():
    x, w = tn.ones(3, 4, requires_grad=True), tn.ones(4, requires_grad=True)
    (x * w + w / x - w).sum().backward()
    assert x.grad.shape == (3, 4) and w.grad.tolist() == [3, 3, 3, 3]


def test_extremes_share_the_gradient_of_ties():
    x, y = tensor64(1.0, 2.0, 3.0), tensor64(1.0, 3.0, 2.0)
    tn.maximum(x, y).sum().backward()
    assert x.grad.tolist() == [0.5, 0, 1] and y.grad.tolist() == [0.5, 1, 0]


def test_slopes_computed_in_the_forward_give_the_same_gradients():
    """From 64 KB on the host computes some activations together with their slopes."""
    for f in (tn.gelu, lambda x: tn.gelu(x, "tanh"), tn.silu, tn.mish):
        small = tn.linspace(-6, 6, 1000, dtype=tn.float64)
        big = small.repeat(20).requires_grad_()
        small.requires_grad_()
        f(small).sum().backward()
        y = f(big)
        y.sum().backward()
        np.testing.assert_allclose(big.grad[:1000].numpy(), small.grad.numpy(), rtol=1e-12, atol=1e-12)
        np.testing.assert_allclose(y[-1000:].detach().numpy(), f(small).detach().numpy(), rtol=1e-12, atol=1e-12)


SECOND = ["exp", "log", "sin", "cos", "tan", "tanh", "sigmoid", "sqrt", "rsqrt", "reciprocal", "square", "erf", "gelu",
          "silu", "mish", "softplus", "logsigmoid", "atan", "expm1", "log1p", "elu", "relu", "abs"]


@pytest.mark.parametrize("name", SECOND)
def test_second_derivatives(name):
    x = tn.tensor(np.linspace(0.3, 1.4, 7), requires_grad=True)
    assert gradgradcheck(getattr(tn, name), (x,), atol=1e-5)


@pytest.mark.parametrize("f", [tn.add, tn.sub, tn.mul, tn.div, tn.pow, tn.maximum, tn.atan2,
                               lambda x, y: tn.where(x > 0.8, x * y, y ** 3), lambda x, y: 2.0 ** x * y],
                         ids=lambda f: f.__name__)
def test_second_derivatives_of_two_arguments(f):
    x = tn.tensor(np.linspace(0.3, 1.4, 6).reshape(2, 3), requires_grad=True)
    y = tn.tensor(np.linspace(0.5, 1.1, 3), requires_grad=True)
    assert gradgradcheck(f, (x, y), atol=1e-5)


def test_second_derivative_where_the_slope_was_computed_in_the_forward():
    x = tn.linspace(-3, 3, 9000, dtype=tn.float64).requires_grad_()
    first, = tn.autograd.grad(tn.silu(x).sum(), x, create_graph=True)
    second, = tn.autograd.grad(first.sum(), x)
    s = 1 / (1 + np.exp(-x.detach().numpy()))
    expected = s * (1 - s) * (2 + x.detach().numpy() * (1 - 2 * s))
    np.testing.assert_allclose(second.numpy(), expected, rtol=1e-9, atol=1e-12)


def test_third_derivative():
    x = tensor64(0.7)
    y = x.tanh()
    for _ in range(3):
        y, = tn.autograd.grad(y, x, create_graph=True)
    t = math.tanh(0.7)
    assert y.item() == pytest.approx((1 - t * t) * (6 * t * t - 2))


def test_functions_are_documented():
    assert all(getattr(tn, name).__doc__ for name in elementwise.__all__)


def test_without_a_gradient_nothing_is_recorded():
    x = tn.ones(2, requires_grad=True)
    with tn.no_grad():
        assert (x * 2).grad_fn is None
    assert (x > 1).grad_fn is None and not (x > 1).requires_grad
    assert (x * 2).grad_fn.name == "MulBackward0" and tn.gelu(x).grad_fn.name == "GeluBackward0"
    assert x.clamp(0, 1).grad_fn.name == "ClampBackward1"
