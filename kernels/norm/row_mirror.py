"""The mirrors of `norm.row`, on (samples, cols) if there is one group, else on (samples, groups, cols).

NumPy takes two to three times as long for a column or a row that is broadcast as for a whole matrix. So for big arrays
with one group whatever has to be broadcast is multiplied out by BLAS: two columns @ two rows (of one alone NumPy makes
loops of its own, ten times as slow). That needs x itself in place of x - mean; rows whose mean is far from zero would
lose digits and take the longer way, as does group norm.
"""

from __future__ import annotations

import numpy as np

from tritonnet.kernels.arrays import empty
from tritonnet.kernels.dtypes import accumulator
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


def _mean(x):
    """Means of the rows, kept."""
    cols = x.shape[-1]
    return (x.reshape(-1, cols) @ np.full(cols, 1 / cols, x.dtype)).reshape(*x.shape[:-1], 1)


def _mean_of_products(x, y):
    """Means of x y of the rows, kept."""
    return np.vecdot(x, y)[..., None] / x.dtype.type(x.shape[-1])


def _beside(a, b):
    """Two columns, the second one number."""
    two = np.empty((len(a), 2), a.dtype)
    two[:, :1], two[:, 1] = a, b
    return two


def _below(a, b):
    """Two rows, the second perhaps one number."""
    two = np.empty((2, len(a)), a.dtype)
    two[0], two[1] = a, b
    return two


def _far(mean, variance):
    """Whether any row's mean is too far from zero."""
    return bool((mean * mean > FAR * variance).any())


# --- forward ---

def _broadcast(v, w, b, mean, rstd, eps, out):
    """y of a piece, step by step; mean is None for RMS norm. Fills in rstd."""
    if mean is not None:
        v = np.subtract(v, mean, out=out)
    np.divide(1, np.sqrt(_mean_of_products(v, v) + rstd.dtype.type(eps)), out=rstd)
    np.multiply(v, rstd, out=out)
    if w is not None:
        out *= w
    if b is not None:
        out += b


def _multiplied_out(v, scale, shift, mean, rstd, variance, eps, out):
    """The same for (samples, cols): y = x (rstd w) + (-mean rstd, 1) (w, b).  scale: (w, 0); shift: (w, b), or None."""
    np.divide(1, np.sqrt(variance + rstd.dtype.type(eps)), out=rstd)
    s = empty(v.shape, v.dtype)
    np.multiply(v, np.matmul(_beside(rstd, 0), scale, out=s), out=out)
    if shift is not None:
        np.add(out, np.matmul(_beside(0 * rstd if mean is None else -mean * rstd, 1), shift, out=s), out=out)


def norm_rows_mirror(x, w, b, eps, span=1, center=True):
    source, acc = _flat(x), accumulator(x.dtype)
    w, b = (_columns(p, source.shape, span, acc) for p in (w, b))
    y = empty(source.shape, x.dtype, x)
    mean, rstd = (np.empty((*source.shape[:-1], 1), acc) if kept else None for kept in (center, True))
    quick = source.ndim == 2 and x.size >= SMALL
    if quick:
        row = np.ones(x.shape[2], acc) if w is None else w
        scale, shift = _below(row, 0), None if b is None and not center else _below(row, 0 if b is None else b)

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
            _multiplied_out(v, scale, shift, m, rstd[i:j], variance, eps, out)
        if x.dtype != acc:
            y[i:j] = out

    if x.size:
        with np.errstate(invalid="ignore", over="ignore"):
            parallel(part, len(x), x.size, piece=PIECE * len(x) // x.size, uses_blas=True)
    return y.reshape(x.shape), mean, rstd


# --- backward ---

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
    """The same for (samples, cols): with t = dy (rstd w), dx = t + (q, r) (x, 1).

    along = mean(t (x - mean)),  q = -rstd^2 along,  r = -mean(t) - q mean
    """
    dw = db = None
    s = empty(v.shape, v.dtype)
    if wants[1]:
        np.multiply(g, v, out=s)
        dw = (rstd.T @ s)[0]
    if wants[2] or wants[1] and mean is not None:
        sums = _beside(0 * rstd if mean is None else rstd * mean, 1).T @ g
        db = sums[1] if wants[2] else None
        if wants[1] and mean is not None:
            dw -= sums[0]
    if wants[0]:
        ones = _below(np.ones(v.shape[1], v.dtype), 0)
        np.matmul(_beside(rstd, 0), ones if w is None else _below(w, 0), out=s)
        t = np.multiply(g, s, out=out)
        along = _mean_of_products(t, v)
        if mean is not None:
            level = _mean(t)
            along -= mean * level
        q = -rstd * rstd * along
        t += np.multiply(v, np.matmul(_beside(q, 0), ones, out=s), out=s)
        if mean is not None:
            t += np.matmul(_beside(-level - q * mean, 0), ones, out=s)
    return dw, db


def norm_rows_backward_mirror(dy, x, w, mean, rstd, span, wants, dtype):
    source, gradient, acc = _flat(x), _flat(dy), accumulator(x.dtype)
    wide = _columns(w, source.shape, span, acc)
    dx = empty(source.shape, x.dtype, x) if wants[0] else None
    sums = []  # (first sample, dw, db) of each piece
    near = source.ndim == 2 and x.size >= SMALL and (mean is None or not _far(mean * rstd, acc.type(1)))
    run = _multiplied_out_backward if near else _broadcast_backward

    def part(i, j):
        g, v = gradient[i:j].astype(acc, copy=False), source[i:j].astype(acc, copy=False)
        out = None if dx is None else dx[i:j] if x.dtype == acc else np.empty(v.shape, acc)
        sums.append((i, *run(g, v, wide, None if mean is None else mean[i:j], rstd[i:j], wants, out)))
        if wants[0] and x.dtype != acc:
            dx[i:j] = out

    if x.size:
        with np.errstate(invalid="ignore", over="ignore"):
            parallel(part, len(x), x.size, piece=PIECE * len(x) // x.size, uses_blas=True)
    sums.sort(key=lambda piece: piece[0])
    dw, db = (sum((piece[k] for piece in sums), np.zeros(source.shape[1:], acc)).reshape(-1, span).sum(axis=1).astype(
        dtype, copy=False) if wants[k] else None for k in (1, 2))
    return dx if dx is None else dx.reshape(x.shape), dw, db


def _over_samples(x):
    """Sums along the first axis: by BLAS where that is fast."""
    return np.ones(len(x), x.dtype) @ x if x.ndim == 2 else x.sum(axis=0)
