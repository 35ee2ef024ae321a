"""Elementwise operations. The maths is in kernels/elementwise/definitions.py; here each gets its class and samples."""

from __future__ import annotations

import numpy as np

from tritonnet.autograd.function import Op
from tritonnet.autograd.samples import FLOAT_DTYPES, Sample, samples
from tritonnet.autograd.scalar_op import scalar_op
from tritonnet.kernels import elementwise as kernels
from tritonnet.kernels.elementwise import OPERATIONS

BY_DEFINITION = {}  # name in expressions -> class
SPECIAL = np.array([np.nan, np.inf, -np.inf, 0.0, -0.0])


def unary(name, definition, torch=None, low=-2.0, high=2.0, defaults=(), doc="", kinks=(), params=(), bits=False,
          loose=1.0):
    """An operation of one argument, with samples from [low, high] that keep away from the kinks."""
    op = scalar_op(name, definition, doc or f"{definition}(x), element by element.", defaults)
    BY_DEFINITION[definition] = op
    torch_name = torch or definition
    differentiable = bool(OPERATIONS[definition].gradients)

    def away(x):
        for kink in kinks:
            x = np.where(np.abs(x - kink) < 0.01, x + 0.05, x)
        return x

    def generate(rand):
        x = rand(3, 781, low=low, high=high)
        if bits:
            yield Sample(rand.integers(-9, 9, (5, 7)))
            yield Sample(rand.bools(17))
            return
        yield Sample(away(x), *params, grad=differentiable, loose=loose)                               # no power of two
        yield Sample(away(x[:, ::7]).T, *params, grad=differentiable, loose=loose)                     # strides
        yield Sample(away(rand(low=low, high=high)), *params, grad=differentiable, loose=loose)        # no dimensions
        yield Sample(np.empty((0, 3)), *params, grad=differentiable, loose=loose)                      # no elements
        yield Sample(SPECIAL, *params, grad=False)                                        # what rounding cannot hide
        if OPERATIONS[definition].accepts != "f":
            yield Sample(rand.integers(-3, 4, (4, 5)), *params, grad=False)               # integers

    def oracle(torch, *args):
        function = getattr(torch, torch_name, None) or getattr(torch.nn.functional, torch_name, None) or getattr(
            torch.special, torch_name)
        return function(*args)

    samples(op, oracle)(generate)
    return op


def binary(name, definition, torch=None, low=0.1, high=2.0, doc="", symbol="", bits=False, number_first=True,
           layouts=False, floats=False):
    """An operation of two arguments, arrays or numbers, that broadcast."""
    op = scalar_op(name, definition, doc or f"x {symbol} y, element by element; x and y broadcast.")
    BY_DEFINITION[definition] = op
    torch_name = torch or definition
    differentiable = bool(OPERATIONS[definition].gradients)

    def generate(rand):
        if bits:
            yield Sample(rand.integers(0, 9, (5, 7)), rand.integers(0, 5, (1, 7)))
            yield Sample(rand.integers(-9, 9, (5, 7)), 3)
            yield Sample(rand(3), rand(3), raises=NotImplementedError)
            return
        x, y = rand(3, 5, 7, low=low, high=high), rand(3, 5, 7, low=low, high=high) + 0.013
        few = FLOAT_DTYPES if layouts else ("float32",)  # the generator does not ask which operation it writes
        yield Sample(x, y, grad=differentiable)
        yield Sample(x[:, :1], y[0], grad=differentiable, dtypes=few)                       # both repeated
        yield Sample(x, 1.5, grad=differentiable, dtypes=few)                               # a number on either side
        if number_first:
            yield Sample(1.5, x[..., 0], grad=differentiable, dtypes=few)
        yield Sample(x[:0], y[:, :1][:1], grad=differentiable, dtypes=few)                  # no elements
        yield Sample(np.repeat(SPECIAL, 5), np.tile(SPECIAL, 5), grad=False, dtypes=few)    # every pair
        if not floats:
            yield Sample(rand.integers(-9, 10, (4, 5)), rand.integers(1, 4, (4, 5)), grad=False)
        if layouts:
            yield Sample(rand.integers(1, 10, (4, 5)), x[0, :4, :5], grad=False)            # promoted inside the kernel
            yield Sample(x[0], np.ascontiguousarray(y[0].T).T)                              # two memory orders
            yield Sample(rand(2, 3, 4, 5).transpose(0, 3, 1, 2), y[0, 0, 0, None, None, None])  # channels-last stays so
            yield Sample(rand(2, 3, 4, 5), rand(3, 1, 1))                                   # one per channel
        yield Sample(x, rand(5, 6), raises=RuntimeError)                                    # sizes that do not match

    def oracle(torch, x, y):
        if torch_name == "floor_divide":  # which has no gradient, unlike this
            return torch.div(x, y, rounding_mode="floor")
        if torch_name == "gcd":
            return torch.gcd(x, torch.as_tensor(y))
        function = getattr(torch, torch_name)
        return function(*(torch.tensor(a, dtype=torch.float64) if not torch.is_tensor(a) else a for a in (x, y))
                        if torch_name in ("hypot", "maximum", "minimum", "atan2", "logical_and", "logical_or",
                                          "logical_xor", "fmod", "eq", "ne", "lt", "le", "gt", "ge") else (x, y))

    samples(op, oracle)(generate)
    return op


