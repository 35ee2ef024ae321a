"""Convolution layers over one, two and three dimensions, and their transposes."""

from __future__ import annotations

from tritonnet.nn import functional as F
from tritonnet.nn.modules.linear import fresh, reset_weight_and_bias
from tritonnet.nn.modules.module import Module
from tritonnet.nn.modules.sizes import ntuple


class _ConvNd(Module):
    """What convolutions share: weight (out, in / groups, *kernel), bias (out,), and how windows move."""

    ndim = 0
    transposed = False

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
        self.output_padding = (0,) * self.ndim
        first, second = (in_channels, out_channels) if self.transposed else (out_channels, in_channels)
        self.weight = fresh(first, second // groups, *self.kernel_size, device=device, dtype=dtype)
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
        if any(self.output_padding):
            shown += f", output_padding={self.output_padding}"
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


class Conv3d(_ConvNd):
    """Convolution over (N, in_channels, D, H, W); see `functional.conv3d`. Weights as Conv2d's."""

    ndim = 3
    convolve = staticmethod(F.conv3d)


class _ConvTransposeNd(_ConvNd):
    """What transposed convolutions share: weight (in, out / groups, *kernel), and which of the sizes comes out."""

    transposed = True

    def __init__(
        self, in_channels, out_channels, kernel_size, stride=1, padding=0, output_padding=0, groups=1, bias=True,
        dilation=1, padding_mode="zeros", device=None, dtype=None,
    ):
        if padding_mode != "zeros":
            raise ValueError(f'Only "zeros" padding mode is supported for {type(self).__name__}')
        super().__init__(in_channels, out_channels, kernel_size, stride, padding, dilation, groups, bias,
                         device=device, dtype=dtype)
        self.output_padding = ntuple(output_padding, self.ndim)

    def forward(self, input, output_size=None):
        extra = self.output_padding if output_size is None else self._towards(input, tuple(output_size))
        return self.convolve(input, self.weight, self.bias, self.stride, self.padding, extra, self.groups,
                             self.dilation)

    def _towards(self, input, wanted):
        """The output padding that gives images of this size."""
        sizes = input.shape[-self.ndim:]
        if len(wanted) == self.ndim + 2:
            wanted = wanted[2:]
        if len(wanted) != self.ndim:
            raise ValueError(f"{type(self).__name__}: for {input.ndim}D input, output_size must have {self.ndim} or "
                             f"{self.ndim + 2} elements (got {len(wanted)})")
        least = [(n - 1) * s - 2 * p + d * (k - 1) + 1 for n, s, p, d, k in zip(
            sizes, self.stride, self.padding, self.dilation, self.kernel_size)]
        most = [n + s - 1 for n, s in zip(least, self.stride)]
        if any(not low <= n <= high for low, n, high in zip(least, wanted, most)):
            raise ValueError(f"requested an output size of {wanted}, but valid sizes range from {least} to {most} "
                             f"(for an input of {sizes})")
        return tuple(n - low for n, low in zip(wanted, least))


class ConvTranspose1d(_ConvTransposeNd):
    """The transpose of a convolution over (N, in_channels, L); see `functional.conv_transpose1d`."""

    ndim = 1
    convolve = staticmethod(F.conv_transpose1d)


class ConvTranspose2d(_ConvTransposeNd):
    """The transpose of a convolution over (N, in_channels, H, W); see `functional.conv_transpose2d`."""

    ndim = 2
    convolve = staticmethod(F.conv_transpose2d)


class ConvTranspose3d(_ConvTransposeNd):
    """The transpose of a convolution over (N, in_channels, D, H, W); see `functional.conv_transpose3d`."""

    ndim = 3
    convolve = staticmethod(F.conv_transpose3d)
