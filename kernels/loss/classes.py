"""Losses over classes: cross-entropy of logits, and negative log-likelihood of log-probabilities.

    L_r = - sum_c q_rc w_c log p_rc,   log p = x - m - log sum exp(x - m)  (cross-entropy)   or   log p = x  (nll)
    q_rc = (1 - s) [c = t_r] + s / C for labels t,  (1 - s) t_rc + s / C for soft targets;   s: label smoothing
    dx_rc = p_rc sum_k q_rk w_k - q_rc w_c  (cross-entropy)    or    - q_rc w_c  (nll)
    mean: sum_r L_r / sum_r w_(t_r) over the labels that are not ignored; for soft targets over the number of rows

The gradient for a gradient of 1 comes out of the same read as the loss. A label outside [0, C) raises IndexError on
the host and gives NaN on a device. Smoothing: Szegedy et al. 2016, section 7.
"""

from __future__ import annotations

import functools

import numpy as np

from tritonnet.kernels import tuning
from tritonnet.kernels.arrays import contiguous, empty, full, is_host
from tritonnet.kernels.dtypes import accumulator, is_float
from tritonnet.kernels.loss.class_kernels import class_loss_kernel, label_weights_kernel, total_loss_kernel
from tritonnet.kernels.loss.pointwise import gradient_type
from tritonnet.kernels.quiet import number, quietly
from tritonnet.kernels.rows import next_power_of_2, rows_of, tile_of
from tritonnet.kernels.runtime.host import PIECE, parallel
from tritonnet.kernels.softmax import host_rows, row_sums

UNSIGNED = {n: np.dtype(f"u{n}") for n in (1, 2, 4, 8)}  # by size in bytes

# --- mirror: on (rows, C), or (N, C, pixels) ---

def _labels(target, shape, classes, ignore):
    """(labels, which rows count or None if all do), after checking them."""
    t = target.reshape(shape)
    if t.size == 0:
        return t, None
    keep = None
    if _outside(t, classes):
        keep = t != ignore
        wrong = keep & ((t < 0) | (t >= classes))
        if wrong.any():
            raise IndexError(f"Target {t[wrong][0]} is out of bounds: there are {classes} classes, so labels are 0 to "
                             f"{classes - 1} (ignore_index is {ignore})")
        t = np.where(keep, t, 0)
    elif 0 <= ignore < classes:
        keep = t != ignore
    return t, keep


def _outside(t, classes):
    """Whether any label is no class; negative ones are large without their sign."""
    return np.maximum.reduce(t.view(UNSIGNED[t.itemsize]), None) >= classes


@functools.lru_cache(maxsize=64)
def ones(n, dtype):
    """For sums by BLAS."""
    return np.ones(n, dtype)


@functools.lru_cache(maxsize=64)
def _starts(rows, classes):
    """Where each row begins."""
    return np.arange(rows) * classes


@quietly
def _small_plain(x, t, reduction, gradient, logits):
    """A small (rows, C) with one label per row, all of them classes, without weights: as few calls as will do."""
    rows, classes = x.shape
    at = _starts(rows, classes) + t
    scale = number(1 / rows if reduction == "mean" else 1, x.dtype)
    v = x
    if logits:
        v = x - np.maximum.reduce(x, axis=1, keepdims=True)
        d = np.exp(v)
        total = np.dot(d, ones(classes, x.dtype))
    losses = -v.reshape(-1).take(at)
    if logits:
        losses += np.log(total)
    loss = losses if reduction == "none" else np.asarray(np.add.reduce(losses) * scale)
    if not gradient:
        return loss, None
    if logits:
        d *= (scale / total)[:, None]
    else:
        d = np.zeros(x.shape, x.dtype)
    d.reshape(-1)[at] -= scale
    return loss, d


