"""Dropout. Only for training: in evaluation nothing is called."""

from __future__ import annotations

from tritonnet.autograd.function import Op
from tritonnet.autograd.ops.linear_map import LinearMap
from tritonnet.autograd.samples import Sample, samples
from tritonnet.kernels import rng as kernels
from tritonnet.kernels.arrays import is_host
from tritonnet.kernels.dtypes import is_float


def check(p):
    """Raise if p is no probability."""
    if not 0 <= p <= 1:
        raise ValueError(f"dropout probability has to be between 0 and 1, but got {p}")


class Dropout(Op):
    """Each element zero with probability p, else divided by 1 - p; the shape of x."""

    def forward(ctx, x, p, generator=None):
        check(p)
        if not is_float(x.dtype):
            raise RuntimeError(f"dropout: result type Float can't be cast to the desired output type {x.dtype}")
        ctx.p = p
        y, ctx.place = kernels.dropout(x, p, generator)
        return y

    def backward(ctx, dy):
        return kernels.dropout_backward(dy, ctx.p, ctx.place)

    def differentiable_backward(ctx, dy):
        p, place = ctx.p, ctx.place

        def again(x):
            return kernels.dropout_backward(x, p, place)

        return LinearMap.apply(dy, again, again)

    def release(self):
        """Also where nothing was saved: the place in the stream is needed as a mask would be."""
        self.saved = None
        self.__dict__.clear()


class Dropout2d(Op):
    """Each channel of each sample zero with probability p, else divided by 1 - p; x (N, C, …)."""

    def forward(ctx, x, p, generator=None):
        check(p)
        if x.ndim < 2:
            raise RuntimeError(f"dropout2d: expected input (N, C, …), got {list(x.shape)}")
        ctx.mask = ctx.save(kernels.channel_mask(x, p, generator))
        return product(x, ctx.mask)

    def backward(ctx, dy):
        return product(dy, ctx.mask)

    def differentiable_backward(ctx, dy):
        mask = ctx.mask
        return LinearMap.apply(dy, lambda x: product(x, mask), lambda x: product(x, mask))


def product(x, mask):
    """x mask, of x's type."""
    if is_host(x):
        return (x * mask).astype(x.dtype, copy=False)
    from tritonnet.kernels.elementwise import mul

    return mul(x, mask)


@samples(Dropout, torch=lambda torch, x, p: torch.dropout(x, p, True))
def dropout_samples(rand):  # p in {0, 1}: no numbers to agree on; tests/kernels/test_rng.py draws some
    yield Sample(rand(3, 7), 0.0)
    yield Sample(rand(3, 7), 1.0)
    yield Sample(rand(2, 3, 5, 4).transpose(0, 3, 1, 2), 0.0)
    yield Sample(rand(5, 4).T[1:], 0)
    yield Sample(rand(0, 3), 0.5)
    yield Sample(rand(), 0.0)
    yield Sample(rand(3), 1.5, raises=ValueError)


@samples(Dropout2d, torch=lambda torch, x, p: torch.nn.functional.dropout2d(x, p))
def dropout2d_samples(rand):
    yield Sample(rand(2, 3, 5, 4), 0.0)
    yield Sample(rand(2, 3, 5, 4).transpose(0, 3, 1, 2), 1.0)
    yield Sample(rand(0, 2, 3, 3), 0.5)
    yield Sample(rand(3), 0.5, raises=RuntimeError)
    yield Sample(rand(2, 3), -0.5, raises=ValueError)
