"""Convolution over two axes and over one."""

from __future__ import annotations

from tritonnet.autograd.function import Op
from tritonnet.autograd.ops.conv.transposed import ConvTranspose2d, ConvWeight
from tritonnet.autograd.samples import Sample, samples
from tritonnet.kernels import conv as kernels
from tritonnet.kernels.conv import output_size
from tritonnet.kernels.dtypes import is_float


def check_conv(x, w, bias, stride, padding, dilation, groups):
    """Raise what PyTorch raises for these arguments; x and w have as many axes as `stride` has, and two more."""
    if x.ndim != len(stride) + 2 or w.ndim != x.ndim:
        raise RuntimeError(f"conv{len(stride)}d: expected an input and a weight of {len(stride) + 2} dimensions, but "
                           f"got {list(x.shape)} and {list(w.shape)}")
    if min(stride) <= 0:
        raise RuntimeError("non-positive stride is not supported")
    if min(padding) < 0:
        raise RuntimeError("negative padding is not supported")
    if min(dilation) <= 0:
        raise RuntimeError(f"dilation should be greater than zero, but got {list(dilation)}")
    if groups <= 0:
        raise RuntimeError("non-positive groups is not supported")
    if w.shape[0] < groups:
        raise RuntimeError(f"Given groups={groups}, expected weight to be at least {groups} at dimension 0, but got "
                           f"weight of size {list(w.shape)} instead")
    if w.shape[0] % groups:
        raise RuntimeError(f"Given groups={groups}, expected weight to be divisible by {groups} at dimension 0, but "
                           f"got weight of size {list(w.shape)} instead")
    if x.shape[1] != w.shape[1] * groups:
        raise RuntimeError(f"Given groups={groups}, weight of size {list(w.shape)}, expected input{list(x.shape)} to "
                           f"have {w.shape[1] * groups} channels, but got {x.shape[1]} channels instead")
    if bias is not None and bias.shape != w.shape[:1]:
        raise RuntimeError(f"Given weight of size {list(w.shape)}, expected bias to be 1-dimensional with {w.shape[0]} "
                           f"elements, but got bias of size {list(bias.shape)} instead")
    if min(w.shape[2:]) <= 0:
        raise RuntimeError(f"conv: kernel size should be greater than zero, but got {list(w.shape[2:])}")
    if any(n < 1 for n in map(output_size, x.shape[2:], w.shape[2:], stride, padding, dilation)):
        padded = " x ".join(str(n + 2 * p) for n, p in zip(x.shape[2:], padding))
        kernel = " x ".join(str(d * (k - 1) + 1) for k, d in zip(w.shape[2:], dilation))
        raise RuntimeError(f"Calculated padded input size per channel: ({padded}). Kernel size: ({kernel}). Kernel "
                           "size can't be greater than actual input size")
    if x.dtype != w.dtype:
        raise RuntimeError(f"Input type ({x.dtype.name}) and weight type ({w.dtype.name}) should be the same")
    if bias is not None and bias.dtype != x.dtype:
        raise RuntimeError(f"Input type ({x.dtype.name}) and bias type ({bias.dtype.name}) should be the same")
    if not is_float(x.dtype):
        raise RuntimeError(f"conv: not implemented for {x.dtype.name}, only for floating-point types")


class Conv2d(Op):
    """Cross-correlation: x (N, C, H, W), w (O, C/groups, R, S), bias (O,) or None -> (N, O, P, Q)."""

    def forward(ctx, x, w, bias=None, stride=(1, 1), padding=(0, 0), dilation=(1, 1), groups=1):
        check_conv(x, w, bias, stride, padding, dilation, groups)
        laid = kernels.laid_out(x, w, groups, (stride, padding, dilation))
        ctx.saved, ctx.window = (x, w, *laid), (stride, padding, dilation, groups)
        return kernels.conv2d(*ctx.saved[-2:], bias, stride, padding, dilation, groups)

    def backward(ctx, dy):
        return kernels.conv2d_backward(dy, *ctx.saved[-2:], *ctx.window, needs(ctx))

    def differentiable_backward(self, dy):
        x, w = self.input(0, self.saved[0]), self.input(1, self.saved[1])
        dx, dw, db = needs(self)
        return (ConvTranspose2d.apply(dy, w, None, x.shape[2:], *self.window) if dx else None,
                ConvWeight.apply(dy, x, w.shape[2:], *self.window) if dw else None, dy.sum((0, 2, 3)) if db else None)


class Conv1d(Op):
    """Cross-correlation: x (N, C, L), w (O, C/groups, S), bias (O,) or None -> (N, O, Q); by an axis of length 1."""

    def forward(ctx, x, w, bias=None, stride=(1,), padding=(0,), dilation=(1,), groups=1):
        check_conv(x, w, bias, stride, padding, dilation, groups)
        ctx.window = (1, *stride), (0, *padding), (1, *dilation), groups
        laid = kernels.laid_out(x[:, :, None], w[:, :, None], groups)
        ctx.saved = (x, w, *(a[:, :, 0] for a in laid)) if laid else (x, w)
        x, w = ctx.saved[-2:]
        return kernels.conv2d(x[:, :, None], w[:, :, None], bias, *ctx.window)[:, :, 0]

    def backward(ctx, dy):
        x, w = ctx.saved[-2:]
        dx, dw, db = kernels.conv2d_backward(dy[:, :, None], x[:, :, None], w[:, :, None], *ctx.window, needs(ctx))
        return None if dx is None else dx[:, :, 0], None if dw is None else dw[:, :, 0], db

    def differentiable_backward(self, dy):
        x, w = self.input(0, self.saved[0]).unsqueeze(2), self.input(1, self.saved[1]).unsqueeze(2)
        (dx, dw, db), dy = needs(self), dy.unsqueeze(2)
        return (ConvTranspose2d.apply(dy, w, None, x.shape[2:], *self.window).squeeze(2) if dx else None,
                ConvWeight.apply(dy, x, w.shape[2:], *self.window).squeeze(2) if dw else None,
                dy.sum((0, 2, 3)) if db else None)


