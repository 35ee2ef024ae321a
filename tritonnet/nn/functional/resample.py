"""Images of other sizes: interpolation, and pixels traded for channels."""

from __future__ import annotations

import math
import warnings

import numpy as np

import tritonnet
from tritonnet.autograd.autocast import SINGLE, listed
from tritonnet.autograd.ops.index import IndexSelect
from tritonnet.nn.functional.pool import adaptive_avg_pool1d, adaptive_avg_pool2d
from tritonnet.nn.functional.volume import adaptive_avg_pool3d

__all__ = ["channel_shuffle", "interpolate", "pixel_shuffle", "pixel_unshuffle", "upsample", "upsample_bilinear",
           "upsample_nearest"]

RANKS = {"nearest": (3, 4, 5), "nearest-exact": (3, 4, 5), "area": (3, 4, 5), "linear": (3,), "bilinear": (4,),
         "bicubic": (4,), "trilinear": (5,)}
AREA = {3: adaptive_avg_pool1d, 4: adaptive_avg_pool2d, 5: adaptive_avg_pool3d}


@listed(cuda=SINGLE)
def interpolate(
    input, size=None, scale_factor=None, mode="nearest", align_corners=None, recompute_scale_factor=None,
    antialias=False,
):
    """`input` (N, C, L), (N, C, H, W) or (N, C, D, H, W) in another size.

    size: the new L, (H, W) or (D, H, W); or scale_factor: how much larger, one number or one per axis.
    mode: "nearest", "nearest-exact", "area"; "linear" for 3 dimensions; "bilinear" and "bicubic" for 4;
    "trilinear" for 5.
    align_corners: the corners' centres stay where they are, instead of their edges (linear modes).
    """
    ndim = input.ndim
    if mode in ("linear", "bilinear", "bicubic", "trilinear") and ndim in (3, 4, 5) and ndim not in RANKS[mode]:
        raise NotImplementedError(f"Got {ndim}D input, but {mode} mode needs {RANKS[mode][0]}D input")
    if ndim not in RANKS.get(mode, ()):
        raise NotImplementedError(f"Input Error: Only 3D, 4D and 5D input Tensors supported (got {ndim}D) for the "
                                  f"modes: {' | '.join(RANKS)} (got {mode})")
    if align_corners is not None and mode not in ("linear", "bilinear", "bicubic", "trilinear"):
        raise ValueError("align_corners option can only be set with the interpolating modes: "
                         "linear | bilinear | bicubic | trilinear")
    if antialias:
        raise NotImplementedError("interpolate: antialias=True is not offered")
    sizes, steps = _sizes(input, size, scale_factor, recompute_scale_factor)
    if min(sizes) <= 0 or 0 in input.shape[2:]:
        raise RuntimeError("Input and output sizes should be greater than 0, but got input "
                           f"{tuple(input.shape[2:])} output {tuple(sizes)}")
    if mode == "area":
        return AREA[ndim](input, tuple(sizes))
    for axis, (n, step) in enumerate(zip(sizes, steps), 2):
        places, weights = TAPS[mode](input.shape[axis], n, step, bool(align_corners))
        shape = (n, *[1] * (ndim - 1 - axis))
        total = None
        for place, weight in zip(places, weights):
            part = IndexSelect.apply(input, axis, tritonnet.tensor(place, device=input.device))
            if weight is not None:
                part = part * tritonnet.tensor(weight.reshape(shape), dtype=input.dtype, device=input.device)
            total = part if total is None else total + part
        input = total
    return input


def _sizes(input, size, scale_factor, recompute):
    """The new sizes, and how far apart their pixels lie in the old image."""
    old = list(input.shape[2:])
    if size is None and scale_factor is None:
        raise ValueError("either size or scale_factor should be defined")
    if size is not None and scale_factor is not None:
        raise ValueError("only one of size or scale_factor should be defined")
    given, what = (size, "output size") if size is not None else (scale_factor, "scale_factor")
    given = list(given) if isinstance(given, (tuple, list)) else [given] * len(old)
    if len(given) != len(old):
        raise ValueError("Input and output must have the same number of spatial dimensions, but got input with spatial "
                         f"dimensions of {old} and {what} of {tuple(given)}. Please provide input tensor in (N, C, d1, "
                         "d2, ...,dK) format")
    if size is not None:
        if recompute:
            raise ValueError("recompute_scale_factor is not meaningful with an explicit size.")
        sizes = [int(n) for n in given]
        return sizes, [a / b if b else 0.0 for a, b in zip(old, sizes)]
    sizes = [math.floor(n * float(s)) for n, s in zip(old, given)]
    if recompute:
        return sizes, [a / b if b else 0.0 for a, b in zip(old, sizes)]
    return sizes, [1 / s if s else 0.0 for s in given]


