"""The geometry of pooling: which pixels a window covers."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np


class Windows(NamedTuple):
    """Windows of (R, S) pixels, (dilated) at steps `stride`, over images with `padding` around them."""

    kernel: tuple
    stride: tuple
    padding: tuple = (0, 0)
    dilation: tuple = (1, 1)
    ceil_mode: bool = False

    def output(self, H, W) -> tuple[int, int]:
        """How many windows fit: (P, Q)."""
        return tuple(pooled(n, *parameters, self.ceil_mode)
                     for n, *parameters in zip((H, W), self.kernel, self.stride, self.padding, self.dilation))

    def reach(self, P, Q) -> tuple[int, int]:
        """Rows and columns, borders included, that windows (0, 0) … (P - 1, Q - 1) span."""
        return tuple((n - 1) * s + (k - 1) * d + 1
                     for n, k, s, d in zip((P, Q), self.kernel, self.stride, self.dilation))

    @property
    def apart(self) -> bool:
        """Whether no pixel lies in two windows."""
        return all(s >= (k - 1) * d + 1 for k, s, d in zip(self.kernel, self.stride, self.dilation))


def pooled(size, kernel, stride, padding, dilation, ceil_mode) -> int:
    """The number of windows along an axis; with ceil_mode a last one may stick out, if it starts inside."""
    span = size + 2 * padding - dilation * (kernel - 1) - 1
    count = (span + (stride - 1 if ceil_mode else 0)) // stride + 1
    return count - 1 if ceil_mode and (count - 1) * stride >= size + padding else count


def counts(size, count, kernel, stride, padding, include_pad) -> np.ndarray:
    """Pixels that each of an axis's windows averages over; borders count if include_pad."""
    start = np.arange(count) * stride - padding
    end = np.minimum(start + kernel, size + padding)
    return end - start if include_pad else np.minimum(end, size) - np.maximum(start, 0)


def adaptive(size, count) -> list[tuple[int, int]]:
    """`count` windows (start, end) that cover an axis evenly, overlapping by a pixel where they must."""
    return [(i * size // count, -(-(i + 1) * size // count)) for i in range(count)]
