"""Pooling over windows of images: the largest or the mean, at steps or adaptive."""

from __future__ import annotations

from tritonnet.autograd import scalar_op, tape
from tritonnet.autograd.function import Op, make
from tritonnet.autograd.ops.elementwise import Relu
from tritonnet.autograd.ops.index import ScatterAdd
from tritonnet.autograd.ops.linear_map import LinearMap
from tritonnet.autograd.samples import Sample, samples
from tritonnet.autograd.tape import check_unmodified, is_modified
from tritonnet.kernels import pool as kernels
from tritonnet.kernels.arrays import is_host, zeros
from tritonnet.kernels.dtypes import is_float
from tritonnet.kernels.pool import Windows


def windows_of(name, x, kernel, stride, padding, dilation=(1, 1), ceil_mode=False):
    """The windows, or the error PyTorch raises."""
    windows = Windows(tuple(kernel), tuple(stride), tuple(padding), tuple(dilation), ceil_mode)
    if x.ndim not in (3, 4) or 0 in x.shape[x.ndim - 3:]:
        raise RuntimeError(f"{name}: Expected 3D or 4D (batch mode) tensor with optional 0 dim batch size for input, "
                           f"but got: {list(x.shape)}")
    if min(windows.kernel) <= 0:
        raise RuntimeError(f"{name}: kernel size should be greater than zero, but got {windows.kernel}")
    if min(windows.stride) <= 0:
        raise RuntimeError(f"{name}: stride should be greater than zero, but got {windows.stride}")
    if min(windows.dilation) <= 0:
        raise RuntimeError(f"{name}: dilation should be greater than zero, but got {windows.dilation}")
    if min(windows.padding) < 0:
        raise RuntimeError(f"{name}: pad must be non-negative, but got {windows.padding}")
    if any(2 * p > (k - 1) * d + 1 for p, k, d in zip(windows.padding, windows.kernel, windows.dilation)):
        raise RuntimeError(f"{name}: pad should be at most half of effective kernel size, but got "
                           f"pad={windows.padding}, kernel_size={windows.kernel} and dilation={windows.dilation}")
    if min(windows.output(*x.shape[-2:])) < 1:
        raise RuntimeError(f"Given input size: {'x'.join(map(str, x.shape[-3:]))}. Calculated output size: "
                           f"{x.shape[-3]}x{'x'.join(map(str, windows.output(*x.shape[-2:])))}. "
                           "Output size is too small")
    return windows


def channels_last(x):
    """Whether the gradient of x should lie with the channels innermost, as x does."""
    if is_host(x):
        return False
    from tritonnet.kernels.pool import launch

    return launch.channels_last(x)


def recorded_backward(dy, where, x_shape):
    """dx by recorded operations on tensors, from the places in the images that were taken."""
    rows = (*x_shape[:-2], x_shape[-2] * x_shape[-1])
    nothing = make(zeros(rows, dy.array.dtype, dy.array))
    taken = where.reshape((*rows[:-1], where.shape[-2] * where.shape[-1]))
    return ScatterAdd.apply(nothing, len(rows) - 1, taken, dy.flatten(-2)).reshape(x_shape)


class MaxPool2d(Op):
    """(y, indices): the largest under windows over (…, C, H, W), and its place in the image; y alone if not `indices`.

    The gradient goes to the first of equals, and to the last NaN. Behind a relu (`rectified`), a device leaves out what
    the relu's backward would set to 0, which then has nothing left to do; unless somebody looks at what is between.
    """

    def forward(ctx, x, kernel, stride, padding=(0, 0), dilation=(1, 1), ceil_mode=False, indices=True):
        windows = windows_of("max_pool2d", x, kernel, stride, padding, dilation, ceil_mode)
        ctx.rectified = not indices and type(ctx.parents[0]) is Relu and not is_host(x)
        y, where = kernels.max_pool2d(x, windows, indices, ctx.rectified)
        ctx.windows, ctx.indices, ctx.by_value = windows, indices, where is None
        ctx.like = x.shape, channels_last(x)
        ctx.saved = (x, y) if where is None else (where,)
        return (y, where) if indices else y

    def check_saved(ctx):
        check_unmodified(ctx, ctx.saved[:1])
        if ctx.by_value and is_modified(ctx, ctx.saved[1]):  # by an in-place ReLU, say: the input tells it again
            x = ctx.saved[0]
            ctx.saved = x, kernels.max_pool2d(x, ctx.windows, False)[0]

    def backward(ctx, dy, dwhere=None):
        if ctx.by_value:
            return kernels.max_pool2d_backward(dy, *ctx.saved, None, ctx.windows)
        where, relu = ctx.saved[0], ctx.parents[0] if ctx.rectified else None
        if relu is not None and tape.is_observed(relu):
            where, relu = kernels.max_pool2d(relu.operands[0], ctx.windows)[1], None
        dx = kernels.max_pool2d_scatter(dy, where, *ctx.like, ctx.windows, ctx.indices)
        if relu is not None:
            scalar_op.passes_through(relu, dx)
        return dx

    def differentiable_backward(ctx, dy, dwhere=None):
        if ctx.indices:
            where = ctx.saved[0]
        elif ctx.by_value or ctx.rectified:
            x = ctx.saved[0] if ctx.by_value else ctx.parents[0].operands[0]
            where = kernels.max_pool2d(x, ctx.windows, True)[1]
        else:
            where = kernels.max_pool2d_places(ctx.saved[0], ctx.windows, ctx.like[0][-1])
        return recorded_backward(dy, where, ctx.like[0])


