"""NumPy stand-ins for triton.language.extra.libdevice, used by the interpreter.

Outside compilation the module's functions are empty stubs (they return None), so an interpreted kernel would go
wrong silently. Kernels may import the module, its CUDA variant or single functions: all three are replaced.
"""

import math
import statistics

import numpy as np
import triton.language as tl
from triton.runtime.interpreter import TensorHandle


def _erfinv(y):
    """The x with erf x = y, of one number: a quantile of the normal distribution."""
    if not abs(y) < 1:
        return math.copysign(math.inf, y) if abs(y) == 1 else math.nan
    near = statistics.NormalDist().inv_cdf((y + 1) / 2) / math.sqrt(2)
    return near - (math.erf(near) - y) * math.sqrt(math.pi) / 2 * math.exp(near * near)


def _lgamma(x):
    """log |gamma x| of one number."""
    return math.inf if x <= 0 and not x % 1 or math.isinf(x) else math.lgamma(x)


_vector = {name: np.vectorize(getattr(math, name), otypes=[np.float64]) for name in ("erf", "erfc", "gamma")}
_vector |= {"erfinv": np.vectorize(_erfinv, otypes=[np.float64]), "lgamma": np.vectorize(_lgamma, otypes=[np.float64])}
_same_name = ("sin", "cos", "tan", "sinh", "cosh", "tanh", "exp", "exp2", "expm1", "log", "log2", "log10", "log1p",
              "sqrt", "cbrt", "floor", "ceil", "trunc", "rint", "hypot", "copysign", "nextafter", "ldexp", "fmod",
              "fmax", "fmin", "isnan", "isinf", "signbit")
_fast = {"sinf": "sin", "cosf": "cos", "tanf": "tan", "expf": "exp", "exp10f": "exp10", "logf": "log", "log2f": "log2",
         "log10f": "log10", "powf": "pow", "dividef": "div_rn", "tanhf": "tanh"}

FUNCTIONS = {name: getattr(np, name) for name in _same_name} | {
    "asin": np.arcsin, "acos": np.arccos, "atan": np.arctan, "atan2": np.arctan2, "asinh": np.arcsinh,
    "acosh": np.arccosh, "atanh": np.arctanh, "pow": np.power, "abs": np.abs,
    "round": lambda x: np.trunc(x + np.copysign(0.5, x)),
    "nearbyint": np.rint, "llrint": np.rint, "exp10": lambda x: np.power(10.0, x),
    "sinpi": lambda x: np.sin(np.pi * (x - 2 * np.rint(x / 2))),
    "rsqrt": lambda x: 1 / np.sqrt(x),
    "fma": lambda x, y, z: x * y + z, "erf": _vector["erf"], "erfc": _vector["erfc"], "lgamma": _vector["lgamma"],
    "erfinv": _vector["erfinv"],
    "tgamma": _vector["gamma"], "normcdf": lambda x: 0.5 * _vector["erfc"](-x / math.sqrt(2)),
    "div_rn": np.divide, "mul_rn": np.multiply, "add_rn": np.add, "sub_rn": np.subtract, "rcp_rn": np.reciprocal,
    "sqrt_rn": np.sqrt, "rsqrt_rn": lambda x: 1 / np.sqrt(x), "saturatef": lambda x: np.clip(np.nan_to_num(x), 0, 1),
    "finitef": np.isfinite, "isfinited": np.isfinite,
}
FUNCTIONS |= {f"fast_{name}": FUNCTIONS[same] for name, same in _fast.items()}


class Libdevice:
    """Looks like the libdevice module; computes in float64 and rounds once to the type of the operands."""

    def __init__(self, semantic):
        self.semantic, self.functions = semantic, {}

    def __getattr__(self, name):
        if name not in FUNCTIONS:
            raise NotImplementedError(f"libdevice.{name} has no NumPy counterpart here; add it to "
                                      f"kernels/runtime/interpret/libdevice.py")
        if name not in self.functions:
            self.functions[name] = self._function(FUNCTIONS[name])
        return self.functions[name]

    def _function(self, compute):
        """One function, as kernels call it."""
        def call(*args, _semantic=None):
            args = [self.semantic.to_tensor(a) for a in args]
            for i in range(1, len(args)):
                args[0], args[i] = self.semantic.broadcast_impl_value(args[0], args[i])
            ty = args[0].dtype
            data = compute(*(a.handle.data.astype(np.float64) for a in args))
            ty = tl.int1 if data.dtype == bool else ty
            data = data.astype(bool if ty == tl.int1 else args[0].handle.data.dtype)
            shaped = tl.block_type(ty, list(data.shape)) if args[0].type.is_block() else ty
            return tl.tensor(TensorHandle(data, ty), shaped)

        return call

    def replacing(self, value):
        """This object for a libdevice module, one of its functions for a libdevice function, anything else as is."""
        if getattr(value, "__name__", "").split(".")[-1] == "libdevice" and hasattr(value, "__file__"):
            return self
        if str(getattr(value, "__module__", "")).split(".")[-1] == "libdevice" and callable(value):
            return getattr(self, value.__name__)
        return value
