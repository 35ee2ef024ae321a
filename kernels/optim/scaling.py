"""Loss scaling: gradients divided by the scale, a mark where one is no number, and the next scale.

    found = 1 if any g is infinite or NaN;   g = g / scale
    scale = scale backoff if found, scale growth after `interval` steps without, else as it is

One launch over all gradients of a type, and one for the scale: nothing comes to the host. Source: PyTorch,
_amp_foreach_non_finite_check_and_unscale_ and _amp_update_scale_.
"""

from __future__ import annotations

import numpy as np

from tritonnet.kernels.arrays import is_host
from tritonnet.kernels.kernel import jit, kernel, tl
from tritonnet.kernels.optim.clip import _config, _tables
from tritonnet.kernels.optim.table import CHUNKS, pointer, put, value
from tritonnet.kernels.strided import copy_to

# --- mirror ---

def unscale_mirror(grads, scale, found, write=True):
    inverse = np.float32(1 / np.float64(scale))
    with np.errstate(all="ignore"):
        for g in grads:
            if not np.isfinite(g).all():
                found[...] = 1
            if write:
                g *= g.dtype.type(inverse)


def update_scale_mirror(scale, tracker, found, growth, backoff, interval):
    if found != 0:
        scale *= np.float32(backoff)
        tracker[...] = 0
        return
    tracker += 1
    if tracker == interval:
        with np.errstate(over="ignore"):
            grown = scale * np.float32(growth)
        if np.isfinite(grown):
            scale[...] = grown
        tracker[...] = 0


# --- kernels ---

@jit
def unscale_block(g, at, mask, inverse, found, WRITE: tl.constexpr, ACC: tl.constexpr):
    v = value(g, at, mask, ACC)
    if WRITE:
        put(g, at, v * inverse, mask)
    return tl.where(v - v == 0, 0, 1)  # infinity less itself is NaN


@kernel(flops=lambda elements: 2 * elements, bytes=lambda elements, G, WRITE: (1 + WRITE) * elements * G.itemsize,
        space=CHUNKS)
def unscale_kernel(table, scale, found, elements: tl.int64, WRITE: tl.constexpr, G: tl.constexpr, ACC: tl.constexpr,
                   ALIGNED: tl.constexpr, BLOCK: tl.constexpr):
    """Each program one chunk."""
    row = table + tl.program_id(0).to(tl.int64) * 8
    g, count = pointer(row, 0, G, ALIGNED), tl.load(row + 6).to(tl.int32)
    inverse = (1 / tl.load(scale).to(tl.float64)).to(tl.float32).to(ACC)
    bad = tl.full((BLOCK,), 0, tl.int32)
    whole = count // BLOCK * BLOCK
    for start in range(0, whole, BLOCK):
        bad |= unscale_block(g, start + tl.arange(0, BLOCK), None, inverse, found, WRITE, ACC)
    at = whole + tl.arange(0, BLOCK)
    bad |= unscale_block(g, at, at < count, inverse, found, WRITE, ACC)
    tl.atomic_or(found, 1, mask=tl.max(bad, axis=0) > 0)


@kernel
def update_scale_kernel(scale, tracker, found, growth: tl.float64, backoff: tl.float64, interval):
    before, bad, steps = tl.load(scale), tl.load(found) != 0, tl.load(tracker) + 1
    due = steps == interval
    grown = before * growth.to(tl.float32)
    grown = tl.where(due & (grown - grown == 0), grown, before)
    tl.store(scale, tl.where(bad, before * backoff.to(tl.float32), grown))
    tl.store(tracker, tl.where(bad | due, 0, steps))


# --- launch ---

def unscale(grads, scale, found, write=True):
    """Divide arrays, all in one place, by the number `scale` (float32), in place; set `found` (int32) to 1 where
    something is infinite or NaN. write=False only looks."""
    if is_host(grads[0]):
        unscale_mirror(grads, scale, found, write)
        return
    for dtype, table, copies in _tables(grads):
        unscale_kernel[(table.chunks,)](table.rows, scale, found, table.elements, WRITE=write,
                                        **_config(unscale_kernel, dtype, table))
        if write:
            for array, copy in copies:
                copy_to(array, copy)


def update_scale(scale, tracker, found, growth, backoff, interval):
    """The next scale (float32) and count of good steps since it changed (int32), in place; found: as of `unscale`."""
    if is_host(scale):
        update_scale_mirror(scale, tracker, found, growth, backoff, interval)
    else:
        update_scale_kernel[(1,)](scale, tracker, found, float(growth), float(backoff), interval)
