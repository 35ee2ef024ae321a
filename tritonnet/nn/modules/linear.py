"""Linear layers: Linear, Bilinear, Identity."""

from __future__ import annotations

import math

import tritonnet
from tritonnet.nn import functional as F
from tritonnet.nn import init
from tritonnet.nn.modules.module import Module
from tritonnet.nn.parameter import Parameter


def fresh(*shape, device=None, dtype=None):
    """A Parameter of this shape, not yet initialised."""
    return Parameter(tritonnet.empty(shape, device=device, dtype=dtype))


class Identity(Module):
    """Returns its input; takes any arguments, so that it can stand in for other layers."""

    def __init__(self, *args, **kwargs):
        super().__init__()

    def forward(self, input):
        return input


class Linear(Module):
    """y = x W^T + b.  weight: (out_features, in_features).  bias: (out_features,).

    Both are drawn from U(-k, k), k = 1 / sqrt(in_features).
    """

    def __init__(self, in_features, out_features, bias=True, device=None, dtype=None):
        super().__init__()
        self.in_features, self.out_features = in_features, out_features
        self.weight = fresh(out_features, in_features, device=device, dtype=dtype)
        self.register_parameter("bias", fresh(out_features, device=device, dtype=dtype) if bias else None)
        self.reset_parameters()

    def reset_parameters(self):
        """Draw weight and bias anew."""
        reset_weight_and_bias(self.weight, self.bias)

    def forward(self, input):
        try:  # quicker than attributes, which Python looks for everywhere else first
            weight, bias = self._parameters["weight"], self._parameters["bias"]
        except KeyError:  # one of them was deleted, and the name given to a tensor
            weight, bias = self.weight, self.bias
        return F.linear(input, weight, bias)

    def extra_repr(self):
        return f"in_features={self.in_features}, out_features={self.out_features}, bias={self.bias is not None}"


class NonDynamicallyQuantizableLinear(Linear):
    """Linear under the name that PyTorch shows for the last layer of its attention."""


def reset_weight_and_bias(weight, bias):
    """Draw both from U(-k, k), k = 1 / sqrt(inputs of one output): PyTorch's default for linear and convolution."""
    init.kaiming_uniform_(weight, a=math.sqrt(5))
    if bias is not None:
        fan_in, _ = init._calculate_fan_in_and_fan_out(weight)
        if fan_in > 0:
            init.uniform_(bias, -1 / math.sqrt(fan_in), 1 / math.sqrt(fan_in))


class Bilinear(Module):
    """y_o = x1^T W_o x2 + b_o.  weight: (out, in1, in2).  bias: (out,).  Drawn from U(-k, k), k = 1 / sqrt(in1)."""

    def __init__(self, in1_features, in2_features, out_features, bias=True, device=None, dtype=None):
        super().__init__()
        if in1_features <= 0:
            raise ValueError(f"in1_features must be > 0, but got ({in1_features=})")
        self.in1_features, self.in2_features, self.out_features = in1_features, in2_features, out_features
        self.weight = fresh(out_features, in1_features, in2_features, device=device, dtype=dtype)
        self.register_parameter("bias", fresh(out_features, device=device, dtype=dtype) if bias else None)
        self.reset_parameters()

    def reset_parameters(self):
        """Draw weight and bias anew."""
        bound = 1 / math.sqrt(self.in1_features)
        for parameter in self.parameters(recurse=False):
            init.uniform_(parameter, -bound, bound)

    def forward(self, input1, input2):
        return F.bilinear(input1, input2, self.weight, self.bias)

    def extra_repr(self):
        return (
            f"in1_features={self.in1_features}, in2_features={self.in2_features}, "
            f"out_features={self.out_features}, bias={self.bias is not None}"
        )
