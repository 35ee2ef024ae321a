"""Moving pixels: pad, crop, resize, flip, turn, shear. PIL images go through Pillow, arrays through `pixels`."""

from __future__ import annotations

import math
import numbers

import numpy as np

from tritonnet.vision.transforms import pixels
from tritonnet.vision.transforms.images import (
    PIL_MODES,
    Images,
    InterpolationMode,
    get_dimensions,
    interpolation_mode,
    is_pil,
    on_arrays,
)


def pad(img, padding, fill=0, padding_mode="constant"):
    """Borders of `padding` pixels: one number, (left-right, top-bottom) or (left, top, right, bottom)."""
    left, top, right, bottom = four_sides(padding)
    if not is_pil(img):
        return on_arrays(img, pixels.pad, left, top, right, bottom, fill, padding_mode)
    if padding_mode == "constant" and img.mode != "P":
        from PIL import ImageOps

        fill = tuple(fill) if isinstance(fill, (list, tuple)) and len(fill) > 1 else fill
        return ImageOps.expand(img, (left, top, right, bottom), pil_fill(img, fill))
    from PIL import Image

    array = np.asarray(img)
    channels_first = array[None] if array.ndim == 2 else array.transpose(2, 0, 1)
    out = pixels.pad(channels_first, left, top, right, bottom, fill, padding_mode)
    out = Image.fromarray(out[0] if array.ndim == 2 else np.ascontiguousarray(out.transpose(1, 2, 0)))
    if img.mode == "P":
        out.putpalette(img.getpalette())
    return out


def four_sides(padding):
    """(left, top, right, bottom) of torchvision's ways to say padding."""
    if isinstance(padding, numbers.Number):
        return (padding,) * 4
    padding = tuple(padding)
    if len(padding) not in (1, 2, 4):
        raise ValueError(f"Padding must be an int or a 1, 2, or 4 element tuple, not a {len(padding)} element tuple")
    return (padding * 4)[:4]


def crop(img, top, left, height, width):
    """The window of this size at (top, left); what lies outside the image is 0."""
    if is_pil(img):
        return img.crop((left, top, left + width, top + height))
    _, h, w = get_dimensions(img)
    low, right = max(int(np.max(top)) + height - h, 0), max(int(np.max(left)) + width - w, 0)
    above, before = max(-int(np.min(top)), 0), max(-int(np.min(left)), 0)
    if low or right or above or before:
        img = on_arrays(img, pixels.pad, before, above, right, low)
    return on_arrays(img, pixels.crop, top + above, left + before, height, width)


