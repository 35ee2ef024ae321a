"""The matrix product as Triton kernels: c = activation(a b + bias), batched, operands with any strides.

A program computes one tile of c, walking along K; or (RESIDENT) one after another, so that the first loads of a tile
run beside the last products of the one before: only where tuning chose it, and not yet run on a GPU. Tiles are numbered
in groups of GROUP_M rows, so that programs that run at the same time share operands in the L2 cache. With SPLIT > 1
each tile is cut along K; the parts go to a buffer in the accumulator's type, and `reduce_kernel` adds them in fixed
order, so results are the same in every run.

With STREAM (stream-K: Osama et al. 2023) what is left after whole waves of tiles is dealt out by steps along K, so that
all programs end at once. Tiles that are cut go to a buffer, and `stream_kernel` adds their parts in fixed order: in a
launch of its own, so that no program waits for another. Only where tuning chose it, and not yet run on a GPU.

On sm_90 and later blocks of the operands may come through tensor descriptors (DESCRIPTORS: TMA, one instruction of one
thread instead of an address per element), which each program makes in memory that the launch provides; on sm_100 by
warps of their own (SPECIALIZE). That, too, only tuning chooses, and no GPU has run yet.
"""

from __future__ import annotations

from tritonnet.kernels.kernel import jit, kernel, tl
from tritonnet.kernels.matmul.activation import activate
from tritonnet.kernels.matmul.shapes import sensible
from tritonnet.kernels.matmul.tile import descriptor, finish, gemm_tile, grouped
from tritonnet.kernels.space import Space