# arithmetic
Neg, Abs, Sign = unary("Neg", "neg"), unary("Abs", "abs", kinks=(0,)), unary("Sign", "sign", kinks=(0,))
Square = unary("Square", "square")
Reciprocal = unary("Reciprocal", "reciprocal", low=0.2)
Sqrt, Rsqrt = unary("Sqrt", "sqrt", low=0.2), unary("Rsqrt", "rsqrt", low=0.2)
Add = binary("Add", "add", low=-2, symbol="+", layouts=True)
Sub = binary("Sub", "sub", low=-2, symbol="-")
Mul = binary("Mul", "mul", low=-2, symbol="*", layouts=True)
Div = binary("Div", "div", doc="x / y; integers give floats.")
Pow = binary("Pow", "pow", doc="x to the power y; an integer to a negative number raises RuntimeError.")
FloorDivide = binary("FloorDivide", "floor_divide", doc="floor(x / y); by an integer 0 it raises RuntimeError.")
Remainder = binary("Remainder", "remainder", number_first=False, doc=(
    "x - y floor(x / y): it has the sign of y, as Python's %."))
Fmod = binary("Fmod", "fmod", doc="x - y trunc(x / y): it has the sign of x, as C's fmod.")
Maximum = binary("Maximum", "maximum", doc="The larger of x and y, NaN if either is; ties share the gradient.")
Minimum = binary("Minimum", "minimum", doc="The smaller of x and y, NaN if either is; ties share the gradient.")
CopySign = binary("CopySign", "copysign", low=-2, doc="|x| with the sign of y.", number_first=False)
Atan2 = binary("Atan2", "atan2", low=-2, doc="The angle of the point (y, x).")

# exponentials, logarithms, circles, hyperbolas
Exp, Exp2, Expm1 = unary("Exp", "exp"), unary("Exp2", "exp2"), unary("Expm1", "expm1")
Log, Log2 = unary("Log", "log", low=0.2), unary("Log2", "log2", low=0.2)
Log10, Log1p = unary("Log10", "log10", low=0.2), unary("Log1p", "log1p", low=-0.5)
Sin, Cos, Tan = unary("Sin", "sin"), unary("Cos", "cos"), unary("Tan", "tan", low=-1, high=1)
Asin, Acos = unary("Asin", "asin", low=-0.9, high=0.9), unary("Acos", "acos", low=-0.9, high=0.9)
Atan, Sinh, Cosh = unary("Atan", "atan"), unary("Sinh", "sinh"), unary("Cosh", "cosh")
Tanh, Asinh = unary("Tanh", "tanh"), unary("Asinh", "asinh")
Acosh, Atanh = unary("Acosh", "acosh", low=1.2, high=3), unary("Atanh", "atanh", low=-0.9, high=0.9)
Erf, Erfc = unary("Erf", "erf"), unary("Erfc", "erfc")

