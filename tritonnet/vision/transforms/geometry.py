"""Transforms of place: crops, pads, flips, sizes, turns and shears. The random ones draw once per image."""

from __future__ import annotations

import math
import numbers

import numpy as np

from tritonnet.data.seeding import host_generator
from tritonnet.vision.transforms import functional as F
from tritonnet.vision.transforms import pixels
from tritonnet.vision.transforms.chain import Transform
from tritonnet.vision.transforms.functional.geometry import inverse_affine_matrix
from tritonnet.vision.transforms.images import Images, InterpolationMode, get_dimensions, interpolation_mode


def height_and_width(size, message="Please provide only two dimensions (h, w) for size."):
    """(h, w) of a number or a sequence of one or two."""
    if isinstance(size, numbers.Number):
        return int(size), int(size)
    if len(size) == 1:
        return size[0], size[0]
    if len(size) != 2:
        raise ValueError(message)
    return tuple(size)


class Pad(Transform):
    """Borders of `padding` pixels: one number, (left-right, top-bottom) or (left, top, right, bottom)."""

    def __init__(self, padding, fill=0, padding_mode="constant"):
        if not isinstance(padding, (numbers.Number, tuple, list)):
            raise TypeError("Got inappropriate padding arg")
        if padding_mode not in pixels.PAD_MODES:
            raise ValueError("Padding mode should be either constant, edge, reflect or symmetric")
        if not isinstance(padding, numbers.Number) and len(padding) not in (1, 2, 4):
            raise ValueError(f"Padding must be an int or a tuple of 1, 2 or 4, not of {len(padding)} elements")
        self.padding, self.fill, self.padding_mode = padding, fill, padding_mode

    def __call__(self, img):
        return F.pad(img, self.padding, self.fill, self.padding_mode)

    batch = __call__

    def __repr__(self):
        return f"Pad(padding={self.padding}, fill={self.fill}, padding_mode={self.padding_mode})"


class CenterCrop(Transform):
    """The middle of an image, padded with 0 where it is too small."""

    def __init__(self, size):
        self.size = height_and_width(size)

    def __call__(self, img):
        return F.center_crop(img, self.size)

    batch = __call__

    def __repr__(self):
        return f"CenterCrop(size={self.size})"


class RandomCrop(Transform):
    """A window of this size, anywhere in the padded image."""

    def __init__(self, size, padding=None, pad_if_needed=False, fill=0, padding_mode="constant"):
        self.size, self.padding, self.pad_if_needed = height_and_width(size), padding, pad_if_needed
        self.fill, self.padding_mode = fill, padding_mode

    def __call__(self, img):
        img, top, left = self._draw(img, 1)
        return F.crop(img, int(top[0]), int(left[0]), *self.size)

    def batch(self, images):
        return F.crop(*self._draw(images, len(images.array)), *self.size)

    def _draw(self, img, n):
        """The padded image or images, and n windows in it."""
        if self.padding is not None:
            img = F.pad(img, self.padding, self.fill, self.padding_mode)
        height, width = self.size
        _, h, w = get_dimensions(img)
        if self.pad_if_needed and (w < width or h < height):
            img = F.pad(img, (max(width - w, 0), max(height - h, 0)), self.fill, self.padding_mode)
            _, h, w = get_dimensions(img)
        if h < height or w < width:
            raise ValueError(f"Required crop size {self.size} is larger than input image size {(h, w)}")
        rng = host_generator()
        return img, rng.integers(0, h - height + 1, n), rng.integers(0, w - width + 1, n)

    def __repr__(self):
        return f"RandomCrop(size={self.size}, padding={self.padding})"


