"""RMSprop, plain, centered and with momentum, for all parameters in one launch.

    g += weight_decay p,  v = alpha v + (1 - alpha) g^2
    centered: a += (1 - alpha) (g - a),  s = sqrt(v - a^2) + eps;  else s = sqrt(v) + eps
    with momentum: b = momentum b + g / s,  p -= lr b;  else p -= lr g / s

Sources: Hinton's lecture 6e (2012); centered: Graves 2013.
"""

from __future__ import annotations

import numpy as np

from tritonnet.kernels.arrays import empty, is_host
from tritonnet.kernels.kernel import jit, kernel, tl
from tritonnet.kernels.optim.host import each
from tritonnet.kernels.optim.table import CHUNKS, over_chunk, put, value


def rmsprop_mirror(p, g, v, a, b, lr, alpha, eps, weight_decay, momentum, maximize):
    """One parameter, in place; a is None unless centered, b without momentum."""
    if maximize:
        g = -g
    if weight_decay:
        g = g + weight_decay * p
    s = empty(p.shape, p.dtype, p)
    np.multiply(g, g, out=s)
    np.multiply(s, 1 - alpha, out=s)
    np.multiply(v, alpha, out=v)
    np.add(v, s, out=v)
    if a is None:
        np.sqrt(v, out=s)
    else:
        np.subtract(g, a, out=s)
        np.multiply(s, 1 - alpha, out=s)
        np.add(a, s, out=a)
        np.multiply(a, a, out=s)
        np.subtract(v, s, out=s)
        np.sqrt(s, out=s)
    np.add(s, eps, out=s)
    np.divide(g, s, out=s)
    if b is not None:
        np.multiply(b, momentum, out=b)
        np.add(b, s, out=b)
        s = lr * b
    else:
        np.multiply(s, lr, out=s)
    np.subtract(p, s, out=p)


@jit
def rmsprop_update(p, g, v, a, b, at, mask, settings, step, inverse, FLAGS: tl.constexpr, ACC: tl.constexpr):
    """A block. settings: see `rmsprop_row`; FLAGS: centered, momentum."""
    rest = tl.load(settings + 2)
    x = value(p, at, mask, ACC)
    d = value(g, at, mask, ACC) * (inverse * tl.load(settings + 6)) + tl.load(settings + 4) * x
    square = tl.load(settings + 1) * value(v, at, mask, ACC) + rest * d * d
    put(v, at, square, mask)
    if FLAGS[0]:
        mean = value(a, at, mask, ACC)
        mean += rest * (d - mean)
        put(a, at, mean, mask)
        square -= mean * mean
    d = d / (tl.sqrt(square) + tl.load(settings + 3))
    if FLAGS[1]:
        d += tl.load(settings + 5) * value(b, at, mask, ACC)
        put(b, at, d, mask)
    put(p, at, x - tl.load(settings) * d, mask)


def rmsprop_row(lr, alpha, eps, weight_decay, momentum, maximize):
    """The settings of a group as the kernel reads them."""
    return lr, alpha, 1 - alpha, eps, weight_decay, momentum, -1.0 if maximize else 1.0


@kernel(flops=lambda elements: 12 * elements,
        bytes=lambda elements, P, G, S, FLAGS: elements * (
            2 * P.itemsize + G.itemsize + (2 + 2 * sum(FLAGS)) * S.itemsize), space=CHUNKS)
def rmsprop_kernel(table, steps, ticket, settings, scale, found, arrays, elements: tl.int64, FLAGS: tl.constexpr,
                   P: tl.constexpr, G: tl.constexpr, S: tl.constexpr, SETTINGS: tl.constexpr, ACC: tl.constexpr,
                   ALIGNED: tl.constexpr, BLOCK: tl.constexpr):
    over_chunk(rmsprop_update, FLAGS, table, steps, ticket, settings, scale, found, arrays, P, G, S, SETTINGS, ACC,
               ALIGNED, BLOCK)


def rmsprop_step(params, grads, squares, means, buffers, steps, groups, settings, fused=None, scale=None, found=None):
    """One step of parameters of one type and place, in place.

    squares: v, zeros at first; means: a if centered, buffers: b with momentum, else None.  steps: float32 counts, 0-d.
    settings: per group (lr, alpha, eps, weight_decay, momentum, maximize); groups: per parameter the number of its.
    fused: a `Fused`, on a device.
    """
    if is_host(params[0]):
        for i, p in enumerate(params):
            steps[i] += 1
            each(rmsprop_mirror, (p, grads[i], squares[i], None if means is None else means[i],
                                  None if buffers is None else buffers[i]), *settings[groups[i]])
        return
    columns = (params, grads, squares, squares if means is None else means, squares if buffers is None else buffers)
    fused.launch(rmsprop_kernel, columns, groups, rmsprop_row, settings, steps, scale, found,
                 FLAGS=(means is not None, buffers is not None))