# activations
Sigmoid, Relu = unary("Sigmoid", "sigmoid", low=-8, high=8), unary("Relu", "relu", kinks=(0,))
Silu, Mish = unary("Silu", "silu", low=-8, high=8), unary("Mish", "mish", low=-8, high=30)
Softsign = unary("Softsign", "softsign", kinks=(0,))
LogSigmoid = unary("LogSigmoid", "logsigmoid", low=-8, high=8)
Hardswish = unary("Hardswish", "hardswish", low=-4, high=4, kinks=(-3, 3))
Hardsigmoid = unary("Hardsigmoid", "hardsigmoid", low=-4, high=4, kinks=(-3, 3), loose=20)  # PyTorch's 1/6 is a float32
Relu6 = unary("Relu6", "relu6", low=-2, high=8, kinks=(0, 6))
Selu = unary("Selu", "selu", kinks=(0,))
LeakyRelu = unary("LeakyRelu", "leaky_relu", defaults=(0.01,), kinks=(0,), params=(0.1,), doc=(
    "x where it is positive, else x times negative_slope."))
Elu = unary("Elu", "elu", defaults=(1.0,), kinks=(0,), params=(1.3,), doc="x where positive, else alpha (exp(x) - 1).")
Celu = unary("Celu", "celu", defaults=(1.0,), kinks=(0,), params=(1.3,), loose=20, doc=(  # PyTorch's alpha is a float32
    "x where positive, else alpha (exp(x / alpha) - 1)."))
Softplus = unary("Softplus", "softplus", low=-4, high=8, defaults=(1.0, 20.0), params=(1.5, 6.0), kinks=(4,), doc=(
    "log(1 + exp(beta x)) / beta, and x where beta x exceeds the threshold."))
Hardtanh = unary("Hardtanh", "hardtanh", defaults=(-1.0, 1.0), params=(-0.5, 1.0), kinks=(-0.5, 1), doc=(
    "x between min_val and max_val."))
Threshold = unary("Threshold", "threshold", params=(0.5, -2.0), kinks=(0.5,), doc=(
    "x where it exceeds the threshold, else value."))

# rounding
Floor, Ceil = unary("Floor", "floor", kinks=(-1, 0, 1)), unary("Ceil", "ceil", kinks=(-1, 0, 1))
Round, Trunc = unary("Round", "round", kinks=(-1.5, -0.5, 0.5, 1.5)), unary("Trunc", "trunc", kinks=(-1, 0, 1))
Frac = unary("Frac", "frac", kinks=(-1, 0, 1))

# questions, logic, bits
Eq, Ne = binary("Eq", "eq", symbol="=="), binary("Ne", "ne", symbol="!=")
Lt, Le = binary("Lt", "lt", symbol="<"), binary("Le", "le", symbol="<=")
Gt, Ge = binary("Gt", "gt", symbol=">"), binary("Ge", "ge", symbol=">=")
IsNan, IsInf, IsFinite = unary("IsNan", "isnan"), unary("IsInf", "isinf"), unary("IsFinite", "isfinite")
LogicalNot = unary("LogicalNot", "logical_not", doc="Whether x is 0.")
LogicalAnd = binary("LogicalAnd", "logical_and", doc="Whether neither is 0.")
LogicalOr = binary("LogicalOr", "logical_or", doc="Whether one of them is not 0.")
LogicalXor = binary("LogicalXor", "logical_xor", doc="Whether exactly one of them is 0.")
BitwiseNot = unary("BitwiseNot", "bitwise_not", bits=True, doc="~x of integers or booleans.")
BitwiseAnd = binary("BitwiseAnd", "bitwise_and", bits=True, symbol="&")
BitwiseOr = binary("BitwiseOr", "bitwise_or", bits=True, symbol="|")
BitwiseXor = binary("BitwiseXor", "bitwise_xor", bits=True, symbol="^")
ShiftLeft = binary("ShiftLeft", "shift_left", "bitwise_left_shift", bits=True, symbol="<<")
ShiftRight = binary("ShiftRight", "shift_right", "bitwise_right_shift", bits=True, symbol=">>")

# of three
Where = BY_DEFINITION["where"] = scalar_op("Where", "where", "x where cond holds, else y; all broadcast.")
Lerp = scalar_op("Lerp", "lerp", "x + w (y - x); all broadcast.")
Prelu = scalar_op("Prelu", "prelu", "x where it is positive, else w x; w broadcasts.")
Square.__doc__ = "x times x."


@samples(Where, torch=lambda torch, c, x, y: torch.where(c, x, y))
def where_samples(rand):
    yield Sample(rand.bools(3, 50), rand(3, 50), rand(3, 50))
    yield Sample(rand.bools(4, 1), rand(5), rand(4, 5))                      # broadcast
    yield Sample(rand.bools(7), rand(7), 0.5)                                # a number
    yield Sample(rand.bools(5), SPECIAL, 1.0, grad=False)                    # NaN only where chosen
    yield Sample(rand.bools(9), rand.integers(0, 5, 9), rand.integers(5, 9, 9))
    yield Sample(rand.integers(0, 2, 9), rand(9), rand(9), raises=RuntimeError)