@samples(MaxPool2d, torch=lambda torch, *a, indices=True: torch.nn.functional.max_pool2d(*a, return_indices=indices))
def max_pool2d_samples(rand):
    for indices in (True, False):
        yield Sample(rand(2, 3, 6, 8), (2, 2), (2, 2), indices=indices)
        yield Sample(rand(2, 3, 9, 7), (3, 2), (2, 2), (1, 0), indices=indices)                # overlap, border
        yield Sample(rand(1, 2, 7, 8), (3, 3), (2, 3), (1, 1), (2, 1), True, indices=indices)  # dilated, sticking out
        yield Sample(rand(2, 5, 6, 4).transpose(0, 3, 1, 2), (2, 3), (1, 2), indices=indices)  # channels last
        yield Sample(rand(3, 6, 6).round(), (2, 2), (2, 2), indices=indices, grad=False)       # ties; no batch
        yield Sample(rand(2, 1, 1, 9), (1, 3), (1, 2), (0, 1), indices=indices)                # one dimension
        x = rand(1, 2, 4, 4)
        x[0, 0, :2, :2] = float("nan")
        x[0, 1, :, :2] = float("-inf")
        yield Sample(x, (2, 2), (2, 2), indices=indices, grad=False)
        yield Sample(x, (3, 3), (1, 1), (1, 1), indices=indices, grad=False)
        yield Sample(rand(0, 2, 4, 4), (2, 2), (2, 2), indices=indices)                        # no images
    yield Sample(rand(1, 1, 13, 14), (12, 11), (1, 1))                                         # more than int8 counts
    yield Sample(rand(1, 3, 2, 2), (3, 3), (3, 3), raises=RuntimeError)
    yield Sample(rand(1, 3, 8, 8), (3, 3), (2, 2), (2, 2), raises=RuntimeError)
    yield Sample(rand(1, 3, 8, 8), (2, 2), (0, 2), raises=RuntimeError)
    yield Sample(rand(8, 8), (2, 2), (2, 2), raises=RuntimeError)


class AvgPool2d(Op):
    """The mean under windows over (…, C, H, W); `divisor` replaces the number of pixels."""

    def forward(ctx, x, kernel, stride, padding=(0, 0), ceil_mode=False, count_include_pad=True, divisor=None):
        if not is_float(x.dtype):
            raise NotImplementedError(f"avg_pool2d: not implemented for {x.dtype.name}, only for floating-point types")
        windows = windows_of("avg_pool2d", x, kernel, stride, padding, (1, 1), ceil_mode)
        if divisor == 0:
            raise RuntimeError("divisor must be not zero")
        ctx.arguments = x.shape, windows, count_include_pad, divisor, channels_last(x)
        return kernels.avg_pool2d(x, windows, count_include_pad, divisor)

    def backward(ctx, dy):
        return kernels.avg_pool2d_backward(dy, *ctx.arguments)

    def differentiable_backward(ctx, dy):
        shape, *arguments, last = ctx.arguments
        return LinearMap.apply(dy, lambda dy: kernels.avg_pool2d_backward(dy, shape, *arguments, last),
                               lambda x: kernels.avg_pool2d(x, *arguments))


@samples(AvgPool2d, torch=lambda torch, *a: torch.nn.functional.avg_pool2d(*a))
def avg_pool2d_samples(rand):
    yield Sample(rand(2, 3, 6, 8), (2, 2), (2, 2))
    yield Sample(rand(2, 3, 9, 7), (3, 2), (2, 2), (1, 1))                       # border, counted
    yield Sample(rand(1, 2, 7, 8), (3, 3), (2, 3), (1, 1), True, False)          # sticking out, border not counted
    yield Sample(rand(1, 2, 7, 8), (3, 3), (2, 3), (1, 1), True, True)
    yield Sample(rand(2, 5, 6, 4).transpose(0, 3, 1, 2), (2, 3), (1, 2))         # channels last
    yield Sample(rand(3, 6, 6), (2, 3), (3, 3), (0, 0), False, True, 5)          # a divisor of one's own; no batch
    yield Sample(rand(2, 1, 1, 9), (1, 3), (1, 2), (0, 1))                       # one dimension
    yield Sample(rand(1, 1, 4, 4) * float("inf"), (2, 2), (2, 2), grad=False)               # infinities
    yield Sample(rand(0, 2, 4, 4), (2, 2), (2, 2))                               # no images
    yield Sample(rand(1, 3, 2, 2), (3, 3), (3, 3), raises=RuntimeError)
    yield Sample(rand.integers(0, 5, (1, 3, 4, 4)), (2, 2), (2, 2), raises=NotImplementedError)
    yield Sample(rand(1, 3, 4, 4), (2, 2), (2, 2), (0, 0), False, True, 0, raises=RuntimeError)


