"""From two arrays on a device to launches: operands as strides, tiles, splits. One plan per shape, kept."""

from __future__ import annotations

import math

from tritonnet.kernels import tuning
from tritonnet.kernels.arrays import DeviceArray, contiguous
from tritonnet.kernels.dtypes import accumulator, is_float
from tritonnet.kernels.matmul.activation import check_activation
from tritonnet.kernels.matmul.gemm import gemm_kernel, reduce_kernel
from tritonnet.kernels.matmul.precision import precision_on
from tritonnet.kernels.matmul.shapes import splits, tiles
from tritonnet.kernels.strided import block_of, collapsed

_plans: dict = {}
MOST_PLANS = 4096


class Plan:
    """All that a product of these shapes and strides needs besides the arrays."""

    __slots__ = ("shape", "dtype", "swapped", "variant", "grid", "numbers", "parts", "reduce", "reduce_grid",
                 "reduce_numbers")

    def run(self, a, b, bias):
        """The product, in a fresh array."""
        c = DeviceArray.empty(self.shape, self.dtype, a.device)
        if self.swapped:
            a, b = b, a
        if self.parts is None:
            self.variant(self.grid, a, b, bias, c, *self.numbers)
            return c
        parts = DeviceArray.empty(self.parts, accumulator(self.dtype), a.device)
        self.variant(self.grid, a, b, None, parts, *self.numbers)
        self.reduce(self.reduce_grid, parts, bias, c, *self.reduce_numbers)
        return c


def gemm(a, b, bias=None, activation=None) -> DeviceArray:
    """activation(a b + bias): a (..., M, K), b (..., K, N) of one float type on one device, bias (N,) or None."""
    device = a.device
    precision = precision_on(device)
    key = (a.shape, a.strides, b.shape, b.strides, a.dtype, bias is None, activation, precision, device)
    plan = _plans.get(key)
    if plan is None:
        if len(_plans) >= MOST_PLANS:
            _plans.clear()
        a, b = _two_batch_axes(a, b)
        plan = make_plan(a, b, bias is not None, activation, precision)
        if (a.shape, a.strides, b.shape, b.strides) == key[:4]:      # else a copy was made, which each call needs
            _plans[key] = plan
    return plan.run(a, b, bias)


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


def make_plan(a, b, has_bias, activation, precision) -> Plan:
    """Choose tiles and write down every number of the launch."""
    device, dtype = a.device, a.dtype
    if not is_float(dtype):
        raise RuntimeError(f'"addmm_cuda" not implemented for {dtype.name}: matrix products on a device take floats')
    check_activation(activation)
    plan = Plan()
    stack = _stack(*_same_rank(a, b))
    (M, K), N, batch = a.shape[-2:], b.shape[-1], math.prod(stack)
    plan.shape, plan.dtype = (*stack, M, N), dtype
    lengths, a_steps, b_steps = _batch(a, b)
    inner = lengths[-1] if len(lengths) == 2 else 1
    a_steps, b_steps = (s if len(s) == 2 else (s[0], 0) for s in (a_steps, b_steps))
    if batch == 1:
        a_steps = b_steps = (0, 0)                       # a stride of 1 there would cost the wide loads
    left, right, out = a.strides[-2:], b.strides[-2:], (N, 1)

    plan.swapped = M < N and M < 64                      # C' = B' A': the long side fills the rows of a tensor core
    if plan.swapped:
        M, N, a_steps, b_steps, left, right, out = N, M, b_steps, a_steps, right[::-1], left[::-1], (1, N)
    config = tuning.look_up(gemm_kernel, device, f"{dtype.name}/{tuning.bucket(batch, M, N, K)}")
    wide = _aligned(left, a_steps) and _aligned(right, b_steps)
    config = dict(config or tiles(device, dtype, batch, M, N, K, activation, wide))
    split = config.pop("SPLIT", None) or splits(device, batch, M, N, K, config)
    programs = batch * -(-M // config["BLOCK_M"]) * -(-N // config["BLOCK_N"])
    size = batch * M * N
    plan.grid = (programs, split) if size else (0, 1)
    known = lambda strides: tuple(None if s == 1 else s for s in strides)
    plan.numbers = (batch, M, N, K, inner, *a_steps, *known(left), *b_steps, *known(right), M * N, *known(out), size)
    plan.variant = gemm_kernel.variant(
        device, ACTIVATION=activation if split == 1 else None, BIAS_ROWS=plan.swapped, ACC=accumulator(dtype),
        PRECISION=precision, SPLIT=split, EVEN_K=K % config["BLOCK_K"] == 0,
        FAR=max(map(abs, left + right)) * 256 >= 1 << 30, **config)
    plan.parts = None
    if split > 1:
        plan.parts = (split, *plan.shape)
        block = block_of(device, size)
        plan.reduce = reduce_kernel.variant(device, ACTIVATION=activation, SPLIT=split, ACC=accumulator(dtype),
                                            BLOCK=block, num_warps=4)
        plan.reduce_grid = (-(-size // block),)
        plan.reduce_numbers = (size, plan.shape[-1])
    return plan

