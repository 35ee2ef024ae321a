"""Matrix products: MatMul and Linear."""

from __future__ import annotations

import math

from tritonnet.autograd.function import Op
from tritonnet.autograd.samples import Sample, samples
from tritonnet.autograd.scalar_op import evaluated
from tritonnet.kernels import elementwise
from tritonnet.kernels import matmul as kernels
from tritonnet.kernels.dtypes import bool_

NAMES = {"float32": "float", "float64": "double", "float16": "c10::Half", "bfloat16": "c10::BFloat16", "bool": "bool",
         "int64": "long int", "int32": "int", "int16": "short int", "int8": "signed char", "uint8": "unsigned char"}


def check_types(x, y):
    """One type on both sides, which is not bool."""
    if x.dtype != y.dtype:
        raise RuntimeError("expected m1 and m2 to have the same dtype, but got: "
                           f"{NAMES.get(x.dtype.name, x.dtype.name)} != {NAMES.get(y.dtype.name, y.dtype.name)}")
    if x.dtype == bool_:
        raise NotImplementedError('"addmm_impl_cpu_" not implemented for \'Bool\': matrix products take numbers')


def check_matmul(x, y):
    """The error PyTorch raises for these shapes, if it does."""
    a, b = x.shape, y.shape
    if not a or not b:
        raise RuntimeError(f"both arguments to matmul need to be at least 1D, but they are {len(a)}D and {len(b)}D")
    if len(a) == len(b) == 1:
        if a != b:
            raise RuntimeError(f"inconsistent tensor size, expected tensor [{a[0]}] and src [{b[0]}] to have the same "
                               f"number of elements, but got {a[0]} and {b[0]} elements respectively")
    elif len(b) == 1:
        if a[-1] != b[0]:
            rows = math.prod(a[:-1])
            raise RuntimeError(f"size mismatch, got input ({rows}), mat ({rows}x{a[-1]}), vec ({b[0]})")
    elif len(b) == 2:
        if a[-1] != b[0]:
            raise RuntimeError(f"mat1 and mat2 shapes cannot be multiplied ({math.prod(a[:-1])}x{a[-1]} and "
                               f"{b[0]}x{b[1]})")
    else:
        for axis, (n, m) in enumerate(zip(a[-3::-1], b[-3::-1])):
            if n != m and 1 not in (n, m):
                raise RuntimeError(f"The size of tensor a ({n}) must match the size of tensor b ({m}) at non-singleton "
                                   f"dimension {max(len(a), len(b)) - 3 - axis}")
        if a[-1] != b[-2]:
            stack = math.prod(max(n, m) for n, m in zip((1,) * len(b) + a[:-2], (1,) * len(a) + b[:-2]))
            raise RuntimeError(f"Expected size for first two dimensions of batch2 tensor to be: [{stack}, {a[-1]}] but "
                               f"got: [{stack}, {b[-2]}].")


def needed(parents, x, y):
    """What the gradients of a product need: each the other factor. The rest may be changed in place before backward."""
    if parents[0] is None:
        return (x,)
    return (y,) if parents[1] is None else (x, y)


class MatMul(Op):
    """x @ y: vectors, matrices, stacks of matrices (broadcast); one element type."""

    def forward(ctx, x, y):
        if x.dtype is not y.dtype or x.dtype is bool_:
            check_types(x, y)
        a, b = x.shape, y.shape
        if len(a) != 2 or len(b) != 2 or a[1] != b[0]:
            check_matmul(x, y)
        ctx.x, ctx.y, ctx.saved = x, y, needed(ctx.parents, x, y)
        return kernels.matmul(x, y)

    def backward(ctx, dz):
        return kernels.matmul_backward(dz, ctx.x, ctx.y, ctx.needs_input_grad)

    def differentiable_backward(self, dz):
        x, y = self.input(0, self.x), self.input(1, self.y)
        if x.ndim == 1 and y.ndim == 1:
            return dz * y, dz * x
        X, Y = x.unsqueeze(0) if x.ndim == 1 else x, y.unsqueeze(1) if y.ndim == 1 else y
        dz = dz.unsqueeze(-2) if x.ndim == 1 else dz.unsqueeze(-1) if y.ndim == 1 else dz
        dx, dy = MatMul.apply(dz, Y.transpose(-1, -2)), MatMul.apply(X.transpose(-1, -2), dz)
        return dx.squeeze(-2) if x.ndim == 1 else dx, dy.squeeze(-1) if y.ndim == 1 else dy


