"""The mirrors of `norm.row`, on (samples, cols) if there is one group, else on (samples, groups, cols).

NumPy takes two to three times as long for a column or a row that is broadcast as for a whole matrix, and every call
costs, above all beside another thread. So for big arrays with one group BLAS broadcasts: a column times a row is added
by `add_outer`, or multiplied out. That needs x itself in place of x - mean; rows whose mean is far from zero would lose
digits and take the longer way, as does group norm.
"""

from __future__ import annotations

import functools

import numpy as np

from tritonnet.kernels.arrays import empty
from tritonnet.kernels.compiled import loops_for
from tritonnet.kernels.dtypes import accumulator
from tritonnet.kernels.matmul.activation import slope_mirror
from tritonnet.kernels.quiet import number
from tritonnet.kernels.runtime.blas import add_outer
from tritonnet.kernels.runtime.host import PIECE, parallel

SMALL = 1 << 15  # elements below which the calls cost more than the passes
FAR = 100.0  # mean^2 / variance from which deviations from the mean are computed first


def _flat(x):
    """A view or copy of x as its mirror works on it."""
    return np.ascontiguousarray(x).reshape((x.shape[0], x.shape[2]) if x.shape[1] == 1 else x.shape)


def _columns(w, shape, span, acc):
    """w or b, repeated over the columns that share an element."""
    if w is None:
        return None
    w = w.reshape(-1).astype(acc, copy=False)
    return (np.repeat(w, span) if span > 1 else w).reshape(shape[1:])


@functools.lru_cache(maxsize=16)
def _shares(n, dtype):
    """A row of n numbers 1 / n, for means by BLAS."""
    return np.full(n, 1 / n, dtype)


def _mean(x):
    """Means of the rows, kept."""
    if x.ndim == 2:
        return x.dot(_shares(x.shape[1], x.dtype))[:, None]
    return (x.reshape(-1, x.shape[-1]) @ _shares(x.shape[-1], x.dtype)).reshape(*x.shape[:-1], 1)


def _mean_of_products(x, y):
    """Means of x y of the rows, kept."""
    return np.vecdot(x, y)[..., None] / number(x.shape[-1], x.dtype)


def _filled(out, column, row):
    """column row' into `out`; of one column alone NumPy makes loops of its own, ten times as slow as BLAS."""
    two, below = np.zeros((len(out), 2), out.dtype), np.zeros((2, len(row)), out.dtype)
    two[:, :1], below[0] = column, row
    return np.matmul(two, below, out=out)


def _far(mean, variance):
    """Whether any row's mean is too far from zero."""
    return bool((mean * mean > FAR * variance).any())


# --- forward ---

def _broadcast(v, w, b, mean, rstd, eps, out):
    """y of a piece, step by step; mean is None for RMS norm. Fills in rstd."""
    if mean is not None:
        v = np.subtract(v, mean, out=out)
    np.divide(number(1, rstd.dtype), np.sqrt(_mean_of_products(v, v) + number(eps, rstd.dtype)), out=rstd)
    np.multiply(v, rstd, out=out)
    if w is not None:
        out *= w
    if b is not None:
        out += b


def _multiplied_out(v, w, b, mean, rstd, variance, eps, out):
    """The same for (samples, cols): y = x (rstd w') - (mean rstd) w' + 1 b'.  w: a row."""
    np.divide(1, np.sqrt(variance + rstd.dtype.type(eps)), out=rstd)
    _filled(out, rstd, w)
    out *= v
    if mean is not None:
        add_outer(out, -mean * rstd, w)
    if b is not None:
        add_outer(out, np.ones(len(out), out.dtype), b)


def _compiled(loops, x, w, b, eps, y, mean, rstd):
    """All of it for (samples, cols) in one pass over each row."""
    w = np.ones(x.shape[1], x.dtype) if w is None else w
    b = np.zeros(x.shape[1], x.dtype) if b is None else b

    def part(i, j):
        loops.norm(x[i:j], w, b, eps, mean is not None, y[i:j], _column(mean, i, j), _column(rstd, i, j))

    parallel(part, len(x), x.size)


def _column(kept, i, j):
    """(samples,) of (samples, 1), from i to j; nothing for a mean that there is not."""
    return np.empty(0, np.float32) if kept is None else kept[i:j, 0]