def class_loss_mirror(x, target, weight, ignore, reduction, smoothing, gradient, logits):
    axis, acc = min(1, x.ndim - 1), accumulator(x.dtype)
    if (x.ndim == 2 and 0 < x.size <= PIECE and weight is None and not smoothing and x.dtype is acc
            and x.flags.c_contiguous and target.dtype.kind in "iu" and not 0 <= ignore < x.shape[1]
            and not _outside(target, x.shape[1])):
        return _small_plain(x, target, reduction, gradient, logits)
    source = host_rows(x, axis)
    classes, shape = source.shape[1], source.shape[:1] + source.shape[2:]
    every = None if weight is None else weight.astype(acc).reshape(-1, *[1] * (source.ndim - 2))
    spread = smoothing / max(classes, 1)
    soft = is_float(target.dtype)
    if soft:
        target, share, divisor = host_rows(target, axis), None, shape and int(np.prod(shape))
    else:
        target, keep = _labels(target, shape, classes, ignore)
        share = np.ones(shape, acc) if weight is None else weight.astype(acc)[target]
        if keep is not None:
            share = share * keep
        divisor = share.sum()
    scale = acc.type(1 if reduction != "mean" or not divisor else 1 / divisor)
    losses = np.empty(shape, acc)
    dx = empty(source.shape, gradient_type(x.dtype), x) if gradient else None

    def part(i, j):
        v = source[i:j].astype(acc, copy=False)
        if logits:
            v = v - v.max(axis=1, keepdims=True)
            e = np.exp(v)
            total = row_sums(e)
        if soft:
            q = target[i:j] * acc.type(1 - smoothing) + acc.type(spread)
            if every is not None:
                q = q * every
            sharp, a = None, row_sums(q)
        else:
            at = np.arange(j - i)
            at = (at, target[i:j]) if v.ndim == 2 else (at[:, None], target[i:j], np.arange(v.shape[2])[None])
            sharp = share[i:j] * acc.type(1 - smoothing)
            q, a = 0, sharp[:, None]
            if smoothing:
                q = np.broadcast_to(acc.type(spread) * (1 if every is None else every), v.shape[1:])
                q = q * (np.ones(a.shape, acc) if keep is None else keep[i:j][:, None])
                a = a + row_sums(q)
        here = np.where(sharp == 0, 0, -sharp * v[at]) if sharp is not None else 0
        if soft or smoothing:
            here = here - row_sums(q * v)[:, 0]
        if logits:
            here = here + a[:, 0] * np.log(total)[:, 0]
        losses[i:j] = here
        if gradient:
            d = np.multiply(e, a * scale / total, out=e) if logits else np.zeros(v.shape, acc)
            if soft or smoothing:
                d -= q * scale
            if sharp is not None:
                d[at] -= sharp * scale
            dx[i:j] = d

    with np.errstate(all="ignore"):  # infinities, and sums too large for float16, are results like any other
        if source.size:
            parallel(part, len(source), source.size, piece=max(1, PIECE * len(source) // source.size), uses_blas=True)
        if reduction == "none":
            loss = losses.astype(x.dtype).reshape(x.shape[:axis] + x.shape[axis + 1:])
        else:
            loss = np.asarray(losses.sum() / divisor if reduction == "mean" else losses.sum(), x.dtype)
    return loss, None if dx is None else dx.reshape(x.shape)


# --- launch ---

def _class_loss_device(x, target, weight, ignore, reduction, smoothing, gradient, logits):
    axis, acc, soft = min(1, x.ndim - 1), accumulator(x.dtype), is_float(target.dtype)
    shape = x.shape[:axis] + x.shape[axis + 1:]
    dx = empty(x.shape, gradient_type(x.dtype), x) if gradient else None
    v = rows_of(x, axis)
    n = v.batch * v.rows
    if not n:
        return full(shape if reduction == "none" else (), np.nan if reduction == "mean" else 0, x.dtype, x), dx
    t, d = None if not soft else rows_of(target, axis), None if dx is None else rows_of(dx, axis)
    tuned = tuning.chosen(class_loss_kernel, x.device, x.dtype, v.rows, v.cols) if v.strides[2] is None else None
    tile = tuned or tile_of(x.device, v.rows, v.cols, v.strides[1] is None and v.strides[2] is not None)
    whole = next_power_of_2(v.rows) * tile["BLOCK"]
    most = 0 if tuned or soft else 16384 if v.cols <= 64 else 8192
    if v.batch == 1 and v.cols <= tile["BLOCK"] and whole <= most:
        tile |= {"ROWS": next_power_of_2(v.rows), "num_warps": 4 if whole <= 4096 else 8 if whole <= 8192 else 16}
    programs = v.batch * -(-v.rows // tile["ROWS"])
    alone, totals, width = programs == 1 and reduction != "none", None, 1
    labels = target if soft else contiguous(target)
    weight = None if weight is None else contiguous(weight)
    if reduction == "mean" and not soft and not alone:
        block = 4096 if x.device.simulated else 1024
        width = min(256, next_power_of_2(-(-n // (4 * block))))
        totals = empty((width,), acc, x)
        label_weights_kernel[(width,)](labels, weight, totals, n, v.cols, ignore, -(-n // width), ACC=acc, BLOCK=block)
    divisor = float(n) if soft and reduction == "mean" else 1.0
    if reduction == "none":
        loss = empty(shape, x.dtype, x)
    else:
        loss = empty((), x.dtype, x) if alone else empty((programs,), acc, x)
    none = (0, None, None)
    class_loss_kernel[(programs,)](
        v.array, t.array if soft else labels, weight, loss, dx, totals, v.rows, v.cols, ignore, smoothing, divisor,
        *v.strides, *(t.strides if soft else none), *(none if d is None else d.strides), LOGITS=logits, SOFT=soft,
        SMOOTH=smoothing != 0, REDUCTION=reduction, TOTALS=width, ALONE=alone, ACC=acc, LOOP=v.cols > tile["BLOCK"],
        **tile)
    if reduction != "none" and not alone:
        partial, loss = loss, empty((), x.dtype, x)
        total_loss_kernel[(1,)](partial, totals, loss, programs, divisor, TOTALS=width, ACC=acc, BLOCK=1024)
    return loss, dx


def _checked(name, x, target, weight, reduction):
    """Raise what PyTorch raises for shapes and types that do not go together."""
    classes = x.shape[min(1, x.ndim - 1)] if x.ndim else 0
    labels = x.shape[:1] + x.shape[2:] if x.ndim > 1 else ()
    if reduction not in ("none", "mean", "sum"):
        raise ValueError(f"{reduction} is not a valid value for reduction")
    if x.ndim == 0:
        raise RuntimeError(f"{name}: expected input of at least 1 dimension (the classes), got a number")
    if is_float(target.dtype):
        if target.shape != x.shape:
            raise RuntimeError(f"{name}: expected floating-point targets (class probabilities) of the input's shape "
                               f"{x.shape}, got {target.shape}; labels are integers")
    elif target.dtype.kind not in "iu":
        raise RuntimeError(f"{name}: expected integer labels (Long) or class probabilities, got {target.dtype}")
    elif target.shape != labels:
        if x.ndim > 1 and target.shape[:1] != x.shape[:1]:
            raise ValueError(f"Expected input batch_size ({x.shape[0]}) to match target batch_size "
                             f"({target.shape[0] if target.shape else 1}): input {x.shape}, target {target.shape}")
        raise RuntimeError(f"{name}: expected target of shape {labels} for input of shape {x.shape}, got "
                           f"{target.shape}")
    if weight is not None and weight.shape != (classes,):
        raise RuntimeError(f"weight tensor should be defined either for all {classes} classes or no classes but got "
                           f"weight tensor of shape: {list(weight.shape)}")


def cross_entropy(x, target, weight=None, ignore_index: int = -100, reduction: str = "mean",
                  label_smoothing: float = 0.0, gradient: bool = False):
    """(loss, its gradient by x for a gradient of 1, or None).

    x: logits (C,), (N, C) or (N, C, …).  target: int labels without the axis of classes, or probabilities like x.
    reduction: "none", "mean", "sum".  Raises IndexError for a label out of range (host; NaN on a device).
    """
    _checked("cross_entropy", x, target, weight, reduction)
    if not 0 <= label_smoothing <= 1:
        raise RuntimeError(f"label_smoothing must be between 0.0 and 1.0. Got: {label_smoothing}")
    run = class_loss_mirror if is_host(x) else _class_loss_device
    return run(x, target, weight, ignore_index, reduction, label_smoothing, gradient, True)


def nll(x, target, weight=None, ignore_index: int = -100, reduction: str = "mean", gradient: bool = False):
    """(loss, its gradient by x for a gradient of 1, or None); x: log-probabilities, target: int labels."""
    _checked("nll_loss", x, target, weight, reduction)
    if is_float(target.dtype):
        raise RuntimeError(f"nll_loss: expected integer labels (Long), got {target.dtype}")
    run = class_loss_mirror if is_host(x) else _class_loss_device
    return run(x, target, weight, ignore_index, reduction, 0.0, gradient, False)


def weights_of_classes(x, target, weight=None, ignore_index: int = -100, reduction: str = "mean",
                       label_smoothing: float = 0.0):
    """- q_rc w_c over the mean's divisor: the gradient of cross_entropy but for softmax(x), and so constant."""
    run = class_loss_mirror if is_host(x) else _class_loss_device
    return run(x, target, weight, ignore_index, reduction, label_smoothing, True, False)[1]
