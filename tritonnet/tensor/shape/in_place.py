"""Changes of a tensor's own shape: squeeze_, unsqueeze_, transpose_ and their like; and windows along a dimension."""

from __future__ import annotations

import tritonnet
from tritonnet.autograd.mode import state
from tritonnet.kernels.rows import normal_axis
from tritonnet.tensor.operators import in_place
from tritonnet.tensor.shape import arrange, views


def reshaping(f):
    """The method that makes self what f(self, …) is: the same memory in another shape."""

    def method(self, *args, **kwargs):
        if state.grad:
            self._check_inplace()
        out = f(self, *args, **kwargs)
        self.array, self.node = out.array, out.node
        if self.base is not None:
            self.base = out.base
        return self

    method.__name__ = method.__qualname__ = f"{f.__name__}_"
    method.__doc__ = f"In place: {f.__doc__}"
    return method


def unfold(input, dimension, size, step):
    """All windows of `size` elements along a dimension, `step` apart; the window becomes the last dimension. A copy."""
    if input.ndim == 0:
        if size > 1:
            raise RuntimeError(f"maximum size for tensor at dimension 0 is 1 but size is {size}")
        return input.reshape(1)[:size]
    d = normal_axis(dimension, input.ndim)
    n = input.shape[d]
    if size > n:
        raise RuntimeError(f"maximum size for tensor at dimension {d} is {n} but size is {size}")
    if step <= 0:
        raise RuntimeError(f"step is {step} but must be > 0")
    count = (n - size) // step + 1
    starts = tritonnet.arange(count, device=input.device).unsqueeze(1) * step
    places = (starts + tritonnet.arange(size, device=input.device)).reshape(-1)
    return input.index_select(d, places).unflatten(d, (count, size)).movedim(d + 1, -1)


class InPlaceShape:
    """The methods of this file."""

    __slots__ = ()

    squeeze_, unsqueeze_, t_ = reshaping(views.squeeze), reshaping(views.unsqueeze), reshaping(views.t)
    transpose_ = swapaxes_ = swapdims_ = reshaping(views.transpose)
    tril_, triu_ = in_place(arrange.tril), in_place(arrange.triu)
    unfold = unfold
