"""Element types and PyTorch's promotion rules, over NumPy dtypes.

Promotion: within a category (bool < integer < floating point) the larger type wins; arrays with dimensions count
before arrays without, those before Python numbers: a lower rank changes the type only when its category is higher.
Source: https://docs.pytorch.org/docs/stable/tensor_attributes.html#type-promotion-doc
"""

import functools

import ml_dtypes
import numpy as np

bool_, uint8, int8, int16, int32, int64 = map(np.dtype, ("?", "u1", "i1", "i2", "i4", "i8"))
float16, float32, float64 = map(np.dtype, ("f2", "f4", "f8"))
bfloat16 = np.dtype(ml_dtypes.bfloat16)
float8_e4m3fn, float8_e5m2 = np.dtype(ml_dtypes.float8_e4m3fn), np.dtype(ml_dtypes.float8_e5m2)

FLOATS = frozenset({float16, bfloat16, float32, float64, float8_e4m3fn, float8_e5m2})
HALVES = frozenset({float16, bfloat16})

TRITON_NAMES = {  # as Triton writes them in signatures
    bool_: "i1", int8: "i8", int16: "i16", int32: "i32", int64: "i64", uint8: "u8", np.dtype("u2"): "u16",
    np.dtype("u4"): "u32", np.dtype("u8"): "u64", float16: "fp16", bfloat16: "bf16", float32: "fp32", float64: "fp64",
    float8_e4m3fn: "fp8e4nv", float8_e5m2: "fp8e5",
}

default_float = float32  # what Python floats and true division of integers become; see set_default_float


def set_default_float(dtype: np.dtype) -> None:
    """Choose the type that Python floats become: one of the floating-point types."""
    global default_float
    if np.dtype(dtype) not in FLOATS:
        raise TypeError(f"only floating-point types are supported as the default type, got {np.dtype(dtype)}")
    default_float = np.dtype(dtype)
    result_of.cache_clear()


def is_float(dtype: np.dtype) -> bool:
    """Whether a gradient can flow through arrays of this type."""
    return dtype in FLOATS


def accumulator(dtype: np.dtype) -> np.dtype:
    """What sums are kept in: float64 for itself, float32 for narrower floats, int64 for bool and integers."""
    if dtype in FLOATS:
        return float64 if dtype is float64 or dtype == float64 else float32
    return int64


def category(dtype: np.dtype) -> int:
    """0 bool, 1 integer, 2 floating point."""
    return 2 if dtype in FLOATS else 0 if dtype == bool_ else 1


@functools.cache
def promote(a: np.dtype, b: np.dtype) -> np.dtype:
    """The type that holds both, PyTorch's way: int64 with float16 is float16, float16 with bfloat16 is float32."""
    if a == b:
        return a
    if category(a) != category(b):
        return a if category(a) > category(b) else b
    if a in FLOATS:
        if a.itemsize != b.itemsize:
            return a if a.itemsize > b.itemsize else b
        return float32
    return np.promote_types(a, b)  # uint8 with int8 is int16, in NumPy and in PyTorch


@functools.cache
def result_of(arrays: tuple, zero_dim: tuple, scalars: tuple) -> np.dtype:
    """Promotion over dtypes of arrays with dimensions, of arrays without, and of Python numbers (by category)."""
    best = None
    for rank in (arrays, zero_dim, tuple({0: bool_, 1: int64, 2: default_float}[c] for c in scalars)):
        if rank:
            here = functools.reduce(promote, rank)
            best = here if best is None or category(here) > category(best) else best
    return best


def result_type(*operands) -> np.dtype:
    """PyTorch's result type of arrays (host or device), dtypes and Python numbers."""
    arrays, zero_dim, scalars = [], [], []
    for x in operands:
        if isinstance(x, (bool, np.bool_)):
            scalars.append(0)
        elif isinstance(x, (int, np.integer)):
            scalars.append(1)
        elif isinstance(x, (float, np.floating)):
            scalars.append(2)
        elif isinstance(x, np.dtype):
            arrays.append(x)
        elif hasattr(x, "shape"):
            (arrays if x.shape else zero_dim).append(x.dtype)
        else:
            raise TypeError(f"result_type: expected an array, a dtype or a number, got {type(x).__name__}")
    return result_of(tuple(arrays), tuple(zero_dim), tuple(scalars))
