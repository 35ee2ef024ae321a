"""Attention as a Triton kernel: a program takes BLOCK_M rows of queries of one head and walks along the keys.

Sums and maxima of a row are kept up to date as keys come (online softmax); the scores never leave registers. Powers are
powers of two, of scores in bits. With CAUSAL, tiles of keys beyond the diagonal are not visited, and only tiles on it
are masked. Rows whose keys a mask hides all are 0.
"""

from __future__ import annotations

from tritonnet.kernels.attention.blocks import jump, kept, loaded, masked
from tritonnet.kernels.attention.tiles import SPACE
from tritonnet.kernels.kernel import jit, kernel, tl
from tritonnet.kernels.matmul.tile import lanes


def pairs(L, S, CAUSAL):
    """How many pairs of query and key count."""
    if not CAUSAL:
        return L * S
    seen = min(L, S)
    return seen * (seen + 1) // 2 + (L - seen) * S


@jit
def attend(acc, total, top, x, k, v, mask, begin, end, head, first, row, L, S, scale, k_row, k_col, v_row, v_col,
           mask_row, mask_col, state, offset, limit, E: tl.constexpr, V: tl.constexpr, DIM: tl.constexpr,
           VDIM: tl.constexpr, BLOCK_M: tl.constexpr, BLOCK_N: tl.constexpr, EDGE: tl.constexpr, CAUSAL: tl.constexpr,
           BOOL: tl.constexpr, DROPOUT: tl.constexpr, ACC: tl.constexpr, PRECISION: tl.constexpr, FAR: tl.constexpr):
    """The sums with the keys from begin to end added. EDGE: some of them are beyond the last, or the diagonal."""
    lane, dim, vdim = tl.arange(0, BLOCK_N), tl.arange(0, DIM), tl.arange(0, VDIM)
    k_lanes = lanes(dim, k_col, FAR)[:, None] + lanes(lane, k_row, FAR)[None, :]
    v_lanes = lanes(lane, v_row, FAR)[:, None] + lanes(vdim, v_col, FAR)[None, :]
    for start in range(begin, end, BLOCK_N):
        col = start + lane
        y = loaded(k + jump(start, k_row), k_lanes, col[None, :], S, dim[:, None], E, DIM, not EDGE)
        s = tl.dot(x, y, input_precision=PRECISION, out_dtype=ACC)
        if EDGE:
            inside = col[None, :] < S
            if CAUSAL:
                inside = inside & (col[None, :] <= row[:, None])
            s = tl.where(inside, s, float("-inf"))
        if mask is None:
            above = tl.maximum(top, tl.max(s, axis=1) * scale)
            shift = above
            p = tl.exp2(s * scale - shift[:, None])
        else:
            s = masked(s * scale, mask + jump(start, mask_col), mask_row, mask_col, row[:, None], L, col[None, :], S,
                       tl.arange(0, BLOCK_M)[:, None], lane[None, :], BOOL, FAR)
            above = tl.maximum(top, tl.max(s, axis=1))
            shift = tl.where(above == float("-inf"), 0.0, above)  # so far all is hidden: exp2 gives 0, not NaN
            p = tl.exp2(s - shift[:, None])
        less = tl.exp2(top - shift)
        total = total * less + tl.sum(p, axis=1)
        top = above
        if DROPOUT:
            p = tl.where(kept(head, first, start, L, S, state, offset, limit, BLOCK_M, BLOCK_N), p, 0.0)
        z = loaded(v + jump(start, v_row), v_lanes, col[:, None], S, vdim[None, :], V, VDIM, not EDGE)
        acc = tl.dot(p.to(z.dtype), z, acc * less[:, None], input_precision=PRECISION, out_dtype=ACC)
    return acc, total, top


@kernel(flops=lambda B, H, L, S, E, V, CAUSAL: 2 * B * H * pairs(L, S, CAUSAL) * (E + V),
        bytes=lambda q, k, v, o, lse: q.nbytes + k.nbytes + v.nbytes + o.nbytes + lse.nbytes,
        do_not_specialize=["offset"], space=SPACE)
