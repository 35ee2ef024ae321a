"""Functions of each element, and the operators and methods of Tensor that go with them."""

from __future__ import annotations

import math

from tritonnet.autograd import function
from tritonnet.autograd.ops import elementwise as ops
from tritonnet.kernels.dtypes import category, is_float, result_type
from tritonnet.tensor.operators import Operators, in_place, in_place_method

__all__ = ["add", "sub", "subtract", "div", "divide", "pow", "where", "clamp", "clip", "clamp_min", "clamp_max",
           "lerp", "rsub", "addcmul", "addcdiv", "logaddexp", "nan_to_num", "isposinf",
           "isneginf", "deg2rad", "rad2deg", "celu", "elu", "leaky_relu", "threshold", "hardtanh", "softplus", "gelu",
           "prelu", "float_power"]


class Elementwise(Operators):
    """Methods that work on each element."""

    __slots__ = ()


def _define(names, op, arity=1, in_place=True):
    """The function and the methods for an operation, under all its names."""
    first, *_ = names = names.split()
    if arity == 1:
        def function_(input):
            return op.apply(input)
    else:
        def function_(input, other):
            return op.apply(input, other)
    function_.__doc__ = op.__doc__
    function_.__name__ = function_.__qualname__ = first
    for name in names:
        globals()[name] = function_
        setattr(Elementwise, name, function_)
        if in_place:
            changed = in_place_method(op)
            changed.__name__, changed.__doc__ = f"{name}_", f"In place: {op.__doc__}"
            setattr(Elementwise, f"{name}_", changed)
    __all__.extend(n for n in names if n not in __all__)


for _names, _op in {
    "neg negative": ops.Neg, "abs absolute": ops.Abs, "sign sgn": ops.Sign, "square": ops.Square,
    "reciprocal": ops.Reciprocal, "sqrt": ops.Sqrt, "rsqrt": ops.Rsqrt, "exp": ops.Exp, "exp2": ops.Exp2,
    "expm1": ops.Expm1, "log": ops.Log, "log2": ops.Log2, "log10": ops.Log10, "log1p": ops.Log1p, "sin": ops.Sin,
    "cos": ops.Cos, "tan": ops.Tan, "asin arcsin": ops.Asin, "acos arccos": ops.Acos, "atan arctan": ops.Atan,
    "sinh": ops.Sinh, "cosh": ops.Cosh, "tanh": ops.Tanh, "asinh arcsinh": ops.Asinh, "acosh arccosh": ops.Acosh,
    "atanh arctanh": ops.Atanh, "erf": ops.Erf, "erfc": ops.Erfc, "sigmoid": ops.Sigmoid, "relu": ops.Relu,
    "silu": ops.Silu, "mish": ops.Mish, "relu6": ops.Relu6, "selu": ops.Selu, "hardswish": ops.Hardswish,
    "hardsigmoid": ops.Hardsigmoid, "softsign": ops.Softsign, "logsigmoid": ops.LogSigmoid, "floor": ops.Floor,
    "ceil": ops.Ceil, "trunc fix": ops.Trunc, "frac": ops.Frac, "logical_not": ops.LogicalNot,
    "bitwise_not": ops.BitwiseNot,
}.items():
    _define(_names, _op)
for _names, _op in {"isnan": ops.IsNan, "isinf": ops.IsInf, "isfinite": ops.IsFinite}.items():
    _define(_names, _op, in_place=False)
for _names, _op in {
    "mul multiply": ops.Mul, "remainder": ops.Remainder, "fmod": ops.Fmod, "maximum": ops.Maximum, "minimum":
    ops.Minimum, "atan2 arctan2": ops.Atan2, "eq": ops.Eq, "ne not_equal": ops.Ne, "lt less": ops.Lt, "le less_equal":
    ops.Le, "gt greater": ops.Gt, "ge greater_equal": ops.Ge, "logical_and": ops.LogicalAnd, "logical_or":
    ops.LogicalOr, "logical_xor": ops.LogicalXor, "bitwise_and": ops.BitwiseAnd, "bitwise_or": ops.BitwiseOr,
    "bitwise_xor": ops.BitwiseXor, "bitwise_left_shift": ops.ShiftLeft, "bitwise_right_shift": ops.ShiftRight,
    "floor_divide": ops.FloorDivide, "true_divide": ops.Div, "copysign": ops.CopySign,
}.items():
    _define(_names, _op, arity=2)


