"""Convolution and what follows it as one launch. Nothing takes it by itself; not yet run on a GPU."""

from __future__ import annotations

from tritonnet.autograd.ops.conv.convolution import Conv2d, check_conv, needs
from tritonnet.autograd.ops.linear_map import LinearMap
from tritonnet.autograd.samples import Sample, samples
from tritonnet.autograd.scalar_op import evaluated
from tritonnet.kernels import conv as kernels
from tritonnet.kernels import elementwise
from tritonnet.kernels.conv import pooled


class ConvRelu2d(Conv2d):
    """relu(conv2d(x, w, bias)): arguments as Conv2d's; backward, the gradient is masked by the result first."""

    def forward(ctx, x, w, bias=None, stride=(1, 1), padding=(0, 0), dilation=(1, 1), groups=1):
        check_conv(x, w, bias, stride, padding, dilation, groups)
        laid = kernels.laid_out(x, w, groups, (stride, padding, dilation)) or (x, w)
        ctx.window = stride, padding, dilation, groups
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


class ConvReluPool2d(Conv2d):
    """max_pool2d(relu(conv2d(x, w, bias)), 2): arguments as Conv2d's -> (N, O, P // 2, Q // 2).

    Nothing is kept of what is not pooled; besides x and w, the backward has an int8 for each result.
    """

    def forward(ctx, x, w, bias=None, stride=(1, 1), padding=(0, 0), dilation=(1, 1), groups=1):
        check_conv(x, w, bias, stride, padding, dilation, groups)
        ctx.window = stride, padding, dilation, groups
        ctx.size = P, Q = tuple(map(kernels.output_size, x.shape[2:], w.shape[2:], stride, padding, dilation))
        if min(P, Q) < 2:
            raise RuntimeError(f"Given input size: {w.shape[0]}x{P}x{Q}. Calculated output size: {w.shape[0]}x{P // 2}x"
                               f"{Q // 2}. Output size is too small")
        laid = kernels.laid_out(x, w, groups) or (x, w)
        y, taken = pooled.conv2d_pool(*laid, bias, *ctx.window, marked=any(ctx.needs_input_grad))
        ctx.saved = (x, w, taken, *laid)                 # Conv2d reads the first two
        return y

    def backward(ctx, dy):
        _, _, taken, *laid = ctx.saved
        return pooled.conv2d_pool_backward(dy, taken, *laid, *ctx.window, needs(ctx))

    def differentiable_backward(self, dy):
        taken, size = self.saved[2], self.size
        dz = LinearMap.apply(dy, lambda dy: pooled.spread(dy, taken, size), lambda dz: pooled.gathered(dz, taken))
        return Conv2d.differentiable_backward(self, dz)


def _torch_pooled(torch, *a, **k):
    return torch.nn.functional.max_pool2d(torch.nn.functional.conv2d(*a, **k).relu(), 2)


@samples(ConvReluPool2d, torch=_torch_pooled)
def conv_relu_pool2d_samples(rand):
    yield Sample(rand(2, 9, 8, 10), rand(4, 9, 3, 3), rand(4), (1, 1), (1, 1))
    yield Sample(rand(2, 9, 7, 9), rand(4, 9, 3, 3), rand(4), (1, 1), (1, 1))                  # rows that fill no cell
    yield Sample(rand(2, 12, 8, 7), rand(5, 12, 3, 2), None)                                   # no bias, no border
    yield Sample(rand(2, 16, 11, 9), rand(20, 16, 3, 3), rand(20), (2, 1), (1, 2))             # stride
    yield Sample(rand(1, 8, 11, 12), rand(6, 8, 3, 2), rand(6), (1, 2), (2, 0), (2, 3))        # dilation
    yield Sample(rand(1, 70, 5, 4), rand(33, 70, 3, 3), rand(33), (1, 1), (1, 1))              # blocks of channels
    yield Sample(rand(3, 1, 10, 9), rand(6, 1, 5, 3), rand(6))                                 # first layer
    yield Sample(rand(2, 3, 9, 8), rand(5, 3, 3, 3), rand(5), (1, 1), (1, 1))                  # of three channels
    yield Sample(rand(1, 2, 13, 12), rand(5, 2, 3, 3), rand(5), (2, 1), (1, 0), (1, 2))        # with stride, dilation
    yield Sample(rand(1, 3, 9, 8), rand(5, 3, 5, 5), rand(5), (1, 1), (2, 2))                  # with many taps
    yield Sample(rand(2, 6, 6, 5), rand(4, 3, 3, 2), rand(4), groups=2)
    yield Sample(rand(2, 6, 7, 10).transpose(0, 3, 1, 2), rand(4, 10, 3, 3), rand(4), (1, 1), (1, 1))  # channels last
    yield Sample(rand(2, 9, 4, 4), rand(4, 9, 3, 3), rand(4), (4, 4), (3, 3))                  # most of x unread
    yield Sample(rand(0, 5, 6, 6), rand(4, 5, 3, 3), rand(4))                                  # no images
    yield Sample(rand(2, 9, 6, 6).round(), rand(4, 9, 3, 3).round(), rand(4), grad=False)      # ties
    for channels in (1, 9):
        x = rand(1, channels, 8, 8)
        x[0, 0, 1, 1], x[0, 0, 6, 6] = float("nan"), float("-inf")
        yield Sample(x, rand(2, channels, 3, 3), rand(2), grad=False)                          # NaN stays NaN
    yield Sample(rand(1, 3, 8, 8), rand(4, 2, 3, 3), raises=RuntimeError)
    yield Sample(rand(1, 3, 4, 3), rand(4, 3, 3, 3), raises=RuntimeError)                      # fills no cell
