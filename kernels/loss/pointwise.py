"""Losses of pairs of numbers: mse, l1, smooth l1, huber, binary cross-entropy (also of logits), Kullback-Leibler.

    d = x - t       L                                                  dL/dx
    mse             d^2                                                2 d
    l1              |d|                                                sign d
    smooth_l1       d^2 / (2 b) if |d| < b, else |d| - b / 2           d / b,  sign d
    huber           d^2 / 2 if |d| <= b, else b (|d| - b / 2)          d,  b sign d
    bce             -t log x - (1 - t) log(1 - x), logs >= -100        (x - t) / max(x (1 - x), 1e-12)
    bce_logits      (1 - t) x + k log(1 + exp(-x)),  k = 1 + (c - 1) t     (1 - t) - k / (1 + exp(x));   c: pos_weight
    kl_div          t (log t - x),  0 where t = 0                      -t
    kl_div_log      exp(t) (t - x)                                     -exp(t)

Each is weighted by w, summed, and for "mean" divided by the number of elements ("batchmean": of rows). The gradient for
a gradient of 1 comes out of the same read as the loss, as in `loss.classes`. Each loss has its mirror here and its
functions for kernels in `loss.pairs`, under the same names.
"""

from __future__ import annotations

import math
import typing

import numpy as np

from tritonnet.kernels import tuning
from tritonnet.kernels.arrays import contiguous, empty, full, is_host
from tritonnet.kernels.dtypes import accumulator, float16, float32, result_type
from tritonnet.kernels.elementwise.layout import broadcast
from tritonnet.kernels.loss import pairs
from tritonnet.kernels.loss.class_kernels import total_loss_kernel
from tritonnet.kernels.quiet import number, quietly
from tritonnet.kernels.rows import next_power_of_2

SMALL = 1 << 14  # elements of results that NumPy may allocate itself

# --- mirrors: x, t, b (a number) and c (an array) to (L, dL/dx) ---

def _mse(x, t, b, c):
    d = x - t
    return d * d, 2 * d


def _l1(x, t, b, c):
    d = x - t
    return np.abs(d), np.sign(d)


def _smooth_l1(x, t, b, c):
    if b == 0:
        return _l1(x, t, b, c)
    d = x - t
    a = np.abs(d)
    return np.where(a < b, d * d * (0.5 / b), a - 0.5 * b), np.where(a < b, d / b, np.sign(d))


def _huber(x, t, b, c):
    d = x - t
    a = np.abs(d)
    return np.where(a <= b, 0.5 * d * d, b * (a - 0.5 * b)), np.where(a <= b, d, b * np.sign(d))


def _logs(x):
    """log x and log(1 - x), at least -100."""
    least = number(-100, x.dtype)
    return np.maximum(np.log(x), least), np.maximum(np.log1p(-x), least)


def _bce(x, t, b, c):
    one = number(1, x.dtype)
    log, log_rest = _logs(x)
    value = (t - one) * log_rest - t * log
    return value, (x - t) / np.maximum(x * (one - x), number(1e-12, x.dtype))


def _check_probabilities(x, what):
    """Raise unless all of x lies in [0, 1]."""
    low, high = np.minimum.reduce(x, None, initial=0), np.maximum.reduce(x, None, initial=1)
    if not (low >= 0 and high <= 1):  # so NaN, too
        raise RuntimeError(f"binary_cross_entropy: all elements of {what} should be between 0 and 1, got {x.min()} to "
                           f"{x.max()}")


def _bce_logits(x, t, b, c):
    k = 1 if c is None else 1 + (c - 1) * t
    e = np.exp(-np.abs(x))
    rest = np.where(x >= 0, e, 1) / (1 + e)  # 1 - sigmoid
    return (1 - t) * x + k * (np.log1p(e) + np.maximum(-x, 0)), 1 - t - k * rest


def _kl_div(x, t, b, c):
    return np.where(t == 0, 0, t * np.log(t)) - t * x, -t


def _kl_div_log(x, t, b, c):
    p = np.exp(t)
    return p * (t - x), -p


# --- mirrors of dL/dt, where it is not -dL/dx ---

def _bce_target(x, t, b, c):
    log, log_rest = _logs(x)
    return log_rest - log