def center_crop(img, output_size):
    """The middle; images that are too small are padded with 0 first."""
    height, width = (output_size,) * 2 if isinstance(output_size, numbers.Number) else (tuple(output_size) * 2)[:2]
    _, h, w = get_dimensions(img)
    if width > w or height > h:
        x, y = max(width - w, 0), max(height - h, 0)
        img = pad(img, (x // 2, y // 2, (x + 1) // 2, (y + 1) // 2))
        _, h, w = get_dimensions(img)
    return crop(img, int(round((h - height) / 2.0)), int(round((w - width) / 2.0)), height, width)


def resize(img, size, interpolation=InterpolationMode.BILINEAR, max_size=None, antialias=True):
    """To (height, width), or with one number the shorter edge to it, the longer one in proportion up to max_size."""
    mode = interpolation_mode(interpolation).value
    _, h, w = get_dimensions(img)
    height, width = resized_size(h, w, size, max_size)
    if (height, width) == (h, w):
        return img
    if is_pil(img):
        return img.resize((width, height), PIL_MODES[mode])
    if isinstance(img, Images) and img.pil:
        return Images(np.stack([_resize_like_pil(a, height, width, PIL_MODES[mode]) for a in img.array]), True)
    return on_arrays(img, pixels.resize, height, width, mode, antialias)


def _resize_like_pil(array, height, width, mode):
    """One (C, H, W) uint8 image of a batch, through Pillow."""
    from PIL import Image

    return np.stack([np.asarray(Image.fromarray(channel).resize((width, height), mode)) for channel in array])


def resized_size(h, w, size, max_size=None):
    """(height, width) that `resize` gives."""
    size = [size] if isinstance(size, int) else list(size)
    if len(size) == 2:
        if max_size is not None:
            raise ValueError("max_size should only be passed if size specifies the length of the smaller edge")
        return size
    if len(size) != 1:
        raise ValueError(f"Size must be an int or a 1 or 2 element tuple/list, not a {len(size)} element tuple/list")
    short, long = min(h, w), max(h, w)
    new_short, new_long = size[0], int(size[0] * long / short)
    if max_size is not None:
        if max_size <= size[0]:
            raise ValueError(f"max_size = {max_size} must be strictly greater than the requested size for the smaller "
                             f"edge size = {size[0]}")
        if new_long > max_size:
            new_short, new_long = int(max_size * new_short / new_long), max_size
    return (new_long, new_short) if w <= h else (new_short, new_long)


def resized_crop(img, top, left, height, width, size, interpolation=InterpolationMode.BILINEAR, antialias=True):
    """A window, resized."""
    return resize(crop(img, top, left, height, width), size, interpolation, antialias=antialias)


def hflip(img):
    """Left and right exchanged."""
    return img.transpose(0) if is_pil(img) else on_arrays(img, pixels.flip, -1)


def vflip(img):
    """Top and bottom exchanged."""
    return img.transpose(1) if is_pil(img) else on_arrays(img, pixels.flip, -2)


def inverse_affine_matrix(center, angle, translate, scale, shear):
    """Where each output pixel comes from, as (a b c d e f), for `pixels.warp` and Pillow.

    The map itself is T(translate) C R(angle) S(shear) scale C^-1, angles in degrees clockwise, C the shift to `center`.
    """
    turn, x, y = math.radians(angle), math.radians(shear[0]), math.radians(shear[1])
    (cx, cy), (tx, ty) = center, translate
    a, c = math.cos(turn - y) / math.cos(y), math.sin(turn - y) / math.cos(y)
    b, d = -a * math.tan(x) - math.sin(turn), -c * math.tan(x) + math.cos(turn)
    m = [d / scale, -b / scale, 0.0, -c / scale, a / scale, 0.0]  # the determinant of a b c d is 1
    m[2] = m[0] * (-cx - tx) + m[1] * (-cy - ty) + cx
    m[5] = m[3] * (-cx - tx) + m[4] * (-cy - ty) + cy
    return m


def affine(img, angle, translate, scale, shear, interpolation=InterpolationMode.NEAREST, fill=None, center=None):
    """Turned by `angle` degrees clockwise, sheared, scaled, shifted by `translate` (x, y) pixels."""
    mode = interpolation_mode(interpolation).value
    if scale <= 0.0:
        raise ValueError(f"Argument scale should be positive, got {scale}")
    shear = [shear, 0.0] if isinstance(shear, numbers.Number) else (list(shear) + [0.0])[:2]
    _, h, w = get_dimensions(img)
    m = inverse_affine_matrix(center or (w * 0.5, h * 0.5), angle, translate, scale, shear)
    if is_pil(img):
        return img.transform((w, h), 0, m, PIL_MODES[mode], fillcolor=pil_fill(img, fill))
    return on_arrays(img, pixels.warp, m, h, w, mode, fill)


def rotate(img, angle, interpolation=InterpolationMode.NEAREST, expand=False, center=None, fill=None):
    """Turned by `angle` degrees counter-clockwise; with `expand` onto a canvas that holds all of it."""
    mode = interpolation_mode(interpolation).value
    if is_pil(img):
        return img.rotate(angle, PIL_MODES[mode], expand, center, fillcolor=pil_fill(img, fill))
    _, h, w = get_dimensions(img)
    m = inverse_affine_matrix(center or (w * 0.5, h * 0.5), -angle, (0, 0), 1.0, (0.0, 0.0))
    height, width = h, w
    if expand:
        corners = (0, 0), (w, 0), (0, h), (w, h)
        xs = [round(m[0] * x + m[1] * y + m[2], 9) for x, y in corners]
        ys = [round(m[3] * x + m[4] * y + m[5], 9) for x, y in corners]
        width, height = math.ceil(max(xs)) - math.floor(min(xs)), math.ceil(max(ys)) - math.floor(min(ys))
        dx, dy = (w - width) / 2, (h - height) / 2
        m[2], m[5] = m[2] + m[0] * dx + m[1] * dy, m[5] + m[3] * dx + m[4] * dy
    return on_arrays(img, pixels.warp, m, height, width, mode, fill)


def pil_fill(img, fill):
    """A fill value as Pillow wants it for this image."""
    bands = len(img.getbands())
    fill = 0 if fill is None else fill
    if isinstance(fill, (list, tuple)):
        if len(fill) not in (1, bands):
            raise ValueError(f"The number of elements in 'fill' should be that of channels: {len(fill)} != {bands}")
        fill = fill[0] if len(fill) == 1 else tuple(fill)
    if isinstance(fill, numbers.Number):
        fill = fill if img.mode == "F" else int(fill)
        return (fill,) * bands if bands > 1 else fill
    return fill
