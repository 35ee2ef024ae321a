"""Layers that undo max-pooling, and that pool by p-norms."""

from __future__ import annotations

from tritonnet.nn import functional as F
from tritonnet.nn.modules.module import Module
from tritonnet.nn.modules.sizes import ntuple


class _MaxUnpoolNd(Module):
    ndim, pool = 0, None

    def __init__(self, kernel_size, stride=None, padding=0):
        super().__init__()
        self.kernel_size = ntuple(kernel_size, self.ndim)
        self.stride = ntuple(kernel_size if stride is None else stride, self.ndim)
        self.padding = ntuple(padding, self.ndim)

    def forward(self, input, indices, output_size=None):
        return self.pool(input, indices, self.kernel_size, self.stride, self.padding, output_size)

    def extra_repr(self):
        return f"kernel_size={self.kernel_size}, stride={self.stride}, padding={self.padding}"


class MaxUnpool1d(_MaxUnpoolNd):
    """The inverse of MaxPool1d with return_indices, zeros where no maximum was."""

    ndim, pool = 1, staticmethod(F.max_unpool1d)


class MaxUnpool2d(_MaxUnpoolNd):
    """The inverse of MaxPool2d with return_indices, zeros where no maximum was."""

    ndim, pool = 2, staticmethod(F.max_unpool2d)


class MaxUnpool3d(_MaxUnpoolNd):
    """The inverse of MaxPool3d with return_indices, zeros where no maximum was."""

    ndim, pool = 3, staticmethod(F.max_unpool3d)


class _LPPoolNd(Module):
    pool = None

    def __init__(self, norm_type, kernel_size, stride=None, ceil_mode=False):
        super().__init__()
        self.norm_type, self.kernel_size, self.stride, self.ceil_mode = norm_type, kernel_size, stride, ceil_mode

    def forward(self, input):
        return self.pool(input, float(self.norm_type), self.kernel_size, self.stride, self.ceil_mode)

    def extra_repr(self):
        return (f"norm_type={self.norm_type}, kernel_size={self.kernel_size}, stride={self.stride}, "
                f"ceil_mode={self.ceil_mode}")


class LPPool1d(_LPPoolNd):
    """The norm_type-norm under a window that moves over (N, C, L)."""

    pool = staticmethod(F.lp_pool1d)


class LPPool2d(_LPPoolNd):
    """The norm_type-norm under a window that moves over (N, C, H, W)."""

    pool = staticmethod(F.lp_pool2d)


class LPPool3d(_LPPoolNd):
    """The norm_type-norm under a window that moves over (N, C, D, H, W)."""

    pool = staticmethod(F.lp_pool3d)
