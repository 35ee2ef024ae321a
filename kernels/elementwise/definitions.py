"""Every elementwise operation, as scalar expressions: its value, and its derivative by each input that has one.

    relu = unary(y="maximum(x, 0)", dx="where(y > 0, dy, 0)")

Inputs are x, or x and y, …; the result is y of one input, z of more; dy or dz is the gradient that arrives. A
derivative may name inputs and the result: what it names is what is saved for backward. `a = …; b` computes a first.
Where the derivative costs much and shares most of that with the value, it is given as `slope`: dx = dy slope, and the
host computes both at once, in the forward. The functions are those of `triton_functions.py` (on the device) and
`numpy_functions.py` (on the host); `/` may be off by 2 units in the last place on the device, `divide` is not.
"""

from __future__ import annotations

SAME, FLOAT, BOOL, LOGICAL = "same", "float", "bool", "logical"

# What becomes of element types: SAME keeps the promoted type, FLOAT makes integers floats, BOOL computes in the
# promoted type and tells true or false, LOGICAL does so from the truth of each operand.

ALL, NUMBERS, FLOATS, INTEGERS = "bif", "if", "f", "bi"  # kinds of elements an operation takes: bool, integer, float


class Definition:
    """One operation: expressions, and rules for element types."""

    def __init__(self, inputs, output, forward, gradients, slope, result, accepts, params, refusal):
        self.inputs, self.output, self.forward, self.slope = inputs, output, forward, slope
        self.gradients = gradients  # input -> expression, of those that can be differentiated
        self.result, self.accepts, self.params, self.refusal = result, accepts, params, refusal
        self.name = ""  # set when the table below is complete


def _operation(inputs, output):
    """A maker of definitions with these names."""
    gradient_names = {f"d{name}": name for name in inputs}

    def make(result=SAME, accepts=ALL, params=(), refusal=None, slope=None, **expressions):
        forward = expressions.pop(output)
        if slope is not None:
            *before, last = slope.split(";")
            expressions["dx"] = ";".join([*before, f"dy * ({last.strip()})"])
        gradients = {gradient_names[d]: text for d, text in expressions.items()}
        return Definition(inputs, output, forward, gradients, slope, result, accepts, params, refusal)

    return make


unary, binary = _operation(("x",), "y"), _operation(("x", "y"), "z")
lerp_like, clamp_like = _operation(("x", "y", "w"), "z"), _operation(("x", "lo", "hi"), "z")
where_like, prelu_like = _operation(("c", "x", "y"), "z"), _operation(("x", "w"), "z")

LN2, LN10, TWO_OVER_SQRT_PI = "0.6931471805599453", "2.302585092994046", "1.1283791670955126"
HALF_SQRT_PI = "0.886226925452758"
INV_SQRT_2PI, SQRT_2_OVER_PI = "0.3989422804014327", "0.7978845608028654"  # the one is half of the other
SELU_SCALE, SELU_ALPHA_SCALE = "1.0507009873554805", "1.7580993408473766"
ZERO = "where(dy == dy, 0, 0)"  # also where dy is infinite
ZERO_OF_TWO = "where(dz == dz, 0, 0)"
GELU_TANH = f"tanh({SQRT_2_OVER_PI} * (x + 0.044715 * x * x * x))"

NO_MINUS = ("Subtraction, the `-` operator, with a bool tensor is not supported. If you are trying to invert a mask, "
            "use the `~` or `logical_not()` operator instead.")
NO_NEGATION = ("Negation, the `-` operator, on a bool tensor is not supported. If you are trying to invert a mask, use "
               "the `~` or `logical_not()` operator instead.")

