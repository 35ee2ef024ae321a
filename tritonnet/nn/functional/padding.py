"""Padding with a constant, or with what lies inside: reflected, repeated or wrapped around."""

from __future__ import annotations

import numpy as np

import tritonnet
from tritonnet.autograd.ops.index import IndexSelect
from tritonnet.autograd.ops.shape import Pad

__all__ = ["pad"]


def pad(input, pad, mode="constant", value=None):
    """`input` with more elements around it.

    pad: (left, right) of the last dimension, then of the one before, …; negative numbers cut off.
    mode: "constant" (filled with `value`, 0 by default), "reflect", "replicate" or "circular" (last one or two
    dimensions of an input with a channel dimension, and with or without a batch dimension).
    """
    pad = tuple(int(n) for n in pad)
    if len(pad) % 2:
        raise RuntimeError(f"Padding length must be divisible by 2, got {len(pad)}")
    if len(pad) // 2 > input.ndim:
        raise RuntimeError(
            f"Padding length should be less than or equal to two times the input dimension but got padding length "
            f"{len(pad)} and input of dimension {input.ndim}"
        )
    if mode == "constant":
        return Pad.apply(input, pad, 0.0 if value is None else value)
    if mode not in SOURCES:
        raise NotImplementedError(f"Unrecognised padding mode {mode}")
    if value:
        raise RuntimeError(f'Padding mode "{mode}" doesn\'t take in value argument')
    axes = len(pad) // 2
    if input.ndim not in (axes + 1, axes + 2):
        raise NotImplementedError(
            f"Only 2D, 3D, 4D, 5D padding with non-constant padding are supported for now: got {input.ndim}D input and "
            f"{len(pad)} numbers"
        )
    for i in range(axes):
        left, right = pad[2 * i : 2 * i + 2]
        if left or right:
            axis = input.ndim - 1 - i
            source = SOURCES[mode](input.shape[axis], left, right)
            input = IndexSelect.apply(input, axis, tritonnet.tensor(source, device=input.device))
    return input


def _reflect(size, left, right):
    if max(left, right) >= size:
        raise RuntimeError(
            f"Padding size should be less than the corresponding input dimension, but got: padding ({left}, {right}) "
            f"at a dimension of size {size}"
        )
    at = np.abs(np.arange(-left, size + right))
    return np.where(at < size, at, 2 * (size - 1) - at)


def _replicate(size, left, right):
    return np.clip(np.arange(-left, size + right), 0, size - 1)


def _circular(size, left, right):
    if max(left, right) > size:
        raise RuntimeError("Padding value causes wrapping around more than once.")
    return np.arange(-left, size + right) % size


SOURCES = {"reflect": _reflect, "replicate": _replicate, "circular": _circular}  # which element each place copies
