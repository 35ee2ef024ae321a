"""Stochastic gradient descent with momentum, for all parameters in one launch.

    g += weight_decay p                      (maximize: g = -g first)
    b = momentum b + (1 - dampening) g       (the first time: b = g)
    p -= lr (g + momentum b)  with nesterov,  lr b  without,  lr g  without momentum

Source: Sutskever et al. 2013, in PyTorch's form: lr outside of b.
"""

from __future__ import annotations

import numpy as np

from tritonnet.kernels.arrays import is_host
from tritonnet.kernels.dtypes import float32
from tritonnet.kernels.kernel import jit, kernel, tl
from tritonnet.kernels.optim.host import SMALL, each, scalar
from tritonnet.kernels.optim.table import CHUNKS, over_chunk, put, value


def sgd_mirror(p, g, b, first, lr, momentum, dampening, weight_decay, nesterov, maximize):
    """One parameter, in place; b is None without momentum. first: b holds nothing yet."""
    if maximize:
        g = -g
    if weight_decay:
        g = g + scalar(weight_decay, p.dtype) * p
    if b is not None:
        keep = scalar(momentum, p.dtype)
        if first:
            b[...] = g
        else:
            np.multiply(b, keep, b)
            np.add(b, g if dampening == 0 else scalar(1 - dampening, p.dtype) * g, b)
        g = g + keep * b if nesterov else b
    np.subtract(p, np.multiply(g, scalar(lr, p.dtype)), p)


def sgd_small(pairs, lr):
    """p -= lr g for pairs of arrays (p, g), if all are small, on the host and alike; returns whether they were.

    Most steps of small models, where telling more apart would take as long as the arithmetic.
    """
    for p, g in pairs:
        if type(p) is not np.ndarray or p.size > SMALL or p.dtype is not float32 or g.dtype is not float32 or (
                p.shape != g.shape):
            return False
    rate = scalar(lr, float32)
    for p, g in pairs:
        np.subtract(p, np.multiply(g, rate), p)
    return True


@jit
def sgd_update(p, g, b, s1, s2, at, mask, settings, step, inverse, FLAGS: tl.constexpr, ACC: tl.constexpr):
    """A block. settings: see `sgd_row`; FLAGS: momentum, nesterov, dampening."""
    lr, momentum, fresh = tl.load(settings), tl.load(settings + 1), tl.load(settings + 2)
    v = value(p, at, mask, ACC)
    d = value(g, at, mask, ACC) * (inverse * tl.load(settings + 4)) + tl.load(settings + 3) * v
    if FLAGS[0]:
        if FLAGS[2]:
            fresh = tl.where(step == 1, 1.0, fresh)
        m = value(b, at, mask, ACC) * momentum + d * fresh
        put(b, at, m, mask)
        if FLAGS[1]:
            d += momentum * m
        else:
            d = m
    put(p, at, v - lr * d, mask)


def sgd_row(lr, momentum, dampening, weight_decay, maximize):
    """The settings of a group as the kernel reads them."""
    return lr, momentum, 1 - dampening, weight_decay, -1.0 if maximize else 1.0


@kernel(flops=lambda elements: 6 * elements,
        bytes=lambda elements, P, G, S, FLAGS: elements * (2 * P.itemsize + G.itemsize + 2 * S.itemsize * FLAGS[0]),
        space=CHUNKS)
def sgd_kernel(table, steps, ticket, settings, scale, found, arrays, elements: tl.int64, FLAGS: tl.constexpr,
               P: tl.constexpr, G: tl.constexpr, S: tl.constexpr, SETTINGS: tl.constexpr, ACC: tl.constexpr,
               ALIGNED: tl.constexpr, BLOCK: tl.constexpr):
    over_chunk(sgd_update, FLAGS, table, steps, ticket, settings, scale, found, arrays, P, G, S, SETTINGS, ACC, ALIGNED,
               BLOCK)


def sgd_step(params, grads, buffers, steps, groups, settings, fused=None, nesterov=False, scale=None, found=None):
    """One step of parameters of one type and place, in place.

    buffers: zeros or momentum so far, or None.  steps: float32 counts, 0-d, needed with dampening; moved on.
    settings: per group (lr, momentum, dampening, weight_decay, maximize); groups: per parameter the number of its.
    fused: a `Fused`, on a device.
    """
    if is_host(params[0]):
        for i, (p, g, group) in enumerate(zip(params, grads, groups)):
            lr, momentum, dampening, weight_decay, maximize = settings[group]
            first = False
            if steps is not None:
                first = steps[i] == 0
                steps[i] += 1
            each(sgd_mirror, (p, g, None if buffers is None else buffers[i]), first, lr, momentum, dampening,
                 weight_decay, nesterov, maximize)
        return
    flags = (buffers is not None, nesterov, any(dampening for _, _, dampening, _, _ in settings))
    columns = (params, grads) if buffers is None else (params, grads, buffers)
    fused.launch(sgd_kernel, columns, groups, sgd_row, settings, steps if flags[2] else None, scale, found, FLAGS=flags)