def attention_kernel(q, k, v, mask, o, lse, B, H, L, S, scale: tl.float64, state, offset: tl.int64, limit: tl.uint32,
                     keep: tl.float64, q_batch: tl.int64, q_head: tl.int64, q_row: tl.int64, q_col: tl.int64,
                     k_batch: tl.int64, k_head: tl.int64, k_row: tl.int64, k_col: tl.int64, v_batch: tl.int64,
                     v_head: tl.int64, v_row: tl.int64, v_col: tl.int64, o_batch: tl.int64, o_head: tl.int64,
                     o_row: tl.int64, o_col: tl.int64, mask_batch: tl.int64, mask_head: tl.int64, mask_row: tl.int64,
                     mask_col: tl.int64, E: tl.constexpr, V: tl.constexpr, DIM: tl.constexpr, VDIM: tl.constexpr,
                     GROUP: tl.constexpr, CAUSAL: tl.constexpr, BOOL: tl.constexpr, DROPOUT: tl.constexpr,
                     ACC: tl.constexpr, PRECISION: tl.constexpr, FAR: tl.constexpr, EVEN: tl.constexpr,
                     BLOCK_M: tl.constexpr, BLOCK_N: tl.constexpr):
    """o and lse (B, H, L), the logarithm of each row's sum.  q (B, H, L, E), k (B, H / GROUP, S, E), v (…, S, V).

    E and V are padded to DIM and VDIM. EVEN: BLOCK_N divides S. FAR: a tile spans more than 2^31 elements.
    """
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
    if mask is not None:
        mask += head // H * mask_batch + head % H * mask_head + jump(first, mask_row)
    lane, dim, vdim = tl.arange(0, BLOCK_M), tl.arange(0, DIM), tl.arange(0, VDIM)
    row = first + lane
    x = loaded(q, lanes(lane, q_row, FAR)[:, None] + lanes(dim, q_col, FAR)[None, :], row[:, None], L, dim[None, :],
               E, DIM, False)

    acc = tl.zeros((BLOCK_M, VDIM), dtype=ACC)
    total = tl.zeros((BLOCK_M,), dtype=ACC)
    top = tl.full((BLOCK_M,), float("-inf"), dtype=ACC)
    bits = (scale * 1.4426950408889634).to(ACC)
    end = S
    whole = S // BLOCK_N * BLOCK_N
    if CAUSAL:
        end = tl.minimum(S, first + BLOCK_M)
        whole = tl.minimum(whole, first // BLOCK_N * BLOCK_N)
    acc, total, top = attend(acc, total, top, x, k, v, mask, 0, whole, head, first, row, L, S, bits, k_row, k_col,
                             v_row, v_col, mask_row, mask_col, state, offset, limit, E, V, DIM, VDIM, BLOCK_M, BLOCK_N,
                             False, CAUSAL, BOOL, DROPOUT, ACC, PRECISION, FAR)
    if CAUSAL or not EVEN:
        acc, total, top = attend(acc, total, top, x, k, v, mask, whole, end, head, first, row, L, S, bits, k_row, k_col,
                                 v_row, v_col, mask_row, mask_col, state, offset, limit, E, V, DIM, VDIM, BLOCK_M,
                                 BLOCK_N, True, CAUSAL, BOOL, DROPOUT, ACC, PRECISION, FAR)
    log = (top + tl.log2(total)) * 0.6931471805599453
    if mask is not None:
        log = tl.where(total == 0, float("inf"), log)            # exp(s - inf) is 0, as it should be
        total = tl.where(total == 0, 1.0, total)
    if DROPOUT:
        acc *= keep.to(ACC)
    tl.store(o + (lanes(lane, o_row, FAR)[:, None] + lanes(vdim, o_col, FAR)[None, :]),
             (acc / total[:, None]).to(o.dtype.element_ty), mask=(row[:, None] < L) & (vdim[None, :] < V))
    tl.store(lse + head * L + row, log, mask=row < L)