def _scaled(other, alpha, dtype):
    """other times alpha, for add and sub."""
    if alpha == 1:
        return other
    if isinstance(alpha, float) and not is_float(dtype):
        raise RuntimeError("For integral input tensors, argument alpha must not be a floating point number.")
    return other * alpha


def add(input, other, *, alpha=1):
    """input + alpha other; they broadcast, and element types are promoted.

    >>> import tritonnet
    >>> tritonnet.add(tritonnet.tensor([1, 2]), 0.5)
    tensor([1.5000, 2.5000])
    """
    return ops.Add.apply(input, other if alpha == 1 else _scaled(other, alpha, input.array.dtype))


def sub(input, other, *, alpha=1):
    """input - alpha other."""
    return ops.Sub.apply(input, other if alpha == 1 else _scaled(other, alpha, input.array.dtype))


def _scaled_in_place(op):
    """add_ or sub_."""
    plain = in_place_method(op)

    def method(self, other, *, alpha=1):
        return plain(self, other if alpha == 1 else _scaled(other, alpha, self.array.dtype))

    method.__doc__ = f"In place: {op.__doc__}"
    return method


def rsub(input, other, *, alpha=1):
    """other - alpha input."""
    return ops.Sub.apply(other, _scaled(input, alpha, input.array.dtype))


def div(input, other, *, rounding_mode=None):
    """input / other. Integers give floats, unless rounding_mode is "floor" or "trunc" (towards zero)."""
    if rounding_mode is None:
        return ops.Div.apply(input, other)
    if rounding_mode == "floor":
        return ops.FloorDivide.apply(input, other)
    if rounding_mode != "trunc":
        raise RuntimeError(f"div expected rounding_mode to be one of None, 'trunc', or 'floor' but found "
                           f"{rounding_mode!r}")
    quotient = ops.Div.apply(input, other)
    if is_float(result_type(*(getattr(a, "array", a) for a in (input, other)))):
        return ops.Trunc.apply(quotient)
    rest = ops.Fmod.apply(input, other)
    return ops.FloorDivide.apply(input - rest, other)


def pow(input, exponent):
    """input to the power exponent, a tensor or a number; either may be a number, not both."""
    if isinstance(exponent, (int, float)) and isinstance(input, function.Tensor):
        if exponent < 0 and category(input.array.dtype) == 1 and isinstance(exponent, int):
            raise RuntimeError("Integers to negative integer powers are not allowed.")
        if exponent == 2 and input.array.dtype != bool:
            return ops.Square.apply(input)
        if is_float(input.array.dtype) and exponent in (0.5, -1):
            return (ops.Sqrt if exponent == 0.5 else ops.Reciprocal).apply(input)
    return ops.Pow.apply(input, exponent)


def float_power(input, exponent):
    """input to the power exponent, computed in float64."""
    return pow(*(a.double() if isinstance(a, function.Tensor) else float(a) for a in (input, exponent)))


def where(condition, input=None, other=None):
    """input where condition holds, else other; with the condition alone, the indices where it holds, one per axis."""
    if input is None:
        return condition.nonzero(as_tuple=True)
    return ops.Where.apply(condition, input, other)


def clamp(input, min=None, max=None):
    """input, but at least min and at most max: numbers, tensors, or None for no limit."""
    return ops.Clamp.apply(input, min, max)


def clamp_min(input, min):
    """input, but at least min."""
    return ops.Clamp.apply(input, min=min)


def clamp_max(input, max):
    """input, but at most max."""
    return ops.Clamp.apply(input, max=max)


def lerp(input, end, weight):
    """input + weight (end - input)."""
    return ops.Lerp.apply(input, end, weight)


def addcmul(input, tensor1, tensor2, *, value=1):
    """input + value tensor1 tensor2."""
    return input + (tensor1 * tensor2 if value == 1 else value * tensor1 * tensor2)


def addcdiv(input, tensor1, tensor2, *, value=1):
    """input + value tensor1 / tensor2."""
    return input + (tensor1 / tensor2 if value == 1 else value * tensor1 / tensor2)