@jit
def streamed_from(tiles, programs):
    """The first tile that is dealt out by steps: before it are whole waves, all but the last."""
    return tl.maximum(tiles // programs - 1, 0) * programs


@jit
def dealt(program, programs, steps):
    """Where the share of a program in so many steps begins."""
    return (program.to(tl.int64) * steps // programs).to(tl.int32)


@kernel(flops=lambda M, N, K, batch: 2 * batch * M * N * K,
        bytes=lambda a, b, c, parts, M, N, K, batch: (
            batch * (M * K * a.itemsize + K * N * b.itemsize) + c.nbytes + (0 if parts is None else parts.nbytes)),
        space=Space(BLOCK_M=[16, 32, 64, 128, 256], BLOCK_N=[16, 32, 64, 128, 256], BLOCK_K=[16, 32, 64, 128],
                    GROUP_M=[8], SPLIT=[1, 2, 4, 8, 16, 32, 64], RESIDENT=[0, 1, 2], STREAM=[0, 1],
                    DESCRIPTORS=[0, 1], SPECIALIZE=[0, 1], num_warps=[4, 8], num_stages=[2, 3, 4, 5], where=sensible))
def gemm_kernel(a, b, bias, c, parts, batch, M, N, K, inner, a_outer: tl.int64, a_inner: tl.int64, a_m: tl.int64,
                a_k: tl.int64, b_outer: tl.int64, b_inner: tl.int64, b_k: tl.int64, b_n: tl.int64, c_batch: tl.int64,
                c_m: tl.int64, c_n: tl.int64, c_split: tl.int64, ACTIVATION: tl.constexpr, BIAS_ROWS: tl.constexpr,
                ACC: tl.constexpr, PRECISION: tl.constexpr, BLOCK_M: tl.constexpr, BLOCK_N: tl.constexpr,
                BLOCK_K: tl.constexpr, GROUP_M: tl.constexpr, SPLIT: tl.constexpr, RESIDENT: tl.constexpr,
                STREAM: tl.constexpr, DESCRIPTORS: tl.constexpr, SPECIALIZE: tl.constexpr, EVEN_K: tl.constexpr,
                FAR: tl.constexpr):
    """c[i] = activation(a[i] b[i] + bias) for i in batch = outer x inner; strides None stand for 1.

    RESIDENT: 0, a program per tile; else how many programs a multiprocessor is given, which walk over all tiles.
    STREAM: the last tiles are dealt out by steps; parts: two tiles for each program, what begins within a tile first.
    DESCRIPTORS: blocks of a and b come through tensor descriptors (TMA of sm_90 and later); one pair of matrices only.
    SPECIALIZE: some warps load, the others multiply. FAR: a tile spans more than 2^31 elements.
    """
    if DESCRIPTORS:
        a = descriptor(a, M, K, a_m, a_k, BLOCK_M, BLOCK_K)
        b = descriptor(b, K, N, b_k, b_n, BLOCK_K, BLOCK_N)
    tiles = batch * tl.cdiv(M, BLOCK_M) * tl.cdiv(N, BLOCK_N)
    if RESIDENT == 0:
        gemm_tile(tl.program_id(0), None, None, None, a, b, bias, c, parts, M, N, K, inner, a_outer, a_inner, a_m, a_k,
                  b_outer, b_inner, b_k, b_n, c_batch, c_m, c_n, c_split, ACTIVATION, BIAS_ROWS, ACC, PRECISION,
                  BLOCK_M, BLOCK_N, BLOCK_K, GROUP_M, SPLIT, DESCRIPTORS, EVEN_K, FAR)
    elif STREAM:
        program, programs, steps = tl.program_id(0), tl.num_programs(0), tl.cdiv(K, BLOCK_K)
        whole = streamed_from(tiles, programs)
        begin = dealt(program, programs, (tiles - whole) * steps)
        end = dealt(program + 1, programs, (tiles - whole) * steps)
        before = whole // programs
        for i in range(0, before + tl.cdiv(end, steps) - begin // steps):
            left = i - before + begin // steps                           # which of the tiles that are dealt out
            tile = tl.where(i < before, program + i * programs, whole + left)
            first = tl.where(i < before, 0, tl.maximum(begin - left * steps, 0))
            last = tl.where(i < before, steps, tl.minimum(end - left * steps, steps))
            part = tl.where(last - first == steps, -1, 2 * program + tl.where(first > 0, 0, 1))
            gemm_tile(tile, first * BLOCK_K, tl.minimum(K, last * BLOCK_K), part, a, b, bias, c, parts, M, N, K, inner,
                      a_outer, a_inner, a_m, a_k, b_outer, b_inner, b_k, b_n, c_batch, c_m, c_n, c_split, ACTIVATION,
                      BIAS_ROWS, ACC, PRECISION, BLOCK_M, BLOCK_N, BLOCK_K, GROUP_M, SPLIT, DESCRIPTORS, EVEN_K, FAR)
    else:
        for tile in tl.range(tl.program_id(0), tiles, tl.num_programs(0), flatten=True, warp_specialize=SPECIALIZE):
            gemm_tile(tile, None, None, None, a, b, bias, c, parts, M, N, K, inner, a_outer, a_inner, a_m, a_k,
                      b_outer, b_inner, b_k, b_n, c_batch, c_m, c_n, c_split, ACTIVATION, BIAS_ROWS, ACC, PRECISION,
                      BLOCK_M, BLOCK_N, BLOCK_K, GROUP_M, SPLIT, DESCRIPTORS, EVEN_K, FAR)


@kernel(flops=lambda parts: parts.size,
        bytes=lambda parts, c, programs, BLOCK_M, BLOCK_N: parts.nbytes + programs * BLOCK_M * BLOCK_N * c.itemsize)
def stream_kernel(parts, bias, c, programs, batch, M, N, K, c_batch: tl.int64, c_m: tl.int64, c_n: tl.int64,
                  ACTIVATION: tl.constexpr, BIAS_ROWS: tl.constexpr, ACC: tl.constexpr, BLOCK_M: tl.constexpr,
                  BLOCK_N: tl.constexpr, BLOCK_K: tl.constexpr, GROUP_M: tl.constexpr, ROWS: tl.constexpr):
    """c where `gemm_kernel` with STREAM cut its tiles: program (p, i) adds ROWS rows of the tile that ends p's share,
    if the share of program p has the tile's first step."""
    tiles_m, tiles_n = tl.cdiv(M, BLOCK_M), tl.cdiv(N, BLOCK_N)
    tiles, steps = batch * tiles_m * tiles_n, tl.cdiv(K, BLOCK_K)
    whole = streamed_from(tiles, programs)
    total = (tiles - whole) * steps
    program = tl.program_id(0)
    at = dealt(program + 1, programs, total)
    left = at // steps
    if (at > left * steps) & (dealt(program, programs, total) <= left * steps):
        row = tl.program_id(1) * ROWS + tl.arange(0, ROWS)
        here = row[:, None] * BLOCK_N + tl.arange(0, BLOCK_N)[None, :]
        acc = tl.load(parts + (2 * program + 1).to(tl.int64) * (BLOCK_M * BLOCK_N) + here)
        while at < (left + 1) * steps:
            program += 1
            acc += tl.load(parts + (2 * program).to(tl.int64) * (BLOCK_M * BLOCK_N) + here)
            at = dealt(program + 1, programs, total)
        tile = whole + left
        tile_m, tile_n = grouped(tile % (tiles_m * tiles_n), tiles_m, tiles_n, GROUP_M)
        c += (tile // (tiles_m * tiles_n)).to(tl.int64) * c_batch
        finish(acc, bias, c, tile_m * BLOCK_M + row, tile_n * BLOCK_N + tl.arange(0, BLOCK_N), M, N, c_m, c_n,
               ACTIVATION, BIAS_ROWS, ACC)


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
