"""Convolutions for the tape: over one and two axes, transposed, and the columns of images."""

from tritonnet.autograd.ops.conv.columns import Fold, Unfold
from tritonnet.autograd.ops.conv.convolution import Conv1d, Conv2d, check_conv
from tritonnet.autograd.ops.conv.fused import ConvRelu2d, ConvReluPool2d
from tritonnet.autograd.ops.conv.transposed import ConvTranspose2d, ConvWeight

__all__ = ["Conv1d", "Conv2d", "ConvRelu2d", "ConvReluPool2d", "ConvTranspose2d", "ConvWeight", "Fold", "Unfold",
           "check_conv"]
