"""Convolution layers: Conv1d, Conv2d."""

from __future__ import annotations

from tritonnet.nn import functional as F
from tritonnet.nn.modules.linear import fresh, reset_weight_and_bias
from tritonnet.nn.modules.module import Module
from tritonnet.nn.modules.sizes import ntuple


class _ConvNd(Module):
    """What convolutions share: weight (out, in / groups, *kernel), bias (out,), and how windows move."""

    ndim = 0

    def __init__(
        self, in_channels, out_channels, kernel_size, stride=1, padding=0, dilation=1, groups=1, bias=True,
        padding_mode="zeros", device=None, dtype=None,
    ):
        super().__init__()
        if groups <= 0:
            raise ValueError("groups must be a positive integer")
        if in_channels % groups != 0:
            raise ValueError("in_channels must be divisible by groups")
        if out_channels % groups != 0:
            raise ValueError("out_channels must be divisible by groups")
        self.in_channels, self.out_channels, self.groups = in_channels, out_channels, groups
        self.kernel_size, self.stride = ntuple(kernel_size, self.ndim), ntuple(stride, self.ndim)
        self.dilation = ntuple(dilation, self.ndim)
        self.padding = padding if isinstance(padding, str) else ntuple(padding, self.ndim)
        if isinstance(padding, str):
            if padding not in ("same", "valid"):
                raise ValueError(f"Invalid padding string {padding!r}, should be one of {{'same', 'valid'}}")
            if padding == "same" and any(s != 1 for s in self.stride):
                raise ValueError("padding='same' is not supported for strided convolutions")
        modes = ("zeros", "reflect", "replicate", "circular")
        if padding_mode not in modes:
            raise ValueError(f"padding_mode must be one of {modes}, but got padding_mode='{padding_mode}'")
        self.padding_mode = padding_mode
        self.transposed, self.output_padding = False, (0,) * self.ndim
        self.weight = fresh(out_channels, in_channels // groups, *self.kernel_size, device=device, dtype=dtype)
        self.register_parameter("bias", fresh(out_channels, device=device, dtype=dtype) if bias else None)
        self.reset_parameters()

    def reset_parameters(self):
        """Draw weight and bias anew."""
        reset_weight_and_bias(self.weight, self.bias)

    def _around(self):
        """The padding as F.pad takes it: (left, right) of the last axis first."""
        if not isinstance(self.padding, str):
            return [p for p in reversed(self.padding) for _ in range(2)]
        totals = [d * (k - 1) if self.padding == "same" else 0 for d, k in zip(self.dilation, self.kernel_size)]
        return [n for total in reversed(totals) for n in (total // 2, total - total // 2)]

    def _conv_forward(self, input, weight, bias):
        padding = self.padding
        if self.padding_mode != "zeros":
            input, padding = F.pad(input, self._around(), mode=self.padding_mode), 0
        return self.convolve(input, weight, bias, self.stride, padding, self.dilation, self.groups)

    def forward(self, input):
        return self._conv_forward(input, self.weight, self.bias)

    def extra_repr(self):
        shown = f"{self.in_channels}, {self.out_channels}, kernel_size={self.kernel_size}, stride={self.stride}"
        if self.padding != (0,) * self.ndim:
            shown += f", padding={self.padding}"
        if self.dilation != (1,) * self.ndim:
            shown += f", dilation={self.dilation}"
        if self.groups != 1:
            shown += f", groups={self.groups}"
        if self.bias is None:
            shown += ", bias=False"
        if self.padding_mode != "zeros":
            shown += f", padding_mode={self.padding_mode}"
        return shown


class Conv1d(_ConvNd):
    """Convolution over (N, in_channels, L); see `functional.conv1d`. Weights from U(-k, k), k = 1 / sqrt(fan-in)."""

    ndim = 1
    convolve = staticmethod(F.conv1d)


class Conv2d(_ConvNd):
    """Convolution over (N, in_channels, H, W); see `functional.conv2d`. Weights from U(-k, k), k = 1 / sqrt(fan-in)."""

    ndim = 2
    convolve = staticmethod(F.conv2d)
