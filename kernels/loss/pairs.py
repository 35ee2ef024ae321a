"""The functions of `loss.pointwise` for kernels, by the names of its mirrors, and the kernel that calls them.

Each takes x, t, b (a number) and c (a block), and gives L, dL/dx (`_slope`) or dL/dt (`_target`).
"""

from __future__ import annotations

from tritonnet.kernels.kernel import jit, kernel, libdevice, tl
from tritonnet.kernels.space import LINES


@jit
def sign(d):
    return tl.where(d > 0, 1.0, tl.where(d < 0, -1.0, d * 0))


@jit
def mse(x, t, b, c):
    return (x - t) * (x - t)


@jit
def mse_slope(x, t, b, c):
    return 2 * (x - t)


@jit
def l1(x, t, b, c):
    return tl.abs(x - t)


@jit
def l1_slope(x, t, b, c):
    return sign(x - t)


@jit
def smooth_l1(x, t, b, c):
    d = tl.abs(x - t)
    return tl.where(d < b, 0.5 * d * d / b, d - 0.5 * b)


@jit
def smooth_l1_slope(x, t, b, c):
    d = x - t
    return tl.where(tl.abs(d) < b, d / b, sign(d))


@jit
def huber(x, t, b, c):
    d = tl.abs(x - t)
    return tl.where(d <= b, 0.5 * d * d, b * (d - 0.5 * b))


@jit
def huber_slope(x, t, b, c):
    d = x - t
    return tl.where(tl.abs(d) <= b, d, b * sign(d))


@jit
def floored(log):
    """At least -100; NaN stays."""
    return tl.where(log < -100, -100.0, log)


@jit
def bce(x, t, b, c):
    return (t - 1) * floored(libdevice.log1p(-x)) - t * floored(tl.log(x))


@jit
def bce_slope(x, t, b, c):
    return (x - t) / tl.maximum(x * (1 - x), 1e-12)


@jit
def bce_target(x, t, b, c):
    return floored(libdevice.log1p(-x)) - floored(tl.log(x))


@jit
def softplus_of_negative(x):
    return libdevice.log1p(tl.exp(-tl.abs(x))) + tl.where(x < 0, -x, 0.0)


@jit
def bce_logits(x, t, b, c):
    return (1 - t) * x + (1 + (c - 1) * t) * softplus_of_negative(x)


@jit
def bce_logits_slope(x, t, b, c):
    return 1 - t - (1 + (c - 1) * t) / (1 + tl.exp(x))


@jit
def bce_logits_target(x, t, b, c):
    return (c - 1) * softplus_of_negative(x) - x


@jit
def kl_div(x, t, b, c):
    return tl.where(t == 0, 0.0, t * tl.log(t)) - t * x


@jit
def kl_div_slope(x, t, b, c):
    return -t


@jit
def kl_div_target(x, t, b, c):
    return tl.log(t) + 1 - x


@jit
def kl_div_log(x, t, b, c):
    return tl.exp(t) * (t - x)


@jit
def kl_div_log_slope(x, t, b, c):
    return -tl.exp(t)


@jit
def kl_div_log_target(x, t, b, c):
    return tl.exp(t) * (t - x + 1)


@kernel(flops=lambda n: 8 * n,
        bytes=lambda x, t, dx, dt: x.nbytes + t.nbytes + sum(0 if d is None else d.nbytes for d in (dx, dt)),
        space=LINES)
def pair_loss_kernel(x, t, w, w_inner, w_length, c, c_inner, c_length, loss, dx, dt, n: tl.int64, each: tl.int64,
                     b: tl.float64, divisor: tl.float64, VALUE: tl.constexpr, SLOPE: tl.constexpr,
                     TARGET_SLOPE: tl.constexpr, EACH: tl.constexpr, ALONE: tl.constexpr, ACC: tl.constexpr,
                     BLOCK: tl.constexpr):
    """Losses of `each` pairs, or their sum, divided if this program is ALONE; and gradients.

    TARGET_SLOPE None: dL/dt = -dL/dx.
    """
    first = tl.program_id(0).to(tl.int64) * each
    total = tl.full((BLOCK,), 0, ACC)
    limit, share = b.to(ACC), 1 / divisor.to(ACC)
    for start in range(0, each, BLOCK):
        at = first + start + tl.arange(0, BLOCK)
        inside = at < n
        u = tl.load(x + at, mask=inside, other=0).to(ACC)
        v = tl.load(t + at, mask=inside, other=0).to(ACC)
        positive = tl.full((BLOCK,), 1, ACC)
        if c is not None:
            positive = tl.load(c + at // c_inner % c_length, mask=inside, other=0).to(ACC)
        scale = tl.full((BLOCK,), 1, ACC)
        if w is not None:
            scale = tl.load(w + at // w_inner % w_length, mask=inside, other=0).to(ACC)
        value = VALUE(u, v, limit, positive) * scale
        if EACH:
            tl.store(loss + at, value, mask=inside)
        else:
            total += tl.where(inside, value, 0.0)
        scale *= share
        if dx is not None:
            tl.store(dx + at, SLOPE(u, v, limit, positive) * scale, mask=inside)
        if dt is not None:
            if TARGET_SLOPE is None:
                tl.store(dt + at, -SLOPE(u, v, limit, positive) * scale, mask=inside)
            else:
                tl.store(dt + at, TARGET_SLOPE(u, v, limit, positive) * scale, mask=inside)
    if not EACH:
        here = tl.sum(total, axis=0)
        if ALONE:
            here *= share
        tl.store(loss + tl.program_id(0), here)
