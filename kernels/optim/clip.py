"""The norm of many gradients, and clipping by it: two launches for all of them.

    norm = (sum |g|^p)^(1/p), or max |g| (p = inf);   g *= min(1, limit / (norm + 1e-6))

Each program of the first launch leaves one partial sum; each program of the second adds them all up, in a fixed order,
so that results do not differ between runs. NaN and infinities come through.
"""

from __future__ import annotations

import math

import numpy as np

from tritonnet.kernels.arrays import empty, is_host
from tritonnet.kernels.dtypes import accumulator
from tritonnet.kernels.kernel import jit, kernel, libdevice, tl
from tritonnet.kernels.optim.table import CHUNKS, Cache, pointer, put, value
from tritonnet.kernels.runtime.host import PIECE
from tritonnet.kernels.strided import copy_to

# --- mirror ---

def _power_sum(g, p, acc):
    """sum |g|^p of one array, or its max |g|, in float64."""
    flat, total = g.reshape(-1), 0.0
    for i in range(0, flat.size, PIECE):
        v = flat[i:i + PIECE].astype(acc, copy=False)
        if p == math.inf:
            total = np.maximum(total, np.abs(v).max())
        elif p == 2:
            total += float(np.dot(v, v))
        else:
            total += float((np.abs(v).astype(np.float64) ** p).sum() if p else np.count_nonzero(v))
    return total


def grad_norm_mirror(grads, p=2.0):
    acc = accumulator(grads[0].dtype)
    with np.errstate(all="ignore"):
        sums = [_power_sum(g, p, acc) for g in grads]
        total = np.max(sums) if p == math.inf else sum(sums) if p == 0 else sum(sums) ** (1 / p)
        return np.asarray(total, acc)


def clip_grad_norm_mirror(grads, limit, p=2.0):
    norm = grad_norm_mirror(grads, p)
    factor = float(limit / (norm + 1e-6))
    if not factor >= 1:
        with np.errstate(all="ignore"):
            for g in grads:
                g *= factor
    return norm


# --- kernels ---

@jit
def power(v, P: tl.constexpr, EXPONENT: tl.constexpr):
    """|v|^P"""
    if EXPONENT == "inf" or P == 1:
        return tl.abs(v)
    elif P == 2:
        return v * v
    elif P == 0:
        return tl.where(v == 0, 0.0, 1.0)
    else:
        return libdevice.pow(tl.abs(v), tl.full(v.shape, P, v.dtype))


@jit
def larger(a, b):
    return tl.maximum(a, b, propagate_nan=tl.PropagateNan.ALL)


@kernel(flops=lambda elements: 2 * elements, bytes=lambda elements, G: elements * G.itemsize, space=CHUNKS)
def norm_kernel(table, partial, elements: tl.int64, P: tl.constexpr, EXPONENT: tl.constexpr, G: tl.constexpr,
                ACC: tl.constexpr, ALIGNED: tl.constexpr, BLOCK: tl.constexpr):
    """Each program: the sum (or maximum) over one chunk."""
    row = table + tl.program_id(0).to(tl.int64) * 8
    g, count = pointer(row, 0, G, ALIGNED), tl.load(row + 6).to(tl.int32)
    total = tl.full((BLOCK,), 0, ACC)
    whole = count // BLOCK * BLOCK
    for start in range(0, whole, BLOCK):
        here = power(value(g, start + tl.arange(0, BLOCK), None, ACC), P, EXPONENT)
        total = larger(total, here) if EXPONENT == "inf" else total + here
    at = whole + tl.arange(0, BLOCK)
    here = tl.where(at < count, power(value(g, at, at < count, ACC), P, EXPONENT), 0.0)
    if EXPONENT == "inf":
        tl.store(partial + tl.program_id(0), tl.reduce(larger(total, here), 0, larger))
    else:
        tl.store(partial + tl.program_id(0), tl.sum(total + here, axis=0))


@jit
def total_norm(partial, chunks, P: tl.constexpr, EXPONENT: tl.constexpr, ACC: tl.constexpr):
    """The norm from the partial sums."""
    total = tl.full((1024,), 0, ACC)
    for start in range(0, chunks, 1024):
        at = start + tl.arange(0, 1024)
        here = tl.load(partial + at, mask=at < chunks, other=0)
        total = larger(total, here) if EXPONENT == "inf" else total + here
    if EXPONENT == "inf":
        return tl.reduce(total, 0, larger)
    else:
        norm = tl.sum(total, axis=0)
        if P == 2:
            norm = tl.sqrt(norm)
        elif P != 1 and P != 0:
            norm = libdevice.pow(norm, 1.0 / P)
        return norm


