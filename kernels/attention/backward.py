"""The gradients of attention as two Triton kernels, which compute the weights again; nothing is added atomically.

`attention_dq_kernel` runs first: it leaves delta for `attention_dkdv_kernel`, whose programs take BLOCK_N keys of one
head of k and v, and walk along the queries of the GROUP heads that look at them. There tiles are transposed: (N, M).
"""

from __future__ import annotations

from tritonnet.kernels.attention.blocks import jump, kept, loaded, masked
from tritonnet.kernels.attention.forward import pairs
from tritonnet.kernels.attention.tiles import SPACE
from tritonnet.kernels.kernel import jit, kernel, tl
from tritonnet.kernels.matmul.tile import lanes


@jit
def add_dq(acc, x, dz, log, delta, k, v, mask, begin, end, head, first, row, L, S, scale, k_row, k_col, v_row, v_col,
           mask_row, mask_col, state, offset, limit, keep, E: tl.constexpr, V: tl.constexpr, DIM: tl.constexpr,
           VDIM: tl.constexpr, BLOCK_M: tl.constexpr, BLOCK_N: tl.constexpr, EDGE: tl.constexpr, CAUSAL: tl.constexpr,
           BOOL: tl.constexpr, DROPOUT: tl.constexpr, ACC: tl.constexpr, PRECISION: tl.constexpr, FAR: tl.constexpr):
    """What the keys from begin to end contribute to dq / scale, added. log: in bits."""
    lane, dim, vdim = tl.arange(0, BLOCK_N), tl.arange(0, DIM), tl.arange(0, VDIM)
    k_lanes = lanes(lane, k_row, FAR)[:, None] + lanes(dim, k_col, FAR)[None, :]
    v_lanes = lanes(vdim, v_col, FAR)[:, None] + lanes(lane, v_row, FAR)[None, :]
    for start in range(begin, end, BLOCK_N):
        col = start + lane
        y = loaded(k + jump(start, k_row), k_lanes, col[:, None], S, dim[None, :], E, DIM, not EDGE)
        z = loaded(v + jump(start, v_row), v_lanes, col[None, :], S, vdim[:, None], V, VDIM, not EDGE)
        s = tl.dot(x, tl.trans(y), input_precision=PRECISION, out_dtype=ACC) * scale
        if mask is not None:
            s = masked(s, mask + jump(start, mask_col), mask_row, mask_col, row[:, None], L, col[None, :], S,
                       tl.arange(0, BLOCK_M)[:, None], lane[None, :], BOOL, FAR)
        p = tl.exp2(s - log[:, None])
        if EDGE:
            inside = col[None, :] < S
            if CAUSAL:
                inside = inside & (col[None, :] <= row[:, None])
            p = tl.where(inside, p, 0.0)
        dp = tl.dot(dz, z, input_precision=PRECISION, out_dtype=ACC)
        if DROPOUT:
            dp = tl.where(kept(head, first, start, L, S, state, offset, limit, BLOCK_M, BLOCK_N), dp * keep, 0.0)
        ds = p * (dp - delta[:, None])
        acc = tl.dot(ds.to(y.dtype), y, acc, input_precision=PRECISION, out_dtype=ACC)
    return acc


@kernel(flops=lambda B, H, L, S, E, V, CAUSAL: 2 * B * H * pairs(L, S, CAUSAL) * (2 * E + V) + 2 * B * H * L * V,
        bytes=lambda q, k, v, o, do, dq, lse: (
            q.nbytes + k.nbytes + v.nbytes + o.nbytes + do.nbytes + dq.nbytes + 2 * lse.nbytes),
        do_not_specialize=["offset"], space=SPACE)
