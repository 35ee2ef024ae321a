"""Convolution on the host, general: any stride, dilation, padding and groups, by columns of exactly the pixels needed.

    columns[c, r, s, n, p, q] = x[n, c, p sh + r dh - ph, q sw + s dw - pw]
    y  = W . columns       dW = dy . columns'       dx = W' . dy, each column added where it came from

Blocks of images, so that the columns stay in the cache.
"""
from __future__ import annotations

import math

import numpy as np

from tritonnet.kernels.runtime import host

BLOCK = 1 << 20              # bytes of columns


def pad(x, padding):
    """x (n, C, H, W) with zeros around; itself without padding."""
    ph, pw = padding
    if not ph and not pw:
        return x
    n, C, H, W = x.shape
    padded = host.empty((n, C, H + 2 * ph, W + 2 * pw), x.dtype)
    padded.fill(0)
    padded[:, :, ph:ph + H, pw:pw + W] = x
    return padded


def windows(x, kernel, stride, dilation, P, Q):
    """The view x[n, c, p sh + r dh, q sw + s dw] as (C, R, S, n, P, Q), of padded x."""
    image, channel, row, column = x.strides
    shape = (x.shape[1], *kernel, len(x), P, Q)
    strides = (channel, dilation[0] * row, dilation[1] * column, image, stride[0] * row, stride[1] * column)
    return np.lib.stride_tricks.as_strided(x, shape, strides)


def images_per_block(n, w_shape, groups, pixels, itemsize):
    """How many images' columns fit into a block."""
    return max(1, min(n, BLOCK // max(1, groups * math.prod(w_shape[1:]) * pixels * itemsize)))


def forward(x, w, bias, stride, padding, dilation, groups, y):
    """y (n, O, P, Q) of the images x; one thread's part."""
    (O, C, R, S), (n, _, P, Q) = w.shape, y.shape
    images, K = images_per_block(n, w.shape, groups, P * Q, x.itemsize), C * R * S
    weights = w.reshape(groups, O // groups, K)
    for i in range(0, n, images):
        view = windows(pad(x[i:i + images], padding), (R, S), stride, dilation, P, Q)
        columns = host.empty((groups, K, view.shape[3] * P * Q), x.dtype)
        np.copyto(columns.reshape(view.shape), view)
        out = np.matmul(weights, columns).reshape(O, -1, P, Q)
        if bias is None:
            np.copyto(y[i:i + images], out.transpose(1, 0, 2, 3))
        else:
            np.add(out.transpose(1, 0, 2, 3), bias[:, None, None], out=y[i:i + images])


def weight_gradient(x, w_shape, dy, stride, padding, dilation, groups, dw):
    """Add to dw (groups, O/groups, C/groups R S + 1), last column: the gradient of the bias. One thread's part."""
    (O, C, R, S), (n, _, P, Q) = w_shape, dy.shape
    images, K = images_per_block(n, w_shape, groups, P * Q, x.itemsize), C * R * S
    columns = host.empty((images, groups, K + 1, P * Q), x.dtype)
    columns[:, :, K] = 1
    for i in range(0, n, images):
        view = windows(pad(x[i:i + images], padding), (R, S), stride, dilation, P, Q).transpose(3, 0, 1, 2, 4, 5)
        here = columns[:len(view)]
        np.copyto(here[:, :, :K].reshape(len(view), groups, C, R, S, P, Q, copy=False),
                  view.reshape(len(view), groups, C, R, S, P, Q, copy=False))
        pixels = dy[i:i + images].reshape(-1, groups, O // groups, P * Q)
        dw += np.matmul(pixels, here.transpose(0, 1, 3, 2)).sum(axis=0)


def input_gradient(dy, w, stride, padding, dilation, groups, dx):
    """dx (n, C, H, W), written. One thread's part."""
    (O, C, R, S), (n, _, P, Q) = w.shape, dy.shape
    images, K = images_per_block(n, w.shape, groups, P * Q, dy.itemsize), C * R * S
    weights = w.reshape(groups, O // groups, K).transpose(0, 2, 1)
    (ph, pw), (H, W) = padding, dx.shape[2:]
    for i in range(0, n, images):
        part = dy[i:i + images]
        pixels = host.empty((groups, O // groups, len(part) * P * Q), dy.dtype)
        np.copyto(pixels.reshape(O, len(part), P, Q), part.transpose(1, 0, 2, 3))
        columns = np.matmul(weights, pixels).reshape(groups * C, R, S, len(part), P, Q)
        padded = host.empty((len(part), groups * C, H + 2 * ph, W + 2 * pw), dx.dtype)
        add_windows(columns, padded, stride, dilation)
        dx[i:i + images] = padded[:, :, ph:ph + H, pw:pw + W]


def add_windows(columns, padded, stride, dilation):
    """padded = the sum of the columns (C, R, S, n, P, Q), each where `windows` takes it from."""
    padded.fill(0)
    C, R, S, n, P, Q = columns.shape
    for r in range(R):
        for s in range(S):
            target = padded[:, :, r * dilation[0]::stride[0], s * dilation[1]::stride[1]][:, :, :P, :Q]
            target += columns[:, r, s].transpose(1, 0, 2, 3)
