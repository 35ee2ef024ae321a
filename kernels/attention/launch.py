"""From arrays on a device to launches of attention: strides, tiles, variants. One plan per shape, kept."""

from __future__ import annotations

import math

from tritonnet.kernels import tuning
from tritonnet.kernels.arrays import fill
from tritonnet.kernels.attention.backward import attention_dkdv_kernel, attention_dq_kernel
from tritonnet.kernels.attention.forward import attention_kernel
from tritonnet.kernels.attention.tiles import backward_tiles, padded, tiles
from tritonnet.kernels.dtypes import accumulator, bool_
from tritonnet.kernels.matmul.precision import precision_on
from tritonnet.kernels.plans import fresh, planned
from tritonnet.kernels.rng.dropout import scale_of, threshold


def laid(x):
    """What a plan needs to know of an array."""
    return None if x is None else (x.shape, x.strides, x.dtype)


def forward(q, k, v, mask, causal, scale, p, place):
    """(o, lse); place: (state, offset) of the words that dropout takes, or None."""
    device = q.device
    return forward_plan(device, laid(q), laid(k), laid(v), laid(mask), causal, scale, p, precision_on(device))(
        q, k, v, mask, place)


def backward(do, q, k, v, mask, o, lse, causal, scale, p, place, needs):
    """(dq, dk, dv); those not needed are None."""
    device = q.device
    plan = backward_plan(device, laid(do), laid(q), laid(k), laid(v), laid(mask), laid(o), causal, scale, p,
                         any(needs[1:]), precision_on(device))
    return plan(do, q, k, v, mask, o, lse, place)


def fresh_like(device, shape, strides, dtype):
    """A function that gives arrays of a shape, their axes in memory in the order that strides tell."""
    order = sorted(range(len(shape)), key=lambda i: -strides[i] if shape[i] > 1 else 0)
    steps, step = [0] * len(shape), 1
    for i in reversed(order):
        steps[i], step = step, step * max(1, shape[i])
    return fresh(device, shape, dtype, tuple(steps))


def _known(*strides):
    """Strides as kernels take them: the last of four is None where it is 1."""
    return tuple(s for four in strides for s in (*four[:3], None if four[3] == 1 else four[3]))


def _mask_strides(mask, shape):
    """Strides with which a mask is read as if it had this shape."""
    if mask is None:
        return 0, 0, 0, 0
    return tuple(s if n == m else 0 for s, n, m in zip(mask[1], mask[0], shape))


def _common(device, q, k, v, mask, causal, p, precision, *others):
    """What all three kernels are told: sizes and constants."""
    (B, H, L, E), (_, heads, S, V), dtype = q[0], v[0], q[2]
    mask_strides = _mask_strides(mask, (B, H, L, S))
    strides = [a[1] for a in (q, k, v, *others)] + [mask_strides]
    constants = dict(E=E, V=V, DIM=padded(E), VDIM=padded(V), GROUP=H // heads, CAUSAL=causal,
                     BOOL=mask is not None and mask[2] == bool_, DROPOUT=p > 0, ACC=accumulator(dtype),
                     PRECISION=precision, FAR=max(abs(s) for four in strides for s in four[2:]) * 256 >= 1 << 30)
    return (B, H, L, S), mask_strides, constants


def gap(shape, strides, count):
    """How far apart so many arrays of these strides lie where together they fill memory densely; None: they cannot."""
    step, found = 1, None
    for stride, n in sorted((s, n) for s, n in zip(strides, shape) if n != 1):
        if stride != step and found is None:
            found, step = step, step * count
        if stride != step:
            return None
        step *= n
    return step if found is None else found


