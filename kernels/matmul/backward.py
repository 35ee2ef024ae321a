"""The gradients of a small linear layer with an activation in one launch: Y = f(X W' + b).

    G = dY f',   dX = G W,   dW = G' X,   db = sum of G over the rows

Programs compute tiles of dX or of dW, and those of the first column of dW their part of db, too; each works out G as
it loads it. That is work done again, so it pays where launches take longer than the arithmetic: `pays` tells. Not yet
run on a GPU; `tritonnet.compile` asks for it.
"""

from __future__ import annotations

from tritonnet.kernels.arrays import contiguous, empty
from tritonnet.kernels.dtypes import accumulator
from tritonnet.kernels.kernel import jit, kernel, tl
from tritonnet.kernels.matmul.activation import slope
from tritonnet.kernels.matmul.precision import precision_on
from tritonnet.kernels.rows import next_power_of_2

LONGEST, MOST = 512, 1 << 28  # rows, and multiply-adds of one product, up to which one launch is quicker


def pays(rows, outs, ins) -> bool:
    """Whether one launch is quicker than one for each gradient."""
    return 0 < rows <= LONGEST and 0 < rows * outs * ins <= MOST


@jit
def through(g, y, at, inside, ACTIVATION: tl.constexpr, ACC: tl.constexpr):
    """G of a tile: dY is loaded at `at`, and so is what the derivative is told by."""
    found = tl.load(g + at, mask=inside, other=0)
    if ACTIVATION is not None:
        v = tl.load(y + at, mask=inside, other=0).to(ACC)
        if ACTIVATION == "relu":
            found = tl.where(v > 0, found, 0)
        elif ACTIVATION == "sigmoid":
            found = (found.to(ACC) * (v * (1 - v))).to(found.dtype)
        elif ACTIVATION == "tanh":
            found = (found.to(ACC) * (1 - v * v)).to(found.dtype)
        else:
            found = (found.to(ACC) * slope(v, ACTIVATION)).to(found.dtype)
    return found


@kernel(flops=lambda rows, outs, ins, dx, dw: 2 * rows * outs * ins * ((dx is not None) + (dw is not None)),
        bytes=lambda dy, y, x, w, dx, dw: sum(a.nbytes for a in (dy, y, x, w, dx, dw) if a is not None))
def linear_backward_kernel(dy, y, x, w, dx, dw, db, rows, outs, ins, ACTIVATION: tl.constexpr, ACC: tl.constexpr,
                           PRECISION: tl.constexpr, BLOCK_M: tl.constexpr, BLOCK_N: tl.constexpr,
                           BLOCK_K: tl.constexpr):
    """dy, y (rows, outs), x, dx (rows, ins), w, dw (outs, ins), all dense; dx, dw or db None where nobody wants them.

    y: the result, of gelu what was activated.
    """
    tiles_n = tl.cdiv(ins, BLOCK_N)
    first = 0
    if dx is not None:
        first = tl.cdiv(rows, BLOCK_M) * tiles_n
    tile = tl.program_id(0)
    n = tile % tiles_n * BLOCK_N + tl.arange(0, BLOCK_N)
    k0 = tl.arange(0, BLOCK_K)
    acc = tl.zeros((BLOCK_M, BLOCK_N), dtype=ACC)
    if tile < first:
        m = tile // tiles_n * BLOCK_M + tl.arange(0, BLOCK_M)
        line = m.to(tl.int64)[:, None] * outs
        for start in range(0, outs, BLOCK_K):
            k = start + k0
            g = through(dy, y, line + k[None, :], (m[:, None] < rows) & (k[None, :] < outs), ACTIVATION, ACC)
            b = tl.load(w + k.to(tl.int64)[:, None] * ins + n[None, :],
                        mask=(k[:, None] < outs) & (n[None, :] < ins), other=0)
            acc = tl.dot(g, b, acc, input_precision=PRECISION, out_dtype=ACC)
        if dx is not None:
            tl.store(dx + m.to(tl.int64)[:, None] * ins + n[None, :], acc.to(dx.dtype.element_ty),
                     mask=(m[:, None] < rows) & (n[None, :] < ins))
    else:
        m = (tile - first) // tiles_n * BLOCK_M + tl.arange(0, BLOCK_M)
        total = tl.zeros((BLOCK_M,), dtype=ACC)
        for start in range(0, rows, BLOCK_K):
            k = start + k0
            line = k.to(tl.int64)[None, :] * outs
            g = through(dy, y, line + m[:, None], (m[:, None] < outs) & (k[None, :] < rows), ACTIVATION, ACC)
            b = tl.load(x + k.to(tl.int64)[:, None] * ins + n[None, :],
                        mask=(k[:, None] < rows) & (n[None, :] < ins), other=0)
            acc = tl.dot(g, b, acc, input_precision=PRECISION, out_dtype=ACC)
            total += tl.sum(g.to(ACC), axis=1)
        if dw is not None:
            tl.store(dw + m.to(tl.int64)[:, None] * ins + n[None, :], acc.to(dw.dtype.element_ty),
                     mask=(m[:, None] < outs) & (n[None, :] < ins))
        if db is not None:
            tl.store(db + m, total.to(db.dtype.element_ty), mask=(m < outs) & ((tile - first) % tiles_n == 0))


def linear_backward_at_once(dy, y, x, w, activation, needs):
    """(dx, dw, db) of matrices on a device; those not needed are None."""
    device, (rows, ins), outs = dy.device, x.shape, w.shape[0]
    dy, x, w = contiguous(dy), contiguous(x), contiguous(w)
    dx, dw, db = (empty(shape, x.dtype, device) if need else None
                  for shape, need in zip((x.shape, w.shape, (outs,)), needs))
    wide = dy.dtype.itemsize < 4
    block = {"BLOCK_M": min(64, max(16, next_power_of_2(max(rows, outs)))),
             "BLOCK_N": min(64, max(16, next_power_of_2(ins))), "BLOCK_K": 64 if wide or device.simulated else 32}
    if dy.dtype.itemsize == 8:
        block["BLOCK_K"] = 16
    tiles = -(-ins // block["BLOCK_N"])
    programs = (-(-rows // block["BLOCK_M"]) * tiles if dx is not None else 0) + (
        -(-outs // block["BLOCK_M"]) * tiles if needs[1] or needs[2] else 0)
    linear_backward_kernel[(programs,)](
        dy, y if activation else None, x, w, dx, dw, db, rows, outs, ins, ACTIVATION=activation,
        ACC=accumulator(dy.dtype), PRECISION=precision_on(device), **block, num_warps=4, num_stages=3)
    return dx, dw, db
