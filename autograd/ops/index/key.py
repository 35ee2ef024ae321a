"""x[key] and x[key] = values for keys of slice(None), arrays of integers and masks; other keys are views first."""

from __future__ import annotations

import numpy as np

from tritonnet.autograd.function import Op, make
from tritonnet.autograd.samples import Sample, samples
from tritonnet.kernels import index as kernels
from tritonnet.kernels.arrays import is_host, to_device, zeros


def beside(x, index):
    """Indices on the device of x; a key may lie on the host."""
    return index if isinstance(index, slice) or is_host(x) or not is_host(index) else to_device(index, x.device)


class IndexGet(Op):
    """x[key]: the common axes of the index arrays in the place of the indexed ones if neighbours, else in front."""

    def forward(ctx, x, key):
        ctx.x_shape = x.shape
        if not is_host(x):
            key = tuple([beside(x, k) for k in key])
        if ctx.parents[0] is not None:
            x, key, ctx.distinct = kernels.resolve(x, key)
            ctx.resolved, ctx.key = x.shape, key
            ctx.saved = tuple([k for k in key if not isinstance(k, slice)])
        return kernels.index_get(x, key)

    def backward(ctx, dy):
        dx = zeros(ctx.resolved, dy.dtype, dy)
        kernels.put_into(dx, ctx.key, dy, accumulate=not ctx.distinct, distinct=ctx.distinct)
        return dx.reshape(ctx.x_shape)

    def differentiable_backward(ctx, dy):
        dx = make(zeros(ctx.resolved, dy.array.dtype, dy.array))
        return IndexPut.apply(dx, ctx.key, dy, accumulate=True).reshape(ctx.x_shape)


def torch_key(torch, key):
    """A key with PyTorch's tensors in place of arrays."""
    return tuple(k if isinstance(k, slice) else torch.from_numpy(k) for k in key)


@samples(IndexGet, torch=lambda torch, x, key: x[torch_key(torch, key)])
def index_get_samples(rand):
    every = slice(None)
    yield Sample(rand(5, 7), (rand.integers(-5, 5, (4,)),))                         # negative, with repetitions
    yield Sample(rand(7, 3, 5).T, (every, rand.integers(0, 3, (2, 3))))             # strides; an index of two axes
    yield Sample(rand(4, 5, 6), (rand.integers(0, 4, (3, 1)), rand.integers(0, 5, (2,))))    # neighbours: in place
    yield Sample(rand(4, 5, 6), (rand.integers(0, 4, (3,)), every, rand.integers(0, 6, (3,))))   # apart: in front
    yield Sample(rand(3, 4, 2, 3, 2), (every, rand.integers(0, 4, (2,)), every, rand.integers(0, 3, (2,))))
    yield Sample(rand(2, 3, 2, 3, 2, 2), (rand.integers(0, 2, (3,)), every, rand.integers(0, 2, (3,)), every,
                                          rand.integers(0, 2, (3,))))               # many separate axes
    yield Sample(rand(4, 5, 6), (rand.bools(4, 5),))                                # a mask of two axes
    yield Sample(rand(6, 5, 4).T, (every, rand.bools(5, 6)))
    yield Sample(rand(4, 5), (rand.bools(4), rand.integers(0, 5, (1,))))            # a mask and an index
    yield Sample(rand(4, 5), (rand.integers(0, 4, (0,)),))                          # nothing
    yield Sample(rand(5), (np.array(3),))
    yield Sample(rand(3, 600), (every, rand.integers(0, 2, (500,))))                # long runs of equal destinations
    yield Sample(rand(3, 4), (rand.integers(3, 5, (2,)),), raises=IndexError)
    yield Sample(rand(3, 4), (rand.bools(2),), raises=IndexError)
    yield Sample(rand(3, 4), (rand.integers(0, 3, (2,)), rand.integers(0, 3, (3,))), raises=IndexError)


class IndexPut(Op):
    """x with x[key] = values (array that broadcasts, or number); accumulate: +=, every repetition counted."""

    def forward(ctx, x, key, values, accumulate=False):
        ctx.key, ctx.accumulate = tuple(beside(x, k) for k in key), accumulate
        for k in ctx.key:
            if not isinstance(k, slice):
                ctx.save(k)
        return kernels.index_put(x, ctx.key, values, accumulate)

    def backward(ctx, dy):
        wants_x, _, wants_values = (*ctx.needs_input_grad, False)[:3]
        dx = dy
        if wants_x and not ctx.accumulate:
            dx = kernels.index_put(dy, ctx.key, 0)
        return dx, None, kernels.index_get(dy, ctx.key) if wants_values else None

    def differentiable_backward(ctx, dy):
        dx = dy if ctx.accumulate else IndexPut.apply(dy, ctx.key, 0)
        return dx, None, IndexGet.apply(dy, ctx.key)


def torch_index_put(torch, x, key, values, accumulate=False):
    """The same in PyTorch, whose index_put takes no slices: grids of all coordinates stand for them."""
    at = torch.arange(x.numel()).reshape(x.shape)[torch_key(torch, key)]
    values = torch.as_tensor(values, dtype=x.dtype).expand(at.shape)
    return x.reshape(-1).index_put((at,), values, accumulate).reshape(x.shape)


@samples(IndexPut, torch=torch_index_put)
def index_put_samples(rand):
    every = slice(None)
    apart = rand.rng.permutation(7)[:4]
    yield Sample(rand(7, 5), (apart - 7,), rand(4, 5))                              # negative
    yield Sample(rand(7, 5), (apart,), rand(5))                                     # broadcast values
    yield Sample(rand(7, 5), (apart,), 2.5)
    yield Sample(rand(5, 7).T, (every, rand.integers(0, 5, (9,))), rand(7, 9), accumulate=True)    # repetitions
    yield Sample(rand(5, 7).T, (every, rand.integers(0, 5, (9,))), rand(), accumulate=True)
    yield Sample(rand(4, 5, 6), (rand.integers(0, 4, (3, 1)), every, rand.integers(0, 6, (2,))), rand(3, 2, 5),
                 accumulate=True)                                                   # apart: values have them in front
    yield Sample(rand(2, 3, 2, 3, 2, 2), (rand.integers(0, 2, (3,)), every, rand.integers(0, 2, (3,)), every,
                                          rand.integers(0, 2, (3,))), rand(3, 3, 3, 2), accumulate=True)
    mask = rand.bools(4, 5)
    yield Sample(rand(4, 5, 3), (mask,), rand(int(mask.sum()), 3))
    yield Sample(rand(5, 4, 3), (every, rand.bools(4, 3)), rand(5, 1))
    yield Sample(rand(4, 5), (rand.integers(0, 4, (0,)),), rand(0, 5))              # nothing
    yield Sample(rand(3, 4), (rand.integers(3, 5, (2,)),), 0.0, raises=IndexError)
    yield Sample(rand(3, 4), (rand.integers(0, 3, (2,)),), rand(3), raises=RuntimeError)