@samples(MatMul, torch=lambda torch, x, y: torch.matmul(x, y))
def matmul_samples(rand):
    yield Sample(rand(5, 7), rand(7, 3))                     # smaller than any tile
    yield Sample(rand(70, 33), rand(33, 90))                 # several ragged tiles
    yield Sample(rand(33, 20).T, rand(9, 33).T)              # both transposed
    yield Sample(rand(12, 40)[::2, ::4], rand(10, 4))        # no stride is 1
    yield Sample(rand(3, 700), rand(700, 40))                # few rows: swapped operands, split along K
    yield Sample(rand(4), rand(4))                           # vectors
    yield Sample(rand(4), rand(4, 3))
    yield Sample(rand(5, 4), rand(4))
    yield Sample(rand(2, 5, 4), rand(4))
    yield Sample(rand(4), rand(2, 4, 3))
    yield Sample(rand(2, 3, 6, 5), rand(2, 3, 5, 4))         # stacks
    yield Sample(rand(2, 1, 6, 5), rand(3, 5, 4))            # broadcast
    yield Sample(rand(2, 6, 5), rand(5, 4))                  # one matrix for the whole stack
    yield Sample(rand(4, 2, 3, 5).transpose(1, 2, 0, 3), rand(2, 3, 5, 4))   # heads and time swapped: two batch strides
    yield Sample(rand(2, 2, 2, 3, 4).transpose(2, 1, 0, 3, 4), rand(2, 2, 2, 4, 3))  # more of them: a copy
    yield Sample(rand(0, 4), rand(4, 3))                     # no rows
    yield Sample(rand(3, 0), rand(0, 4))                     # nothing to sum
    yield Sample(rand(2, 3) * float("inf"), rand(3, 2), grad=False)     # infinities
    yield Sample(rand(2, 3), rand(4, 5), raises=RuntimeError)
    yield Sample(rand(2, 2, 3), rand(2, 4, 5), raises=RuntimeError)
    yield Sample(rand(2, 2, 3), rand(3, 3, 5), raises=RuntimeError)
    yield Sample(rand(3), rand(4), raises=RuntimeError)
    yield Sample(rand(2, 3), rand(4), raises=RuntimeError)
    yield Sample(rand(2, 3), rand(3, 4).astype("f4"), raises=RuntimeError)
    yield Sample(rand.bools(2, 3), rand.bools(3, 4), raises=NotImplementedError)


def check_linear(x, w, bias):
    """The error PyTorch raises for these arguments, if it does."""
    if not x.shape or len(w.shape) != 2:
        raise RuntimeError(f"linear: expected an input of at least one dimension and a weight of two, got "
                           f"{list(x.shape)} and {list(w.shape)}")
    if x.shape[-1] != w.shape[1]:
        raise RuntimeError(f"mat1 and mat2 shapes cannot be multiplied ({math.prod(x.shape[:-1])}x{x.shape[-1]} and "
                           f"{w.shape[1]}x{w.shape[0]})")
    check_types(x, w)
    if bias is not None and bias.dtype != x.dtype:
        raise RuntimeError(f"mat1 and bias must have the same dtype, but got {x.dtype} and {bias.dtype}")
    if bias is not None and bias.shape not in ((w.shape[0],), (1,), ()):
        raise RuntimeError(f"linear: the bias must have {w.shape[0]} elements like the output, got {list(bias.shape)}")


class Linear(Op):
    """activation(x w' + bias): x (..., K), w (O, K), bias (O,) -> (..., O)."""

    whole = False  # whether the product is one launch also where two would be quicker

    def forward(ctx, x, w, bias=None, activation=None):
        if x.dtype is not w.dtype or len(w.shape) != 2 or not x.shape or x.shape[-1] != w.shape[1] or (
                bias is not None and (bias.dtype is not x.dtype or bias.shape != w.shape[:1])):
            check_linear(x, w, bias)
        ctx.activation = activation
        if activation is None:
            ctx.x, ctx.w, ctx.saved = x, w, needed(ctx.parents, x, w)
            return kernels.linear(x, w, bias, None, ctx.whole)
        if activation != "gelu" or not any(ctx.needs_input_grad):             # the derivative is told by the result
            y = kernels.linear(x, w, bias, activation, ctx.whole)
            ctx.x, ctx.w, ctx.y, ctx.saved = x, w, y, (*needed(ctx.parents, x, w), y)
            return y
        v = kernels.linear(x, w, bias, None, ctx.whole)
        ctx.x, ctx.w, ctx.y, ctx.bias, ctx.saved = x, w, v, bias, (*needed(ctx.parents, x, w), v)
        return elementwise.gelu(v)

    def backward(ctx, dy):
        x, w = ctx.x, ctx.w
        if ctx.activation is not None:
            dy = elementwise.derivative(ctx.activation, ("x",)).function(dy, ctx.y)
        parents = ctx.parents
        return kernels.linear_backward(dy, x, w, (parents[0] is not None, parents[1] is not None,
                                                  len(parents) > 2 and parents[2] is not None))

    def differentiable_backward(self, dy):
        x, w = self.input(0, self.x), self.input(1, self.w)
        if self.activation == "gelu":
            bias = None if self.bias is None else self.input(2, self.bias)
            dy = evaluated(elementwise.OPERATIONS["gelu"].gradients["x"], {"x": Linear.apply(x, w, bias), "dy": dy})
        elif self.activation is not None:
            dy = evaluated(elementwise.OPERATIONS[self.activation].gradients["x"],
                           {"y": self.output(self.y), "dy": dy})
        count = math.prod(x.array.shape[:-1])
        rows = dy.reshape(count, dy.shape[-1])
        dw = MatMul.apply(rows.transpose(0, 1), x.reshape(count, x.shape[-1]))
        return MatMul.apply(dy, w), dw, rows.sum(0)


