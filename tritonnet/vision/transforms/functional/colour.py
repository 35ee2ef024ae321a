"""Changing colours: brightness, contrast, saturation, hue, gamma, inversion, blur; on PIL images and tensors.

A factor f blends with a plain image p: f x + (1 - f) p, where p is black, the mean grey, or the grey of each pixel.
PIL images are changed by Pillow, tensors by torchvision's arithmetic.
"""

from __future__ import annotations

import numpy as np

from tritonnet.vision.transforms import pixels
from tritonnet.vision.transforms.functional.values import _convert, pil_to_array, to_pil_image
from tritonnet.vision.transforms.images import is_pil, on_arrays

__all__ = ["adjust_brightness", "adjust_contrast", "adjust_gamma", "adjust_hue", "adjust_saturation", "gaussian_blur",
           "invert", "posterize", "solarize"]


def _top(array):
    """The largest value of a pixel."""
    return 1.0 if array.dtype.kind == "f" else np.iinfo(array.dtype).max


def _blend(array, plain, factor):
    mixed = factor * array.astype(np.float32) + (1.0 - factor) * plain
    return np.clip(mixed, 0, _top(array)).astype(array.dtype)


def _enhanced(img, kind, factor):
    from PIL import ImageEnhance

    return getattr(ImageEnhance, kind)(img).enhance(factor)


def _not_negative(name, factor):
    if factor < 0:
        raise ValueError(f"{name} ({factor}) is not non-negative.")


def adjust_brightness(img, brightness_factor):
    """0: black, 1: as it is, 2: twice as bright."""
    if is_pil(img):
        return _enhanced(img, "Brightness", brightness_factor)
    _not_negative("brightness_factor", brightness_factor)
    return on_arrays(img, _blend, np.float32(0), brightness_factor)


def adjust_contrast(img, contrast_factor):
    """0: the mean grey, 1: as it is."""
    if is_pil(img):
        return _enhanced(img, "Contrast", contrast_factor)
    _not_negative("contrast_factor", contrast_factor)
    return on_arrays(img, lambda array: _blend(
        array, pixels.grayscale(array).mean((-3, -2, -1), np.float32, keepdims=True), contrast_factor))


def adjust_saturation(img, saturation_factor):
    """0: in grey, 1: as it is."""
    if is_pil(img):
        return _enhanced(img, "Color", saturation_factor)
    _not_negative("saturation_factor", saturation_factor)
    return on_arrays(img, lambda array: array if array.shape[-3] == 1 else _blend(
        array, pixels.grayscale(array).astype(np.float32), saturation_factor))


def adjust_hue(img, hue_factor):
    """Hues turned by a part of the circle, -0.5 to 0.5."""
    if not -0.5 <= hue_factor <= 0.5:
        raise ValueError(f"hue_factor ({hue_factor}) is not in [-0.5, 0.5].")
    if not is_pil(img):
        return on_arrays(img, _turned, hue_factor)
    if img.mode in ("L", "1", "I", "F"):
        return img
    from PIL import Image

    h, s, v = img.convert("HSV").split()
    turned = np.array(h, np.uint8) + np.uint8(int(hue_factor * 255) % 256)  # goes round
    return Image.merge("HSV", (Image.fromarray(turned), s, v)).convert(img.mode)


def _turned(array, hue_factor):
    if array.shape[-3] == 1:
        return array
    r, g, b = np.moveaxis(_convert(array, np.dtype(np.float32)), -3, 0)
    high, low = np.maximum(np.maximum(r, g), b), np.minimum(np.minimum(r, g), b)
    grey, spread = high == low, high - low
    s = spread / np.where(grey, 1, high)
    rc, gc, bc = ((high - c) / np.where(grey, 1, spread) for c in (r, g, b))
    h = np.where(high == r, bc - gc, np.where(high == g, 2 + rc - bc, 4 + gc - rc))
    h = (np.fmod(h / 6 + 1, 1) + hue_factor) % 1
    sector = np.floor(h * 6)
    f = h * 6 - sector
    p, q, t = (np.clip(high * (1 - s * k), 0, 1) for k in (1, f, 1 - f))
    chosen = (sector.astype(np.int32) % 6)[None]
    rgb = [np.choose(chosen, [c[None] for c in order])[0]
           for order in ((high, q, p, p, t, high), (t, high, high, q, p, p), (p, p, t, high, high, q))]
    return _convert(np.stack(rgb, -3).astype(np.float32), array.dtype)