@planned
def forward_plan(device, q, k, v, mask, causal, scale, p, precision):
    """run(q, k, v, mask, place) -> (o, lse)."""
    (B, H, L, S), mask_strides, constants = _common(device, q, k, v, mask, causal, p, precision)
    E, V, dtype = q[0][3], v[0][3], q[2]
    DIM, VDIM = constants["DIM"], constants["VDIM"]
    make, make_lse = fresh_like(device, (B, H, L, V), q[1], dtype), fresh(device, (B, H, L), accumulator(dtype))
    if S == 0:
        def nothing(q, k, v, mask, place):
            o, lse = make(), make_lse()
            fill(o, 0)
            fill(lse, float("inf"))
            return o, lse

        return nothing
    config = tuning.chosen(attention_kernel, device, dtype, B * H, L, S, E, V) or tiles(
        device, dtype, L, S, DIM, VDIM, precision)
    variant = attention_kernel.variant(device, **constants, EVEN=S % config["BLOCK_N"] == 0, **config)
    grid = (B * H * -(-L // config["BLOCK_M"]),)
    limit, keep = threshold(p), scale_of(p)

    def run(q, k, v, mask, place):
        o, lse = make(), make_lse()
        state, offset = place or (None, 0)
        variant(grid, q, k, v, mask, o, lse, B, H, L, S, scale, state, offset, limit, keep,
                *_known(q.strides, k.strides, v.strides, o.strides, mask_strides))
        return o, lse

    return run


@planned
def backward_plan(device, do, q, k, v, mask, o, causal, scale, p, keys, precision):
    """run(do, q, k, v, mask, o, lse, place) -> (dq, dk, dv); dk and dv only if `keys`."""
    (B, H, L, S), mask_strides, constants = _common(device, q, k, v, mask, causal, p, precision, do, o)
    E, V, dtype = q[0][3], v[0][3], q[2]
    sizes = L, S, constants["DIM"], constants["VDIM"]
    heads = k[0][1]
    make_dq, make_dk, make_dv = (fresh_like(device, *a) for a in (q, k, v))
    make_delta = fresh(device, (B, H, L), accumulator(dtype))
    configs = [tuning.chosen(kernel, device, dtype, B * H, L, S, E, V)
               or backward_tiles(device, dtype, *sizes, precision, p > 0, kernel is attention_dkdv_kernel)
               for kernel in (attention_dq_kernel, attention_dkdv_kernel)]
    dq_variant = attention_dq_kernel.variant(device, **constants, EVEN=S % configs[0]["BLOCK_N"] == 0, **configs[0])
    dkdv_variant = attention_dkdv_kernel.variant(device, **constants, EVEN=L % configs[1]["BLOCK_M"] == 0, **configs[1])
    dq_grid = (B * H * -(-L // configs[0]["BLOCK_M"]),)
    dkdv_grid = (B * heads * -(-S // configs[1]["BLOCK_N"]),)
    limit, factor = threshold(p), scale_of(p)
    start = B, H, L, S, scale
    apart = gap(q[0], q[1], 3) if keys and q[:2] == k[:2] == v[:2] else None
    make_all, step = fresh(device, (3 * math.prod(q[0]),), dtype), None if apart is None else apart * dtype.itemsize

    def run(do, q, k, v, mask, o, lse, place):
        delta, dk, dv = make_delta(), None, None
        together = q.owner is k.owner is v.owner and k.ptr - q.ptr == v.ptr - k.ptr == step
        if together:  # pieces of one array: so are their gradients, and nobody has to put these together
            whole = make_all()
            dq, dk, dv = (whole.view(a.shape, a.strides, i * apart) for i, a in enumerate((q, k, v)))
        else:
            dq = make_dq()
        state, offset = place or (None, 0)
        drawn = state, offset, limit, factor
        inputs = q.strides, k.strides, v.strides
        dq_variant(dq_grid, q, k, v, mask, o, do, lse, dq, delta, *start, *drawn,
                   *_known(*inputs, o.strides, do.strides, dq.strides, mask_strides))
        if keys:
            if not together:
                dk, dv = make_dk(), make_dv()
            dkdv_variant(dkdv_grid, q, k, v, mask, do, lse, delta, dk, dv, *start, *drawn,
                         *_known(*inputs, do.strides, dk.strides, dv.strides, mask_strides))
        return dq, dk, dv

    return run
