"""Dropout layers; they do nothing in evaluation mode."""

from __future__ import annotations

from tritonnet.nn import functional as F
from tritonnet.nn.modules.module import Module


class _DropoutNd(Module):
    drop = None

    def __init__(self, p=0.5, inplace=False):
        super().__init__()
        if p < 0 or p > 1:
            raise ValueError(f"dropout probability has to be between 0 and 1, but got {p}")
        self.p, self.inplace = p, inplace

    def forward(self, input):
        return self.drop(input, self.p, self.training, self.inplace)

    def extra_repr(self):
        return f"p={self.p}, inplace={self.inplace}"


class Dropout(_DropoutNd):
    """Zeros single elements with probability p; see `functional.dropout`."""

    drop = staticmethod(F.dropout)


class Dropout1d(_DropoutNd):
    """Zeros whole channels of (N, C, L) with probability p."""

    drop = staticmethod(F.dropout1d)


class Dropout2d(_DropoutNd):
    """Zeros whole channels of (N, C, H, W) with probability p."""

    drop = staticmethod(F.dropout2d)


class Dropout3d(_DropoutNd):
    """Zeros whole channels of (N, C, D, H, W) with probability p."""

    drop = staticmethod(F.dropout3d)


class AlphaDropout(_DropoutNd):
    """Dropout that keeps the mean and variance of SELU's outputs."""

    drop = staticmethod(F.alpha_dropout)


class FeatureAlphaDropout(_DropoutNd):
    """AlphaDropout of whole channels of (N, C, …)."""

    drop = staticmethod(F.feature_alpha_dropout)
