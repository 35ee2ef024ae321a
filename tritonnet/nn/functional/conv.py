"""Linear and convolutional maps."""

from __future__ import annotations

from tritonnet.autograd.autocast import WIDEST, listed
from tritonnet.autograd.ops.conv import Conv1d, Conv2d, ConvTranspose2d, Fold, Unfold
from tritonnet.autograd.ops.matmul import Linear, MatMul
from tritonnet.autograd.ops.shape import Pad

__all__ = ["bilinear", "conv1d", "conv2d", "conv_transpose1d", "conv_transpose2d", "fold", "linear", "unfold"]


def linear(input, weight, bias=None):
    """x W^T + b.  input: (…, in).  weight: (out, in).  bias: (out,).  Returns (…, out).

    With a weight (in,), and then no bias, the result is (…).
    """
    if weight.array.ndim == 1:
        if bias is not None:
            raise RuntimeError("linear: a bias needs a weight of two dimensions, got 1-D tensor")
        return MatMul.apply(input, weight)
    return Linear.apply(input, weight, bias)


@listed(cuda=WIDEST, cpu=WIDEST)
def bilinear(input1, input2, weight, bias=None):
    """y_o = x1^T W_o x2 + b_o.  input1: (…, in1).  input2: (…, in2).  weight: (out, in1, in2).  Returns (…, out)."""
    if input1.shape[:-1] != input2.shape[:-1]:
        raise RuntimeError(
            f"bilinear(): input batch dimensions do not match: got {input1.shape[:-1]} and {input2.shape[:-1]}"
        )
    if input1.shape[-1] != weight.shape[1] or input2.shape[-1] != weight.shape[2]:
        raise RuntimeError(
            f"bilinear(): inputs have {input1.shape[-1]} and {input2.shape[-1]} features, "
            f"weight {weight.shape} expects {weight.shape[1]} and {weight.shape[2]}"
        )
    out, in1, in2 = weight.shape
    products = input1.unsqueeze(-1) * input2.unsqueeze(-2)
    return Linear.apply(products.flatten(-2), weight.reshape(out, in1 * in2), bias)


def conv1d(input, weight, bias=None, stride=1, padding=0, dilation=1, groups=1):
    """Convolution (cross-correlation) of (N, C, L) or (C, L) with (out, C / groups, K).

    padding: a number, "valid" or "same" (stride 1 only).  Returns (N, out, L').
    """
    return _conv(Conv1d, 1, input, weight, bias, stride, padding, dilation, groups)


def conv2d(input, weight, bias=None, stride=1, padding=0, dilation=1, groups=1):
    """Convolution (cross-correlation) of (N, C, H, W) or (C, H, W) with (out, C / groups, KH, KW).

    padding: a number, a pair, "valid" or "same" (stride 1 only).  Returns (N, out, H', W').
    """
    return _conv(Conv2d, 2, input, weight, bias, stride, padding, dilation, groups)


def _conv(op, ndim, input, weight, bias, stride, padding, dilation, groups):
    batched = input.array.ndim == ndim + 2
    if not batched:
        if input.ndim != ndim + 1:
            raise RuntimeError(
                f"Expected {ndim + 1}D (unbatched) or {ndim + 2}D (batched) input to conv{ndim}d, "
                f"but got input of size: {list(input.shape)}"
            )
        input = input.unsqueeze(0)
    stride, dilation = per_axis(stride, ndim, "stride"), per_axis(dilation, ndim, "dilation")
    if type(padding) is str:
        input, padding = _named_padding(padding, input, weight.shape[2:], stride, dilation)
    else:
        padding = per_axis(padding, ndim, "padding")
    result = op.apply(input, weight, bias, stride, padding, dilation, groups)
    return result if batched else result.squeeze(0)


def conv_transpose1d(input, weight, bias=None, stride=1, padding=0, output_padding=0, groups=1, dilation=1):
    """The transpose of a conv1d with `weight` (in, out / groups, K): (N, in, L) or (in, L) -> (N, out, L')."""
    return _conv_transpose(1, input, weight, bias, stride, padding, output_padding, groups, dilation)


def conv_transpose2d(input, weight, bias=None, stride=1, padding=0, output_padding=0, groups=1, dilation=1):
    """The transpose of a conv2d with `weight` (in, out / groups, KH, KW): what that does to gradients.

    input: (N, in, H, W) or (in, H, W).  Returns (N, out, H', W'),
    H' = (H - 1) stride - 2 padding + dilation (KH - 1) + output_padding + 1: several sizes have the same conv2d.
    """
    return _conv_transpose(2, input, weight, bias, stride, padding, output_padding, groups, dilation)