def _bce_logits_target(x, t, b, c):
    return -x if c is None else (c - 1) * (np.log1p(np.exp(-np.abs(x))) + np.maximum(-x, 0)) - x


def _kl_div_target(x, t, b, c):
    return np.log(t) + 1 - x


def _kl_div_log_target(x, t, b, c):
    return np.exp(t) * (t - x + 1)


class Pair(typing.NamedTuple):
    """One loss: its mirror, its functions for kernels, and dL/dt where it is not -dL/dx."""

    mirror: typing.Callable
    value: object
    slope: object
    target_mirror: typing.Callable | None = None
    target_slope: object = None
    check: typing.Callable | None = None  # of x, where the mirror's loss is NaN


PAIRS = {
    "mse": Pair(_mse, pairs.mse, pairs.mse_slope),
    "l1": Pair(_l1, pairs.l1, pairs.l1_slope),
    "smooth_l1": Pair(_smooth_l1, pairs.smooth_l1, pairs.smooth_l1_slope),
    "huber": Pair(_huber, pairs.huber, pairs.huber_slope),
    "bce": Pair(_bce, pairs.bce, pairs.bce_slope, _bce_target, pairs.bce_target, _check_probabilities),
    "bce_logits": Pair(_bce_logits, pairs.bce_logits, pairs.bce_logits_slope, _bce_logits_target,
                       pairs.bce_logits_target),
    "kl_div": Pair(_kl_div, pairs.kl_div, pairs.kl_div_slope, _kl_div_target, pairs.kl_div_target),
    "kl_div_log": Pair(_kl_div_log, pairs.kl_div_log, pairs.kl_div_log_slope, _kl_div_log_target,
                       pairs.kl_div_log_target),
}


def gradient_type(dtype):
    """float16 gradients wait for the gradient from above, which may be a large loss scale, as float32."""
    return float32 if dtype == float16 else dtype


def _divisor(shape, reduction):
    """What the sum is divided by."""
    if reduction == "mean":
        return math.prod(shape)
    return shape[0] if reduction == "batchmean" and shape else 1


def _mean_square(x, t, divisor, wants):
    """A common loss in fewer passes; x and t of one shape, not (), and one type."""
    d = np.subtract(x, t) if x.size < SMALL else np.subtract(x, t, out=empty(x.shape, x.dtype, x))
    flat = d.reshape(-1)
    loss = np.array(_divided(flat.dot(flat).item(), divisor), x.dtype)
    np.multiply(d, number(2 / divisor if divisor else 0, x.dtype), d)
    return loss, d, -d if wants[1] else None


def _mean_cross_entropy(x, t, divisor, wants):
    """The same for binary cross-entropy."""
    one = number(1, x.dtype)
    less, (log, log_rest) = t - one, _logs(x)
    total = less.reshape(-1).dot(log_rest.reshape(-1)).item() - t.reshape(-1).dot(log.reshape(-1)).item()
    if total != total:
        _check_probabilities(x, "input")
    if not np.maximum.reduce(less * t, None, initial=0) <= 0:  # one pass for both ends
        _check_probabilities(t, "target")
    share, d = number(1 / divisor if divisor else 0, x.dtype), one - x
    np.multiply(d, x, d)
    np.maximum(d, number(1e-12, x.dtype), out=d)         # by position `out` costs more than the arithmetic
    np.divide(x - t, d, d)
    np.multiply(d, share, d)
    return np.array(_divided(total, divisor), x.dtype), d, (log_rest - log) * share if wants[1] else None


def _divided(total, divisor):
    """A number over another; NaN of nothing."""
    return total / divisor if divisor else math.nan