@samples(Lerp, torch=lambda torch, x, y, w: torch.lerp(x, y, w))
def lerp_samples(rand):
    yield Sample(rand(4, 9), rand(4, 9), rand(4, 9, low=0.1, high=0.4))
    yield Sample(rand(4, 9), rand(4, 9), 0.75)                               # counted from the other end


@samples(Prelu, torch=lambda torch, x, w: torch.where(x > 0, x, w * x))
def prelu_samples(rand):
    yield Sample(np.where(np.abs(x := rand(3, 4, 5)) < 0.01, 0.5, x), rand(4, 1))


_GeluErf = BY_DEFINITION["gelu"] = scalar_op("_GeluErf", "gelu", "x P(X < x), X normal.")
_GeluTanh = BY_DEFINITION["gelu_tanh"] = scalar_op("_GeluTanh", "gelu_tanh", "The same with a tanh for P.")
_Clamp = BY_DEFINITION["clamp"] = scalar_op("_Clamp", "clamp", "x between lo and hi.")
_ClampMin = BY_DEFINITION["clamp_min"] = scalar_op("_ClampMin", "clamp_min", "x, but at least lo.")
_ClampMax = BY_DEFINITION["clamp_max"] = scalar_op("_ClampMax", "clamp_max", "x, but at most hi.")


class Gelu(Op):
    """x times the normal distribution function at x; approximate="tanh": by the formula that BERT and GPT-2 used."""

    @classmethod
    def apply(cls, x, approximate="none"):
        if approximate not in ("none", "tanh"):
            raise RuntimeError(f"approximate argument must be either none or tanh, got {approximate!r}")
        return (_GeluTanh if approximate == "tanh" else _GeluErf).apply(x)


@samples(Gelu, torch=lambda torch, x, approximate="none": torch.nn.functional.gelu(x, approximate=approximate))
def gelu_samples(rand):
    yield Sample(rand(3, 781, low=-5, high=5))
    yield Sample(rand(3, 781, low=-5, high=5), approximate="tanh")
    yield Sample(rand(0, 3))
    yield Sample(rand(3), approximate="exact", raises=RuntimeError)


class Clamp(Op):
    """x, but at least min and at most max: arrays, numbers, or None where there is no limit; NaN stays."""

    @classmethod
    def apply(cls, x, min=None, max=None):
        if min is None and max is None:
            raise RuntimeError("clamp: At least one of 'min' or 'max' must not be None")
        if min is None:
            return _ClampMax.apply(x, max)
        return _ClampMin.apply(x, min) if max is None else _Clamp.apply(x, min, max)


@samples(Clamp, torch=lambda torch, x, min=None, max=None: torch.clamp(x, min, max))
def clamp_samples(rand):
    yield Sample(rand(3, 781), -0.5, 0.5)
    yield Sample(rand(3, 7), min=0.2)
    yield Sample(rand(3, 7).T, max=0.2)
    yield Sample(rand(3, 7), rand(3, 1), rand(7))                                # limits that are arrays
    yield Sample(SPECIAL, -1.0, 1.0, grad=False)
    yield Sample(rand.integers(-5, 5, (4, 5)), -2, 3)
    yield Sample(rand(3), raises=RuntimeError)


class Cast(Op):
    """x as another element type; float to integer truncates."""

    def forward(ctx, x, dtype):
        return kernels.cast(x, dtype)

    def backward(ctx, dy):
        return dy

    def differentiable_backward(self, dy):
        return dy


@samples(Cast, torch=lambda torch, x, dtype: x.to(getattr(torch, np.dtype(dtype).name)))
def cast_samples(rand):
    yield Sample(rand(3, 781), np.dtype("float32"), grad=False)
    yield Sample(rand(5, 4).T, np.dtype("float64"))
    yield Sample(rand(3, 7, low=-9, high=9), np.dtype("int32"))
    yield Sample(rand.integers(-3, 3, (3, 7)), np.dtype("bool"))
    yield Sample(rand.bools(9), np.dtype("float32"))
