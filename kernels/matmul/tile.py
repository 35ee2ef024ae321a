"""One tile of a matrix product, for kernels: operands along K, by addresses or descriptors; the end with bias."""

from __future__ import annotations

from tritonnet.kernels.kernel import jit, tl
from tritonnet.kernels.matmul.activation import activate
from tritonnet.kernels.rows import walk


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
def finish(acc, bias, c, rows, cols, M, N, c_m, c_n, ACTIVATION: tl.constexpr, BIAS_ROWS: tl.constexpr,
           ACC: tl.constexpr):
    """Store activation(acc + bias) as rows and columns of c."""
    if bias is not None:
        if BIAS_ROWS:
            acc += tl.load(bias + rows, mask=rows < M, other=0.0).to(ACC)[:, None]
        else:
            acc += tl.load(bias + cols, mask=cols < N, other=0.0).to(ACC)[None, :]
    acc = activate(acc, ACTIVATION)
    tl.store(c + walk(rows, c_m)[:, None] + walk(cols, c_n)[None, :], acc.to(c.dtype.element_ty),
             mask=(rows[:, None] < M) & (cols[None, :] < N))


@jit
def gemm_tile(tile, start, stop, part, a, b, bias, c, parts, M, N, K, inner, a_outer, a_inner, a_m, a_k, b_outer,
              b_inner, b_k, b_n, c_batch, c_m, c_n, c_split, ACTIVATION: tl.constexpr, BIAS_ROWS: tl.constexpr,
              ACC: tl.constexpr, PRECISION: tl.constexpr, BLOCK_M: tl.constexpr, BLOCK_N: tl.constexpr,
              BLOCK_K: tl.constexpr, GROUP_M: tl.constexpr, SPLIT: tl.constexpr, DESCRIPTORS: tl.constexpr,
              EVEN_K: tl.constexpr, FAR: tl.constexpr):
    """The sum over [start, stop) of a tile: to c, or as the tile number `part` to `parts` where that is not negative.

    start None: over what program_id(1) has of K. part None: to c. The rest as `gemm_kernel`'s parameters; a and b are
    descriptors or not.
    """
    tiles_m, tiles_n = tl.cdiv(M, BLOCK_M), tl.cdiv(N, BLOCK_N)
    which = (tile // (tiles_m * tiles_n)).to(tl.int64)
    tile_m, tile_n = grouped(tile % (tiles_m * tiles_n), tiles_m, tiles_n, GROUP_M)
    if not DESCRIPTORS:
        a += which // inner * a_outer + which % inner * a_inner
        b += which // inner * b_outer + which % inner * b_inner
    rows = tile_m * BLOCK_M + tl.arange(0, BLOCK_M)
    cols = tile_n * BLOCK_N + tl.arange(0, BLOCK_N)

    if start is None:
        steps = tl.cdiv(tl.cdiv(K, BLOCK_K), SPLIT)
        start = tl.program_id(1) * steps * BLOCK_K
        stop = tl.minimum(K, start + steps * BLOCK_K)
    depth = tl.arange(0, BLOCK_K)
    if not DESCRIPTORS:
        a += walk(tile_m * BLOCK_M, a_m) + walk(start, a_k)          # one address walks; what lanes add to it stays
        b += walk(tile_n * BLOCK_N, b_n) + walk(start, b_k)
        a_lanes = lanes(tl.arange(0, BLOCK_M), a_m, FAR)[:, None] + lanes(depth, a_k, FAR)[None, :]
        b_lanes = lanes(depth, b_k, FAR)[:, None] + lanes(tl.arange(0, BLOCK_N), b_n, FAR)[None, :]
    row_inside, col_inside = rows[:, None] < M, cols[None, :] < N
    acc = tl.zeros((BLOCK_M, BLOCK_N), dtype=ACC)
    for k in range(start, stop, BLOCK_K):
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

    c += which * c_batch + tl.program_id(1).to(tl.int64) * c_split
    if part is None or part < 0:
        finish(acc, bias, c, rows, cols, M, N, c_m, c_n, ACTIVATION, BIAS_ROWS, ACC)
    else:
        here = tl.arange(0, BLOCK_M)[:, None] * BLOCK_N + tl.arange(0, BLOCK_N)[None, :]
        tl.store(parts + part.to(tl.int64) * (BLOCK_M * BLOCK_N) + here, acc)
