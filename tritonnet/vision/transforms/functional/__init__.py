"""torchvision's `transforms.functional`, on PIL images, tensors and batches."""

from tritonnet.vision.transforms.functional.colour import (
    adjust_brightness,
    adjust_contrast,
    adjust_gamma,
    adjust_hue,
    adjust_saturation,
    gaussian_blur,
    invert,
    posterize,
    solarize,
)
from tritonnet.vision.transforms.functional.geometry import (
    affine,
    center_crop,
    crop,
    hflip,
    pad,
    resize,
    resized_crop,
    rotate,
    vflip,
)
from tritonnet.vision.transforms.functional.values import (
    convert_image_dtype,
    erase,
    normalize,
    pil_to_tensor,
    rgb_to_grayscale,
    to_grayscale,
    to_pil_image,
    to_tensor,
)
from tritonnet.vision.transforms.images import InterpolationMode, get_dimensions, get_image_size

__all__ = [
    "InterpolationMode", "adjust_brightness", "adjust_contrast", "adjust_gamma", "adjust_hue", "adjust_saturation",
    "affine", "center_crop", "convert_image_dtype", "crop", "erase", "gaussian_blur", "get_dimensions",
    "get_image_size", "hflip", "invert", "normalize", "pad", "pil_to_tensor", "posterize", "resize", "resized_crop",
    "rgb_to_grayscale", "rotate", "solarize", "to_grayscale", "to_pil_image", "to_tensor", "vflip",
]
