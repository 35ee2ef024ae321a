"""Columns of images, and images from columns: each is the other's gradient."""

from __future__ import annotations

from tritonnet.autograd.function import Op
from tritonnet.autograd.samples import Sample, samples
from tritonnet.kernels import conv as kernels
from tritonnet.kernels.conv import output_size


class Unfold(Op):
    """The patches of images as columns: x (N, C, H, W) -> (N, C R S, P Q)."""

    def forward(ctx, x, kernel, dilation=(1, 1), padding=(0, 0), stride=(1, 1)):
        if x.ndim != 4:
            raise RuntimeError("Input Error: Only batched (4D) image-like tensors are supported, but got "
                               f"{list(x.shape)}")
        _check_columns(x.shape[2:], kernel, dilation, padding, stride)
        ctx.arguments = x.shape[2:], kernel, stride, padding, dilation
        return kernels.im2col(x, kernel, stride, padding, dilation)

    def backward(ctx, dy):
        return kernels.col2im(dy, *ctx.arguments)

    def differentiable_backward(ctx, dy):
        size, kernel, stride, padding, dilation = ctx.arguments
        return (Fold.apply(dy, size, kernel, dilation, padding, stride),)


class Fold(Op):
    """The sum of columns (N, C R S, P Q) where `Unfold` takes them from: (N, C, H, W), size = (H, W)."""

    def forward(ctx, cols, size, kernel, dilation=(1, 1), padding=(0, 0), stride=(1, 1)):
        taps = kernel[0] * kernel[1]
        places = _check_columns(size, kernel, dilation, padding, stride)
        if cols.ndim != 3 or cols.shape[1] % taps or cols.shape[2] != places:
            raise RuntimeError(f"Given output_size={tuple(size)}, kernel_size={tuple(kernel)}, "
                               f"dilation={tuple(dilation)}, padding={tuple(padding)}, stride={tuple(stride)}, "
                               f"expected an input of shape (N, a multiple of {taps}, {places}), but got "
                               f"{list(cols.shape)}")
        ctx.arguments = kernel, stride, padding, dilation
        return kernels.col2im(cols, tuple(size), *ctx.arguments)

    def backward(ctx, dx):
        return kernels.im2col(dx, *ctx.arguments)

    def differentiable_backward(ctx, dx):
        kernel, stride, padding, dilation = ctx.arguments
        return (Unfold.apply(dx, kernel, dilation, padding, stride),)


def _check_columns(size, kernel, dilation, padding, stride):
    """How many patches there are; RuntimeError where there are none."""
    if min(*kernel, *dilation, *stride) <= 0 or min(padding) < 0:
        raise RuntimeError("kernel size, dilation and stride should be greater than zero and padding not negative, but "
                           f"got {tuple(kernel)}, {tuple(dilation)}, {tuple(stride)} and {tuple(padding)}")
    P, Q = map(output_size, size, kernel, stride, padding, dilation)
    if P < 1 or Q < 1:
        raise RuntimeError(f"Given input with spatial size {tuple(size)}, kernel_size={tuple(kernel)}, "
                           f"dilation={tuple(dilation)}, padding={tuple(padding)}, stride={tuple(stride)}, calculated "
                           f"shape of the array of sliding blocks as ({P}, {Q}), but its components must be at least "
                           "one.")
    return P * Q


@samples(Unfold, torch=lambda torch, *a: torch.nn.functional.unfold(*a))
def unfold_samples(rand):
    yield Sample(rand(2, 3, 6, 5), (2, 3))
    yield Sample(rand(2, 3, 6, 5), (2, 3), (2, 1), (1, 2), (1, 2))
    yield Sample(rand(2, 6, 5, 3).transpose(0, 3, 1, 2), (3, 3), (1, 1), (1, 1), (2, 2))       # strides
    yield Sample(rand(0, 3, 6, 5), (2, 3))
    yield Sample(rand(3, 6, 5), (2, 3), raises=RuntimeError)
    yield Sample(rand(1, 3, 2, 2), (3, 3), raises=RuntimeError)


@samples(Fold, torch=lambda torch, *a: torch.nn.functional.fold(*a))
def fold_samples(rand):
    yield Sample(rand(2, 18, 15), (6, 5), (2, 3))
    yield Sample(rand(2, 12, 24), (6, 5), (2, 3), (2, 1), (1, 2), (1, 2))
    yield Sample(rand(0, 18, 15), (6, 5), (2, 3))
    yield Sample(rand(2, 18, 14), (6, 5), (2, 3), raises=RuntimeError)