class RandomResizedCrop(Transform):
    """A window of random area and shape, resized to `size`.

    scale: its area as a part of the image's.  ratio: width to height.
    """

    def __init__(self, size, scale=(0.08, 1.0), ratio=(3.0 / 4.0, 4.0 / 3.0),
                 interpolation=InterpolationMode.BILINEAR, antialias=True):
        self.size, self.scale, self.ratio = height_and_width(size), scale, ratio
        self.interpolation, self.antialias = interpolation_mode(interpolation), antialias

    def __call__(self, img):
        _, height, width = get_dimensions(img)
        return F.resized_crop(img, *self._window(height, width), self.size, self.interpolation, self.antialias)

    def batch(self, images):
        crops = [self(Images(images.array[i:i + 1], images.pil)).array for i in range(len(images.array))]
        return Images(np.concatenate(crops), images.pil)

    def _window(self, height, width):
        """(top, left, height, width); the biggest central one of an allowed shape if ten draws do not fit."""
        rng, (low, high) = host_generator(), self.ratio
        for _ in range(10):
            area = height * width * rng.uniform(*self.scale)
            ratio = math.exp(rng.uniform(math.log(low), math.log(high)))
            w, h = int(round(math.sqrt(area * ratio))), int(round(math.sqrt(area / ratio)))
            if 0 < w <= width and 0 < h <= height:
                return int(rng.integers(height - h + 1)), int(rng.integers(width - w + 1)), h, w
        w = min(width, int(round(height * high)))
        h = min(height, int(round(width / low)))
        return (height - h) // 2, (width - w) // 2, h, w

    def __repr__(self):
        return (f"RandomResizedCrop(size={self.size}, scale={tuple(round(s, 4) for s in self.scale)}, "
                f"ratio={tuple(round(r, 4) for r in self.ratio)}, interpolation={self.interpolation.value}, "
                f"antialias={self.antialias})")


class RandomFlip(Transform):
    """Mirrored with probability p."""

    def __init__(self, p=0.5):
        self.p = p

    def __call__(self, img):
        return self._flip(img) if host_generator().random() < self.p else img

    def batch(self, images):
        which = host_generator().random(len(images.array)) < self.p
        return Images(pixels.flip(images.array, self.axis, which), images.pil)

    def __repr__(self):
        return f"{type(self).__name__}(p={self.p})"


class RandomHorizontalFlip(RandomFlip):
    """Left and right exchanged with probability p."""

    axis = -1
    _flip = staticmethod(F.hflip)


class RandomVerticalFlip(RandomFlip):
    """Top and bottom exchanged with probability p."""

    axis = -2
    _flip = staticmethod(F.vflip)


class Resize(Transform):
    """To (height, width), or with one number the shorter edge to it, the longer one in proportion up to max_size."""

    def __init__(self, size, interpolation=InterpolationMode.BILINEAR, max_size=None, antialias=True):
        if not isinstance(size, (int, tuple, list)):
            raise TypeError(f"Size should be int or sequence. Got {type(size)}")
        if not isinstance(size, int) and len(size) not in (1, 2):
            raise ValueError("If size is a sequence, it should have 1 or 2 values")
        self.size, self.max_size, self.antialias = size, max_size, antialias
        self.interpolation = interpolation_mode(interpolation)

    def __call__(self, img):
        return F.resize(img, self.size, self.interpolation, self.max_size, self.antialias)

    batch = __call__

    def __repr__(self):
        return (f"Resize(size={self.size}, interpolation={self.interpolation.value}, max_size={self.max_size}, "
                f"antialias={self.antialias})")


def angle_range(value, name, sizes=(2,)):
    """[low, high] in degrees of a number (both ways) or a sequence."""
    if isinstance(value, numbers.Number):
        if value < 0:
            raise ValueError(f"If {name} is a single number, it must be positive.")
        return [-float(value), float(value)]
    if not isinstance(value, (tuple, list)):
        raise TypeError(f"{name} should be a sequence of length {' or '.join(map(str, sizes))}.")
    if len(value) not in sizes:
        raise ValueError(f"{name} should be a sequence of length {' or '.join(map(str, sizes))}.")
    return [float(v) for v in value]


