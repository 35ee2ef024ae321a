"""Element types as PyTorch names them: `tritonnet.float32`, `tritonnet.long`, …; each wraps a NumPy dtype."""

from __future__ import annotations

import numpy as np

from tritonnet.kernels import dtypes


class dtype:
    """One element type. `numpy` is the NumPy dtype below; two are equal only if they are the same object."""

    def __init__(self, name: str, numpy: np.dtype):
        self.name, self.numpy = name, numpy
        self.itemsize = numpy.itemsize
        self.is_floating_point = dtypes.is_float(numpy)
        self.is_complex = False
        self.is_signed = self.is_floating_point or numpy.kind == "i"

    def __repr__(self):
        return f"tritonnet.{self.name}"

    def __reduce__(self):
        return _by_name, (self.name,)

    def to_complex(self):
        """Complex numbers are not offered."""
        raise NotImplementedError("tritonnet has no complex element types")


float16 = half = dtype("float16", dtypes.float16)
bfloat16 = dtype("bfloat16", dtypes.bfloat16)
float32 = float = dtype("float32", dtypes.float32)
float64 = double = dtype("float64", dtypes.float64)
float8_e4m3fn = dtype("float8_e4m3fn", dtypes.float8_e4m3fn)
float8_e5m2 = dtype("float8_e5m2", dtypes.float8_e5m2)
int8 = dtype("int8", dtypes.int8)
int16 = short = dtype("int16", dtypes.int16)
int32 = int = dtype("int32", dtypes.int32)
int64 = long = dtype("int64", dtypes.int64)
uint8 = dtype("uint8", dtypes.uint8)
uint16 = dtype("uint16", np.dtype("u2"))
uint32 = dtype("uint32", np.dtype("u4"))
uint64 = dtype("uint64", np.dtype("u8"))
bool = dtype("bool", dtypes.bool_)

DTYPES = {d.numpy: d for d in list(globals().values()) if isinstance(d, dtype)}
__all__ = [name for name, d in globals().items() if isinstance(d, dtype)]


def _by_name(name):
    return globals()[name]


def numpy_dtype(given) -> np.dtype:
    """The NumPy dtype of a tritonnet dtype, a NumPy dtype or Python's bool, int, float; TypeError for anything else."""
    if isinstance(given, dtype):
        return given.numpy
    plain = {"float": dtypes.float64, "int": dtypes.int64, "bool": dtypes.bool_}
    if isinstance(given, type) and given.__module__ == "builtins" and given.__name__ in plain:
        return plain[given.__name__]
    try:
        found = np.dtype(given)
    except TypeError:
        found = None
    if given is None or isinstance(given, str) or found not in DTYPES:
        raise TypeError(f"expected a dtype such as tritonnet.float32, got {given!r}")
    return found


def from_numpy_dtype(given: np.dtype) -> dtype:
    """The tritonnet dtype of a NumPy dtype; TypeError where there is none (complex, str, object)."""
    try:
        return DTYPES[given]
    except KeyError:
        raise TypeError(
            f"can't convert np.ndarray of type {given}. The only supported types are: "
            + ", ".join(d.name for d in DTYPES.values())
        ) from None


class finfo:
    """Limits of a floating-point type: bits, eps, max, min, tiny, smallest_normal, resolution, dtype."""

    def __init__(self, type=None):
        import ml_dtypes

        wrapped = numpy_dtype(type or dtypes.default_float)
        if not dtypes.is_float(wrapped):
            raise TypeError(f"finfo() requires a floating point input type, got {type!r}: use iinfo")
        info = ml_dtypes.finfo(wrapped)
        self.dtype, self.bits = from_numpy_dtype(wrapped).name, info.bits
        number = type_float
        self.eps, self.max, self.min = number(info.eps), number(info.max), number(info.min)
        self.tiny = self.smallest_normal = number(info.smallest_normal)
        self.resolution = number(info.resolution)

    def __repr__(self):
        return (f"finfo(resolution={self.resolution:g}, min={self.min:g}, max={self.max:g}, eps={self.eps:g}, "
                f"smallest_normal={self.smallest_normal:g}, tiny={self.tiny:g}, dtype={self.dtype})")


class iinfo:
    """Limits of an integer type: bits, max, min, dtype."""

    def __init__(self, type):
        wrapped = numpy_dtype(type)
        if wrapped.kind not in "iu":
            raise TypeError(f"iinfo() requires an integer input type, got {type!r}: use finfo")
        info = np.iinfo(wrapped)
        self.dtype, self.bits, self.max, self.min = from_numpy_dtype(wrapped).name, info.bits, info.max, info.min

    def __repr__(self):
        return f"iinfo(min={self.min}, max={self.max}, dtype={self.dtype})"


type_float = type(0.0)  # noqa: UP003  (`float` is an element type here)