def _nearest(old, new, step, align):
    return [np.minimum((np.arange(new) * step).astype(np.int64), old - 1)], [None]


def _nearest_exact(old, new, step, align):
    return [np.minimum(((np.arange(new) + 0.5) * step).astype(np.int64), old - 1)], [None]


def _sources(old, new, step, align):
    """Where the centres of the new pixels lie among the old ones."""
    if align:
        return np.arange(new) * ((old - 1) / (new - 1) if new > 1 else 0.0)
    return (np.arange(new) + 0.5) * step - 0.5


def _linear(old, new, step, align):
    at = np.maximum(_sources(old, new, step, align), 0)
    left = np.minimum(at.astype(np.int64), old - 1)
    right = np.minimum(left + 1, old - 1)
    return [left, right], [1 - (at - left), at - left]


def _cubic(old, new, step, align, a=-0.75):
    """Keys 1981 with a = -3/4."""
    at = _sources(old, new, step, align)
    left = np.floor(at).astype(np.int64)
    t = at - left

    def near(d):
        return ((a + 2) * d - (a + 3)) * d * d + 1

    def far(d):
        return ((a * d - 5 * a) * d + 8 * a) * d - 4 * a

    return [np.clip(left + i, 0, old - 1) for i in (-1, 0, 1, 2)], [far(t + 1), near(t), near(1 - t), far(2 - t)]


TAPS = {"nearest": _nearest, "nearest-exact": _nearest_exact, "bicubic": _cubic,
        **dict.fromkeys(("linear", "bilinear", "trilinear"), _linear)}


def _deprecated(name):
    warnings.warn(f"`nn.functional.{name}` is deprecated. Use `nn.functional.interpolate` instead.", stacklevel=3)


def upsample(input, size=None, scale_factor=None, mode="nearest", align_corners=None):
    """PyTorch's old name of `interpolate`."""
    _deprecated("upsample")
    return interpolate(input, size, scale_factor, mode, align_corners)


def upsample_nearest(input, size=None, scale_factor=None):
    """`interpolate` to the nearest pixel."""
    _deprecated("upsample_nearest")
    return interpolate(input, size, scale_factor, "nearest")


def upsample_bilinear(input, size=None, scale_factor=None):
    """`interpolate`, bilinear with aligned corners."""
    _deprecated("upsample_bilinear")
    return interpolate(input, size, scale_factor, "bilinear", align_corners=True)


def _images(name, input, factor):
    if input.ndim < 3:
        raise RuntimeError(f"{name} expects input to have at least 3 dimensions, but got input with {input.ndim} "
                           "dimension(s)")
    if factor <= 0:
        raise RuntimeError(f"{name} expects a positive factor, but got {factor}")


def pixel_shuffle(input, upscale_factor):
    """(…, C r r, H, W) -> (…, C, H r, W r) for r = upscale_factor (Shi et al. 2016)."""
    _images("pixel_shuffle", input, r := upscale_factor)
    *batch, channels, H, W = input.shape
    if channels % (r * r):
        raise RuntimeError("pixel_shuffle expects its input's 'channel' dimension to be divisible by the square of "
                           f"upscale_factor, but input.size(-3)={channels} is not divisible by {r * r}")
    x = input.reshape(*batch, channels // (r * r), r, r, H, W)
    n = len(batch)
    x = x.permute(*range(n + 1), n + 3, n + 1, n + 4, n + 2)
    return x.reshape(*batch, channels // (r * r), H * r, W * r)


def pixel_unshuffle(input, downscale_factor):
    """(…, C, H r, W r) -> (…, C r r, H, W) for r = downscale_factor: undoes `pixel_shuffle`."""
    _images("pixel_unshuffle", input, r := downscale_factor)
    *batch, channels, H, W = input.shape
    for what, place, n in (("height", -2, H), ("width", -1, W)):
        if n % r:
            raise RuntimeError(f"pixel_unshuffle expects {what} to be divisible by downscale_factor, but "
                               f"input.size({place})={n} is not divisible by {r}")
    x = input.reshape(*batch, channels, H // r, r, W // r, r)
    n = len(batch)
    x = x.permute(*range(n + 1), n + 2, n + 4, n + 1, n + 3)
    return x.reshape(*batch, channels * r * r, H // r, W // r)


def channel_shuffle(input, groups):
    """The channels of (N, C, …) dealt out anew: C as (groups, C / groups), transposed."""
    if input.ndim < 3 or groups <= 0 or input.shape[1] % groups:
        raise RuntimeError(f"channel_shuffle expects an input (N, C, …) with C divisible by groups, but got "
                           f"{list(input.shape)} and groups={groups}")
    N, C, *rest = input.shape
    return input.reshape(N, groups, C // groups, *rest).transpose(1, 2).reshape(input.shape)