def check_adaptive(name, x, size):
    """Raise what PyTorch raises."""
    if x.ndim not in (3, 4):
        raise RuntimeError(f"{name}(): Expected 3D or 4D tensor, but got {list(x.shape)}")
    if min(size) < 0:
        raise RuntimeError(f"{name}: elements of output_size must be greater than or equal to 0 but received "
                           f"{{{', '.join(map(str, size))}}}")
    for axis in range(x.ndim - 2, x.ndim):
        if x.shape[axis] == 0:
            raise RuntimeError(f"{name}(): Expected input to have non-zero size for non-batch dimensions, but input "
                               f"has sizes {list(x.shape)} with dimension {axis} being empty")
    if not is_float(x.dtype):
        raise NotImplementedError(f"{name}: not implemented for {x.dtype.name}, only for floating-point types")


class AdaptiveAvgPool2d(Op):
    """The means of output_size = (P, Q) windows that cover (…, C, H, W)."""

    def forward(ctx, x, output_size):
        check_adaptive("adaptive_avg_pool2d", x, output_size)
        ctx.arguments = x.shape, channels_last(x)
        return kernels.adaptive_avg_pool2d(x, tuple(output_size))

    def backward(ctx, dy):
        return kernels.adaptive_avg_pool2d_backward(dy, *ctx.arguments)

    def differentiable_backward(ctx, dy):
        arguments, size = ctx.arguments, dy.shape[-2:]
        return LinearMap.apply(dy, lambda dy: kernels.adaptive_avg_pool2d_backward(dy, *arguments),
                               lambda x: kernels.adaptive_avg_pool2d(x, size))


@samples(AdaptiveAvgPool2d, torch=lambda torch, x, size: torch.nn.functional.adaptive_avg_pool2d(x, size))
def adaptive_avg_pool2d_samples(rand):
    yield Sample(rand(2, 3, 7, 5), (1, 1))                                       # everything
    yield Sample(rand(2, 3, 7, 5), (3, 2))                                       # windows of two sizes, overlapping
    yield Sample(rand(2, 3, 6, 8), (3, 4))                                       # windows of one size
    yield Sample(rand(3, 3, 4), (5, 7))                                          # more windows than pixels; no batch
    yield Sample(rand(2, 5, 6, 4).transpose(0, 3, 1, 2), (2, 3))                 # channels last
    yield Sample(rand(0, 2, 4, 4), (2, 2))                                       # no images
    yield Sample(rand(8, 8), (2, 2), raises=RuntimeError)
    yield Sample(rand(1, 2, 8, 8), (-1, 2), raises=RuntimeError)
    yield Sample(rand(1, 2, 0, 8), (1, 2), raises=RuntimeError)


class AdaptiveMaxPool2d(Op):
    """(y, indices): the largest of output_size = (P, Q) windows that cover (…, C, H, W), and its place in the image."""

    def forward(ctx, x, output_size):
        check_adaptive("adaptive_max_pool2d", x, output_size)
        y, where = kernels.adaptive_max_pool2d(x, tuple(output_size))
        ctx.arguments = x.shape, channels_last(x)
        ctx.where = ctx.save(where)
        return y, where

    def backward(ctx, dy, dwhere=None):
        return kernels.adaptive_max_pool2d_backward(dy, ctx.where, *ctx.arguments)

    def differentiable_backward(ctx, dy, dwhere=None):
        return recorded_backward(dy, ctx.where, ctx.arguments[0])


@samples(AdaptiveMaxPool2d, torch=lambda torch, x, size: torch.nn.functional.adaptive_max_pool2d(x, size, True))
def adaptive_max_pool2d_samples(rand):
    yield Sample(rand(2, 3, 7, 5), (1, 1))
    yield Sample(rand(2, 3, 7, 5), (3, 2))                                       # overlapping windows
    yield Sample(rand(3, 3, 4), (5, 7))                                          # more windows than pixels; no batch
    yield Sample(rand(2, 5, 6, 4).transpose(0, 3, 1, 2), (2, 3))                 # channels last
    x = rand(1, 1, 5, 5)
    x[0, 0, :2, :2] = float("nan")
    yield Sample(x, (2, 2), grad=False)
    yield Sample(rand(0, 2, 4, 4), (2, 2))
    yield Sample(rand(8, 8), (2, 2), raises=RuntimeError)
    yield Sample(rand(1, 2, 8, 8), (-1, 2), raises=RuntimeError)
