"""Work of the ground floor that no operation's samples reach: optimizers, random fills, copies, long sorts.

Each exercise is a function (place, dtype) -> arrays: the same arrays on the host (place None) and on a device.
"""

from __future__ import annotations

import math

import numpy as np

from tritonnet.kernels import attention, batches, index, optim, rng, runtime, strided, tuning
from tritonnet.kernels.arrays import empty, full, to_device, zeros
from tritonnet.kernels.matmul import linear
from tritonnet.kernels.matmul.gemm import gemm_kernel

ALL = ("float32", "float16", "bfloat16")
EXERCISES: dict = {}  # name -> (function, dtypes)
float32, int64 = np.dtype(np.float32), np.dtype(np.int64)


def exercise(fn=None, *, dtypes=ALL):
    """Declare one."""

    def note(fn):
        EXERCISES[fn.__name__.replace("_", " ")] = fn, dtypes
        return fn

    return note if fn is None else note(fn)


def values(shape, dtype, place, seed=0, low=-1.0, high=1.0):
    """Uniform numbers, the same everywhere."""
    x = np.random.default_rng(seed).uniform(low, high, shape).astype(dtype)
    return x if place is None else to_device(x, place)


def generator(place):
    """A generator that gives the same numbers everywhere."""
    rng.same_stream_everywhere(True)
    return rng.Generator(place).manual_seed(5)


# --- random numbers ---

@exercise
def uniform(place, dtype):
    return [rng.uniform(empty((3, 781), dtype, place), -2.0, 3.0, generator(place))]


@exercise
def normal(place, dtype):
    return [rng.normal(empty((3, 781), dtype, place), 1.0, 2.0, generator(place))]


@exercise
def bernoulli(place, dtype):
    p = values((3, 781), dtype, place, low=0.0)
    return [rng.bernoulli(empty((3, 781), dtype, place), 0.3, generator(place)),
            rng.bernoulli(empty((3, 781), dtype, place), p, generator(place))]


@exercise(dtypes=["float32"])
def integers(place, dtype):
    return [rng.randint(empty((1001,), int64, place), -5, 1000, generator=generator(place)),
            rng.randint(empty((1001,), int64, place), 0, 1 << 40, generator=generator(place))]


@exercise(dtypes=["float32"])
def permutation(place, dtype):
    return [rng.permutation(1000, place, generator(place))]


@exercise(dtypes=["float32"])
def a_captured_stream(place, dtype):
    """Replays draw what Python would have drawn, and Python goes on after them."""
    drawn, out = generator(place), empty((100,), dtype, place)
    step = lambda: rng.uniform(out, 0.0, 1.0, drawn)
    step()
    if place is not None:
        graph = runtime.Graph.capture(place, step)
    results = []
    for call in (step if place is None else graph, step if place is None else graph, step):
        call()
        results.append(out.copy())
    return results


@exercise(dtypes=["float32"])
def batches_of_data(place, dtype):
    """Images as bytes, shifted and normalised; labels; the second of three batches."""
    drawn = generator(place)
    images = np.random.default_rng(0).integers(0, 256, (10, 1, 28, 28)).astype(np.uint8)
    labels, order = np.arange(10), np.random.default_rng(1).permutation(10)
    factor, bias = np.full(1, 0.0125, np.float32), np.full(1, -0.5, np.float32)
    number = 4
    if place is not None:
        images, labels, order, factor, bias = (to_device(a, place) for a in (images, labels, order, factor, bias))
        number = to_device(np.ones(1, np.int64), place), 3
    return [batches.batch(images, order, number, 3, 4, 4, factor, bias, 2, drawn.reserve(4)),
            batches.batch(images, None, number, 3, 4, 3), batches.batch(labels, order, number, 3, 4, 4)]


# --- copies ---

@exercise
def copies_with_strides(place, dtype):
    x = values((2, 3, 4, 5, 6, 7), dtype, place)
    views = [x[:, ::2, :, ::2, :, ::2], x[0, :, ::2, :, ::2], x[0, 0, :, ::2, :], x[0, 0, 0, :, ::2], x[0, 0, 0, 0].T,
             x.transpose(5, 3, 1, 4, 2, 0)]
    return [v.copy() for v in views] + [x.astype(float32)]


@exercise(dtypes=["float32"])
def fills_of_eight_bytes(place, dtype):
    """What a driver cannot fill."""
    out, bits = zeros((5, 7), int64, place), 0x0123456789ABCDEF
    if place is None:
        out.fill(bits)
    else:
        strided.fill(out, bits)
    return [out]


@exercise(dtypes=["float32"])
def sorting_long_lines(place, dtype):
    """More than the ranks of one run: runs are merged."""
    return list(index.sort(values((1, 8999), dtype, place)))


# --- optimizers: parameters of several sizes, two groups, two steps ---

SHAPES = [(3, 781), (5,), (), (64, 16)]
GROUPS = [0, 1, 1, 0]


def lists(dtype, place, n):
    """n lists of arrays: parameters, gradients, then state, which is zeros."""
    made = [[values(s, dtype, place, seed=7 * k + i) for i, s in enumerate(SHAPES)] for k in range(2)]
    return made + [[zeros(s, dtype, place) for s in SHAPES] for _ in range(n - 2)]


