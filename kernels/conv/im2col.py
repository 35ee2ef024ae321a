"""Columns of an image: every patch that a kernel meets, as a column of a matrix; and the way back.

    im2col   cols[n, (c R + r) S + s, p Q + q] = x[n, c, p sh + r dh - ph, q sw + s dw - pw]     0 outside
    col2im   x[n, c, h, v] = the sum of all elements of cols that im2col takes from there

Each is the other's transpose, so each is the other's gradient. A convolution is w (O, C R S) times the columns: what
the fast kernels compute without ever storing them.
"""

from __future__ import annotations

import numpy as np

from tritonnet.kernels.arrays import DeviceArray, contiguous, is_host
from tritonnet.kernels.conv import windows
from tritonnet.kernels.dtypes import accumulator
from tritonnet.kernels.kernel import kernel, tl
from tritonnet.kernels.strided import block_of


def positions(shape, kernel, stride, padding, dilation):
    """(P, Q)."""
    axes = zip(shape, kernel, stride, padding, dilation)
    return tuple((n + 2 * p - d * (k - 1) - 1) // s + 1 for n, k, s, p, d in axes)


def im2col_mirror(x, kernel, stride=(1, 1), padding=(0, 0), dilation=(1, 1)):
    N, C, H, W = x.shape
    P, Q = positions((H, W), kernel, stride, padding, dilation)
    patches = windows.windows(windows.pad(np.ascontiguousarray(x), padding), kernel, stride, dilation, P, Q)
    return np.ascontiguousarray(patches.transpose(3, 0, 1, 2, 4, 5)).reshape(N, C * kernel[0] * kernel[1], P * Q)


def col2im_mirror(cols, size, kernel, stride=(1, 1), padding=(0, 0), dilation=(1, 1)):
    N, C, (H, W), (ph, pw) = len(cols), cols.shape[1] // (kernel[0] * kernel[1]), size, padding
    P, Q = positions(size, kernel, stride, padding, dilation)
    patches = cols.reshape(N, C, *kernel, P, Q).transpose(1, 2, 3, 0, 4, 5).astype(accumulator(cols.dtype), copy=False)
    padded = np.empty((N, len(patches), H + 2 * ph, W + 2 * pw), patches.dtype)
    windows.add_windows(patches, padded, stride, dilation)
    return np.ascontiguousarray(padded[:, :, ph:ph + H, pw:pw + W], cols.dtype)


@kernel(flops=lambda n: 0, bytes=lambda x, cols: x.nbytes + cols.nbytes)
def im2col_kernel(x, cols, n: tl.int64, C, H, W, P, Q, x_n: tl.int64, x_c: tl.int64, x_h: tl.int64, x_w: tl.int64,
                  R: tl.constexpr, S: tl.constexpr, SH: tl.constexpr, SW: tl.constexpr, PH: tl.constexpr,
                  PW: tl.constexpr, DH: tl.constexpr, DW: tl.constexpr, BLOCK: tl.constexpr):
    """One element of cols per lane; x has any strides."""
    at = tl.program_id(0).to(tl.int64) * BLOCK + tl.arange(0, BLOCK)
    q, p, s, r = at % Q, at // Q % P, at // Q // P % S, at // Q // P // S % R
    c, image = at // Q // P // (R * S) % C, at // Q // P // (R * S) // C
    h, v = p * SH + r * DH - PH, q * SW + s * DW - PW
    inside = (at < n) & (h >= 0) & (h < H) & (v >= 0) & (v < W)
    value = tl.load(x + image * x_n + c * x_c + h * x_h + v * x_w, mask=inside, other=0.0)
    tl.store(cols + at, value, mask=at < n)


@kernel(flops=lambda cols: cols.size, bytes=lambda cols, x: x.nbytes + cols.nbytes)
def col2im_kernel(cols, x, n: tl.int64, C, H, W, P, Q, R: tl.constexpr, S: tl.constexpr, SH: tl.constexpr,
                  SW: tl.constexpr, PH: tl.constexpr, PW: tl.constexpr, DH: tl.constexpr, DW: tl.constexpr,
                  ACC: tl.constexpr, BLOCK: tl.constexpr):
    """One pixel per lane, which gathers from all columns that hold it: no atomics."""
    at = tl.program_id(0).to(tl.int64) * BLOCK + tl.arange(0, BLOCK)
    v, h, c, image = at % W, at // W % H, at // W // H % C, at // W // H // C
    total = tl.zeros((BLOCK,), dtype=ACC)
    for r in range(R):
        for s in range(S):
            down, across = h + PH - r * DH, v + PW - s * DW
            p, q = down // SH, across // SW
            inside = (at < n) & (down >= 0) & (down % SH == 0) & (p < P)
            inside = inside & (across >= 0) & (across % SW == 0) & (q < Q)
            row = (image * C + c) * (R * S) + r * S + s
            total += tl.load(cols + (row * P + p) * Q + q, mask=inside, other=0.0).to(ACC)
    tl.store(x + at, total.to(x.dtype.element_ty), mask=at < n)


def _constants(kernel, stride, padding, dilation):
    pairs = zip((("R", "S"), ("SH", "SW"), ("PH", "PW"), ("DH", "DW")), (kernel, stride, padding, dilation))
    return {name: value for names, values in pairs for name, value in zip(names, values)}


def im2col(x, kernel, stride=(1, 1), padding=(0, 0), dilation=(1, 1)):
    """(N, C R S, P Q) from x (N, C, H, W)."""
    if is_host(x):
        return im2col_mirror(x, kernel, stride, padding, dilation)
    N, C, H, W = x.shape
    P, Q = positions((H, W), kernel, stride, padding, dilation)
    cols = DeviceArray.empty((N, C * kernel[0] * kernel[1], P * Q), x.dtype, x.device)
    block = block_of(x.device, cols.size)
    im2col_kernel[(-(-cols.size // block),)](x, cols, cols.size, C, H, W, P, Q, *x.strides, BLOCK=block,
                                             **_constants(kernel, stride, padding, dilation))
    return cols


def col2im(cols, size, kernel, stride=(1, 1), padding=(0, 0), dilation=(1, 1)):
    """(N, C, H, W) from cols (N, C R S, P Q), size = (H, W)."""
    if is_host(cols):
        return col2im_mirror(cols, size, kernel, stride, padding, dilation)
    cols = contiguous(cols)
    P, Q = positions(size, kernel, stride, padding, dilation)
    C = cols.shape[1] // (kernel[0] * kernel[1])
    x = DeviceArray.empty((cols.shape[0], C, *size), cols.dtype, cols.device)
    block = block_of(x.device, x.size)
    col2im_kernel[(-(-x.size // block),)](cols, x, x.size, C, *size, P, Q, ACC=accumulator(x.dtype), BLOCK=block,
                                          **_constants(kernel, stride, padding, dilation))
    return x