def adjust_gamma(img, gamma, gain=1):
    """gain x^gamma, of pixels in 0 … 1."""
    _not_negative("gamma", gamma)
    if is_pil(img):
        table = [int((255 + 1 - 1e-3) * gain * pow(v / 255.0, gamma)) for v in range(256)] * 3
        return img.convert("RGB").point(table).convert(img.mode)
    return on_arrays(img, lambda array: _convert(
        np.clip(gain * _convert(array, np.dtype(np.float32)) ** np.float32(gamma), 0, 1).astype(np.float32),
        array.dtype))


def invert(img):
    """The largest value minus each pixel."""
    if is_pil(img):
        from PIL import ImageOps

        return ImageOps.invert(img)
    return on_arrays(img, lambda array: (_top(array) - array).astype(array.dtype))


def solarize(img, threshold):
    """Pixels at or above a threshold inverted."""
    if is_pil(img):
        from PIL import ImageOps

        return ImageOps.solarize(img, threshold)
    return on_arrays(img, lambda array: np.where(array >= threshold, _top(array) - array, array).astype(array.dtype))


def posterize(img, bits):
    """Only the first `bits` bits of each byte."""
    if not 0 <= bits <= 8:
        raise ValueError(f"The number of bits should be between 0 and 8. Got {bits}")
    if is_pil(img):
        from PIL import ImageOps

        return ImageOps.posterize(img, bits)

    def masked(array):
        if array.dtype != np.uint8:
            raise TypeError(f"Only torch.uint8 image tensors are supported, but found {array.dtype}")
        return array & np.uint8(256 - (1 << (8 - bits)))

    return on_arrays(img, masked)


def gaussian_blur(img, kernel_size, sigma=None):
    """Each pixel a Gaussian mean of kernel_size pixels around; borders reflected.

    kernel_size: odd, one number or (x, y).  sigma: likewise; by default 0.15 kernel_size + 0.35.
    """
    sizes = [kernel_size] * 2 if isinstance(kernel_size, int) else list(kernel_size)
    if len(sizes) != 2:
        raise ValueError(f"If kernel_size is a sequence its length should be 2. Got {len(sizes)}")
    if any(k <= 0 or k % 2 == 0 for k in sizes):
        raise ValueError(f"kernel_size should have odd and positive integers. Got {sizes}")
    sigmas = [k * 0.15 + 0.35 for k in sizes] if sigma is None else (
        [float(sigma)] * 2 if isinstance(sigma, (int, float)) else list(sigma) * (3 - len(sigma)))
    if min(sigmas) <= 0:
        raise ValueError(f"sigma should have positive values. Got {sigmas}")
    if is_pil(img):
        blurred = _blurred(pil_to_array(img), sizes, sigmas)
        return to_pil_image(blurred.transpose(1, 2, 0), img.mode)
    return on_arrays(img, _blurred, sizes, sigmas)


def _blurred(array, sizes, sigmas):
    dtype = array.dtype if array.dtype in (np.float32, np.float64) else np.dtype(np.float32)
    out = array.astype(dtype)
    for axis, k, sigma in zip((-1, -2), sizes, sigmas):
        reach, n = k // 2, array.shape[axis]
        if reach >= n:
            raise RuntimeError(f"gaussian_blur: a kernel of {k} needs more than {reach} pixels, got {n}")
        weights = np.exp(-0.5 * (np.arange(-reach, reach + 1) / sigma) ** 2)
        weights = (weights / weights.sum()).astype(dtype)
        around = [(0, 0)] * out.ndim
        around[axis] = (reach, reach)
        padded = np.moveaxis(np.pad(out, around, "reflect"), axis, -1)
        out = np.moveaxis(sum(w * padded[..., i:i + n] for i, w in enumerate(weights)), -1, axis)
    return pixels.as_dtype(out, array.dtype)