def counts(place):
    """Step counts, one per parameter."""
    return [zeros((), float32, place) for _ in SHAPES]


@exercise
def sgd(place, dtype):
    found = []
    for momentum, dampening, nesterov in ((0.0, 0.0, False), (0.9, 0.0, True), (0.9, 0.5, False)):
        p, g, b = lists(dtype, place, 3)
        steps, fused = counts(place) if dampening else None, optim.Fused()
        for _ in range(2):
            optim.sgd_step(p, g, b if momentum else None, steps, GROUPS, [
                (0.1, momentum, dampening, 0.01, False), (0.05, momentum, dampening, 0.0, True)], fused, nesterov)
        found += p + b
    return found


@exercise
def adam(place, dtype):
    found = []
    for adamw, amsgrad in ((False, False), (True, True)):
        p, g, m, v, top = lists(dtype, place, 5)
        steps, fused = counts(place), optim.Fused()
        for _ in range(2):
            optim.adam_step(p, g, m, v, top if amsgrad else None, steps, GROUPS, [
                (0.1, 0.9, 0.99, 1e-3, 0.01, False), (0.05, 0.8, 0.9, 1e-3, 0.0, True)], fused, adamw)
        found += p + m + v + steps
    return found


@exercise
def rmsprop(place, dtype):
    found = []
    for centered, momentum in ((False, 0.0), (True, 0.9)):
        p, g, v, a, b = lists(dtype, place, 5)
        steps, fused = counts(place), optim.Fused()
        for _ in range(2):
            optim.rmsprop_step(p, g, v, a if centered else None, b if momentum else None, steps, GROUPS, [
                (0.1, 0.9, 1e-2, 0.01, momentum, False), (0.05, 0.8, 1e-2, 0.0, momentum, True)], fused)
        found += p + v + steps
    return found


@exercise
def clipping_by_norm(place, dtype):
    found = []
    for p in (2.0, 1.0, 3.0, math.inf):
        g = lists(dtype, place, 2)[1]
        found += [optim.grad_norm(g, p), optim.clip_grad_norm(g, 0.7, p), *g]
    return found


@exercise
def clipping_by_value(place, dtype):
    g = lists(dtype, place, 2)[1]
    optim.clip_grad_value(g, 0.25)
    return g


@exercise
def unscaling(place, dtype):
    found = []
    for growth in (2.0, 1e38):                                  # 1e38: a scale that would be infinite stays
        g, scale, tracker, mark = (lists(dtype, place, 2)[1], full((), 4.0, float32, place),
                                   zeros((), np.dtype("int32"), place), zeros((), np.dtype("int32"), place))
        for write in (False, True):
            optim.unscale(g, scale, mark, write)
            optim.update_scale(scale, tracker, mark, growth, 0.5, 2)
        optim.unscale([full((3,), math.inf, dtype, place)], scale, mark)
        optim.update_scale(scale, tracker, mark, growth, 0.5, 2)
        found += [*g, scale, tracker, mark]
    return found


# --- attention ---

def attended(place, dtype, q, k, v, mask=None, causal=False, p=0.0):
    """The result and the gradients."""
    q, k, v = (values(shape, dtype, place, seed=i) for i, shape in enumerate((q, k, v)))
    scale, do = q.shape[-1] ** -0.5, values((*q.shape[:3], v.shape[3]), dtype, place, seed=9)
    o, lse, drawn = attention.attention(q, k, v, mask, causal, scale, p, generator(place) if p else None, save=False)
    return [o, *attention.attention_backward(do, q, k, v, mask, o, lse, causal, scale, p, drawn)]


@exercise
def attention_with_dropout(place, dtype):
    found = attended(place, dtype, (2, 2, 66, 16), (2, 1, 71, 16), (2, 1, 71, 20), p=0.3)
    return found + attended(place, dtype, (1, 2, 130, 16), (1, 2, 67, 16), (1, 2, 67, 16), causal=True, p=0.6)


@exercise
def attention_with_numbers_added(place, dtype):
    added = values((2, 1, 66, 70), dtype, place, seed=4, low=-3.0, high=3.0)
    return attended(place, dtype, (2, 2, 66, 16), (2, 2, 70, 16), (2, 2, 70, 16), added)


@exercise(dtypes=["float16"])
def attention_of_wide_heads(place, dtype):
    return attended(place, dtype, (1, 1, 20, 200), (1, 1, 18, 200), (1, 1, 18, 256), causal=True)


# --- products in ways that only tuning chooses ---

@exercise
def shared_last_tiles(place, dtype):
    tiles = {"BLOCK_M": 32, "BLOCK_N": 32, "BLOCK_K": 16, "GROUP_M": 2, "SPLIT": 1, "RESIDENT": 5, "STREAM": 1,
             "DESCRIPTORS": 0, "SPECIALIZE": 0, "num_warps": 4, "num_stages": 2}
    x, w, b = values((101, 45), dtype, place), values((99, 45), dtype, place, 1), values((99,), dtype, place, 2)
    with tuning.forced(gemm_kernel, tiles):
        return [linear(x, w, b, "relu")]
