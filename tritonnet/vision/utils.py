"""torchvision's `utils`: many images as one, and images as files."""

from __future__ import annotations

import math

import tritonnet
from tritonnet.autograd.mode import no_grad

__all__ = ["make_grid", "save_image"]


@no_grad()
def make_grid(tensor, nrow=8, padding=2, normalize=False, value_range=None, scale_each=False, pad_value=0.0):
    """One image (C, H', W') of images (N, C, H, W), (C, H, W) or (H, W), or a list of them: nrow of them in a row.

    Grey images become RGB. normalize: values are moved to [0, 1], from value_range or from where they lie (each image
    by itself if scale_each). padding: pixels between images, of pad_value.
    """
    if isinstance(tensor, (list, tuple)):
        tensor = tritonnet.stack(list(tensor))
    if not isinstance(tensor, tritonnet.Tensor):
        raise TypeError(f"tensor or list of tensors expected, got {type(tensor)}")
    if tensor.ndim == 2:
        tensor = tensor.unsqueeze(0)
    if tensor.ndim == 3:
        tensor = tensor.unsqueeze(0)
    if tensor.shape[1] == 1:
        tensor = tritonnet.cat([tensor] * 3, 1)
    if normalize:
        if value_range is not None and not isinstance(value_range, tuple):
            raise TypeError("value_range has to be a tuple (min, max) if specified. min and max are numbers")
        tensor = tritonnet.stack([_scaled(t, value_range) for t in tensor]) if scale_each else _scaled(
            tensor, value_range)
    if tensor.shape[0] == 1:
        return tensor.squeeze(0)
    count, channels, H, W = tensor.shape
    columns = min(nrow, count)
    height, width = H + padding, W + padding
    grid = tensor.new_full((channels, height * math.ceil(count / columns) + padding, width * columns + padding),
                           pad_value)
    for k in range(count):
        y, x = k // columns * height + padding, k % columns * width + padding
        grid[:, y:y + H, x:x + W] = tensor[k]
    return grid


def _scaled(images, value_range):
    low, high = (images.min().item(), images.max().item()) if value_range is None else value_range
    return (images.clamp(low, high) - low) / max(high - low, 1e-5)


@no_grad()
def save_image(tensor, fp, format=None, **kwargs):
    """Write images as one file, by name or into a file object; what make_grid takes may be given, too."""
    from PIL import Image

    grid = make_grid(tensor, **kwargs)
    pixels = (grid * 255 + 0.5).clamp(0, 255).permute(1, 2, 0).to("cpu", tritonnet.uint8)
    Image.fromarray(pixels.contiguous().numpy()).save(fp, format=format)
