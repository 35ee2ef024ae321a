"""What an image is here: a PIL image, a tensor (..., C, H, W), or a batch (`Images`); and chains that take batches.

A transform with a method `batch(images)` treats each image of the batch as a single call would, with random draws of
its own. `batched` finds out whether a whole chain has such a form: what makes a DataLoader over a vision set fast.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass

import numpy as np

from tritonnet.autograd.function import make
from tritonnet.kernels.arrays import is_host, to_host
from tritonnet.tensor import Tensor


@dataclass
class Images:
    """A batch: `array` (N, C, H, W); `pil` says that its elements stand for PIL images, not for tensors."""

    array: np.ndarray
    pil: bool


class Batched:
    """A chain of transforms with batched forms; `gives_tensors` if it turns PIL images into tensors."""

    def __init__(self, steps):
        self.steps = steps
        kinds = [step.gives_tensors for step in steps if step.gives_tensors is not None]
        self.gives_tensors = bool(kinds) and kinds[-1]

    def __call__(self, images):
        for step in self.steps:
            images = step.batch(images)
        return images


def batched(transform):
    """The `Batched` form of a transform or chain, or None if some part of it has none.

    A subclass that overrides `__call__` alone means its own function of one image.
    """
    steps = getattr(transform, "transforms", None) if hasattr(transform, "is_chain") else [transform]
    found = []
    for step in steps:
        if hasattr(step, "is_chain"):
            inner = batched(step)
            if inner is None:
                return None
            found += inner.steps
        elif _has_batch(step):
            found.append(step)
        else:
            return None
    return Batched(found)


def _has_batch(step):
    """Whether `batch` is defined at least as far down as `__call__`, and the options allow it."""
    if not getattr(step, "can_batch", True):
        return False
    for cls in type(step).__mro__:
        if "batch" in cls.__dict__:
            return True
        if "__call__" in cls.__dict__ or "forward" in cls.__dict__:
            return False
    return False


class InterpolationMode(enum.Enum):
    """How pixels between pixels are found."""

    NEAREST = "nearest"
    NEAREST_EXACT = "nearest-exact"
    BILINEAR = "bilinear"
    BICUBIC = "bicubic"
    BOX = "box"
    HAMMING = "hamming"
    LANCZOS = "lanczos"


PIL_MODES = {"nearest": 0, "nearest-exact": 0, "lanczos": 1, "bilinear": 2, "bicubic": 3, "box": 4, "hamming": 5}


def interpolation_mode(mode):
    """An InterpolationMode from one, its name, or Pillow's number."""
    if isinstance(mode, int):
        mode = {number: name for name, number in reversed(PIL_MODES.items())}.get(mode, mode)
    try:
        return InterpolationMode(mode)
    except ValueError:
        raise TypeError(f"interpolation should be an InterpolationMode or a Pillow constant, got {mode!r}") from None


def is_pil(image):
    """Whether it is a PIL image; Pillow is imported only if something else has imported it."""
    return type(image).__module__.startswith("PIL.") or any(
        c.__module__ == "PIL.Image" and c.__name__ == "Image" for c in type(image).__mro__
    )


def on_arrays(image, function, *args, **options):
    """Apply a function of arrays to a tensor or a batch; TypeError for anything else."""
    if isinstance(image, Images):
        return Images(function(image.array, *args, **options), image.pil)
    if not isinstance(image, Tensor):
        raise TypeError(f"Unexpected type {type(image)}")
    if image.ndim < 2:
        raise TypeError(f"Tensor is not a torch image: it has {image.ndim} dimensions")
    array = image.array if is_host(image.array) else to_host(image.array)
    flat = array.ndim == 2
    out = np.ascontiguousarray(function(array[None] if flat else array, *args, **options))
    out = make(out[0] if flat else out)
    return out if image.is_cpu else out.to(image.device)


def get_dimensions(image):
    """(channels, height, width)."""
    if is_pil(image):
        return len(image.getbands()), image.height, image.width
    if not isinstance(image, (Tensor, Images)):
        raise TypeError(f"Unexpected type {type(image)}")
    shape = image.array.shape
    return (shape[-3] if len(shape) > 2 else 1), shape[-2], shape[-1]


def get_image_size(image):
    """[width, height]."""
    _, height, width = get_dimensions(image)
    return [width, height]
