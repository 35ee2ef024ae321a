"""Connectionist temporal classification."""

from __future__ import annotations

import numpy as np

from tritonnet.autograd.function import Op
from tritonnet.autograd.samples import Sample, samples
from tritonnet.kernels.loss import ctc as kernels


class CtcLoss(Op):
    """x (T, N, C) log-probabilities, targets (N, S) and lengths as numbers -> (N,): -log p of each target.

    The gradient holds behind a log_softmax only, as PyTorch's does. zero_infinity: unreachable targets cost nothing.
    """

    def forward(ctx, x, targets=(), steps=(), lengths=(), blank=0, zero_infinity=False):
        ctx.how = *(np.asarray(a, np.int64) for a in (targets, steps, lengths)), blank
        ctx.zero_infinity, ctx.x = zero_infinity, ctx.save(x)
        ctx.y, ctx.alpha = kernels.ctc_loss(x, *ctx.how)
        return kernels.finite(ctx.y) if zero_infinity else ctx.y

    def backward(ctx, dy):
        return kernels.ctc_loss_backward(dy, ctx.x, ctx.y, ctx.alpha, *ctx.how, ctx.zero_infinity)


def _torch(torch, x, targets, steps, lengths, blank=0, zero_infinity=False):
    return torch.nn.functional.ctc_loss(x, torch.tensor(targets), torch.tensor(steps), torch.tensor(lengths), blank,
                                        "none", zero_infinity)


@samples(CtcLoss, torch=_torch)
def ctc_loss_samples(rand):
    # no finite differences: x must stay normalised; tests/tritonnet/test_ctc.py takes them behind a log_softmax
    x = rand(7, 3, 5)
    x = x - np.log(np.exp(x).sum(-1, keepdims=True))
    targets = (1, 2, 2), (3, 3, 0), (4, 0, 0)
    yield Sample(x, targets, (7, 6, 4), (3, 2, 1), 0, grad=False, device=False)
    yield Sample(x, targets, (3, 7, 2), (3, 2, 0), 0, grad=False, device=False)  # too short; empty
    yield Sample(x, targets, (3, 7, 2), (3, 2, 0), 0, True, grad=False, device=False)
    yield Sample(x[:, :, ::-1], targets, (7, 7, 7), (1, 1, 1), 0, grad=False, device=False)