class RandomRotation(Transform):
    """Turned by a random angle in `degrees`: one number for both ways, or (low, high), counter-clockwise."""

    def __init__(self, degrees, interpolation=InterpolationMode.NEAREST, expand=False, center=None, fill=0):
        self.degrees = angle_range(degrees, "degrees")
        self.interpolation, self.expand, self.fill = interpolation_mode(interpolation), expand, fill
        if center is not None and len(center) != 2:
            raise ValueError("center should be a sequence of length 2.")
        self.center = center
        self.can_batch = not expand  # sizes differ from angle to angle

    def __call__(self, img):
        angle = float(host_generator().uniform(*self.degrees))
        return F.rotate(img, angle, self.interpolation, self.expand, self.center, self.fill)

    def batch(self, images):
        n, _, h, w = images.array.shape
        center = self.center or (w * 0.5, h * 0.5)
        angles = host_generator().uniform(*self.degrees, n)
        m = [inverse_affine_matrix(center, -angle, (0, 0), 1.0, (0.0, 0.0)) for angle in angles]
        return Images(pixels.warp(images.array, m, h, w, self.interpolation.value, self.fill), images.pil)

    def __repr__(self):
        center = "" if self.center is None else f", center={self.center}"
        fill = "" if self.fill is None else f", fill={self.fill}"
        return (f"RandomRotation(degrees={self.degrees}, interpolation={self.interpolation.value}, "
                f"expand={self.expand}{center}{fill})")


class RandomAffine(Transform):
    """Turned, shifted, scaled and sheared at random, the centre kept.

    degrees: as RandomRotation's, but clockwise.  translate: (x, y) largest shifts as parts of width and height.
    scale: (low, high).  shear: degrees along x; (low, high); or (x low, x high, y low, y high).
    """

    def __init__(self, degrees, translate=None, scale=None, shear=None, interpolation=InterpolationMode.NEAREST,
                 fill=0, center=None):
        self.degrees = angle_range(degrees, "degrees")
        if translate is not None:
            if len(translate) != 2:
                raise ValueError("translate should be a sequence of length 2.")
            if not all(0.0 <= t <= 1.0 for t in translate):
                raise ValueError("translation values should be between 0 and 1")
        if scale is not None:
            if len(scale) != 2:
                raise ValueError("scale should be a sequence of length 2.")
            if not all(s > 0 for s in scale):
                raise ValueError("scale values should be positive")
        if center is not None and len(center) != 2:
            raise ValueError("center should be a sequence of length 2.")
        self.translate, self.scale, self.center, self.fill = translate, scale, center, fill
        self.shear = None if shear is None else angle_range(shear, "shear", (2, 4))
        self.interpolation = interpolation_mode(interpolation)

    def __call__(self, img):
        _, h, w = get_dimensions(img)
        angle, shift, scale, shear = next(self._draws(1, h, w))
        return F.affine(img, angle, shift, scale, shear, self.interpolation, self.fill, self.center)

    def batch(self, images):
        n, _, h, w = images.array.shape
        center = self.center or (w * 0.5, h * 0.5)
        m = [inverse_affine_matrix(center, *draw) for draw in self._draws(n, h, w)]
        return Images(pixels.warp(images.array, m, h, w, self.interpolation.value, self.fill), images.pil)

    def _draws(self, n, h, w):
        """n of (angle, (x, y) pixels, scale, (x, y) shear)."""
        rng, (x, y) = host_generator(), self.translate or (0.0, 0.0)
        low_x, high_x, low_y, high_y = (*(self.shear or ()), 0.0, 0.0, 0.0, 0.0)[:4]
        low = [self.degrees[0], -x * w, -y * h, (self.scale or (1.0,))[0], low_x, low_y]
        high = [self.degrees[1], x * w, y * h, (self.scale or (1.0,))[-1], high_x, high_y]
        for angle, dx, dy, scale, *shear in rng.uniform(low, high, (n, 6)).tolist():
            yield angle, (round(dx), round(dy)), scale, shear

    def __repr__(self):
        parts = [f"degrees={self.degrees}"]
        parts += [f"{name}={value}" for name, value in
                  (("translate", self.translate), ("scale", self.scale), ("shear", self.shear)) if value is not None]
        if self.interpolation is not InterpolationMode.NEAREST:
            parts.append(f"interpolation={self.interpolation.value}")
        if self.fill != 0:
            parts.append(f"fill={self.fill}")
        if self.center is not None:
            parts.append(f"center={self.center}")
        return f"RandomAffine({', '.join(parts)})"