def norm_rows_mirror(x, w, b, eps, span=1, center=True):
    source, acc = _flat(x), accumulator(x.dtype)
    w, b = (_columns(p, source.shape, span, acc) for p in (w, b))
    y = empty(source.shape, x.dtype, x)
    mean, rstd = (np.empty((*source.shape[:-1], 1), acc) if kept else None for kept in (center, True))
    quick = source.ndim == 2 and x.size >= SMALL
    if source.ndim == 2 and (loops := loops_for(x)):
        _compiled(loops, source, w, b, eps, y, mean, rstd)
        return y.reshape(x.shape), mean, rstd
    if quick:
        row, level = np.ones(x.shape[2], acc) if w is None else np.array(w), b if b is None else np.array(b)

    def part(i, j):
        v = source[i:j].astype(acc, copy=False)
        out, m = y[i:j] if x.dtype == acc else np.empty(v.shape, acc), None
        if center:
            m = mean[i:j] = _mean(v)
        if quick:
            variance = _mean_of_products(v, v) - (m * m if center else 0)
        if not quick or center and _far(m, variance):
            _broadcast(v, w, b, m, rstd[i:j], eps, out)
        else:
            _multiplied_out(v, row, level, m, rstd[i:j], variance, eps, out)
        if x.dtype != acc:
            y[i:j] = out

    if x.size:
        with np.errstate(all="ignore"):
            parallel(part, len(x), x.size, piece=PIECE * len(x) // x.size, uses_blas=True)
    return y.reshape(x.shape), mean, rstd


# --- backward ---

def through_activation(dy, x, w, b, mean, rstd, span, activation):
    """dy times the derivative of the activation of xhat w + b."""
    acc, shape = accumulator(x.dtype), _flat(x).shape
    v = _flat(x).astype(acc)
    v = (v if mean is None else v - mean) * rstd
    w, b = (_columns(p, shape, span, acc) for p in (w, b))
    v = v if w is None else v * w
    v = v if b is None else v + b
    return slope_mirror(v, _flat(dy).astype(acc), activation).astype(x.dtype).reshape(x.shape)


def _broadcast_backward(g, v, w, mean, rstd, wants, out):
    """(dw, db) of a piece, step by step; fills in dx."""
    v = (v if mean is None else v - mean) * rstd
    dw, db = (_over_samples(g * v) if wants[1] else None), (_over_samples(g) if wants[2] else None)
    if wants[0]:
        g = g if w is None else np.multiply(g, w, out=out)
        v *= _mean_of_products(g, v)
        if mean is not None:
            v += _mean(g)
        np.subtract(g, v, out=out)
        out *= rstd
    return dw, db


def _multiplied_out_backward(g, v, w, mean, rstd, wants, out):
    """The same for (samples, cols): dx = dy (rstd w') + x (q 1') + r 1'.

    along = rstd mean(dy x w) - mean level,  level = rstd mean(dy w),  q = -rstd^2 along,  r = -level - q mean
    """
    dw = db = None
    s = np.multiply(g, v, out=empty(v.shape, v.dtype, v))
    if wants[1]:
        dw = rstd[:, 0] @ s
        if mean is not None:
            dw -= (rstd * mean)[:, 0] @ g
    if wants[2]:
        db = _over_samples(g)
    if wants[0]:
        ones = np.ones(v.shape[1], v.dtype)
        row = ones if w is None else w
        shares = row / v.dtype.type(len(row))
        along = rstd * (s @ shares)[:, None]
        if mean is not None:
            level = rstd * (g @ shares)[:, None]
            along -= mean * level
        q = -rstd * rstd * along
        _filled(out, rstd, row)
        out *= g
        _filled(s, q, ones)
        s *= v
        out += s
        if mean is not None:
            add_outer(out, -level - q * mean, ones)
    return dw, db


def _compiled_backward(loops, g, v, w, mean, rstd, wants, out):
    """The same for (samples, cols) in one pass over each row."""
    w = np.ones(v.shape[1], v.dtype) if w is None else w
    dw, db = np.zeros((2, v.shape[1]), v.dtype)
    out = np.empty(v.shape, v.dtype) if out is None else out
    loops.norm_backward(g, v, w, _column(mean, 0, None), _column(rstd, 0, None), mean is not None, out, dw, db)
    return dw, db


def norm_rows_backward_mirror(dy, x, w, mean, rstd, span, wants, dtype):
    source, gradient, acc = _flat(x), _flat(dy), accumulator(x.dtype)
    wide = _columns(w, source.shape, span, acc)
    dx = empty(source.shape, x.dtype, x) if wants[0] else None
    sums = []  # (first sample, dw, db) of each piece
    near = source.ndim == 2 and x.size >= SMALL and (mean is None or not _far(mean * rstd, acc.type(1)))
    run = _multiplied_out_backward if near else _broadcast_backward
    if source.ndim == 2 and (loops := loops_for(x)):
        run = functools.partial(_compiled_backward, loops)

    def part(i, j):
        g, v = gradient[i:j].astype(acc, copy=False), source[i:j].astype(acc, copy=False)
        out = None if dx is None else dx[i:j] if x.dtype == acc else np.empty(v.shape, acc)
        sums.append((i, *run(g, v, wide, None if mean is None else mean[i:j], rstd[i:j], wants, out)))
        if wants[0] and x.dtype != acc:
            dx[i:j] = out

    if x.size:
        with np.errstate(all="ignore"):
            parallel(part, len(x), x.size, piece=PIECE * len(x) // x.size, uses_blas=True)
    sums.sort(key=lambda piece: piece[0])
    dw, db = (sum((piece[k] for piece in sums), np.zeros(source.shape[1:], acc)).reshape(-1, span).sum(axis=1).astype(
        dtype, copy=False) if wants[k] else None for k in (1, 2))
    return dx if dx is None else dx.reshape(x.shape), dw, db


def _over_samples(x):
    """Sums along the first axis: by BLAS where that is fast."""
    return np.ones(len(x), x.dtype) @ x if x.ndim == 2 else x.sum(axis=0)