def _conv_transpose(ndim, input, weight, bias, stride, padding, output_padding, groups, dilation):
    if input.ndim == ndim + 1:
        return _conv_transpose(
            ndim, input.unsqueeze(0), weight, bias, stride, padding, output_padding, groups, dilation).squeeze(0)
    if input.ndim != ndim + 2:
        raise RuntimeError(f"Expected {ndim + 1}D (unbatched) or {ndim + 2}D (batched) input to conv_transpose{ndim}d, "
                           f"but got input of size: {list(input.shape)}")
    stride, padding, extra, dilation = (per_axis(value, ndim, what) for value, what in (
        (stride, "stride"), (padding, "padding"), (output_padding, "output_padding"), (dilation, "dilation")))
    if min(stride) <= 0 or min(dilation) <= 0:
        raise RuntimeError("non-positive stride is not supported" if min(stride) <= 0
                           else "dilation should be greater than zero")
    if min(padding) < 0 or min(extra) < 0:
        raise RuntimeError(f"negative {'padding' if min(padding) < 0 else 'output_padding'} is not supported")
    if any(e >= s and e >= d for e, s, d in zip(extra, stride, dilation)):
        raise RuntimeError("output padding must be smaller than either stride or dilation, but got output_padding: "
                           f"{extra} stride: {stride} dilation: {dilation}")
    behind = [max(e - s + 1, 0) for e, s in zip(extra, stride)]  # rows that no window reaches: the bias alone
    if any(behind):
        less = tuple(e - b for e, b in zip(extra, behind))
        found = _conv_transpose(ndim, input, weight, None, stride, padding, less, groups, dilation)
        found = Pad.apply(found, tuple(n for b in reversed(behind) for n in (0, b)), 0.0)
        return found if bias is None else found + bias.reshape(-1, *[1] * ndim)
    size = [(n - 1) * s - 2 * p + d * (k - 1) + e + 1
            for n, k, s, p, e, d in zip(input.shape[2:], weight.shape[2:], stride, padding, extra, dilation)]
    if size and min(size) < 1:
        given, found = (" x ".join(map(str, sizes)) for sizes in (input.shape[2:], size))
        raise RuntimeError(f"Given input size per channel: ({given}). Calculated output size per channel: ({found}). "
                           "Output size is too small")
    if ndim == 2:
        return ConvTranspose2d.apply(input, weight, bias, size, stride, padding, dilation, groups)
    result = ConvTranspose2d.apply(input.unsqueeze(2), weight.unsqueeze(2), bias, (1, *size), (1, *stride),
                                   (0, *padding), (1, *dilation), groups)
    return result.squeeze(2)


def unfold(input, kernel_size, dilation=1, padding=0, stride=1):
    """The patches of images as columns: (N, C, H, W) or (C, H, W) -> (N, C KH KW, patches)."""
    if input.ndim == 3:
        return unfold(input.unsqueeze(0), kernel_size, dilation, padding, stride).squeeze(0)
    return Unfold.apply(input, *(per_axis(v, 2, what) for v, what in (
        (kernel_size, "kernel_size"), (dilation, "dilation"), (padding, "padding"), (stride, "stride"))))


def fold(input, output_size, kernel_size, dilation=1, padding=0, stride=1):
    """The sum of columns (N, C KH KW, patches) where `unfold` takes them from: images (N, C, *output_size)."""
    if input.ndim == 2:
        return fold(input.unsqueeze(0), output_size, kernel_size, dilation, padding, stride).squeeze(0)
    return Fold.apply(input, *(per_axis(v, 2, what) for v, what in (
        (output_size, "output_size"), (kernel_size, "kernel_size"), (dilation, "dilation"), (padding, "padding"),
        (stride, "stride"))))


def per_axis(value, ndim, name):
    """A number for every axis, or a sequence with one number per axis, as a tuple of `ndim`."""
    if type(value) is tuple and len(value) == ndim:
        return value
    if isinstance(value, int):
        return (value,) * ndim
    value = tuple(int(v) for v in value)
    if len(value) == 1:
        return value * ndim
    if len(value) != ndim:
        raise RuntimeError(
            f"expected {name} to be a single integer value or a list of {ndim} values, but got {list(value)}"
        )
    return value


def _named_padding(name, input, kernel, stride, dilation):
    """(input, padding) for "valid" and "same"; where "same" wants one more on the right, input comes back padded."""
    if name == "valid":
        return input, (0,) * len(kernel)
    if name != "same":
        raise RuntimeError(f"Invalid padding string: '{name}'")
    if any(s != 1 for s in stride):
        raise RuntimeError("padding='same' is not supported for strided convolutions")
    totals = [d * (k - 1) for d, k in zip(dilation, kernel)]
    if any(total % 2 for total in totals):
        extra = [n for total in reversed(totals) for n in (0, total % 2)]
        input = Pad.apply(input, tuple(extra), 0.0)
    return input, tuple(total // 2 for total in totals)
