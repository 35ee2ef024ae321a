"""The gradients of convolution as operations: by the image it is the transposed convolution, and by the weight.

Convolution, its transpose and its weight gradient are linear in each of their two arguments, and the gradient of each
is a pair of the others. So they have derivatives of any order.
"""

from __future__ import annotations

from tritonnet.autograd.function import Op
from tritonnet.autograd.ops import conv
from tritonnet.autograd.samples import Sample, samples
from tritonnet.kernels import conv as kernels
from tritonnet.kernels import elementwise, reduce
from tritonnet.kernels.conv import output_size
from tritonnet.kernels.dtypes import is_float


def check_transposed(x, w, bias, size, stride, padding, dilation, groups):
    """Raise what PyTorch raises for these arguments."""
    if x.ndim != 4 or w.ndim != 4:
        raise RuntimeError(f"conv_transpose2d: expected an input and a weight of 4 dimensions, but got {list(x.shape)} "
                           f"and {list(w.shape)}")
    if groups <= 0:
        raise RuntimeError("non-positive groups is not supported")
    if w.shape[0] % groups:
        raise RuntimeError(f"Given groups={groups}, expected weight to be divisible by {groups} at dimension 0, but "
                           f"got weight of size {list(w.shape)} instead")
    if x.shape[1] != w.shape[0]:
        raise RuntimeError(f"Given transposed=1, weight of size {list(w.shape)}, expected input{list(x.shape)} to have "
                           f"{w.shape[0]} channels, but got {x.shape[1]} channels instead")
    channels = w.shape[1] * groups
    if bias is not None and bias.shape != (channels,):
        raise RuntimeError(f"Given transposed=1, weight of size {list(w.shape)}, expected bias to be 1-dimensional "
                           f"with {channels} elements, but got bias of size {list(bias.shape)} instead")
    if min(size) < 1 or tuple(map(output_size, size, w.shape[2:], stride, padding, dilation)) != x.shape[2:]:
        raise RuntimeError(f"conv_transpose2d: no convolution with kernel {list(w.shape[2:])}, stride {list(stride)}, "
                           f"padding {list(padding)} and dilation {list(dilation)} takes images of {list(size)} to "
                           f"{list(x.shape[2:])}")
    if x.dtype != w.dtype:
        raise RuntimeError(f"Input type ({x.dtype.name}) and weight type ({w.dtype.name}) should be the same")
    if bias is not None and bias.dtype != x.dtype:
        raise RuntimeError(f"Input type ({x.dtype.name}) and bias type ({bias.dtype.name}) should be the same")
    if not is_float(x.dtype):
        raise RuntimeError(f"conv_transpose2d: not implemented for {x.dtype.name}, only for floating-point types")


class ConvTranspose2d(Op):
    """x (N, O, P, Q), w (O, C/groups, R, S), bias (C,) or None -> (N, C, H, W), size = (H, W).

    What a Conv2d of weight w does to the gradient of its input; the other arguments are those of that Conv2d.
    """

    def forward(ctx, x, w, bias=None, size=(1, 1), stride=(1, 1), padding=(0, 0), dilation=(1, 1), groups=1):
        check_transposed(x, w, bias, size, stride, padding, dilation, groups)
        ctx.saved, ctx.window = (x, w, *kernels.laid_out(x, w, groups)), (stride, padding, dilation, groups)
        shape = x.shape[0], w.shape[1] * groups, *size
        y = kernels.conv2d_input_gradient(*ctx.saved[-2:], shape, *ctx.window)
        return y if bias is None else elementwise.add(y, bias.reshape(-1, 1, 1))

    def backward(ctx, dy):
        x, w = ctx.saved[-2:]
        dx, dw, db = ctx.wanted()
        return (kernels.conv2d(dy, w, None, *ctx.window) if dx else None,
                kernels.conv2d_weight_gradient(x, dy, w.shape, *ctx.window) if dw else None,
                reduce.sum(dy, (0, 2, 3)) if db else None)

    def differentiable_backward(self, dy):
        x, w = self.input(0, self.saved[0]), self.input(1, self.saved[1])
        dx, dw, db = self.wanted()
        return (conv.Conv2d.apply(dy, w, None, *self.window) if dx else None,
                ConvWeight.apply(x, dy, w.shape[2:], *self.window) if dw else None,
                dy.sum((0, 2, 3)) if db else None)

    def wanted(ctx):
        """Which of dx, dw and db are wanted."""
        parents = ctx.parents
        return parents[0] is not None, parents[1] is not None, len(parents) > 2 and parents[2] is not None


