"""Image operations on NumPy arrays of shape (..., C, H, W).

Parameters that differ from image to image are arrays of shape (N,) beside images of shape (N, C, H, W). Resampling of
uint8 agrees with Pillow's to the bit for shifts, turns and shears ("nearest" and "bilinear").
"""

from __future__ import annotations

import numpy as np

PAD_MODES = {"constant": "constant", "edge": "edge", "reflect": "reflect", "symmetric": "symmetric"}


def pad(images, left, top, right, bottom, fill=0, mode="constant"):
    """Borders around each image; negative ones cut. fill: a number, or one per channel."""
    if mode not in PAD_MODES:
        raise ValueError(f"Padding mode should be either constant, edge, reflect or symmetric, got {mode!r}")
    h, w = images.shape[-2:]
    images = images[..., max(-top, 0):h - max(-bottom, 0), max(-left, 0):w - max(-right, 0)]
    left, top, right, bottom = (max(n, 0) for n in (left, top, right, bottom))
    if mode != "constant":
        borders = [(0, 0)] * (images.ndim - 2) + [(top, bottom), (left, right)]
        return np.pad(images, borders, mode=mode)
    h, w = images.shape[-2:]
    out = np.empty((*images.shape[:-2], h + top + bottom, w + left + right), images.dtype)
    out[...] = per_channel(fill, images.dtype)
    out[..., top:top + h, left:left + w] = images
    return out


def crop(images, top, left, height, width):
    """The window of this size; `top` and `left` are ints, or (N,) arrays of one per image. Must lie inside."""
    if np.ndim(top) == 0:
        return images[..., top:top + height, left:left + width]
    windows = np.lib.stride_tricks.sliding_window_view(images, (height, width), axis=(-2, -1))
    return windows[np.arange(len(images)), :, top, left]


def flip(images, axis, which=None):
    """Mirrored along an axis (-1: left and right, -2: top and bottom), all or those where `which` is true."""
    flipped = np.flip(images, axis)
    if which is None:
        return np.ascontiguousarray(flipped)
    return np.where(which[:, None, None, None], flipped, images)


def grayscale(images, channels=1):
    """Luma of RGB (ITU-R 601-2), in `channels` equal channels. One channel stays as it is."""
    if images.shape[-3] not in (1, 3):
        raise TypeError(f"Input image tensor permitted channel values are 1 or 3, but found {images.shape[-3]}")
    if images.shape[-3] == 3:
        r, g, b = images[..., 0, :, :], images[..., 1, :, :], images[..., 2, :, :]
        images = (0.2989 * r + 0.587 * g + 0.114 * b).astype(images.dtype)[..., None, :, :]
    return np.repeat(images, channels, axis=-3) if channels != 1 else images.copy()


def resize(images, height, width, interpolation="bilinear", antialias=True):
    """Resampled to height x width. "nearest", "nearest-exact", "bilinear" or "bicubic"; uint8 is rounded."""
    if interpolation in ("nearest", "nearest-exact"):
        shift = 0.5 if interpolation == "nearest-exact" else 0.0
        rows, cols = (((np.arange(new) + shift) * (old / new)).astype(np.int64)
                      for new, old in ((height, images.shape[-2]), (width, images.shape[-1])))
        return images[..., rows[:, None], cols]
    if interpolation not in FILTERS:
        raise ValueError(f"resize of arrays offers nearest, nearest-exact, bilinear and bicubic, not {interpolation!r}")
    kernel, reach = FILTERS[interpolation]
    across = weights(images.shape[-1], width, kernel, reach, antialias)
    down = weights(images.shape[-2], height, kernel, reach, antialias)
    dtype = images.dtype if images.dtype.kind == "f" and images.dtype.itemsize > 2 else np.dtype(np.float32)
    out = down.astype(dtype) @ (images.astype(dtype) @ across.T.astype(dtype))
    return as_dtype(out, images.dtype)


def weights(old, new, kernel, reach, antialias):
    """(new, old): how much each old pixel counts in each new one."""
    scale = old / new
    stretch = max(scale, 1.0) if antialias else 1.0
    centre = (np.arange(new) + 0.5)[:, None] * scale
    beyond = 0 if antialias else reach
    found = kernel((np.arange(-beyond, old + beyond) + 0.5 - centre) / stretch)
    if beyond:  # the border pixel stands for what lies beyond it
        found[:, beyond] += found[:, :beyond].sum(axis=1)
        found[:, -beyond - 1] += found[:, -beyond:].sum(axis=1)
        found = found[:, beyond:-beyond]
    return found / found.sum(axis=1, keepdims=True)


def _triangle(x):
    return np.maximum(1 - np.abs(x), 0)