def needs(ctx):
    """Which of dx, dw and db are wanted."""
    parents = ctx.parents
    return parents[0] is not None, parents[1] is not None, len(parents) > 2 and parents[2] is not None


@samples(Conv2d, torch=lambda torch, *a, **k: torch.nn.functional.conv2d(*a, **k))
def conv2d_samples(rand):
    yield Sample(rand(2, 5, 7, 6), rand(4, 5, 3, 3), rand(4))
    yield Sample(rand(2, 5, 7, 6), rand(4, 5, 3, 3), None, (1, 1), (1, 1))  # borders that wrap around
    yield Sample(rand(2, 5, 7, 6), rand(4, 5, 3, 2), rand(4), (1, 1), (3, 2))                  # more border than kernel
    yield Sample(rand(2, 6, 9, 8), rand(4, 3, 3, 2), rand(4), (2, 1), (1, 1), groups=2)
    yield Sample(rand(1, 4, 9, 9), rand(6, 4, 3, 3), rand(6), (2, 3), (0, 1), (2, 1))          # phases without taps
    yield Sample(rand(2, 9, 9, 8), rand(4, 9, 3, 2), rand(4), (2, 1), (1, 2), (1, 2))
    yield Sample(rand(2, 5, 5, 5), rand(3, 5, 1, 1), rand(3))
    yield Sample(rand(2, 5, 5, 5), rand(3, 5, 1, 1), rand(3), (2, 2))                          # most of dx is 0
    yield Sample(rand(2, 6, 5, 4), rand(6, 1, 3, 3), rand(6), (1, 1), (1, 1), (1, 1), 6)       # depthwise
    yield Sample(rand(2, 3, 9, 8), rand(6, 1, 5, 4), rand(6), (2, 1), (2, 1), (1, 2), 3)       # two results per channel
    yield Sample(rand(2, 5, 6, 4).transpose(0, 3, 1, 2), rand(4, 1, 2, 2), None, (2, 2), groups=4)
    yield Sample(rand(3, 1, 8, 7), rand(6, 1, 5, 3), rand(6))  # first layer: one channel
    yield Sample(rand(2, 3, 8, 7), rand(5, 3, 3, 3), rand(5), (2, 1), (1, 1), (1, 2))          # first layer: three
    yield Sample(rand(1, 3, 9, 8), rand(5, 3, 5, 5), rand(5), (2, 2), (2, 2))                  # first layer: many taps
    yield Sample(rand(2, 6, 7, 5).transpose(0, 3, 1, 2), rand(4, 5, 3, 3), rand(4))            # channels last
    yield Sample(rand(2, 6, 7, 10).transpose(0, 3, 1, 2), rand(4, 10, 3, 3), rand(4), (1, 2))  # of more channels
    yield Sample(rand(2, 70, 4, 4), rand(33, 70, 3, 3), rand(33), (1, 1), (1, 1))  # several blocks of channels
    yield Sample(rand(0, 5, 6, 6), rand(4, 5, 3, 3), rand(4))                                  # no images
    yield Sample(rand(1, 1, 4, 4) * float("inf"), rand(2, 1, 3, 3), rand(2), grad=False)                  # infinities
    yield Sample(rand(1, 3, 8, 8), rand(4, 2, 3, 3), raises=RuntimeError)
    yield Sample(rand(1, 3, 2, 2), rand(4, 3, 3, 3), raises=RuntimeError)
    yield Sample(rand(1, 4, 8, 8), rand(5, 2, 3, 3), None, (1, 1), (0, 0), (1, 1), 2, raises=RuntimeError)
    yield Sample(rand(1, 3, 8, 8), rand(4, 3, 3, 3), rand(5), raises=RuntimeError)
    yield Sample(rand(1, 3, 8, 8), rand(4, 3, 3, 3), None, (0, 1), raises=RuntimeError)
    yield Sample(rand(1, 3, 8, 8), rand(4, 3, 3, 3), None, (1, 1), (-1, 0), raises=RuntimeError)
    yield Sample(rand(1, 3, 8, 8), rand(4, 3, 3, 3).astype("f4"), raises=RuntimeError)
    yield Sample(rand.integers(0, 9, (1, 3, 8, 8)), rand.integers(0, 9, (4, 3, 3, 3)), raises=RuntimeError)


@samples(Conv1d, torch=lambda torch, *a, **k: torch.nn.functional.conv1d(*a, **k))
def conv1d_samples(rand):
    yield Sample(rand(2, 5, 9), rand(4, 5, 3), rand(4))
    yield Sample(rand(2, 4, 11), rand(6, 2, 3), rand(6), (2,), (1,), (2,), 2)
    yield Sample(rand(2, 1, 9), rand(3, 1, 4))
    yield Sample(rand(2, 9, 4).transpose(0, 2, 1), rand(3, 4, 3), rand(3), (1,), (1,))
    yield Sample(rand(1, 3, 8), rand(4, 2, 3), raises=RuntimeError)
    yield Sample(rand(1, 3, 2), rand(4, 3, 3), raises=RuntimeError)
