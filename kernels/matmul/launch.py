"""From two arrays on a device to launches: operands as strides, tiles, splits. One plan per shape, kept."""

from __future__ import annotations

import functools
import math

from tritonnet.kernels import tuning
from tritonnet.kernels.arrays import DeviceArray, contiguous
from tritonnet.kernels.dtypes import accumulator, is_float
from tritonnet.kernels.matmul.activation import check_activation
from tritonnet.kernels.matmul.gemm import gemm_kernel, reduce_kernel, stream_kernel
from tritonnet.kernels.matmul.precision import precision_on
from tritonnet.kernels.matmul.shapes import DEEPEST, describable, splits, tiles, unsplit
from tritonnet.kernels.plans import fresh, planned
from tritonnet.kernels.strided import block_of, collapsed


def gemm(a, b, bias=None, activation=None, whole=False) -> DeviceArray:
    """activation(a b + bias): a (..., M, K), b (..., K, N) of one float type on one device, bias (N,) or None.

    whole: one launch also where K would be cut into parts, if it is not too long for that.
    """
    device = a.device
    if bias is not None and not bias.contiguous:
        bias = contiguous(bias)
    plan = gemm_plan(device, a.shape, a.strides, b.shape, b.strides, a.dtype, activation, precision_on(device),
                     whole)
    return plan(a, b, bias)


def _stack(a, b):
    return tuple(max(n, m) if n and m else 0 for n, m in zip(a.shape[:-2], b.shape[:-2]))


def _two_batch_axes(a, b):
    """The operands, copied where their stacks of matrices are not two axes with strides."""
    if len(_batch(a, b)[0]) > 2:
        a, b = contiguous(a), contiguous(b)
        if len(_batch(a, b)[0]) > 2:
            stack = _stack(*_same_rank(a, b))
            a, b = (x.broadcast_to((*stack, *x.shape[-2:])).copy() for x in (a, b))
    return a, b


def _same_rank(a, b):
    """Operands with as many axes, new ones in front."""
    more = a.ndim - b.ndim
    return a[(None,) * max(0, -more)], b[(None,) * max(0, more)]


def _batch(a, b):
    """(lengths, strides of a, strides of b) of the stack, with as few axes as strides allow."""
    a, b = _same_rank(a, b)
    stack = _stack(a, b)
    return collapsed(stack, *(x.broadcast_to((*stack, *x.shape[-2:])).strides[:-2] for x in (a, b)))


def _aligned(strides, steps):
    """Whether rows or columns are dense and begin at multiples of 16 elements."""
    return 1 in strides and all(s == 1 or s % 16 == 0 for s in strides) and all(s % 16 == 0 for s in steps)


