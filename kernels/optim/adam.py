"""Adam, AdamW and AMSGrad, for all parameters in one launch.

    g += weight_decay p    (Adam)        p -= lr weight_decay p    (AdamW)
    m += (1 - beta1) (g - m),  v = beta2 v + (1 - beta2) g^2,  u = v,  or the largest v so far (AMSGrad)
    p -= lr m / (1 - beta1^t) / (sqrt(u / (1 - beta2^t)) + eps)

On a device 1 - beta^t is -expm1(t log beta), with log beta from the host: as exact in float32 as PyTorch's in float64.
Sources: Kingma & Ba 2015, Loshchilov & Hutter 2019, Reddi et al. 2018.
"""

from __future__ import annotations

import math

import numpy as np

from tritonnet.kernels.arrays import empty, is_host
from tritonnet.kernels.dtypes import accumulator
from tritonnet.kernels.kernel import jit, kernel, libdevice, tl
from tritonnet.kernels.optim.host import SMALL, each
from tritonnet.kernels.optim.table import CHUNKS, over_chunk, put, value


def adam_factors(t, lr, beta1, beta2, eps, weight_decay, maximize, decoupled, dtype):
    """What step number t multiplies with: the same for all parameters of a group.

    The mirror divides by sqrt(u) + eps c instead of sqrt(u) / c + eps, c = sqrt(1 - beta2^t): c goes into the rate.
    """
    correction = math.sqrt(1 - beta2**t)
    return [np.array(factor, dtype) for factor in (
        1 - lr * weight_decay if decoupled else weight_decay, 1 - beta1, beta2, 1 - beta2, eps * correction,
        lr * correction / (1 - beta1**t))]


def adam_mirror(p, g, m, v, largest, factors, weight_decay, maximize, decoupled):
    """One parameter, in place; factors: of `adam_factors`. largest: v so far, or None."""
    decay, new1, old2, new2, eps, rate = factors
    if maximize:
        g = -g
    if weight_decay:
        if decoupled:
            np.multiply(p, decay, p)
        else:
            g = g + decay * p
    s = g - m if p.ndim and p.size <= SMALL else np.subtract(g, m, empty(p.shape, p.dtype, p))
    np.multiply(s, new1, s)
    np.add(m, s, m)
    np.multiply(g, g, s)
    np.multiply(s, new2, s)
    np.multiply(v, old2, v)
    np.add(v, s, v)
    if largest is not None:
        np.maximum(largest, v, out=largest)
        v = largest
    np.sqrt(v, s)
    np.add(s, eps, s)
    np.divide(m, s, s)
    np.multiply(s, rate, s)
    np.subtract(p, s, p)


@jit
def adam_update(p, g, m, v, largest, at, mask, settings, step, inverse, FLAGS: tl.constexpr, ACC: tl.constexpr):
    """A block. settings: see `adam_row`; FLAGS: decoupled weight decay, AMSGrad."""
    lr, eps, decay = tl.load(settings), tl.load(settings + 1), tl.load(settings + 2)
    x = value(p, at, mask, ACC)
    d = value(g, at, mask, ACC) * (inverse * tl.load(settings + 3))
    if FLAGS[0]:
        x *= 1 - lr * decay
    else:
        d += decay * x
    first = value(m, at, mask, ACC)
    first += tl.load(settings + 4) * (d - first)
    put(m, at, first, mask)
    second = tl.load(settings + 6) * value(v, at, mask, ACC) + tl.load(settings + 7) * d * d
    put(v, at, second, mask)
    if FLAGS[1]:
        top = value(largest, at, mask, ACC)
        second = tl.maximum(top, second, propagate_nan=tl.PropagateNan.ALL)
        put(largest, at, second, mask)
    t = step.to(ACC)
    correction1, correction2 = -libdevice.expm1(t * tl.load(settings + 5)), -libdevice.expm1(t * tl.load(settings + 8))
    put(p, at, x - lr / correction1 * first / (tl.sqrt(second) / tl.sqrt(correction2) + eps), mask)


def adam_row(lr, beta1, beta2, eps, weight_decay, maximize):
    """The settings of a group as the kernel reads them."""
    log = lambda beta: math.log(beta) if beta else -math.inf
    return (lr, eps, weight_decay, -1.0 if maximize else 1.0, 1 - beta1, log(beta1), beta2, 1 - beta2, log(beta2))


@kernel(flops=lambda elements: 16 * elements,
        bytes=lambda elements, P, G, S, FLAGS: elements * (
            2 * P.itemsize + G.itemsize + (4 + 2 * FLAGS[1]) * S.itemsize), space=CHUNKS)
def adam_kernel(table, steps, ticket, settings, scale, found, arrays, elements: tl.int64, FLAGS: tl.constexpr,
                P: tl.constexpr, G: tl.constexpr, S: tl.constexpr, SETTINGS: tl.constexpr, ACC: tl.constexpr,
                ALIGNED: tl.constexpr, BLOCK: tl.constexpr):
    over_chunk(adam_update, FLAGS, table, steps, ticket, settings, scale, found, arrays, P, G, S, SETTINGS, ACC,
               ALIGNED, BLOCK)


def adam_step(params, grads, means, squares, largest, steps, groups, settings, fused=None, adamw=False, scale=None,
              found=None):
    """One step of parameters of one type and place, in place.

    means, squares: m and v, zeros at first; largest: the same for AMSGrad, or None.  steps: float32 counts, 0-d.
    settings: per group (lr, beta1, beta2, eps, weight_decay, maximize); groups: per parameter the number of its.
    fused: a `Fused`, on a device.
    """
    if is_host(params[0]):
        known = {}
        for i, p in enumerate(params):
            steps[i] += 1
            row, key = settings[groups[i]], (groups[i], float(steps[i]))
            factors = known.get(key)
            if factors is None:
                factors = known[key] = adam_factors(key[1], *row, adamw, accumulator(p.dtype))
            each(adam_mirror, (p, grads[i], means[i], squares[i], None if largest is None else largest[i]), factors,
                 row[4], row[5], adamw)
        return
    columns = (params, grads, means, squares) + (() if largest is None else (largest,))
    fused.launch(adam_kernel, columns, groups, adam_row, settings, steps, scale, found,
                 FLAGS=(adamw, largest is not None))
