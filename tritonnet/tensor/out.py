"""out=: functions of tritonnet that write into a tensor they are given.

The result is computed, and copied into the memory of `out`: its shape is changed where it differs (with a warning,
unless it was empty), its element type never. Nothing of it is recorded.
"""

from __future__ import annotations

import functools
import inspect
import warnings

from tritonnet.autograd import function
from tritonnet.autograd.mode import state
from tritonnet.autograd.ops.matmul import NAMES as C_NAMES
from tritonnet.kernels import arrays
from tritonnet.kernels.dtypes import category
from tritonnet.tensor.convert import LEGACY
from tritonnet.tensor.memory import write


def _names(text):
    return tuple(text.split())


# These results are cast to the type of `out` where no kind of number is lost (integers become floats, never back);
MAY_CAST = _names("""
    abs absolute neg negative sign sgn square reciprocal sqrt rsqrt exp exp2 expm1 log log2 log10 log1p sin cos tan asin
    arcsin acos arccos atan arctan sinh cosh tanh asinh arcsinh acosh arccosh atanh arctanh erf erfc sigmoid floor ceil
    round trunc fix frac logical_not bitwise_not mul multiply remainder fmod maximum minimum atan2 arctan2 eq ne
    not_equal lt less le less_equal gt greater ge greater_equal logical_and logical_or logical_xor bitwise_and
    bitwise_or bitwise_xor bitwise_left_shift bitwise_right_shift floor_divide true_divide copysign add sub subtract div
    divide pow lerp addcmul addcdiv logaddexp hypot xlogy logit nan_to_num
    isposinf isneginf deg2rad rad2deg float_power lgamma digamma erfinv polygamma gcd lcm ldexp logaddexp2
    nextafter cat concat concatenate stack hstack vstack dstack row_stack
    column_stack var std sum mean prod cumsum nansum norm logsumexp softmax log_softmax
""")
# these must have the type of `out`;
EXACT = _names("""
    matmul mm bmm mv dot vdot inner outer ger addmm addmv baddbmm amax amin argmax argmin max min median gather
    index_select masked_select take take_along_dim scatter scatter_add scatter_reduce index_add index_copy nonzero sort
    argsort topk kthvalue msort tril triu where clamp clip clamp_min clamp_max any all
""")
# and these make a tensor of it.
CREATION = _names("zeros ones full empty arange linspace logspace eye rand randn randint randperm")


def resize_(self, *sizes):
    """Another shape, in place; the first elements stay as far as there are some, further ones are not set.

    Other tensors on the same memory keep it.
    """
    shape = tuple(sizes[0]) if len(sizes) == 1 and not isinstance(sizes[0], int) else sizes
    if self.requires_grad:
        raise RuntimeError("cannot resize variables that require grad")
    if shape != self.array.shape:
        made = arrays.empty(shape, self.array.dtype, self.array)
        kept = min(made.size, self.array.size)
        if kept:
            write(made.reshape(-1)[:kept], self.array.reshape(-1)[:kept])
        self.array, self.base = made, None
    return self


def _legacy(dtype):
    """PyTorch's name of a type in messages: Float, Long."""
    return next((name for name, known in LEGACY.items() if known.numpy == dtype), dtype.name)


def _tensors(values):
    for v in values:
        if isinstance(v, function.Tensor):
            yield v
        elif isinstance(v, (list, tuple)):
            yield from _tensors(v)


def _check(name, out, result):
    """Raise unless `result` may be written into `out`."""
    mine, given = out.array, result.array
    if out.device != result.device:
        raise RuntimeError(f"{name}(): Expected all tensors to be on the same device, but found at least two devices, "
                           f"{result.device} and {out.device}!")
    if given.dtype == mine.dtype:
        return
    if name in EXACT:
        raise RuntimeError(f"Expected out tensor to have dtype {C_NAMES.get(given.dtype.name, given.dtype.name)}, but "
                           f"got {C_NAMES.get(mine.dtype.name, mine.dtype.name)} instead")
    if category(given.dtype) > category(mine.dtype):
        if name in ("cat", "stack"):
            raise TypeError(f"{name}(): input types can't be cast to the desired output type {_legacy(mine.dtype)}")
        raise RuntimeError(f"result type {_legacy(given.dtype)} can't be cast to the desired output type "
                           f"{_legacy(mine.dtype)}")


def _fill(name, out, result):
    """`out`, which has become `result`."""
    _check(name, out, result)
    if out.array.shape != result.array.shape:
        if out.array.size:
            warnings.warn(
                f"An output with one or more elements was resized since it had shape {list(out.shape)}, which does not "
                f"match the required output shape {list(result.shape)}. This behavior is deprecated, and in a future "
                "PyTorch release outputs will not be resized unless they have zero elements. You can explicitly reuse "
                "an out tensor t by resizing it, inplace, to zero elements with t.resize_(0).", stacklevel=4)
        out.array, out.base = arrays.empty(result.array.shape, out.array.dtype, out.array), None
    if name != "empty":
        write(out.array, result.array if result.array.dtype == out.array.dtype else result.array.astype(
            out.array.dtype))
    return out


def _into(out, function_, typed, args, kwargs):
    """function_(*args, **kwargs), written into `out`, a tensor or several."""
    name, outs = function_.__name__, out if isinstance(out, (tuple, list)) else (out,)
    for o in outs:
        if not isinstance(o, function.Tensor):
            raise TypeError(f"{name}(): argument 'out' must be Tensor, not {type(o).__name__}")
    if state.grad and any(t.requires_grad for t in _tensors([*outs, *args, *kwargs.values()])):
        raise RuntimeError(f"{name}(): functions with out=... arguments don't support automatic differentiation, but "
                           "one of the arguments requires grad.")
    if name in CREATION:
        if kwargs.get("dtype") not in (None, out.dtype):
            raise RuntimeError(f"dtype {_legacy(kwargs['dtype'].numpy)} does not match dtype of out parameter "
                               f"({_legacy(out.array.dtype)})")
        kwargs = {**kwargs, "dtype": out.dtype, "device": out.device}
    elif typed:
        if kwargs.get("dtype") not in (None, out.dtype):
            raise RuntimeError(f"Expected out tensor to have dtype {_legacy(kwargs['dtype'].numpy).lower()}, but got "
                               f"{_legacy(out.array.dtype).lower()} instead")
        kwargs = {**kwargs, "dtype": out.dtype}
    found = function_(*args, **kwargs)
    if not isinstance(found, tuple):
        return _fill(name, out, found)
    if len(outs) != len(found):
        raise TypeError(f"{name}(): argument 'out' must be a tuple of {len(found)} tensors")
    written = [_fill(name, o, f) for o, f in zip(outs, found)]
    return type(found)(*written) if hasattr(found, "_fields") else tuple(written)


def with_out(function_):
    """The function, with the argument out=."""
    typed = function_.__name__ not in CREATION and "dtype" in inspect.signature(function_).parameters

    @functools.wraps(function_)
    def call(*args, **kwargs):
        if "out" not in kwargs:
            return function_(*args, **kwargs)
        out = kwargs.pop("out")
        return function_(*args, **kwargs) if out is None else _into(out, function_, typed, args, kwargs)

    return call


def offer(namespace):
    """Give the functions named above, in this namespace, the argument out=."""
    for name in (*MAY_CAST, *EXACT, *CREATION):
        namespace[name] = with_out(namespace[name])