def attention_dq_kernel(q, k, v, mask, o, do, lse, dq, delta, B, H, L, S, scale: tl.float64, state, offset: tl.int64,
                        limit: tl.uint32, keep: tl.float64, q_batch: tl.int64, q_head: tl.int64, q_row: tl.int64,
                        q_col: tl.int64, k_batch: tl.int64, k_head: tl.int64, k_row: tl.int64, k_col: tl.int64,
                        v_batch: tl.int64, v_head: tl.int64, v_row: tl.int64, v_col: tl.int64, o_batch: tl.int64,
                        o_head: tl.int64, o_row: tl.int64, o_col: tl.int64, do_batch: tl.int64, do_head: tl.int64,
                        do_row: tl.int64, do_col: tl.int64, dq_batch: tl.int64, dq_head: tl.int64, dq_row: tl.int64,
                        dq_col: tl.int64, mask_batch: tl.int64, mask_head: tl.int64, mask_row: tl.int64,
                        mask_col: tl.int64, E: tl.constexpr, V: tl.constexpr, DIM: tl.constexpr, VDIM: tl.constexpr,
                        GROUP: tl.constexpr, CAUSAL: tl.constexpr, BOOL: tl.constexpr, DROPOUT: tl.constexpr,
                        ACC: tl.constexpr, PRECISION: tl.constexpr, FAR: tl.constexpr, EVEN: tl.constexpr,
                        BLOCK_M: tl.constexpr, BLOCK_N: tl.constexpr):
    """dq, and delta (B, H, L), the sum of do o along each row. EVEN: BLOCK_N divides S."""
    tiles = tl.cdiv(L, BLOCK_M)
    head = (tl.program_id(0) // tiles).to(tl.int64)
    tile = tl.program_id(0) % tiles
    if CAUSAL:
        tile = tiles - 1 - tile                                  # the longest rows first
    first = tile * BLOCK_M
    q += head // H * q_batch + head % H * q_head + jump(first, q_row)
    k += head // H * k_batch + head % H // GROUP * k_head
    v += head // H * v_batch + head % H // GROUP * v_head
    o += head // H * o_batch + head % H * o_head + jump(first, o_row)
    do += head // H * do_batch + head % H * do_head + jump(first, do_row)
    dq += head // H * dq_batch + head % H * dq_head + jump(first, dq_row)
    if mask is not None:
        mask += head // H * mask_batch + head % H * mask_head + jump(first, mask_row)
    lane, dim, vdim = tl.arange(0, BLOCK_M), tl.arange(0, DIM), tl.arange(0, VDIM)
    row = first + lane
    dz = loaded(do, lanes(lane, do_row, FAR)[:, None] + lanes(vdim, do_col, FAR)[None, :], row[:, None], L,
                vdim[None, :], V, VDIM, False)
    y = loaded(o, lanes(lane, o_row, FAR)[:, None] + lanes(vdim, o_col, FAR)[None, :], row[:, None], L, vdim[None, :],
               V, VDIM, False)
    d = tl.sum(dz.to(ACC) * y.to(ACC), axis=1)
    tl.store(delta + head * L + row, d, mask=row < L)
    x = loaded(q, lanes(lane, q_row, FAR)[:, None] + lanes(dim, q_col, FAR)[None, :], row[:, None], L, dim[None, :],
               E, DIM, False)
    log = tl.load(lse + head * L + row, mask=row < L, other=0.0) * 1.4426950408889634

    acc = tl.zeros((BLOCK_M, DIM), dtype=ACC)
    bits, keep = (scale * 1.4426950408889634).to(ACC), keep.to(ACC)
    end = S
    whole = S // BLOCK_N * BLOCK_N
    if CAUSAL:
        end = tl.minimum(S, first + BLOCK_M)
        whole = tl.minimum(whole, first // BLOCK_N * BLOCK_N)
    acc = add_dq(acc, x, dz, log, d, k, v, mask, 0, whole, head, first, row, L, S, bits, k_row, k_col, v_row, v_col,
                 mask_row, mask_col, state, offset, limit, keep, E, V, DIM, VDIM, BLOCK_M, BLOCK_N, False, CAUSAL, BOOL,
                 DROPOUT, ACC, PRECISION, FAR)
    if CAUSAL or not EVEN:
        acc = add_dq(acc, x, dz, log, d, k, v, mask, whole, end, head, first, row, L, S, bits, k_row, k_col, v_row,
                     v_col, mask_row, mask_col, state, offset, limit, keep, E, V, DIM, VDIM, BLOCK_M, BLOCK_N, True,
                     CAUSAL, BOOL, DROPOUT, ACC, PRECISION, FAR)
    tl.store(dq + (lanes(lane, dq_row, FAR)[:, None] + lanes(dim, dq_col, FAR)[None, :]),
             (acc * scale.to(ACC)).to(dq.dtype.element_ty), mask=(row[:, None] < L) & (dim[None, :] < E))


@jit
def add_dkdv(dk, dv, y, z, q, do, lse, delta, mask, begin, end, head, start, col, L, S, scale, q_row, q_col, do_row,
             do_col, mask_row, mask_col, state, offset, limit, keep, E: tl.constexpr, V: tl.constexpr,
             DIM: tl.constexpr, VDIM: tl.constexpr, BLOCK_M: tl.constexpr, BLOCK_N: tl.constexpr, EDGE: tl.constexpr,
             EVEN: tl.constexpr, BOOL: tl.constexpr, DROPOUT: tl.constexpr, ACC: tl.constexpr,
             PRECISION: tl.constexpr, FAR: tl.constexpr):
    """What the queries from begin to end contribute to dk / scale and dv, added. EDGE: the diagonal is among them."""
    lane, dim, vdim = tl.arange(0, BLOCK_M), tl.arange(0, DIM), tl.arange(0, VDIM)
    q_lanes = lanes(lane, q_row, FAR)[:, None] + lanes(dim, q_col, FAR)[None, :]
    do_lanes = lanes(lane, do_row, FAR)[:, None] + lanes(vdim, do_col, FAR)[None, :]
    for first in range(begin, end, BLOCK_M):
        row = first + lane
        x = loaded(q + jump(first, q_row), q_lanes, row[:, None], L, dim[None, :], E, DIM, EVEN)
        dz = loaded(do + jump(first, do_row), do_lanes, row[:, None], L, vdim[None, :], V, VDIM, EVEN)
        log = tl.load(lse + row, mask=row < L, other=float("inf")) * 1.4426950408889634  # no row: no weight
        d = tl.load(delta + row, mask=row < L, other=0.0)
        s = tl.dot(y, tl.trans(x), input_precision=PRECISION, out_dtype=ACC) * scale
        if mask is not None:
            s = masked(s, mask + jump(first, mask_row), mask_row, mask_col, row[None, :], L, col[:, None], S,
                       lane[None, :], tl.arange(0, BLOCK_N)[:, None], BOOL, FAR)
        p = tl.exp2(s - log[None, :])
        if EDGE:
            p = tl.where(col[:, None] <= row[None, :], p, 0.0)
        dp = tl.dot(z, tl.trans(dz), input_precision=PRECISION, out_dtype=ACC)
        w = p
        if DROPOUT:
            alive = tl.trans(kept(head, first, start, L, S, state, offset, limit, BLOCK_M, BLOCK_N))
            w = tl.where(alive, p * keep, 0.0)
            dp = tl.where(alive, dp * keep, 0.0)
        dv = tl.dot(w.to(dz.dtype), dz, dv, input_precision=PRECISION, out_dtype=ACC)
        ds = p * (dp - d[None, :])
        dk = tl.dot(ds.to(x.dtype), x, dk, input_precision=PRECISION, out_dtype=ACC)
    return dk, dv


@kernel(flops=lambda B, H, L, S, E, V, CAUSAL: 4 * B * H * pairs(L, S, CAUSAL) * (E + V),
        bytes=lambda q, k, v, do, dk, dv, lse: (
            q.nbytes + k.nbytes + v.nbytes + do.nbytes + dk.nbytes + dv.nbytes + 2 * lse.nbytes),
        do_not_specialize=["offset"], space=SPACE)
def attention_dkdv_kernel(q, k, v, mask, do, lse, delta, dk, dv, B, H, L, S, scale: tl.float64, state,
                          offset: tl.int64, limit: tl.uint32, keep: tl.float64, q_batch: tl.int64, q_head: tl.int64,
                          q_row: tl.int64, q_col: tl.int64, k_batch: tl.int64, k_head: tl.int64, k_row: tl.int64,
                          k_col: tl.int64, v_batch: tl.int64, v_head: tl.int64, v_row: tl.int64, v_col: tl.int64,
                          do_batch: tl.int64, do_head: tl.int64, do_row: tl.int64, do_col: tl.int64,
                          dk_batch: tl.int64, dk_head: tl.int64, dk_row: tl.int64, dk_col: tl.int64,
                          dv_batch: tl.int64, dv_head: tl.int64, dv_row: tl.int64, dv_col: tl.int64,
                          mask_batch: tl.int64, mask_head: tl.int64, mask_row: tl.int64, mask_col: tl.int64,
                          E: tl.constexpr, V: tl.constexpr, DIM: tl.constexpr, VDIM: tl.constexpr, GROUP: tl.constexpr,
                          CAUSAL: tl.constexpr, BOOL: tl.constexpr, DROPOUT: tl.constexpr, ACC: tl.constexpr,
                          PRECISION: tl.constexpr, FAR: tl.constexpr, EVEN: tl.constexpr, BLOCK_M: tl.constexpr,
                          BLOCK_N: tl.constexpr):
    """dk and dv. EVEN: BLOCK_M divides L."""
    tiles = tl.cdiv(S, BLOCK_N)
    which = (tl.program_id(0) // tiles).to(tl.int64)             # of the heads of k and v
    batch, group = which // (H // GROUP), which % (H // GROUP)
    start = tl.program_id(0) % tiles * BLOCK_N
    k += batch * k_batch + group * k_head + jump(start, k_row)
    v += batch * v_batch + group * v_head + jump(start, v_row)
    dk += batch * dk_batch + group * dk_head + jump(start, dk_row)
    dv += batch * dv_batch + group * dv_head + jump(start, dv_row)
    lane, dim, vdim = tl.arange(0, BLOCK_N), tl.arange(0, DIM), tl.arange(0, VDIM)
    col = start + lane
    y = loaded(k, lanes(lane, k_row, FAR)[:, None] + lanes(dim, k_col, FAR)[None, :], col[:, None], S, dim[None, :],
               E, DIM, False)
    z = loaded(v, lanes(lane, v_row, FAR)[:, None] + lanes(vdim, v_col, FAR)[None, :], col[:, None], S, vdim[None, :],
               V, VDIM, False)

    sum_k = tl.zeros((BLOCK_N, DIM), dtype=ACC)
    sum_v = tl.zeros((BLOCK_N, VDIM), dtype=ACC)
    bits, keep = (scale * 1.4426950408889634).to(ACC), keep.to(ACC)
    for i in range(GROUP):
        h = group * GROUP + i
        head = batch * H + h
        x, dz = q + (batch * q_batch + h * q_head), do + (batch * do_batch + h * do_head)
        log, d = lse + head * L, delta + head * L
        if mask is None:
            m = None
        else:
            m = mask + (batch * mask_batch + h * mask_head + jump(start, mask_col))
        begin = 0
        if CAUSAL:
            begin = start // BLOCK_M * BLOCK_M
            below = tl.minimum(L, tl.cdiv(start + BLOCK_N, BLOCK_M) * BLOCK_M)
            sum_k, sum_v = add_dkdv(
                sum_k, sum_v, y, z, x, dz, log, d, m, begin, below, head, start, col, L, S, bits, q_row, q_col, do_row,
                do_col, mask_row, mask_col, state, offset, limit, keep, E, V, DIM, VDIM, BLOCK_M, BLOCK_N, True, EVEN,
                BOOL, DROPOUT, ACC, PRECISION, FAR)
            begin = below
        sum_k, sum_v = add_dkdv(
            sum_k, sum_v, y, z, x, dz, log, d, m, begin, L, head, start, col, L, S, bits, q_row, q_col, do_row, do_col,
            mask_row, mask_col, state, offset, limit, keep, E, V, DIM, VDIM, BLOCK_M, BLOCK_N, False, EVEN, BOOL,
            DROPOUT, ACC, PRECISION, FAR)
    tl.store(dk + (lanes(lane, dk_row, FAR)[:, None] + lanes(dim, dk_col, FAR)[None, :]),
             (sum_k * scale.to(ACC)).to(dk.dtype.element_ty), mask=(col[:, None] < S) & (dim[None, :] < E))
    tl.store(dv + (lanes(lane, dv_row, FAR)[:, None] + lanes(vdim, dv_col, FAR)[None, :]),
             sum_v.to(dv.dtype.element_ty), mask=(col[:, None] < S) & (vdim[None, :] < V))
