"""Random transforms of colour: ColorJitter, RandomGrayscale, GaussianBlur, inversion and the like."""

from __future__ import annotations

import math
import numbers

from tritonnet.data.seeding import host_generator
from tritonnet.vision.transforms import functional as F
from tritonnet.vision.transforms.chain import Transform
from tritonnet.vision.transforms.images import get_dimensions


class ColorJitter(Transform):
    """Brightness, contrast, saturation and hue changed by random factors, in random order.

    brightness, contrast, saturation: b for factors in [max(0, 1 - b), 1 + b], or a pair (least, most).
    hue: h at most 0.5 for turns in [-h, h], or a pair.
    """

    def __init__(self, brightness=0, contrast=0, saturation=0, hue=0):
        self.brightness = _span(brightness, "brightness")
        self.contrast = _span(contrast, "contrast")
        self.saturation = _span(saturation, "saturation")
        self.hue = _span(hue, "hue", center=0, bound=(-0.5, 0.5))

    def __call__(self, img):
        rng = host_generator()
        changes = ((F.adjust_brightness, self.brightness), (F.adjust_contrast, self.contrast),
                   (F.adjust_saturation, self.saturation), (F.adjust_hue, self.hue))
        for i in rng.permutation(len(changes)):
            change, span = changes[i]
            if span is not None:
                img = change(img, float(rng.uniform(*span)))
        return img

    def __repr__(self):
        return (f"ColorJitter(brightness={self.brightness}, contrast={self.contrast}, saturation={self.saturation}, "
                f"hue={self.hue})")


def _span(value, name, center=1, bound=(0, math.inf)):
    """(least, most) factor, or None where nothing would change."""
    if isinstance(value, numbers.Number):
        if value < 0:
            raise ValueError(f"If {name} is a single number, it must be non negative.")
        value = [max(center - float(value), 0.0) if center else -float(value), center + float(value)]
    elif isinstance(value, (tuple, list)) and len(value) == 2:
        value = [float(v) for v in value]
    else:
        raise TypeError(f"{name} should be a single number or a list/tuple with length 2.")
    if not bound[0] <= value[0] <= value[1] <= bound[1]:
        raise ValueError(f"{name} values should be between {bound}, but got {value}.")
    return None if value[0] == value[1] == center else tuple(value)


class _WithProbability(Transform):
    """`change`, a method, with probability p."""

    def __init__(self, p=0.5):
        self.p = p

    def __call__(self, img):
        return self.change(img) if host_generator().random() < self.p else img

    def __repr__(self):
        return f"{type(self).__name__}(p={self.p})"


class RandomGrayscale(_WithProbability):
    """In grey, of as many channels, with probability p."""

    def __init__(self, p=0.1):
        super().__init__(p)

    def change(self, img):
        """Grey, of as many channels."""
        return F.rgb_to_grayscale(img, num_output_channels=get_dimensions(img)[0])


class RandomInvert(_WithProbability):
    """Inverted with probability p."""

    def change(self, img):
        """Inverted."""
        return F.invert(img)


class RandomSolarize(_WithProbability):
    """Pixels at or above a threshold inverted, with probability p."""

    def __init__(self, threshold, p=0.5):
        super().__init__(p)
        self.threshold = threshold

    def change(self, img):
        """Solarised."""
        return F.solarize(img, self.threshold)

    def __repr__(self):
        return f"RandomSolarize(threshold={self.threshold},p={self.p})"


class RandomPosterize(_WithProbability):
    """Fewer bits per channel, with probability p."""

    def __init__(self, bits, p=0.5):
        super().__init__(p)
        self.bits = bits

    def change(self, img):
        """Posterised."""
        return F.posterize(img, self.bits)

    def __repr__(self):
        return f"RandomPosterize(bits={self.bits},p={self.p})"


class GaussianBlur(Transform):
    """Blurred; sigma: one number, or (least, most) of a random one.  kernel_size: odd, one number or (x, y)."""

    def __init__(self, kernel_size, sigma=(0.1, 2.0)):
        sizes = (kernel_size,) * 2 if isinstance(kernel_size, numbers.Number) else tuple(kernel_size)
        if len(sizes) != 2 or any(k <= 0 or k % 2 == 0 for k in sizes):
            raise ValueError("Kernel size value should be an odd and positive number.")
        self.kernel_size = sizes
        self.sigma = (float(sigma),) * 2 if isinstance(sigma, numbers.Number) else tuple(map(float, sigma))
        if len(self.sigma) != 2 or not 0 < self.sigma[0] <= self.sigma[1]:
            raise ValueError("sigma values should be positive and of the form (min, max). Got "
                             f"{self.sigma}")

    def __call__(self, img):
        sigma = float(host_generator().uniform(*self.sigma))
        return F.gaussian_blur(img, self.kernel_size, [sigma, sigma])

    def __repr__(self):
        return f"GaussianBlur(kernel_size={self.kernel_size}, sigma={self.sigma})"
