"""An operation of one's own: the Snake activation (Ziyin et al. 2020) with its own pair of Triton kernels.

    y  = x + sin^2(a x) / a
    dx = dy (1 + sin(2 a x))

On the CPU the same lines in NumPy run; on a GPU, real or simulated, the kernels. A network with Snake learns a wave and
goes on with it where there were no data, which ReLU cannot.
"""

from __future__ import annotations

import numpy as np
from options import parse

import tritonnet as torch
import tritonnet.nn as nn
from tritonnet.autograd import Function
from tritonnet.kernels.kernel import kernel, tl

BLOCK = 1024


@kernel(flops=lambda x: 5 * x.size, bytes=lambda x, y: x.nbytes + y.nbytes)
def snake_kernel(x, y, a, n, BLOCK: tl.constexpr):
    i = tl.program_id(0).to(tl.int64) * BLOCK + tl.arange(0, BLOCK)
    inside = i < n
    v = tl.load(x + i, mask=inside, other=0)
    s = tl.sin(a * v)
    tl.store(y + i, v + s * s / a, mask=inside)


@kernel(flops=lambda x: 5 * x.size, bytes=lambda x, dy, dx: x.nbytes + dy.nbytes + dx.nbytes)
def snake_backward_kernel(x, dy, dx, a, n, BLOCK: tl.constexpr):
    i = tl.program_id(0).to(tl.int64) * BLOCK + tl.arange(0, BLOCK)
    inside = i < n
    v = tl.load(x + i, mask=inside, other=0)
    g = tl.load(dy + i, mask=inside, other=0)
    tl.store(dx + i, g * (1 + tl.sin(2 * a * v)), mask=inside)


class Snake(Function):
    """x: any shape, float32 on a GPU.  a: a number."""

    @staticmethod
    def forward(ctx, x, a):
        ctx.a = a
        ctx.save_for_backward(x)
        if x.is_cpu:
            v = x.detach().numpy()
            return torch.from_numpy(v + np.sin(a * v) ** 2 / a)
        x, y = x.contiguous(), torch.empty_like(x)
        snake_kernel[(-(-x.numel() // BLOCK),)](x.array, y.array, a, x.numel(), BLOCK=BLOCK)
        return y

    @staticmethod
    def backward(ctx, dy):
        (x,) = ctx.saved_tensors
        if x.is_cpu:
            return torch.from_numpy(dy.numpy() * (1 + np.sin(2 * ctx.a * x.detach().numpy()))), None
        x, dy, dx = x.contiguous(), dy.contiguous(), torch.empty_like(x)
        snake_backward_kernel[(-(-x.numel() // BLOCK),)](x.array, dy.array, dx.array, ctx.a, x.numel(), BLOCK=BLOCK)
        return dx, None


def main(argv=None):
    """Check the gradient, train on a wave; returns the mean squared error beyond the data."""
    options = parse(__doc__, argv, steps=1500)
    x = torch.randn(7, 3, dtype=torch.float64, requires_grad=True)
    print("gradient agrees with finite differences:", torch.autograd.gradcheck(lambda x: Snake.apply(x, 0.7), (x,)))

    x = torch.linspace(-6, 6, 200).reshape(200, 1).to(options.device)
    y = torch.sin(x) + 0.1 * x
    first, last = nn.Linear(1, 32).to(options.device), nn.Linear(32, 1).to(options.device)
    model = lambda x: last(Snake.apply(first(x), 1.0))  # noqa: E731
    optimizer = torch.optim.Adam([*first.parameters(), *last.parameters()], lr=0.01)
    for step in range(options.steps):
        loss = ((model(x) - y) ** 2).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        if step % 500 == 0:
            print(f"step {step:4d}  loss {loss.item():.5f}")

    beyond = torch.linspace(6, 12, 100).reshape(100, 1).to(options.device)
    with torch.no_grad():
        error = ((model(beyond) - torch.sin(beyond) - 0.1 * beyond) ** 2).mean().item()
    print(f"mean squared error for 6 < x < 12, where there were no data: {error:.4f}")
    return error


if __name__ == "__main__":
    main()