def _cubic(x):
    x = np.abs(x)
    return np.where(x < 1, (1.5 * x - 2.5) * x * x + 1, np.where(x < 2, ((-0.5 * x + 2.5) * x - 4) * x + 2, 0))


FILTERS = {"bilinear": (_triangle, 1), "bicubic": (_cubic, 2)}  # kernel, pixels it reaches to each side


def warp(images, matrices, height, width, interpolation="nearest", fill=0):
    """Each output pixel from where an affine map sends it.

    matrices: (6,) or (N, 6), rows (a b c d e f): output (x, y) comes from (a x + b y + c, d x + e y + f), pixel centres
    at halves.  What lies outside the image is `fill`.
    """
    if interpolation not in ("nearest", "bilinear"):
        raise ValueError(f"this interpolation mode is unsupported with arrays: {interpolation}")
    m = np.asarray(matrices, np.float64).reshape(-1, 6)
    batch = images.reshape(-1, *images.shape[-3:])
    n, channels, old_h, old_w = batch.shape
    sample = _nearest if interpolation == "nearest" else _bilinear
    out, inside = sample(batch, m, height, width)
    shape = (n, channels, height, width)
    fill = np.broadcast_to(per_channel(fill, images.dtype), (channels, 1, 1))
    out = np.where(np.broadcast_to(inside[:, None], shape), out, fill)
    return out.reshape(*images.shape[:-2], height, width).astype(images.dtype, copy=False)


def _nearest(batch, m, height, width):
    """(pixels, inside) by coordinates in 1/65536, as Pillow has them."""
    n, _, old_h, old_w = batch.shape
    fixed = np.floor(m * 65536 + 0.5).astype(np.int64)
    start = np.floor((m[:, [2, 5]] + (m[:, [0, 3]] + m[:, [1, 4]]) * 0.5) * 65536 + 0.5).astype(np.int64)
    y, x = np.arange(height)[:, None], np.arange(width)

    def coordinate(along, k):
        a, b = fixed[:, along, None, None], fixed[:, along + 1, None, None]
        return (start[:, k, None, None] + x * a + y * b) >> 16

    col, row = coordinate(0, 0), coordinate(3, 1)
    inside = (col >= 0) & (col < old_w) & (row >= 0) & (row < old_h)
    return _gather(batch, np.where(inside, row, 0), np.where(inside, col, 0)), inside


def _bilinear(batch, m, height, width):
    """(pixels, inside) mixed from four neighbours; the border pixel stands for what lies beyond it."""
    old_h, old_w = batch.shape[-2:]
    y, x = np.arange(height)[:, None] + 0.5, np.arange(width) + 0.5
    a, b, c, d, e, f = (m[:, k, None, None] for k in range(6))
    col, row = a * x + b * y + c, d * x + e * y + f
    inside = (col >= 0) & (col < old_w) & (row >= 0) & (row < old_h)
    col, row = np.where(inside, col, 0.5) - 0.5, np.where(inside, row, 0.5) - 0.5
    left, top = np.floor(col).astype(np.int64), np.floor(row).astype(np.int64)
    right, below = np.minimum(left + 1, old_w - 1), np.minimum(top + 1, old_h - 1)
    dx, dy = (col - left)[:, None], (row - top)[:, None]
    left, top = np.maximum(left, 0), np.maximum(top, 0)

    def mix(rows):
        first = _gather(batch, rows, left).astype(np.float64)
        return first + (_gather(batch, rows, right) - first) * dx

    upper = mix(top)
    return upper + (mix(below) - upper) * dy, inside


def _gather(batch, rows, cols):
    """(N, C, h, w): the pixels at (N, h, w) rows and columns, in every channel. One map serves all images if N is 1."""
    n, channels, h, w = batch.shape
    if len(rows) == 1:
        return batch[:, :, rows[0], cols[0]]
    flat = (rows * w + cols).reshape(n, 1, -1)
    if channels > 1:
        flat = np.broadcast_to(flat, (n, channels, flat.shape[-1]))
    return np.take_along_axis(batch.reshape(n, channels, -1), flat, axis=2).reshape(n, channels, *rows.shape[1:])


def as_dtype(values, dtype):
    """Floats as pixels of `dtype`: integers are rounded and kept in range."""
    if dtype.kind == "f":
        return values.astype(dtype, copy=False)
    limits = np.iinfo(dtype)
    return np.clip(np.rint(values), limits.min, limits.max).astype(dtype)


def per_channel(value, dtype):
    """A fill value ready to broadcast over (C, H, W): a number, or a sequence of one per channel."""
    value = np.asarray(0 if value is None else value)
    return value.astype(dtype, copy=False).reshape(-1, 1, 1) if value.ndim else value.astype(dtype)