@kernel(flops=lambda elements: elements, bytes=lambda elements, G: 2 * elements * G.itemsize, space=CHUNKS)
def clip_kernel(table, partial, norm, chunks, limit: tl.float64, elements: tl.int64, P: tl.constexpr,
                EXPONENT: tl.constexpr, G: tl.constexpr, ACC: tl.constexpr, ALIGNED: tl.constexpr, BLOCK: tl.constexpr):
    """Each program scales one chunk; the first one also stores the norm."""
    found = total_norm(partial, chunks, P, EXPONENT, ACC)
    if tl.program_id(0) == 0:
        tl.store(norm, found)
    factor = limit.to(ACC) / (found + 1e-6)
    factor = tl.where(factor > 1, 1.0, factor)
    row = table + tl.program_id(0).to(tl.int64) * 8
    g, count = pointer(row, 0, G, ALIGNED), tl.load(row + 6).to(tl.int32)
    whole = count // BLOCK * BLOCK
    for start in range(0, whole, BLOCK):
        at = start + tl.arange(0, BLOCK)
        put(g, at, value(g, at, None, ACC) * factor, None)
    at = whole + tl.arange(0, BLOCK)
    put(g, at, value(g, at, at < count, ACC) * factor, at < count)


@kernel
def norm_only_kernel(partial, norm, chunks, P: tl.constexpr, EXPONENT: tl.constexpr, ACC: tl.constexpr):
    tl.store(norm, total_norm(partial, chunks, P, EXPONENT, ACC))


@kernel(flops=lambda elements: 2 * elements, bytes=lambda elements, G: 2 * elements * G.itemsize, space=CHUNKS)
def clamp_kernel(table, limit: tl.float64, elements: tl.int64, G: tl.constexpr, ACC: tl.constexpr,
                 ALIGNED: tl.constexpr, BLOCK: tl.constexpr):
    row = table + tl.program_id(0).to(tl.int64) * 8
    g, count = pointer(row, 0, G, ALIGNED), tl.load(row + 6).to(tl.int32)
    most = limit.to(ACC)
    for start in range(0, count, BLOCK):
        at = start + tl.arange(0, BLOCK)
        v = value(g, at, at < count, ACC)
        put(g, at, tl.where(v > most, most, tl.where(v < -most, -most, v)), at < count)


# --- launch ---

def _tables(grads):
    """(type, table, pairs of array and copy) for each type of gradient; all on one device."""
    cache, by_type = vars(grads[0].device).setdefault("gradient_tables", Cache()), {}
    for g in grads:
        if g.size:
            by_type.setdefault(g.dtype, []).append(g)
    return [(dtype, *cache.of((some,), (0,) * len(some))) for dtype, some in by_type.items()]


def _config(kernel, dtype, table):
    return {"G": dtype, "ACC": accumulator(dtype), "ALIGNED": table.aligned, **table.config(kernel, dtype)}


def _norm_device(grads, p, limit=None):
    """The norm; with a limit the gradients are scaled in place."""
    tables = _tables(grads)
    acc = np.dtype(np.float64 if all(dtype == np.float64 for dtype, _, _ in tables) and tables else np.float32)
    chunks = sum(table.chunks for _, table, _ in tables)
    partial, norm, at = empty((chunks,), acc, grads[0]), empty((), acc, grads[0]), 0
    kind = {"P": 0.0, "EXPONENT": "inf"} if p == math.inf else {"P": float(p), "EXPONENT": "finite"}
    for dtype, table, _ in tables:
        norm_kernel[(table.chunks,)](table.rows, partial[at:at + table.chunks], table.elements, **kind,
                                     **_config(norm_kernel, dtype, table))
        at += table.chunks
    if limit is None or not tables:
        norm_only_kernel[(1,)](partial, norm, chunks, ACC=acc, **kind)
        return norm
    for dtype, table, copies in tables:
        clip_kernel[(table.chunks,)](table.rows, partial, norm, chunks, float(limit), table.elements, **kind,
                                     **_config(clip_kernel, dtype, table))
        for array, copy in copies:
            copy_to(array, copy)
    return norm


def grad_norm(grads, p: float = 2.0):
    """The p-norm of all elements of these arrays together: a 0-d array where they live (all in one place)."""
    return grad_norm_mirror(grads, p) if is_host(grads[0]) else _norm_device(grads, p)


def clip_grad_norm(grads, limit: float, p: float = 2.0):
    """Scale the arrays in place so that their common norm is at most `limit`; returns the norm there was."""
    return clip_grad_norm_mirror(grads, limit, p) if is_host(grads[0]) else _norm_device(grads, p, limit)


def clip_grad_value(grads, limit: float):
    """Clamp all elements to [-limit, limit], in place."""
    if is_host(grads[0]):
        for g in grads:
            np.clip(g, -limit, limit, out=g)
        return
    for dtype, table, copies in _tables(grads):
        clamp_kernel[(table.chunks,)](table.rows, float(limit), table.elements, **_config(clamp_kernel, dtype, table))
        for array, copy in copies:
            copy_to(array, copy)
