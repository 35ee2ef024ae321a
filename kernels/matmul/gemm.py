"""The matrix product as Triton kernels: c = activation(a b + bias), batched, operands with any strides.

A program computes one tile of c, walking along K; or (RESIDENT) one after another, so that the first loads of a tile
run beside the last products of the one before: only where tuning chose it, and not yet run on a GPU. Tiles are numbered
in groups of GROUP_M rows, so that programs that run at the same time share operands in the L2 cache. With SPLIT > 1
each tile is cut along K; the parts go to a buffer in the accumulator's type, and `reduce_kernel` adds them in fixed
order, so results are the same in every run.

On sm_90 and later blocks of the operands may come through tensor descriptors (DESCRIPTORS: TMA, one instruction of one
thread instead of an address per element), which each program makes in memory that the launch provides; on sm_100 by
warps of their own (SPECIALIZE). That, too, only tuning chooses, and no GPU has run yet.
"""

from __future__ import annotations

from tritonnet.kernels.kernel import jit, kernel, tl
from tritonnet.kernels.matmul.activation import activate
from tritonnet.kernels.matmul.shapes import sensible
from tritonnet.kernels.rows import walk
from tritonnet.kernels.space import Space


@jit
def grouped(pid, tiles_m, tiles_n, GROUP_M: tl.constexpr):
    """(tile row, tile column) of a program: column by column within GROUP_M rows of tiles."""
    group = pid // (GROUP_M * tiles_n)
    rows = tl.minimum(tiles_m - group * GROUP_M, GROUP_M)
    inside = pid % (GROUP_M * tiles_n)
    return group * GROUP_M + inside % rows, inside // rows


@jit
def lanes(index, stride, FAR: tl.constexpr):
    """index * stride, in 32 bits where that is enough: half the registers."""
    if FAR:
        return walk(index, stride)
    else:
        return walk(index, stride).to(tl.int32)


@jit
def descriptor(x, rows, cols, row_stride, col_stride, ROWS: tl.constexpr, COLS: tl.constexpr):
    """A tensor descriptor for blocks of a matrix that is dense along its rows, or else along its columns."""
    if col_stride is None:
        return tl.make_tensor_descriptor(x, [rows, cols], [row_stride, 1], [ROWS, COLS])
    else:
        return tl.make_tensor_descriptor(x, [cols, rows], [col_stride, 1], [COLS, ROWS])


@jit
def described(x, row, col, col_stride):
    """The block at (row, col), 0 outside the matrix."""
    if col_stride is None:
        return x.load([row, col])
    else:
        return x.load([col, row]).T


