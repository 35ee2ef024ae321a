"""Images read at any point: grids of points, and what lies there (Jaderberg et al. 2015)."""

from __future__ import annotations

import warnings

import tritonnet
from tritonnet.autograd.autocast import SINGLE, WIDEST, listed

__all__ = ["affine_grid", "grid_sample"]


def _aligned(align_corners):
    if align_corners is None:
        warnings.warn("Default grid_sample and affine_grid behavior has changed to align_corners=False since 1.3.0. "
                      "Please specify align_corners=True if the old behavior is desired. See the documentation of "
                      "grid_sample for details.", stacklevel=3)
    return bool(align_corners)


def affine_grid(theta, size, align_corners=None):
    """The points (N, H, W, 2) of an image (N, C, H, W) = size after the maps theta (N, 2, 3); corners at -1 and 1.

    align_corners: -1 and 1 are the centres of the corners' pixels, not their edges.
    """
    if not theta.is_floating_point():
        raise ValueError(f"Expected theta to have floating point type, but got {theta.dtype}")
    N, _, H, W = size
    if theta.ndim != 3 or tuple(theta.shape[1:]) != (2, 3):
        raise ValueError(f"Expected a batch of 2D affine matrices of shape Nx2x3 for size {tuple(size)}. "
                         f"Got {theta.shape}.")
    aligned = _aligned(align_corners)
    y, x = ((tritonnet.linspace(-1, 1, n, dtype=theta.dtype, device=theta.device) if n > 1
             else theta.new_zeros(1)) * (1 if aligned else (n - 1) / n) for n in (H, W))
    base = tritonnet.stack([x.expand(H, W), y.unsqueeze(1).expand(H, W), theta.new_ones(H, W)], -1)
    return (base.reshape(1, H * W, 3) @ theta.transpose(1, 2)).reshape(N, H, W, 2)


def _place(x, n, aligned, padding_mode):
    """Positions in [-1, 1] as positions among n pixels."""
    at = (x + 1) / 2 * (n - 1) if aligned else ((x + 1) * n - 1) / 2
    if padding_mode == "reflection":
        low, span = (0.0, n - 1.0) if aligned else (-0.5, float(n))
        if span == 0:
            return at * 0
        away = (at - low).abs() % (2 * span)
        at = low + tritonnet.where(away > span, 2 * span - away, away)
    return at if padding_mode == "zeros" else at.clamp(0, n - 1)


def _pixels(image, x, y):
    """The pixels (N, C, …) of images (N, C, H, W) at whole positions (N, …), 0 outside."""
    N, C, H, W = image.shape
    inside = (x >= 0) & (x < W) & (y >= 0) & (y < H)
    place = (y.clamp(0, H - 1) * W + x.clamp(0, W - 1)).long().reshape(N, 1, -1)
    found = image.reshape(N, C, H * W).gather(2, place.expand(N, C, place.shape[2]))
    return found.reshape(N, C, *x.shape[1:]) * inside.unsqueeze(1).to(image.dtype)


@listed(cuda=WIDEST, cpu=SINGLE)
def grid_sample(input, grid, mode="bilinear", padding_mode="zeros", align_corners=None):
    """What lies at the points grid (N, H', W', 2), (x, y) in [-1, 1], of images (N, C, H, W): (N, C, H', W').

    mode: "bilinear" or "nearest".  padding_mode: outside lies 0 ("zeros"), the next pixel ("border"), or the image
    mirrored ("reflection").
    """
    if mode not in ("bilinear", "nearest", "bicubic"):
        raise ValueError("nn.functional.grid_sample(): expected mode to be 'bilinear', 'nearest' or 'bicubic', but "
                         f"got: '{mode}'")
    if padding_mode not in ("zeros", "border", "reflection"):
        raise ValueError("nn.functional.grid_sample(): expected padding_mode to be 'zeros', 'border', or 'reflection', "
                         f"but got: '{padding_mode}'")
    if mode == "bicubic":
        raise NotImplementedError("grid_sample: mode='bicubic' is not offered, use 'bilinear'")
    if input.ndim != 4 or grid.ndim != 4:
        raise RuntimeError("grid_sampler(): expected 4D input and grid, but got input with sizes "
                           f"{list(input.shape)} and grid with sizes {list(grid.shape)}")
    if input.shape[0] != grid.shape[0]:
        raise RuntimeError("grid_sampler(): expected grid and input to have same batch size, but got input with sizes "
                           f"{list(input.shape)} and grid with sizes {list(grid.shape)}")
    if grid.shape[-1] != 2:
        raise RuntimeError(f"grid_sampler(): expected grid to have size 2 in last dimension, but got grid with sizes "
                           f"{list(grid.shape)}")
    aligned = _aligned(align_corners)
    H, W = input.shape[2:]
    x, y = _place(grid[..., 0], W, aligned, padding_mode), _place(grid[..., 1], H, aligned, padding_mode)
    if mode == "nearest":
        return _pixels(input, x.detach().round(), y.detach().round())
    left, top = x.detach().floor(), y.detach().floor()
    total = None
    for column, across in ((left, 1 - (x - left)), (left + 1, x - left)):
        for row, down in ((top, 1 - (y - top)), (top + 1, y - top)):
            part = _pixels(input, column, row) * (across * down).unsqueeze(1)
            total = part if total is None else total + part
    return total
