"""How images and weights lie in a device's memory, and copies that make them lie otherwise."""

from __future__ import annotations

from tritonnet.kernels.arrays.views import c_strides, is_contiguous
from tritonnet.kernels.plans import fresh, planned
from tritonnet.kernels.strided import copy_plan

FIRST, LAST, TAPS = (0, 1, 2, 3), (0, 2, 3, 1), (1, 2, 3, 0)         # orders of the four axes in memory


def channels_last(x):
    """x (N, C, H, W) with its channels innermost in memory; itself where they are."""
    return layout(x.device, x.shape, x.strides, x.dtype, LAST)(x)


def is_planes(shape, strides) -> bool:
    """Whether (N, C, H, W) lies dense as planes, and not at once channels last (of one channel, or of one pixel)."""
    return is_contiguous(shape, strides) and shape[1] > 1 and shape[2] * shape[3] > 1


@planned
def layout(device, shape, strides, dtype, order):
    """lay(x) -> x, or a copy of it with its axes dense in this order in memory."""
    lengths = tuple(shape[a] for a in order)
    if is_contiguous(lengths, tuple(strides[a] for a in order)):
        return lambda x: x
    wanted = dense(shape, order)
    make, copy = fresh(device, shape, dtype, wanted), copy_plan(device, shape, wanted, strides, True)

    def lay(x):
        y = make()
        copy(y, x)
        return y

    return lay


def dense(shape, order) -> tuple:
    """The strides of a dense array with its axes in this order in memory."""
    steps = dict(zip(order, c_strides(tuple(shape[a] for a in order))))
    return tuple(steps[a] for a in range(len(shape)))


def as_it_lies(x):
    """For what a kernel reads with its strides."""
    return x