@planned
def gemm_plan(device, a_shape, a_strides, b_shape, b_strides, dtype, activation, precision, whole=False):
    """run(a, b, bias) -> the product, for operands of these shapes and strides."""
    if not is_float(dtype):
        raise RuntimeError(f'"addmm_cuda" not implemented for {dtype.name}: matrix products on a device take floats')
    check_activation(activation)
    a, b = (DeviceArray(0, *laid, dtype, device, None) for laid in ((a_shape, a_strides), (b_shape, b_strides)))
    lengths, a_steps, b_steps = _batch(a, b)
    if len(lengths) > 2:
        return lambda a, b, bias: gemm(*_two_batch_axes(a, b), bias, activation)
    stack = _stack(*_same_rank(a, b))
    (M, K), N, batch = a_shape[-2:], b_shape[-1], math.prod(stack)
    make = fresh(device, (*stack, M, N), dtype)
    inner = lengths[-1] if len(lengths) == 2 else 1
    a_steps, b_steps = (s if len(s) == 2 else (s[0], 0) for s in (a_steps, b_steps))
    if batch == 1:
        a_steps = b_steps = (0, 0)                       # a stride of 1 there would cost the wide loads
    left, right, out = a_strides[-2:], b_strides[-2:], (N, 1)

    swapped = M < N and M < 64                           # C' = B' A': the long side fills the rows of a tensor core
    if swapped:
        M, N, a_steps, b_steps, left, right, out = N, M, b_steps, a_steps, right[::-1], left[::-1], (1, N)
    config = tuning.chosen(gemm_kernel, device, dtype, batch, M, N, K)
    wide = _aligned(left, a_steps) and _aligned(right, b_steps)
    config = dict(config or tiles(device, dtype, batch, M, N, K, activation, wide))
    split = config.pop("SPLIT", None) or splits(device, batch, M, N, K, config)
    if split > 1 and whole and K <= DEEPEST:
        config, split = unsplit(dtype), 1
    resident, specialize, stream = (config.pop(name, 0) for name in ("RESIDENT", "SPECIALIZE", "STREAM"))
    descriptors = config.pop("DESCRIPTORS", 0)
    descriptors = int(descriptors and describable(device.capability, dtype.itemsize, batch, K, left, right))
    programs = batch * -(-M // config["BLOCK_M"]) * -(-N // config["BLOCK_N"])
    size, steps = batch * M * N, -(-K // config["BLOCK_K"])
    if resident:
        most = resident * device.multi_processor_count
        stream = int(stream and split == 1 and 0 < programs * steps < 1 << 31 and programs % most != 0)
        programs = min(programs * steps if stream else programs, most)
    grid = (programs, split) if size else (0, 1)
    known = lambda strides: tuple(None if s == 1 else s for s in strides)
    numbers = (batch, M, N, K, inner, *a_steps, *known(left), *b_steps, *known(right), M * N, *known(out), size)
    way = functools.partial(
        gemm_kernel.variant, device, ACTIVATION=activation if split == 1 else None, BIAS_ROWS=swapped,
        ACC=accumulator(dtype), PRECISION=precision, SPLIT=split, RESIDENT=resident,
        STREAM=stream if resident else 0, EVEN_K=K % config["BLOCK_K"] == 0,
        FAR=max(map(abs, left + right)) * 256 >= 1 << 30, **config)
    variant = pointers = way(DESCRIPTORS=0, SPECIALIZE=0)
    if descriptors:
        described = way(DESCRIPTORS=1, SPECIALIZE=specialize)

        def variant(grid, a, b, *rest):                  # a view may begin where descriptors cannot
            (pointers if (a.ptr | b.ptr) % 16 else described)(grid, a, b, *rest)

    if split == 1:
        def run(a, b, bias):
            c = make()
            if swapped:
                a, b = b, a
            variant(grid, a, b, bias, c, None, *numbers)
            return c

        def run_streaming(a, b, bias):
            c, parts = make(), make_parts()
            if swapped:
                a, b = b, a
            variant(grid, a, b, bias, c, parts, *numbers)
            add(add_grid, parts, bias, c, programs, batch, M, N, K, M * N, *known(out))
            return c

        if not (resident and stream and size):
            return run
        tile = {name: config[name] for name in ("BLOCK_M", "BLOCK_N", "BLOCK_K", "GROUP_M")}
        rows = max(1, min(tile["BLOCK_M"], 2048 // tile["BLOCK_N"]))
        make_parts = fresh(device, (programs, 2, tile["BLOCK_M"], tile["BLOCK_N"]), accumulator(dtype))
        add = stream_kernel.variant(device, ACTIVATION=activation, BIAS_ROWS=swapped, ACC=accumulator(dtype),
                                    ROWS=rows, num_warps=4, **tile)
        add_grid = programs - 1, tile["BLOCK_M"] // rows
        return run_streaming

    make_parts, block = fresh(device, (split, *stack, M, N), accumulator(dtype)), block_of(device, size)
    reduce = reduce_kernel.variant(device, ACTIVATION=activation, SPLIT=split, ACC=accumulator(dtype), BLOCK=block,
                                   num_warps=4)
    reduce_grid, columns = (-(-size // block),), b_shape[-1]

    def run_in_parts(a, b, bias):
        c, parts = make(), make_parts()
        if swapped:
            a, b = b, a
        variant(grid, a, b, None, parts, None, *numbers)
        reduce(reduce_grid, parts, bias, c, size, columns)
        return c

    return run_in_parts
