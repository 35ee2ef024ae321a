"""Convolution and what follows it as one launch. Nothing takes it by itself; not yet run on a GPU."""

from __future__ import annotations

from tritonnet.autograd.ops.conv.convolution import Conv2d, check_conv
from tritonnet.autograd.samples import Sample, samples
from tritonnet.autograd.scalar_op import evaluated
from tritonnet.kernels import conv as kernels
from tritonnet.kernels import elementwise


class ConvRelu2d(Conv2d):
    """relu(conv2d(x, w, bias)): arguments as Conv2d's; backward, the gradient is masked by the result first."""

    def forward(ctx, x, w, bias=None, stride=(1, 1), padding=(0, 0), dilation=(1, 1), groups=1):
        check_conv(x, w, bias, stride, padding, dilation, groups)
        laid, ctx.window = kernels.laid_out(x, w, groups) or (x, w), (stride, padding, dilation, groups)
        ctx.y = kernels.conv2d(*laid, bias, *ctx.window, activation="relu")
        ctx.saved = (x, w, ctx.y, *laid)                 # Conv2d reads the first two and the last two
        return ctx.y

    def backward(ctx, dy):
        return Conv2d.backward(ctx, elementwise.derivative("relu", ("x",)).function(dy, ctx.y))

    def differentiable_backward(self, dy):
        dy = evaluated(elementwise.OPERATIONS["relu"].gradients["x"], {"y": self.output(self.y), "dy": dy})
        return Conv2d.differentiable_backward(self, dy)


@samples(ConvRelu2d, torch=lambda torch, *a, **k: torch.nn.functional.conv2d(*a, **k).relu())
def conv_relu2d_samples(rand):
    yield Sample(rand(2, 9, 7, 6), rand(4, 9, 3, 3), rand(4), (1, 1), (1, 1))
    yield Sample(rand(2, 18, 9, 8), rand(4, 9, 3, 2), rand(4), (2, 1), (1, 1), groups=2)
    yield Sample(rand(2, 70, 4, 4), rand(33, 70, 3, 3), None, (1, 1), (1, 1))                  # no bias
    yield Sample(rand(2, 6, 5, 4), rand(6, 1, 3, 3), rand(6), (1, 1), (1, 1), (1, 1), 6)       # depthwise
    yield Sample(rand(3, 1, 8, 7), rand(6, 1, 5, 3), rand(6))                                  # first layer: direct
    yield Sample(rand(1, 3, 9, 8), rand(5, 3, 5, 5), rand(5), (2, 2), (2, 2))                  # columns gathered
    yield Sample(rand(2, 6, 7, 10).transpose(0, 3, 1, 2), rand(4, 10, 3, 3), rand(4), (1, 2))  # channels last
    yield Sample(rand(0, 5, 6, 6), rand(4, 5, 3, 3), rand(4))                                  # no images
    yield Sample(rand(1, 1, 4, 4) * float("nan"), rand(2, 1, 3, 3), rand(2), grad=False)       # NaN stays NaN
    yield Sample(rand(1, 3, 8, 8), rand(4, 2, 3, 3), raises=RuntimeError)
