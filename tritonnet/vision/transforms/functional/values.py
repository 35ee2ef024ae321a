"""Changing values: PIL images to tensors and back, element types, normalisation, grey, erasing."""

from __future__ import annotations

import numpy as np

from tritonnet.autograd.function import make
from tritonnet.dtypes import numpy_dtype
from tritonnet.kernels.arrays import is_host, to_host
from tritonnet.tensor import Tensor
from tritonnet.vision.transforms import pixels
from tritonnet.vision.transforms.images import Images, is_pil, on_arrays


def pil_to_array(image):
    """A PIL image as a (C, H, W) array of its own."""
    array = np.array(image)  # Pillow's memory is not ours to keep
    if array.dtype == np.bool_:
        array = array.astype(np.uint8)
    return array[None] if array.ndim == 2 else np.ascontiguousarray(array.transpose(2, 0, 1))


def to_tensor(pic):
    """A PIL image or (H, W[, C]) array as a (C, H, W) tensor; bytes 0 … 255 become float32 0 … 1."""
    if isinstance(pic, Images):
        return Images(unit(pic.array), pil=False)
    if isinstance(pic, np.ndarray):
        if pic.ndim not in (2, 3):
            raise ValueError(f"pic should be 2/3 dimensional. Got {pic.ndim} dimensions.")
        array = np.ascontiguousarray((pic[:, :, None] if pic.ndim == 2 else pic).transpose(2, 0, 1))
    elif is_pil(pic):
        array = pil_to_array(pic)
        if pic.mode == "1":
            array = array * np.uint8(255)
    else:
        raise TypeError(f"pic should be PIL Image or ndarray. Got {type(pic)}")
    return make(unit(array))


def unit(array):
    """Bytes as float32 in [0, 1]; other types as they are."""
    if array.dtype != np.uint8:
        return array
    out = array.astype(np.float32)
    out /= 255
    return out


def pil_to_tensor(pic):
    """A PIL image as a (C, H, W) tensor of the same numbers."""
    if isinstance(pic, Images):
        return Images(pic.array, pil=False)
    if not is_pil(pic):
        raise TypeError(f"pic should be PIL Image. Got {type(pic)}")
    return make(pil_to_array(pic))


def convert_image_dtype(image, dtype=np.float32):
    """Another element type, the range of values with it: 0 … 255 of bytes is 0 … 1 of floats."""
    return on_arrays(image, _convert, numpy_dtype(dtype))