OPERATIONS = {
    # arithmetic
    "neg": unary(y="-x", dx="-dy", accepts=NUMBERS, refusal=NO_NEGATION),
    "abs": unary(y="abs(x)", dx="dy * sign(x)", accepts=NUMBERS),
    "sign": unary(y="sign(x)", dx=ZERO),
    "square": unary(y="x * x", dx="dy * (2 * x)", accepts=NUMBERS),
    "reciprocal": unary(y="divide(1.0, x)", dx="-dy * y * y", result=FLOAT),
    "sqrt": unary(y="sqrt(x)", dx="dy / (2 * y)", result=FLOAT),
    "rsqrt": unary(y="divide(1.0, sqrt(x))", dx="-0.5 * dy * y * y * y", result=FLOAT),
    "add": binary(z="x + y", dx="dz", dy="dz"),
    "sub": binary(z="x - y", dx="dz", dy="-dz", accepts=NUMBERS, refusal=NO_MINUS),
    "mul": binary(z="x * y", dx="dz * y", dy="dz * x"),
    "div": binary(z="divide(x, y)", dx="dz / y", dy="-dz * divide(x, y) / y", result=FLOAT),
    "pow": binary(z="pow(x, y)", dx="where(y == 0, 0, dz * y * pow(x, y - 1))",
                  dy="where((x == 0) & (y >= 0), 0, dz * z * log(x))", accepts=NUMBERS),
    "floor_divide": binary(z="floor_divide(x, y)", dx=ZERO_OF_TWO, dy=ZERO_OF_TWO, accepts=NUMBERS),
    "remainder": binary(z="remainder(x, y)", dx="dz", dy="-dz * floor_divide(x, y)", accepts=NUMBERS),
    "fmod": binary(z="fmod(x, y)", dx="dz", dy="-dz * trunc(x / y)", accepts=NUMBERS),
    "maximum": binary(z="maximum(x, y)", dx="where(x < y, 0, where(x == y, dz * 0.5, dz))",
                      dy="where(y < x, 0, where(x == y, dz * 0.5, dz))"),
    "minimum": binary(z="minimum(x, y)", dx="where(x > y, 0, where(x == y, dz * 0.5, dz))",
                      dy="where(y > x, 0, where(x == y, dz * 0.5, dz))"),
    "copysign": binary(z="copysign(x, y)", dx="where(x == 0, 0, where(x == z, dz, -dz))", dy=ZERO_OF_TWO,
                       result=FLOAT),
    "lerp": lerp_like(z="where(w < 0.5, x + w * (y - x), y - (y - x) * (1 - w))", dx="dz * (1 - w)", dy="dz * w",
                      dw="dz * (y - x)", accepts=FLOATS),
    # exponentials, logarithms
    "exp": unary(y="exp(x)", dx="dy * y", result=FLOAT),
    "exp2": unary(y="exp2(x)", dx=f"dy * y * {LN2}", result=FLOAT),
    "expm1": unary(y="expm1(x)", dx="dy * (y + 1)", result=FLOAT),
    "log": unary(y="log(x)", dx="dy / x", result=FLOAT),
    "log2": unary(y="log2(x)", dx=f"dy / (x * {LN2})", result=FLOAT),
    "log10": unary(y="log10(x)", dx=f"dy / (x * {LN10})", result=FLOAT),
    "log1p": unary(y="log1p(x)", dx="dy / (x + 1)", result=FLOAT),
    # circles and hyperbolas
    "sin": unary(y="sin(x)", dx="dy * cos(x)", result=FLOAT),
    "cos": unary(y="cos(x)", dx="-dy * sin(x)", result=FLOAT),
    "tan": unary(y="tan(x)", dx="dy * (1 + y * y)", result=FLOAT),
    "asin": unary(y="asin(x)", dx="dy / sqrt(1 - x * x)", result=FLOAT),
    "acos": unary(y="acos(x)", dx="-dy / sqrt(1 - x * x)", result=FLOAT),
    "atan": unary(y="atan(x)", dx="dy / (1 + x * x)", result=FLOAT),
    "atan2": binary(z="atan2(x, y)", dx="where((x == 0) & (y == 0), 0, dz * y / (x * x + y * y))",
                    dy="where((x == 0) & (y == 0), 0, -dz * x / (x * x + y * y))", result=FLOAT),
    "hypot": binary(z="hypot(x, y)", dx="dz * divide(x, z)", dy="dz * divide(y, z)", accepts=FLOATS),
    "sinh": unary(y="sinh(x)", dx="dy * cosh(x)", result=FLOAT),
    "cosh": unary(y="cosh(x)", dx="dy * sinh(x)", result=FLOAT),
    "tanh": unary(y="tanh(x)", dx="dy * (1 - y * y)", result=FLOAT),
    "asinh": unary(y="asinh(x)", dx="dy / sqrt(x * x + 1)", result=FLOAT),
    "acosh": unary(y="acosh(x)", dx="dy / sqrt((x - 1) * (x + 1))", result=FLOAT),
    "atanh": unary(y="atanh(x)", dx="dy / (1 - x * x)", result=FLOAT),
    "erf": unary(y="erf(x)", dx=f"dy * {TWO_OVER_SQRT_PI} * exp(-x * x)", result=FLOAT),
    "erfc": unary(y="erfc(x)", dx=f"dy * -{TWO_OVER_SQRT_PI} * exp(-x * x)", result=FLOAT),
    "erfinv": unary(y="erfinv(x)", dx=f"dy * {HALF_SQRT_PI} * exp(y * y)", result=FLOAT),
    "lgamma": unary(y="lgamma(x)", dx="dy * digamma(x)", result=FLOAT),
    "digamma": unary(y="digamma(x)", dx="dy * polygamma(x, 1)", result=FLOAT),
    "polygamma": unary(y="polygamma(x, n)", dx="dy * polygamma(x, n + 1)", result=FLOAT, params=("n",)),
    "xlogy": binary(z="where((x == 0) & (y == y), 0, x * log(y))", dx="where((x == 0) & (y <= 0), 0, dz * log(y))",
                    dy="dz * x / y", result=FLOAT),
    "entr": unary(y="where(x < 0, log(where(x < 0, 0, x)), where(x == 0, 0, -x * log(x)))", dx="dy * (-log(x) - 1)",
                  result=FLOAT),
    "logit": unary(y="log(x / (1 - x))", dx="s = sqrt(x * (1 - x)); dy / (s * s)", result=FLOAT),
    # activations
    "sigmoid": unary(y="1 / (1 + exp(-x))", dx="dy * y * (1 - y)", result=FLOAT),
    "relu": unary(y="maximum(x, 0)", dx="where(y > 0, dy, 0)", accepts=NUMBERS,
                  refusal="Boolean inputs not supported for relu"),
    "silu": unary(y="x / (1 + exp(-x))", slope="s = 1 / (1 + exp(-x)); s * (1 + x * (1 - s))", accepts=FLOATS),
    # tanh(log(1 + e)) = n / (n + 2) with n = e^2 + 2 e; beyond 20 that is 1 in every precision
    "mish": unary(y="e = exp(minimum(x, 20)); n = e * (e + 2); x * n / (n + 2)",
                  slope="e = exp(minimum(x, 20)); n = e * (e + 2); t = n / (n + 2); t + x * (1 - t * t) * e / (1 + e)",
                  accepts=FLOATS),
    "softsign": unary(y="x / (1 + abs(x))", dx="a = 1 + abs(x); dy / (a * a)", accepts=FLOATS),
    "logsigmoid": unary(y="minimum(x, 0) - log1p(exp(-abs(x)))", dx="dy / (1 + exp(x))", accepts=FLOATS),
    "hardswish": unary(y="x * minimum(maximum(x + 3, 0), 6) / 6",
                       dx="where(x <= -3, 0, where(x < 3, dy * (x / 3 + 0.5), dy))", accepts=FLOATS),
    "hardsigmoid": unary(y="minimum(maximum(x + 3, 0), 6) / 6", dx="where((x > -3) & (x < 3), dy / 6, 0)",
                         accepts=FLOATS),
    "relu6": unary(y="minimum(maximum(x, 0), 6)", dx="where((x <= 0) | (x >= 6), 0, dy)", accepts=NUMBERS),
    "selu": unary(y=f"where(x > 0, {SELU_SCALE} * x, {SELU_ALPHA_SCALE} * expm1(x))",
                  dx=f"where(x <= 0, dy * (y + {SELU_ALPHA_SCALE}), {SELU_SCALE} * dy)", accepts=FLOATS),
    "elu": unary(y="where(x > 0, x, alpha * expm1(x))", dx="where(x <= 0, dy * alpha * exp(x), dy)", accepts=FLOATS,
                 params=("alpha",)),
    "celu": unary(y="where(x > 0, x, alpha * expm1(x / alpha))", dx="where(x <= 0, dy * exp(x / alpha), dy)",
                  accepts=FLOATS, params=("alpha",)),
    "leaky_relu": unary(y="where(x > 0, x, x * negative_slope)", dx="where(x > 0, dy, dy * negative_slope)",
                        accepts=FLOATS, params=("negative_slope",)),
    "softplus": unary(y="where(x * beta > threshold, x, log1p(exp(x * beta)) / beta)",
                      dx="where(x * beta > threshold, dy, dy / (1 + exp(-x * beta)))", accepts=FLOATS,
                      params=("beta", "threshold")),
    "hardtanh": unary(y="minimum(maximum(x, min_val), max_val)", dx="where((x <= min_val) | (x >= max_val), 0, dy)",
                      accepts=NUMBERS, params=("min_val", "max_val")),
    "threshold": unary(y="where(x <= threshold, value, x)", dx="where(x <= threshold, 0, dy)", accepts=NUMBERS,
                       params=("threshold", "value")),
    "gelu": unary(y="x * normal_cdf(x)", slope=f"normal_cdf(x) + x * exp(-0.5 * x * x) * {INV_SQRT_2PI}",
                  accepts=FLOATS),
    "gelu_tanh": unary(y=f"0.5 * x * (1 + {GELU_TANH})", accepts=FLOATS, slope=(
        f"t = {GELU_TANH}; 0.5 * (1 + t) + x * (1 - t * t) * (1 + 0.134145 * x * x) * {INV_SQRT_2PI}")),
    "prelu": prelu_like(z="where(x > 0, x, w * x)", dx="where(x > 0, dz, w * dz)", dw="where(x > 0, 0, x * dz)",
                        accepts=FLOATS),
    # rounding
    "floor": unary(y="floor(x)", dx=ZERO, accepts=NUMBERS),
    "ceil": unary(y="ceil(x)", dx=ZERO, accepts=NUMBERS),
    "round": unary(y="round(x)", dx=ZERO, accepts=NUMBERS),
    "trunc": unary(y="trunc(x)", dx=ZERO, accepts=NUMBERS),
    "frac": unary(y="x - trunc(x)", dx="dy", accepts=FLOATS),
    # choice
    "where": where_like(z="where(c, x, y)", dx="where(c, dz, 0)", dy="where(c, 0, dz)"),
    "clamp_min": _operation(("x", "lo"), "z")(z="maximum(x, lo)", dx="where(x >= lo, dz, 0)",
                                              dlo="where(x < lo, dz, 0)", accepts=NUMBERS),
    "clamp_max": _operation(("x", "hi"), "z")(z="minimum(x, hi)", dx="where(x <= hi, dz, 0)",
                                              dhi="where(x > hi, dz, 0)", accepts=NUMBERS),
    "clamp": clamp_like(z="minimum(maximum(x, lo), hi)", dx="where((x >= lo) & (x <= hi), dz, 0)",
                        dlo="where((x < lo) & (lo < hi), dz, 0)", dhi="where((x > hi) | (lo > hi), dz, 0)",
                        accepts=NUMBERS),
    # questions
    "eq": binary(z="x == y", result=BOOL), "ne": binary(z="x != y", result=BOOL),
    "lt": binary(z="x < y", result=BOOL), "le": binary(z="x <= y", result=BOOL),
    "gt": binary(z="x > y", result=BOOL), "ge": binary(z="x >= y", result=BOOL),
    "isnan": unary(y="x != x", result=BOOL),
    "isinf": unary(y="isinf(x)", result=BOOL),
    "isfinite": unary(y="isfinite(x)", result=BOOL),
    "logical_not": unary(y="~x", result=LOGICAL), "logical_and": binary(z="x & y", result=LOGICAL),
    "logical_or": binary(z="x | y", result=LOGICAL), "logical_xor": binary(z="x ^ y", result=LOGICAL),
    # bits
    "bitwise_not": unary(y="~x", accepts=INTEGERS), "bitwise_and": binary(z="x & y", accepts=INTEGERS),
    "bitwise_or": binary(z="x | y", accepts=INTEGERS), "bitwise_xor": binary(z="x ^ y", accepts=INTEGERS),
    "gcd": binary(z="gcd(x, y)", accepts="i"),
    "shift_left": binary(z="shift_left(x, y)", accepts="i"), "shift_right": binary(z="shift_right(x, y)", accepts="i"),
    "copy": unary(y="x", dx="dy"),
}
for _name, _definition in OPERATIONS.items():
    _definition.name = _name