@jit
def gemm_tile(tile, a, b, bias, c, M, N, K, inner, a_outer, a_inner, a_m, a_k, b_outer, b_inner, b_k, b_n, c_batch,
              c_m, c_n, c_split, ACTIVATION: tl.constexpr, BIAS_ROWS: tl.constexpr, ACC: tl.constexpr,
              PRECISION: tl.constexpr, BLOCK_M: tl.constexpr, BLOCK_N: tl.constexpr, BLOCK_K: tl.constexpr,
              GROUP_M: tl.constexpr, SPLIT: tl.constexpr, DESCRIPTORS: tl.constexpr, EVEN_K: tl.constexpr,
              FAR: tl.constexpr):
    """Compute a tile of c, or program_id(1)'s part of it; parameters as `gemm_kernel`'s, a and b descriptors or not."""
    tiles_m, tiles_n = tl.cdiv(M, BLOCK_M), tl.cdiv(N, BLOCK_N)
    which = (tile // (tiles_m * tiles_n)).to(tl.int64)
    tile_m, tile_n = grouped(tile % (tiles_m * tiles_n), tiles_m, tiles_n, GROUP_M)
    if not DESCRIPTORS:
        a += which // inner * a_outer + which % inner * a_inner
        b += which // inner * b_outer + which % inner * b_inner
    rows = tile_m * BLOCK_M + tl.arange(0, BLOCK_M)
    cols = tile_n * BLOCK_N + tl.arange(0, BLOCK_N)

    steps = tl.cdiv(tl.cdiv(K, BLOCK_K), SPLIT)
    start = tl.program_id(1) * steps * BLOCK_K
    depth = tl.arange(0, BLOCK_K)
    if not DESCRIPTORS:
        a += walk(tile_m * BLOCK_M, a_m) + walk(start, a_k)          # one address walks; what lanes add to it stays
        b += walk(tile_n * BLOCK_N, b_n) + walk(start, b_k)
        a_lanes = lanes(tl.arange(0, BLOCK_M), a_m, FAR)[:, None] + lanes(depth, a_k, FAR)[None, :]
        b_lanes = lanes(depth, b_k, FAR)[:, None] + lanes(tl.arange(0, BLOCK_N), b_n, FAR)[None, :]
    row_inside, col_inside = rows[:, None] < M, cols[None, :] < N
    acc = tl.zeros((BLOCK_M, BLOCK_N), dtype=ACC)
    for k in range(start, tl.minimum(K, start + steps * BLOCK_K), BLOCK_K):
        if DESCRIPTORS:
            x = described(a, tile_m * BLOCK_M, k, a_k)
            y = described(b, k, tile_n * BLOCK_N, b_n)
        elif EVEN_K:
            x = tl.load(a + a_lanes, mask=row_inside, other=0.0)
            y = tl.load(b + b_lanes, mask=col_inside, other=0.0)
        else:
            x = tl.load(a + a_lanes, mask=row_inside & (depth[None, :] < K - k), other=0.0)
            y = tl.load(b + b_lanes, mask=col_inside & (depth[:, None] < K - k), other=0.0)
        acc = tl.dot(x, y, acc, input_precision=PRECISION, out_dtype=ACC)
        if DESCRIPTORS:
            pass
        elif a_k is None:
            a += BLOCK_K
        else:
            a += BLOCK_K * a_k
        if DESCRIPTORS:
            pass
        elif b_k is None:
            b += BLOCK_K
        else:
            b += BLOCK_K * b_k

    if bias is not None:
        if BIAS_ROWS:
            acc += tl.load(bias + rows, mask=rows < M, other=0.0).to(ACC)[:, None]
        else:
            acc += tl.load(bias + cols, mask=cols < N, other=0.0).to(ACC)[None, :]
    acc = activate(acc, ACTIVATION)
    c_at = c + which * c_batch + tl.program_id(1).to(tl.int64) * c_split
    tl.store(c_at + walk(rows, c_m)[:, None] + walk(cols, c_n)[None, :], acc.to(c.dtype.element_ty),
             mask=row_inside & col_inside)


@kernel(flops=lambda M, N, K, batch: 2 * batch * M * N * K,
        bytes=lambda a, b, c, M, N, K, batch: batch * (M * K * a.itemsize + K * N * b.itemsize) + c.nbytes,
        space=Space(BLOCK_M=[16, 32, 64, 128, 256], BLOCK_N=[16, 32, 64, 128, 256], BLOCK_K=[16, 32, 64, 128],
                    GROUP_M=[8], SPLIT=[1, 2, 4, 8, 16, 32, 64], RESIDENT=[0, 1, 2], DESCRIPTORS=[0, 1],
                    SPECIALIZE=[0, 1], num_warps=[4, 8], num_stages=[2, 3, 4, 5], where=sensible))
def gemm_kernel(a, b, bias, c, batch, M, N, K, inner, a_outer: tl.int64, a_inner: tl.int64, a_m: tl.int64,
                a_k: tl.int64, b_outer: tl.int64, b_inner: tl.int64, b_k: tl.int64, b_n: tl.int64, c_batch: tl.int64,
                c_m: tl.int64, c_n: tl.int64, c_split: tl.int64, ACTIVATION: tl.constexpr, BIAS_ROWS: tl.constexpr,
                ACC: tl.constexpr, PRECISION: tl.constexpr, BLOCK_M: tl.constexpr, BLOCK_N: tl.constexpr,
                BLOCK_K: tl.constexpr, GROUP_M: tl.constexpr, SPLIT: tl.constexpr, RESIDENT: tl.constexpr,
                DESCRIPTORS: tl.constexpr, SPECIALIZE: tl.constexpr, EVEN_K: tl.constexpr, FAR: tl.constexpr):
    """c[i] = activation(a[i] b[i] + bias) for i in batch = outer x inner; strides None stand for 1.

    RESIDENT: 0, a program per tile; else how many programs a multiprocessor is given, which walk over all tiles.
    DESCRIPTORS: blocks of a and b come through tensor descriptors (TMA of sm_90 and later); one pair of matrices only.
    SPECIALIZE: some warps load, the others multiply. FAR: a tile spans more than 2^31 elements.
    """
    if DESCRIPTORS:
        a = descriptor(a, M, K, a_m, a_k, BLOCK_M, BLOCK_K)
        b = descriptor(b, K, N, b_k, b_n, BLOCK_K, BLOCK_N)
    if RESIDENT == 0:
        gemm_tile(tl.program_id(0), a, b, bias, c, M, N, K, inner, a_outer, a_inner, a_m, a_k, b_outer, b_inner, b_k,
                  b_n, c_batch, c_m, c_n, c_split, ACTIVATION, BIAS_ROWS, ACC, PRECISION, BLOCK_M, BLOCK_N, BLOCK_K,
                  GROUP_M, SPLIT, DESCRIPTORS, EVEN_K, FAR)
    else:
        tiles = batch * tl.cdiv(M, BLOCK_M) * tl.cdiv(N, BLOCK_N)
        for tile in tl.range(tl.program_id(0), tiles, tl.num_programs(0), flatten=True, warp_specialize=SPECIALIZE):
            gemm_tile(tile, a, b, bias, c, M, N, K, inner, a_outer, a_inner, a_m, a_k, b_outer, b_inner, b_k, b_n,
                      c_batch, c_m, c_n, c_split, ACTIVATION, BIAS_ROWS, ACC, PRECISION, BLOCK_M, BLOCK_N, BLOCK_K,
                      GROUP_M, SPLIT, DESCRIPTORS, EVEN_K, FAR)


@kernel(flops=lambda n, SPLIT: n * SPLIT, bytes=lambda parts, c: parts.nbytes + c.nbytes)
def reduce_kernel(parts, bias, c, n: tl.int64, columns, ACTIVATION: tl.constexpr, SPLIT: tl.constexpr,
                  ACC: tl.constexpr, BLOCK: tl.constexpr):
    """c = activation(the sum of SPLIT arrays of n elements + bias), rows of c being `columns` long."""
    at = tl.program_id(0).to(tl.int64) * BLOCK + tl.arange(0, BLOCK)
    inside = at < n
    total = tl.zeros((BLOCK,), dtype=ACC)
    for i in range(SPLIT):
        total += tl.load(parts + i * n + at, mask=inside, other=0.0)
    if bias is not None:
        total += tl.load(bias + at % columns, mask=inside, other=0.0).to(ACC)
    tl.store(c + at, activate(total, ACTIVATION).to(c.dtype.element_ty), mask=inside)
