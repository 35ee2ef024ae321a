"""Matrix products.

    matmul   Z = X Y               dX = dZ Y'      dY = X' dZ
    linear   Y = f(X W' + b)       dX = dY W       dW = dY' X      db = sum of dY over the rows

Operands keep their strides, so a transpose costs nothing. Sums are kept in float32 (float64 for itself).
"""

from __future__ import annotations

import math

from numpy import ndarray

from tritonnet.kernels import elementwise
from tritonnet.kernels.arrays import is_host
from tritonnet.kernels.matmul.mirror import linear_backward_mirror, linear_mirror, matmul_mirror, ones, rows_of
from tritonnet.kernels.matmul.precision import get_matmul_precision, set_matmul_precision

__all__ = ["get_matmul_precision", "linear", "linear_activated_backward", "linear_backward", "matmul",
           "matmul_backward", "ones", "set_matmul_precision"]


def matmul(x, y):
    """x @ y by np.matmul's rules; one type, one place."""
    return matmul_mirror(x, y) if is_host(x) else _matmul_device(x, y)


def matmul_backward(dz, x, y, needs=(True, True)):
    """(dx, dy); where stacks were broadcast, of the broadcast shape. Those not needed are None."""
    if x.ndim == 1 and y.ndim == 1:                      # z = sum x_i y_i
        return (_scaled(dz, y) if needs[0] else None, _scaled(dz, x) if needs[1] else None)
    X, Y = x[None] if x.ndim == 1 else x, y[:, None] if y.ndim == 1 else y
    if x.ndim == 1:
        dz = dz[..., None, :]
    elif y.ndim == 1:
        dz = dz[..., None]
    dx = dy = None
    if needs[0]:
        dx = matmul(dz, Y.swapaxes(-1, -2) if is_host(Y) else _swapped(Y))
        dx = dx[..., 0, :] if x.ndim == 1 else dx
    if needs[1]:
        if Y.ndim == 2 and X.ndim > 2:                   # one product over all rows instead of a sum over the stack
            X, dz = rows_of(X), rows_of(dz)
        dy = matmul(X.swapaxes(-1, -2) if is_host(X) else _swapped(X), dz)
        dy = dy[..., 0] if y.ndim == 1 else dy
    return dx, dy


def linear(x, w, bias=None, activation=None, whole=False):
    """activation(x w' + bias): x (..., K), w (O, K), bias (O,); activation None, relu, sigmoid, tanh or gelu.

    whole: see `gemm`.
    """
    if type(x) is ndarray:                               # written out: a call less, where little else is done
        return linear_mirror(x, w, bias, activation)
    from tritonnet.kernels.matmul.launch import gemm

    y = gemm(rows_of(x), w.T, bias, activation, whole)
    return y if x.ndim == 2 else y.reshape(*x.shape[:-1], w.shape[0])


def linear_backward(dy, x, w, needs=(True, True, True)):
    """(dx, dw, db) of x w' + bias; those not needed are None."""
    if type(x) is ndarray:
        return linear_backward_mirror(dy, x, w, needs)
    from tritonnet.kernels.matmul.launch import gemm
    from tritonnet.kernels.reduce import sum as total

    rows = rows_of(dy)
    dx = gemm(rows, w).reshape(x.shape) if needs[0] else None
    dw = gemm(rows.T, rows_of(x)) if needs[1] else None
    return dx, dw, total(rows, axis=0) if needs[2] else None


def linear_activated_backward(dy, y, x, w, activation=None, needs=(True, True, True)):
    """(dx, dw, db) of f(x w' + bias) where that is small in one launch; those not needed are None.

    y: the result, of gelu what was activated; not needed without an activation.
    """
    rows = math.prod(dy.shape[:-1])
    if not is_host(x):
        from tritonnet.kernels.matmul.backward import linear_backward_at_once, pays

        if any(needs) and pays(rows, *w.shape):
            y = None if activation is None else rows_of(y)
            dx, dw, db = linear_backward_at_once(rows_of(dy), y, rows_of(x), w, activation, needs)
            return None if dx is None else dx.reshape(x.shape), dw, db
    if activation is not None:
        dy = elementwise.derivative(activation, ("x",)).function(dy, y)
    return linear_backward(dy, x, w, needs)


def _matmul_device(x, y):
    from tritonnet.kernels.matmul.launch import gemm

    if x.ndim == 1 or y.ndim == 1:
        z = _matmul_device(x[None] if x.ndim == 1 else x, y[:, None] if y.ndim == 1 else y)
        z = z[..., 0] if y.ndim == 1 else z
        return z[..., 0, :] if x.ndim == 1 < y.ndim else z[0] if x.ndim == 1 else z
    if x.ndim > 2 and y.ndim == 2 and x.contiguous:
        return gemm(rows_of(x), y).reshape(*x.shape[:-1], y.shape[-1])
    return gemm(x, y)


def _swapped(x):
    return x.transpose(*range(x.ndim - 2), x.ndim - 1, x.ndim - 2)


def _scaled(scalar, vector):
    """scalar * vector, as a product of matrices."""
    return matmul(vector[:, None], scalar.reshape(1, 1))[:, 0]