class ConvWeight(Op):
    """The gradient of a Conv2d by its weight: dy (N, O, P, Q), x (N, C, H, W) -> (O, C/groups, R, S), size = (R, S)."""

    def forward(ctx, dy, x, size, stride=(1, 1), padding=(0, 0), dilation=(1, 1), groups=1):
        ctx.saved, ctx.window = (dy, x), (stride, padding, dilation, groups)
        shape = dy.shape[1], x.shape[1] // groups, *size
        return kernels.conv2d_weight_gradient(dy, x, shape, *ctx.window)

    def backward(ctx, dw):
        dy, x = ctx.saved
        return (kernels.conv2d(x, dw, None, *ctx.window) if ctx.parents[0] is not None else None,
                kernels.conv2d_input_gradient(dy, dw, x.shape, *ctx.window) if ctx.parents[1] is not None else None)

    def differentiable_backward(self, dw):
        dy, x = self.input(0, self.saved[0]), self.input(1, self.saved[1])
        return (conv.Conv2d.apply(x, dw, None, *self.window) if self.parents[0] is not None else None,
                ConvTranspose2d.apply(dy, dw, None, x.shape[2:], *self.window)
                if self.parents[1] is not None else None)


def _torch_transposed(torch, x, w, bias=None, size=(1, 1), stride=(1, 1), padding=(0, 0), dilation=(1, 1), groups=1):
    smallest = [(n - 1) * s - 2 * p + d * (k - 1) + 1
                for n, k, s, p, d in zip(x.shape[2:], w.shape[2:], stride, padding, dilation)]
    extra = tuple(n - least for n, least in zip(size, smallest))
    return torch.nn.functional.conv_transpose2d(x, w, bias, stride, padding, extra, groups, dilation)


@samples(ConvTranspose2d, torch=_torch_transposed)
def conv_transpose2d_samples(rand):
    yield Sample(rand(2, 5, 4, 3), rand(5, 4, 3, 3), rand(4), (6, 5))
    yield Sample(rand(2, 6, 4, 3), rand(6, 4, 4, 4), rand(4), (8, 6), (2, 2), (1, 1))  # doubles an image
    yield Sample(rand(2, 6, 4, 3), rand(6, 4, 3, 3), None, (8, 6), (2, 2), (1, 1))     # the longer of two sizes
    yield Sample(rand(1, 4, 3, 4), rand(4, 3, 3, 2), rand(6), (7, 8), (2, 2), (1, 0), (2, 1), 2)  # groups, dilation
    yield Sample(rand(3, 20, 1, 1), rand(20, 8, 4, 4), rand(8), (4, 4))                         # from a vector
    yield Sample(rand(2, 4, 3, 5).transpose(0, 3, 1, 2), rand(5, 4, 3, 3), rand(4), (6, 5))     # channels last
    yield Sample(rand(0, 5, 4, 3), rand(5, 4, 3, 3), rand(4), (6, 5))                           # no images
    yield Sample(rand(1, 3, 4, 4), rand(4, 2, 3, 3), None, (6, 6), raises=RuntimeError)
    yield Sample(rand(1, 3, 4, 4), rand(3, 2, 3, 3), rand(3), (6, 6), raises=RuntimeError)
    yield Sample(rand(1, 3, 4, 4), rand(3, 2, 3, 3), None, (9, 6), raises=RuntimeError)
    yield Sample(rand(1, 3, 4, 4), rand(3, 2, 3, 3).astype("f4"), None, (6, 6), raises=RuntimeError)


def _torch_weight(torch, dy, x, size, stride=(1, 1), padding=(0, 0), dilation=(1, 1), groups=1):
    w = torch.zeros(dy.shape[1], x.shape[1] // groups, *size, dtype=x.dtype, requires_grad=True)
    y = torch.nn.functional.conv2d(x, w, None, stride, padding, dilation, groups)
    return torch.autograd.grad(y, w, dy, create_graph=True)


@samples(ConvWeight, torch=_torch_weight)
def conv_weight_samples(rand):
    yield Sample(rand(2, 4, 5, 4), rand(2, 5, 7, 6), (3, 3))
    yield Sample(rand(2, 4, 5, 4), rand(2, 6, 9, 8), (3, 2), (2, 2), (1, 0), (1, 1), 2)
    yield Sample(rand(3, 6, 4, 5), rand(3, 1, 8, 7), (5, 3))                                    # first layer
