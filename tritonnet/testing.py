"""`torch.testing`: comparisons of tensors that say where they differ."""

from __future__ import annotations

import numbers
from collections.abc import Mapping, Sequence

import numpy as np

import tritonnet
from tritonnet.kernels.arrays import to_host

__all__ = ["assert_close", "make_tensor"]

TOLERANCES = {"float16": (1e-3, 1e-5), "bfloat16": (1.6e-2, 1e-5), "float32": (1.3e-6, 1e-5), "float64": (1e-7, 1e-7)}


def assert_close(actual, expected, *, allow_subclasses=True, rtol=None, atol=None, equal_nan=False, check_device=True,
                 check_dtype=True, check_layout=True, check_stride=False, msg=None):
    """Raise AssertionError, saying where and how much, unless |actual - expected| <= atol + rtol |expected|.

    actual, expected: tensors, arrays, numbers, None, or sequences and mappings of them. rtol and atol: both or none; by
    default those of the element type, the larger of two: float32 1.3e-6 and 1e-5, float64 1e-7, float16 1e-3 and 1e-5,
    bfloat16 1.6e-2 and 1e-5, 0 for others. msg: another message, or a function of the usual one.
    """
    if (rtol is None) != (atol is None):
        given, missing = ("atol", "rtol") if rtol is None else ("rtol", "atol")
        raise ValueError(f"{given} is given, but {missing} is not: give both or none")
    how = {"rtol": rtol, "atol": atol, "equal_nan": equal_nan, "check_device": check_device,
           "check_dtype": check_dtype, "check_stride": check_stride}
    fault = _fault(actual, expected, "", how)
    if fault:
        raise AssertionError(msg(fault) if callable(msg) else fault if msg is None else msg)


def _fault(actual, expected, at, how):
    """What is wrong, or None."""
    where = f"\n\nThe failure occurred for item {at}" if at else ""
    if isinstance(expected, (str, bytes)) or actual is None or expected is None:
        return None if actual is expected or type(actual) is type(expected) and actual == expected else (
            f"{actual!r} is not {expected!r}{where}")
    if isinstance(actual, Mapping) and isinstance(expected, Mapping):
        if set(actual) != set(expected):
            return f"The keys of the mappings do not match: {sorted(set(actual) ^ set(expected), key=str)}{where}"
        return next(filter(None, (_fault(actual[k], expected[k], f"{at}[{k!r}]", how) for k in expected)), None)
    if isinstance(actual, Sequence) and isinstance(expected, Sequence):
        if len(actual) != len(expected):
            return f"The length of the sequences mismatch: {len(actual)} != {len(expected)}{where}"
        return next(filter(None, (_fault(a, e, f"{at}[{i}]", how)
                                  for i, (a, e) in enumerate(zip(actual, expected)))), None)
    if isinstance(actual, numbers.Number) and isinstance(expected, numbers.Number):
        kinds = [np.asarray(v).dtype.kind for v in (actual, expected)]
        if how["check_dtype"] and kinds[0] != kinds[1]:
            return f"The (d)types do not match: {type(actual)} != {type(expected)}.{where}"
        found = _unlike(np.asarray(actual, np.float64), np.asarray(expected, np.float64), "float64"
                        if "f" in kinds else "int64", how)
        return found and found + where
    if type(actual) is not type(expected) and not (
            isinstance(actual, tritonnet.Tensor) and isinstance(expected, tritonnet.Tensor)):
        raise TypeError("No comparison pair was able to handle inputs of type "
                        f"{type(actual)} and {type(expected)}.")
    actual, expected = tritonnet.as_tensor(actual), tritonnet.as_tensor(expected)
    if actual.shape != expected.shape:
        return f"The values for attribute 'shape' do not match: {actual.shape} != {expected.shape}.{where}"
    for name in ("device", "dtype"):
        if how[f"check_{name}"] and getattr(actual, name) != getattr(expected, name):
            return (f"The values for attribute '{name}' do not match: {getattr(actual, name)} != "
                    f"{getattr(expected, name)}.{where}")
    if how["check_stride"] and actual.stride() != expected.stride():
        return f"The values for attribute 'stride()' do not match: {actual.stride()} != {expected.stride()}.{where}"
    loosest = max((t.dtype.name for t in (actual, expected)), key=lambda n: TOLERANCES.get(n, (0, 0)))
    found = _unlike(to_host(actual.array), to_host(expected.array), loosest, how)
    return found and found + where


def _unlike(a, e, dtype, how):
    """How two arrays of one shape differ, or None."""
    rtol, atol = TOLERANCES.get(dtype, (0.0, 0.0)) if how["rtol"] is None else (how["rtol"], how["atol"])
    if a.dtype.kind in "biu" and e.dtype.kind in "biu" and not rtol and not atol:
        different = a != e
    else:
        wide_a, wide_e = a.astype(np.float64), e.astype(np.float64)
        different = ~np.isclose(wide_a, wide_e, rtol=rtol, atol=atol, equal_nan=how["equal_nan"])
    count = int(different.sum())
    if not count:
        return None
    kind = "close" if rtol or atol else "equal"
    with np.errstate(all="ignore"):
        apart = np.where(different, np.abs(a.astype(np.float64) - e.astype(np.float64)), 0)
        share = np.where(different, apart / np.abs(e.astype(np.float64)), 0)
    if not a.ndim:
        return (f"Scalars are not {kind}!\n\nExpected {e.item()} but got {a.item()}.\n"
                f"Absolute difference: {float(apart)}\nRelative difference: {float(share)}")
    lines = [f"Tensor-likes are not {kind}!", "",
             f"Mismatched elements: {count} / {a.size} ({100 * count / a.size:.1f}%)"]
    for name, size, allowed in (("absolute", apart, atol), ("relative", share, rtol)):
        size = np.where(np.isnan(size), np.inf, size)
        place = np.unravel_index(int(size.argmax()), size.shape)
        at = f" at index {tuple(map(int, place))}"
        limit = f" (up to {allowed} allowed)" if kind == "close" else ""
        lines.append(f"Greatest {name} difference: {size[place]}{at}{limit}")
    return "\n".join(lines)


def make_tensor(*shape, dtype, device="cpu", low=None, high=None, requires_grad=False, noncontiguous=False,
                exclude_zero=False, memory_format=None):
    """A tensor of random numbers from [low, high), [-9, 9) by default, [0, 2) of bools.

    noncontiguous: every other element of one twice as long. exclude_zero: zeros become the smallest positive number.
    """
    shape = tuple(shape[0]) if len(shape) == 1 and not isinstance(shape[0], int) else shape
    low, high = (-9 if low is None else low), (9 if high is None else high)
    drawn = (*shape[:-1], 2 * shape[-1]) if noncontiguous and shape else shape
    if dtype is tritonnet.bool:
        made = tritonnet.randint(0, 2, drawn, device=device).bool()
    elif dtype.is_floating_point:
        made = (tritonnet.rand(drawn, device=device) * (high - low) + low).to(dtype)
    else:
        info = tritonnet.iinfo(dtype)
        made = tritonnet.randint(int(max(low, info.min)), int(min(high, info.max)), drawn, device=device).to(dtype)
    if exclude_zero:
        least = tritonnet.finfo(dtype).tiny if dtype.is_floating_point else 1
        made = made.masked_fill(made == 0, least)
    made = made[..., ::2] if drawn != shape else made
    return made.requires_grad_() if requires_grad else made