def _convert(array, dtype):
    source = array.dtype
    if source == dtype:
        return array
    if source.kind == "f":
        if dtype.kind == "f":
            return array.astype(dtype)
        if source == np.float32 and dtype.itemsize > 2 or source == np.float64 and dtype.itemsize == 8:
            raise RuntimeError(f"The cast from {source} to {dtype} cannot be performed safely.")
        return (array * (np.iinfo(dtype).max + 1.0 - 1e-3)).astype(dtype)
    top = np.iinfo(source).max
    if dtype.kind == "f":
        return array.astype(dtype) / dtype.type(top)
    new_top = np.iinfo(dtype).max
    if top > new_top:
        return (array // ((top + 1) // (new_top + 1))).astype(dtype)
    return array.astype(dtype) * dtype.type((new_top + 1) // (top + 1))


def to_pil_image(pic, mode=None):
    """A (C, H, W) or (H, W) tensor, or (H, W[, C]) array, as a PIL image; floats 0 … 1 become bytes."""
    from PIL import Image

    if isinstance(pic, Tensor):
        array = pic.array if is_host(pic.array) else to_host(pic.array)
        if array.ndim not in (2, 3):
            raise ValueError(f"pic should be 2/3 dimensional. Got {array.ndim} dimensions.")
        array = array[None] if array.ndim == 2 else array
        if array.shape[0] > 4:
            raise ValueError(f"pic should not have > 4 channels. Got {array.shape[0]} channels.")
        if array.dtype.kind == "f" and mode != "F":
            array = (array.astype(np.float32) * 255).astype(np.uint8)
        array = array.transpose(1, 2, 0)
    elif isinstance(pic, np.ndarray):
        if pic.ndim not in (2, 3):
            raise ValueError(f"pic should be 2/3 dimensional. Got {pic.ndim} dimensions.")
        array = pic[:, :, None] if pic.ndim == 2 else pic
    else:
        raise TypeError(f"pic should be Tensor or ndarray. Got {type(pic)}.")
    channels = array.shape[2]
    plain = array[:, :, 0] if channels == 1 else array
    if channels == 1:
        natural = {"|u1": "L", "<i2": "I;16", "<i4": "I", "<f4": "F"}.get(plain.dtype.str)
    else:
        natural = {2: "LA", 3: "RGB", 4: "RGBA"}.get(channels) if plain.dtype == np.uint8 else None
    if natural is None:
        raise TypeError(f"Input type {array.dtype} with {channels} channels is not supported")
    image = Image.fromarray(np.ascontiguousarray(plain))
    same_layout = {1: ("L", "I", "F", "I;16", "1"), 2: ("LA",), 3: ("RGB", "YCbCr", "HSV"), 4: ("RGBA", "CMYK", "RGBX")}
    if mode is None or mode == image.mode:
        return image
    if mode not in same_layout[channels] or channels == 1:
        raise ValueError(f"Incorrect mode ({mode}) supplied for input type {array.dtype} with {channels} channels")
    return Image.frombytes(mode, image.size, image.tobytes())


def normalize(tensor, mean, std, inplace=False):
    """(x - mean) / std per channel, in float32 or whatever the tensor's type is."""
    if isinstance(tensor, Images):
        if tensor.pil:
            raise TypeError("img should be Tensor Image. Got <class 'PIL.Image.Image'>")
        return Images(_normalize(tensor.array, mean, std, inplace=True), pil=False)
    if not isinstance(tensor, Tensor):
        raise TypeError(f"img should be Tensor Image. Got {type(tensor)}")
    if tensor.ndim < 3:
        raise ValueError(f"Expected a tensor image of size (..., C, H, W). Got tensor.size() = {tensor.shape}")
    if not tensor.is_cpu or tensor.requires_grad:
        m, s = (tensor.new_tensor(np.asarray(v, np.float64).tolist()).reshape(-1, 1, 1) for v in (mean, std))
        return tensor.sub_(m).div_(s) if inplace else (tensor - m) / s
    out = _normalize(tensor.array, mean, std, inplace)
    return tensor if inplace else make(out)


def _normalize(array, mean, std, inplace):
    if array.dtype.kind != "f":
        raise TypeError(f"Input tensor should be a float tensor. Got {array.dtype}.")
    m, s = pixels.per_channel(mean, array.dtype), pixels.per_channel(std, array.dtype)
    if (s == 0).any():
        raise ValueError(f"std evaluated to zero after conversion to {array.dtype}, leading to division by zero.")
    channels = array.shape[-3]
    for name, values in (("mean", m), ("std", s)):
        if values.size not in (1, channels) and (inplace or channels != 1):
            raise RuntimeError(f"normalize: {name} of {values.size} channels for an image of {channels}")
    out = np.subtract(array, m, out=array if inplace else None)
    out /= s
    return out


def to_grayscale(img, num_output_channels=1):
    """A PIL image in grey, of one or three equal channels."""
    if not is_pil(img):
        raise TypeError("Input should be PIL Image")
    return rgb_to_grayscale(img, num_output_channels)


def rgb_to_grayscale(img, num_output_channels=1):
    """In grey, of one or three equal channels."""
    if num_output_channels not in (1, 3):
        raise ValueError("num_output_channels should be either 1 or 3")
    if not is_pil(img):
        return on_arrays(img, pixels.grayscale, num_output_channels)
    grey = img.convert("L")
    if num_output_channels == 1:
        return grey
    from PIL import Image

    return Image.merge("RGB", (grey, grey, grey))


def erase(img, i, j, h, w, v, inplace=False):
    """`v` in the h x w window at row i, column j of a tensor."""
    if not isinstance(img, Tensor):
        raise TypeError(f"Tensor image expected. Got {type(img)}")
    out = img if inplace else img.clone()
    out[..., i:i + h, j:j + w] = v
    return out