def logaddexp(input, other):
    """log(exp(input) + exp(other)), without overflow."""
    if not isinstance(other, function.Tensor):
        raise TypeError(f"logaddexp(): argument 'other' (position 2) must be Tensor, not {type(other).__name__}")
    larger, difference = maximum(input, other), abs(input - other)  # noqa: F821  (defined by the tables above)
    return where(input == other, larger + math.log(2), larger + log1p(exp(-difference)))  # noqa: F821


def nan_to_num(input, nan=0.0, posinf=None, neginf=None):
    """NaN replaced by `nan`, infinities by the given numbers or the largest finite ones."""
    if not input.is_floating_point():
        return input.clone()
    from tritonnet.dtypes import finfo

    limits = finfo(input.dtype)
    input = where(isnan(input), nan, input)  # noqa: F821
    input = where(isposinf(input), limits.max if posinf is None else posinf, input)
    return where(isneginf(input), limits.min if neginf is None else neginf, input)


def isposinf(input):
    """Whether an element is +infinity."""
    return input == math.inf


def isneginf(input):
    """Whether an element is -infinity."""
    return input == -math.inf


def deg2rad(input):
    """Degrees to radians."""
    return input * (math.pi / 180)


def rad2deg(input):
    """Radians to degrees."""
    return input * (180 / math.pi)


def elu(input, alpha=1.0):
    """input where it is positive, else alpha (exp(input) - 1)."""
    return ops.Elu.apply(input, alpha)


def celu(input, alpha=1.0):
    """input where it is positive, else alpha (exp(input / alpha) - 1)."""
    return ops.Celu.apply(input, alpha)


def leaky_relu(input, negative_slope=0.01):
    """input where it is positive, else negative_slope times it."""
    return ops.LeakyRelu.apply(input, negative_slope)


def threshold(input, threshold, value):
    """input where it exceeds the threshold, else value."""
    return ops.Threshold.apply(input, threshold, value)


def hardtanh(input, min_val=-1.0, max_val=1.0):
    """input between two limits."""
    return ops.Hardtanh.apply(input, min_val, max_val)


def softplus(input, beta=1.0, threshold=20.0):
    """log(1 + exp(beta input)) / beta, and input itself where beta input exceeds the threshold."""
    return ops.Softplus.apply(input, beta, threshold)


def gelu(input, approximate="none"):
    """input times the standard normal distribution function at it; approximate="tanh" for BERT's formula."""
    return ops.Gelu.apply(input, approximate)


def prelu(input, weight):
    """input where it is positive, else weight times it; one weight, or one per channel (axis 1)."""
    if weight.ndim > 1:
        raise RuntimeError(f"prelu: Expected `weight` to be a scalar or 1D tensor, but got: ndim = {weight.ndim}")
    if not input.ndim:
        return ops.Prelu.apply(input, weight.reshape(()))
    if weight.array.size != 1:
        weight = weight.reshape(-1, *[1] * (input.ndim - 2))
    return ops.Prelu.apply(input, weight)


subtract, divide, clip = sub, div, clamp
for _f in (add, sub, div, pow, clamp, clamp_min, clamp_max, lerp, addcmul, addcdiv, logaddexp,
           nan_to_num, isposinf, isneginf, deg2rad, rad2deg, float_power, prelu):
    setattr(Elementwise, _f.__name__, _f)
Elementwise.subtract, Elementwise.divide, Elementwise.clip = sub, div, clamp
Elementwise.where = lambda self, condition, other: ops.Where.apply(condition, self, other)
for _f in (div, pow, clamp, clamp_min, clamp_max, lerp, addcmul, addcdiv, leaky_relu, elu, celu, threshold, hardtanh,
           nan_to_num, deg2rad, rad2deg):
    setattr(Elementwise, f"{_f.__name__}_", in_place(_f))
Elementwise.add_, Elementwise.sub_ = _scaled_in_place(ops.Add), _scaled_in_place(ops.Sub)
Elementwise.subtract_, Elementwise.divide_, Elementwise.clip_ = Elementwise.sub_, Elementwise.div_, Elementwise.clamp_
