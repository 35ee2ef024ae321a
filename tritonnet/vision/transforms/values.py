"""Transforms of values: ToTensor, PILToTensor, ToPILImage, ConvertImageDtype, Normalize, grey, erasing."""

from __future__ import annotations

import math
import warnings

import numpy as np

from tritonnet.data.seeding import host_generator
from tritonnet.vision.transforms import functional as F
from tritonnet.vision.transforms.chain import Transform
from tritonnet.vision.transforms.images import on_arrays


class ToTensor(Transform):
    """A PIL image or (H, W[, C]) array as a (C, H, W) tensor; bytes 0 … 255 become float32 0 … 1."""

    gives_tensors = True

    def __call__(self, pic):
        return F.to_tensor(pic)

    batch = __call__


class PILToTensor(Transform):
    """A PIL image as a (C, H, W) tensor of the same numbers."""

    gives_tensors = True

    def __call__(self, pic):
        return F.pil_to_tensor(pic)

    batch = __call__


class ToPILImage(Transform):
    """A tensor (C, H, W) or array (H, W[, C]) as a PIL image."""

    def __init__(self, mode=None):
        self.mode = mode

    def __call__(self, pic):
        return F.to_pil_image(pic, self.mode)

    def __repr__(self):
        return f"ToPILImage({'' if self.mode is None else f'mode={self.mode}'})"


class ConvertImageDtype(Transform):
    """A tensor in another element type, the range of values with it."""

    def __init__(self, dtype):
        self.dtype = dtype

    def __call__(self, image):
        return F.convert_image_dtype(image, self.dtype)

    batch = __call__


class Normalize(Transform):
    """(x - mean) / std per channel of a tensor."""

    def __init__(self, mean, std, inplace=False):
        self.mean, self.std, self.inplace = mean, std, inplace

    def __call__(self, tensor):
        return F.normalize(tensor, self.mean, self.std, self.inplace)

    batch = __call__

    def __repr__(self):
        return f"Normalize(mean={self.mean}, std={self.std})"


class Grayscale(Transform):
    """In grey, of one or three equal channels."""

    def __init__(self, num_output_channels=1):
        self.num_output_channels = num_output_channels

    def __call__(self, img):
        return F.rgb_to_grayscale(img, self.num_output_channels)

    batch = __call__

    def __repr__(self):
        return f"Grayscale(num_output_channels={self.num_output_channels})"


class RandomErasing(Transform):
    """With probability p, a rectangle of a tensor is overwritten.

    scale: its area as a part of the image's.  ratio: width to height.  value: a number, one per channel, or "random".
    Zhong et al. 2017, arXiv 1708.04896.
    """

    def __init__(self, p=0.5, scale=(0.02, 0.33), ratio=(0.3, 3.3), value=0, inplace=False):
        if not isinstance(value, (int, float, str, tuple, list)):
            raise TypeError("Argument value should be either a number or str or a sequence")
        if isinstance(value, str) and value != "random":
            raise ValueError("If value is str, it should be 'random'")
        if not isinstance(scale, (tuple, list)):
            raise TypeError("Scale should be a sequence")
        if not isinstance(ratio, (tuple, list)):
            raise TypeError("Ratio should be a sequence")
        if scale[0] > scale[1] or ratio[0] > ratio[1]:
            warnings.warn("Scale and ratio should be of kind (min, max)", stacklevel=2)
        if scale[0] < 0 or scale[1] > 1:
            raise ValueError("Scale should be between 0 and 1")
        if p < 0 or p > 1:
            raise ValueError("Random erasing probability should be between 0 and 1")
        self.p, self.scale, self.ratio, self.value, self.inplace = p, scale, ratio, value, inplace

    def __call__(self, img):
        return on_arrays(img, self._erase)

    batch = __call__

    def _erase(self, array):
        rng, (channels, height, width) = host_generator(), array.shape[-3:]
        if isinstance(self.value, (tuple, list)) and len(self.value) not in (1, channels):
            raise ValueError(f"If value is a sequence, it should have one element or one per channel, {channels}")
        out = array if self.inplace else array.copy()
        for image in out.reshape(-1, channels, height, width) if out.ndim > 3 else [out]:
            if rng.random() < self.p and (box := self._box(rng, height, width)) is not None:
                top, left, h, w = box
                if self.value == "random":
                    fill = rng.standard_normal((channels, h, w))
                else:
                    fill = np.reshape(self.value, (-1, 1, 1))
                image[:, top:top + h, left:left + w] = fill
        return out

    def _box(self, rng, height, width):
        """(top, left, height, width) that fits, or None after ten attempts."""
        for _ in range(10):
            area = height * width * rng.uniform(*self.scale)
            ratio = math.exp(rng.uniform(math.log(self.ratio[0]), math.log(self.ratio[1])))
            h, w = int(round(math.sqrt(area * ratio))), int(round(math.sqrt(area / ratio)))
            if h < height and w < width:
                return int(rng.integers(height - h + 1)), int(rng.integers(width - w + 1)), h, w
        return None

    def __repr__(self):
        return (f"RandomErasing(p={self.p}, scale={self.scale}, ratio={self.ratio}, value={self.value}, "
                f"inplace={self.inplace})")
