"""Numbers at equal distances, and powers of them."""

from __future__ import annotations

import math

import numpy as np

from tritonnet import dtypes as dt
from tritonnet.kernels import dtypes
from tritonnet.tensor.core import Tensor
from tritonnet.tensor.creation import _default, _finish

__all__ = ["arange", "linspace", "logspace"]


def arange(*args, start=None, end=None, step=None, dtype=None, device=None, requires_grad=False):
    """Numbers from start (0) up to, not including, end, by step (1); integers give int64."""
    given = dict(zip(("end",) if len(args) == 1 and end is None else ("start", "end", "step"), args))
    start = given.get("start", 0 if start is None else start)
    end = given.get("end", end)
    step = given.get("step", 1 if step is None else step)
    if end is None or len(args) > 3:
        raise TypeError("arange() takes (end), (start, end) or (start, end, step)")
    start, end, step = (v.item() if isinstance(v, Tensor) else v for v in (start, end, step))
    if step == 0:
        raise RuntimeError("step must be nonzero")
    if (end - start) * step < 0:
        raise RuntimeError("upper bound and lower bound inconsistent with step sign")
    if dtype is None:
        dtype = int if all(isinstance(v, (int, np.integer)) for v in (start, end, step)) else dtypes.default_float
    wanted = dt.numpy_dtype(dtype)
    if wanted == dtypes.int64:  # as in PyTorch: cut to whole numbers first
        start, end, step = int(start), int(end), int(step)
    if not math.isfinite(end - start):
        raise RuntimeError(f"unsupported range: {start} -> {end}")
    n = max(math.ceil((end - start) / step), 0)
    wide = np.float64 if dtypes.is_float(wanted) else np.int64
    return _finish((wide(start) + np.arange(n, dtype=wide) * wide(step)).astype(wanted), device, requires_grad)


def linspace(start, end, steps, *, dtype=None, device=None, requires_grad=False):
    """`steps` numbers from start to end, both included."""
    start, end = _ends("linspace", start, end, steps)
    wanted = dt.numpy_dtype(_default(dtype))
    if not dtypes.is_float(wanted):  # as in PyTorch: from both ends towards the middle, of ends that are cut first
        start, end, at = int(start), int(end), np.arange(steps, dtype=np.float32)
        step = np.float32(end - start) / np.float32(max(steps - 1, 1))
        numbers = np.where(at < max(steps // 2, steps == 1), start + step * at, end - step * (steps - at - 1))
        return _finish(numbers.astype(wanted), device, requires_grad)
    return _finish(np.linspace(start, end, int(steps)).astype(wanted), device, requires_grad)


def _ends(name, start, end, steps):
    """Start and end as numbers."""
    if isinstance(steps, float):
        raise TypeError(f"{name}(): argument 'steps' must be int, not float")
    if steps < 0:
        raise RuntimeError("number of steps must be non-negative")
    dims = [v.ndim if isinstance(v, Tensor) else 0 for v in (start, end)]
    if any(dims):
        raise RuntimeError(f"{name} only supports 0-dimensional start and end tensors, but got start with {dims[0]} "
                           f"dimension(s) and end with {dims[1]} dimension(s).")
    return float(start), float(end)


def logspace(start, end, steps, base=10.0, *, dtype=None, device=None, requires_grad=False):
    """`steps` powers of base, exponents from start to end."""
    start, end = _ends("logspace", start, end, steps)
    wanted = dt.numpy_dtype(_default(dtype))
    return _finish(np.logspace(start, end, int(steps), base=base).astype(wanted), device, requires_grad)
