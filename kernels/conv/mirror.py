"""Convolution on the host: which of the two roads, in what type, over how many threads."""
from __future__ import annotations

import math

import numpy as np

from tritonnet.kernels.conv import adjoint, banded, columns, windows, winograd
from tritonnet.kernels.dtypes import accumulator
from tritonnet.kernels.matmul.activation import activate_mirror
from tritonnet.kernels.runtime import host

TINY = 1 << 15  # elements of columns up to which windows.py's few calls win


def conv2d_mirror(x, w, bias=None, stride=(1, 1), padding=(0, 0), dilation=(1, 1), groups=1, activation=None):
    """x (N, C, H, W), w (O, C/groups, R, S), bias (O,) or None -> y (N, O, P, Q)."""
    dtype, wide = x.dtype, accumulator(x.dtype)
    (P, Q), images = images_of(x, w, bias, stride, padding, dilation, groups)
    y = host.empty((len(x), w.shape[0], P, Q), wide)
    if not y.size:
        return y.astype(dtype)

    def part(i, j):
        images(i, j, y[i:j])
        if activation is not None:
            activate_mirror(y[i:j], activation)

    with np.errstate(all="ignore"):                      # inf - inf is nan without a word, as in PyTorch
        host.parallel(part, len(x), work(w.shape, y.shape), uses_blas=True)
    return y.astype(dtype, copy=False)


def images_of(x, w, bias, stride, padding, dilation, groups):
    """((P, Q), write): write(i, j, y) computes images i to j in the accumulator's type, one thread's part."""
    wide = accumulator(x.dtype)
    x, w = np.ascontiguousarray(x, wide), np.ascontiguousarray(w, wide)
    bias = bias if bias is None else np.ascontiguousarray(bias, wide)
    shape = _shape(x.shape, w.shape, padding, dilation, groups)
    P, Q = ((size - 1) // step + 1 for size, step in zip((shape.P, shape.Q), stride))
    road = _fast(shape, stride) if len(x) * P * Q * math.prod(w.shape[1:]) > TINY else None

    def write(i, j, y):
        if road is not None:
            road.forward(x[i:j], w, bias, shape, y)
        if road is None or road is winograd and not _finite(y):
            windows.forward(x[i:j], w, bias, stride, padding, dilation, groups, y)

    return (P, Q), write


def conv2d_backward_mirror(dy, x, w, stride=(1, 1), padding=(0, 0), dilation=(1, 1), groups=1,
                           needs=(True, True, True)):
    """(dx, dw, db) from dy (N, O, P, Q); needs says which of them are wanted, the others are None."""
    dtype, wide = x.dtype, accumulator(x.dtype)
    dy, x, w = (np.ascontiguousarray(a, wide) for a in (dy, x, w))
    shape = _shape(x.shape, w.shape, padding, dilation, groups)
    n, (O, C, R, S) = len(x), w.shape
    dx = host.empty(x.shape, wide) if needs[0] else None
    road = _fast(shape, stride) if needs[0] else None
    if road is not None:
        road = next((other for other in (banded, adjoint) if other.pays(shape)), road)
    partial = {}                                         # by first image: (sum of dw, sum of db)

    def part(i, j):
        here = None if dx is None else dx[i:j]
        dw = db = None
        quick = road is not None
        if quick:
            if needs[1]:
                dw = np.zeros((groups, O // groups * R * S, C), wide)
            road.backward(x[i:j], w, dy[i:j], shape, here, dw)
            quick = _finite(here) and (dw is None or _finite(dw))
            if quick and needs[1]:
                dw = columns.unflip(dw, w.shape)
        if not quick:
            if needs[1]:
                dw = np.zeros((groups, O // groups, C * R * S + 1), wide)
                windows.weight_gradient(x[i:j], w.shape, dy[i:j], stride, padding, dilation, groups, dw)
                dw, db = dw[:, :, :-1].reshape(w.shape), dw[:, :, -1].reshape(-1)
            if needs[0]:
                windows.input_gradient(dy[i:j], w, stride, padding, dilation, groups, here)
        if needs[2] and db is None:
            planes = dy[i:j].reshape((j - i) * O, -1)
            db = np.dot(planes, np.ones(planes.shape[1], wide)).reshape(-1, O).sum(axis=0)
        partial[i] = dw, db

    with np.errstate(all="ignore"):
        if n and dy.size:
            host.parallel(part, n, 2 * work(w.shape, dy.shape), uses_blas=True)
        elif needs[0]:
            dx.fill(0)
        sums = [partial[i] for i in sorted(partial)]
        dw = sum((s[0] for s in sums[1:]), sums[0][0]) if needs[1] and sums else np.zeros(w.shape, wide)
        db = sum((s[1] for s in sums[1:]), sums[0][1]) if needs[2] and sums else np.zeros(O, wide)
    return (dx.astype(dtype, copy=False) if needs[0] else None, dw.astype(dtype, copy=False) if needs[1] else None,
            db.astype(dtype, copy=False) if needs[2] else None)


def _shape(x_shape, w_shape, padding, dilation, groups):
    return columns.Shape(*x_shape[1:], w_shape[0], *w_shape[2:], tuple(padding), tuple(dilation), groups)


def _fast(shape, stride):
    """The module for convolutions of stride 1: there are two, with the same functions. None: take windows.py."""
    if tuple(stride) != (1, 1) or not columns.fits(shape):
        return None
    return winograd if winograd.pays(shape) else columns


def _finite(y):
    """Whether no sum along the last axes is infinite or NaN. Then no element is: no infinity met another in
    Winograd's differences, or a zero between rows. By BLAS, a small part of the time of the products."""
    planes = y.reshape(-1, y.shape[-2] * y.shape[-1])
    return bool(np.isfinite(planes @ np.ones(planes.shape[1], y.dtype)).all())


def work(w_shape, y_shape):
    """What `parallel` calls elements."""
    return math.prod(w_shape[1:]) * math.prod(y_shape) // 100