@quietly
def pair_loss_mirror(name, x, t, w, b, c, reduction, wants):
    dtype, shape = x.dtype, x.shape
    if dtype is not t.dtype:
        dtype = result_type(x, t)
    if shape != t.shape:
        shape = broadcast(shape, t.shape)
    acc = accumulator(dtype)
    plain = w is None and x.dtype is acc and t.dtype is acc
    if plain and name in FUSED and x.ndim and x.shape == t.shape and reduction in ("mean", "sum"):
        return FUSED[name](x, t, x.size if reduction == "mean" else 1, wants)
    divisor = _divisor(shape, reduction)
    if not plain or c is not None:
        x, t, w, c = (a if a is None else a.astype(acc, copy=False) for a in (x, t, w, c))
    pair, b = PAIRS[name], number(b, acc)
    value, dx = pair.mirror(x, t, b, c)
    dt = None if not wants[1] else -dx if pair.target_mirror is None else pair.target_mirror(x, t, b, c)
    if w is not None:
        value, dx, dt = (None if a is None else a * w for a in (value, dx, dt))
    total = np.add.reduce(value, None).item()
    if pair.check is not None:
        if total != total:
            pair.check(x, "input")
        pair.check(t, "target")
    if reduction == "none":
        loss = np.asarray(value, dtype)
    else:
        loss = np.array(_divided(total, divisor), dtype)
        if divisor != 1:
            share = number(1 / divisor if divisor else 0, acc)
            dx, dt = dx * share, None if dt is None else np.asarray(dt * share)
    return loss, np.asarray(dx), dt


FUSED = {"mse": _mean_square, "bce": _mean_cross_entropy}


# --- launch ---

def _spread(w, shape):
    """(array, inner, length): element i of `shape` takes element i // inner % length of the array."""
    if w is None:
        return None, 1, 1
    padded = (1,) * (len(shape) - len(w.shape)) + tuple(w.shape)
    axes = [i for i, n in enumerate(padded) if n != 1]
    first, last = (axes[0], axes[-1]) if axes else (0, -1)
    if padded[first:last + 1] != tuple(shape[first:last + 1]):
        return contiguous(w.broadcast_to(shape)), 1, math.prod(shape)
    return contiguous(w), math.prod(shape[last + 1:]), max(w.size, 1)


def _pair_loss_device(name, x, t, w, b, c, reduction, wants):
    dtype, shape = result_type(x, t), broadcast(x.shape, t.shape)
    acc, pair = accumulator(dtype), PAIRS[name]
    x, t = (contiguous(a if a.shape == shape else a.broadcast_to(shape)) for a in (x, t))
    dx, dt = (empty(shape, gradient_type(dtype), x) if want else None for want in wants)
    n = x.size
    if not n:
        return full(shape if reduction == "none" else (), 0 if _divisor(shape, reduction) else np.nan, dtype, x), dx, dt
    config = tuning.chosen(pairs.pair_loss_kernel, x.device, dtype, n) or {
        "BLOCK": min(next_power_of_2(n), 8192 if x.device.simulated else 1024), "num_warps": 4}
    block = config["BLOCK"]
    programs = -(-n // block)
    if reduction != "none":
        programs = min(programs, 2 if x.device.simulated else 4 * x.device.multi_processor_count)
        programs = 1 if n <= 8 * block else programs
    loss = empty(shape, dtype, x) if reduction == "none" else empty((), dtype, x) if programs == 1 else empty(
        (programs,), acc, x)
    divisor = 1.0 if reduction == "none" else float(_divisor(shape, reduction))
    pairs.pair_loss_kernel[(programs,)](
        x, t, *_spread(w, shape), *_spread(c, shape), loss, dx, dt, n, -(-n // (programs * block)) * block, float(b),
        divisor, VALUE=pair.value, SLOPE=pair.slope, TARGET_SLOPE=pair.target_slope, EACH=reduction == "none",
        ALONE=programs == 1, ACC=acc, **config)
    if reduction != "none" and programs > 1:
        partial, loss = loss, empty((), dtype, x)
        total_loss_kernel[(1,)](partial, None, loss, programs, divisor, TOTALS=1, ACC=acc, BLOCK=1024)
    return loss, dx, dt


def pair_loss(name: str, x, t, w=None, b: float = 1.0, c=None, reduction: str = "mean", wants=(False, False)):
    """(loss, dL/dx, dL/dt), the latter two for a gradient of 1, None where not wanted (on the host dL/dx is free).

    name: one of PAIRS.  x, t: broadcast.  w: weights, broadcast.  b: beta, delta.  c: pos_weight, broadcast.
    reduction: "none", "mean", "sum", "batchmean".
    """
    if reduction not in ("none", "mean", "sum", "batchmean"):
        raise ValueError(f"{reduction} is not a valid value for reduction")
    run = pair_loss_mirror if is_host(x) else _pair_loss_device
    return run(name, x, t, w, b, c, reduction, wants)