def _torch_linear(torch, x, w, bias=None, activation=None):
    y = torch.nn.functional.linear(x, w, bias)
    return y if activation is None else getattr(torch.nn.functional, activation)(y)


@samples(Linear, torch=_torch_linear)
def linear_samples(rand):
    yield Sample(rand(5, 7), rand(3, 7), rand(3))
    yield Sample(rand(5, 7), rand(3, 7))                     # no bias
    yield Sample(rand(50, 300), rand(70, 300), rand(70))     # split along K: bias in the reduction
    yield Sample(rand(3, 40), rand(90, 40), rand(90))        # few rows: swapped, the bias along the tile's rows
    yield Sample(rand(2, 3, 7), rand(4, 7), rand(4))         # more leading axes
    yield Sample(rand(7), rand(4, 7), rand(4))               # none
    yield Sample(rand(7, 6).T, rand(7, 4).T, rand(8)[::2])   # strides
    yield Sample(rand(5, 4), rand(3, 4), rand(3), "relu")
    yield Sample(rand(3, 300), rand(40, 300), rand(40), "sigmoid")
    yield Sample(rand(5, 4), rand(3, 4), None, "tanh")
    yield Sample(rand(5, 4), rand(3, 4), None, "gelu")       # its derivative needs what went in
    yield Sample(rand(5, 4), rand(3, 4), None, "softmax", raises=ValueError)
    yield Sample(rand(0, 4), rand(3, 4), rand(3))            # no rows
    yield Sample(rand(3, 0), rand(4, 0), rand(4))            # the bias alone
    yield Sample(rand(2, 3), rand(5, 4), rand(5), raises=RuntimeError)
    yield Sample(rand(2, 3), rand(5, 3), rand(4), raises=RuntimeError)
    yield Sample(rand(2, 3), rand(5, 3).astype("f4"), raises=RuntimeError)


class LinearAtOnce(Linear):
    """Linear in fewer launches: one for the product, and one for all gradients where the layer is small.

    Not yet run on a GPU; `tritonnet.compile` asks for it.
    """

    whole = True

    def backward(ctx, dy):
        parents = ctx.parents
        return kernels.linear_activated_backward(
            dy, ctx.__dict__.get("y"), ctx.x, ctx.w, ctx.activation,
            (parents[0] is not None, parents[1] is not None, len(parents) > 2 and parents[2] is not None))


@samples(LinearAtOnce, torch=_torch_linear)
def linear_at_once_samples(rand):
    yield Sample(rand(5, 7), rand(3, 7), rand(3))
    yield Sample(rand(70, 30), rand(90, 30), rand(90), "relu")   # several tiles of all
    yield Sample(rand(2, 3, 7), rand(4, 7), rand(4), "sigmoid")
    yield Sample(rand(7), rand(4, 7), None, "tanh")
    yield Sample(rand(5, 70), rand(3, 70), rand(3), "gelu")
    yield Sample(rand(7, 6).T, rand(7, 4).T, rand(8)[::2], "relu")
    yield Sample(rand(5, 300), rand(9, 300), rand(9), "relu")    # not split along K
    yield Sample(rand(600, 3), rand(4, 3), rand(4), "relu")      # too many rows: a launch for each gradient
    yield Sample(rand(0, 4), rand(3, 4), rand(3), "relu")
    yield Sample(rand(2, 3), rand(5, 4), rand(5), raises=RuntimeError)
