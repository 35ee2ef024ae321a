"""Stochastic gradient descent.

    d = g + weight_decay p
    b = momentum b + (1 - dampening) d      (b = d at the first step)
    p = p - lr (d + momentum b  if nesterov, else b)
"""

from __future__ import annotations

from tritonnet.autograd.function import make
from tritonnet.autograd.tape import modified
from tritonnet.kernels.arrays import full
from tritonnet.kernels.dtypes import float32
from tritonnet.kernels.optim import sgd_small, sgd_step
from tritonnet.optim.optimizer import Optimizer, number


class SGD(Optimizer):
    """SGD with momentum, Nesterov's if asked, and weight decay. Source: Sutskever et al. 2013."""

    def __init__(self, params, lr=1e-3, momentum=0, dampening=0, weight_decay=0, nesterov=False, *, maximize=False,
                 foreach=None, differentiable=False, fused=None):
        number("learning rate", lr)
        number("momentum value", momentum)
        number("weight_decay value", weight_decay)
        if nesterov and (momentum <= 0 or dampening != 0):
            raise ValueError("Nesterov momentum requires a momentum and zero dampening")
        super().__init__(params, dict(
            lr=lr, momentum=momentum, dampening=dampening, weight_decay=weight_decay, nesterov=nesterov,
            maximize=maximize, foreach=foreach, differentiable=differentiable, fused=fused))

    def settings(self, group):
        return (number("learning rate", group["lr"]), group["momentum"], group["dampening"], group["weight_decay"],
                group["maximize"])

    def at_once(self, group):
        if group["momentum"] or group["weight_decay"] or group["maximize"]:
            return False
        pairs = [(p.array, p._grad.array) for p in group["params"] if p._grad is not None]
        if not sgd_small(pairs, number("learning rate", group["lr"])):
            return False
        modified(*[p for p, _ in pairs])
        return True

    def flags(self, group):
        return group["momentum"] != 0, group["nesterov"], group["momentum"] != 0 and group["dampening"] != 0

    def update(self, batch, fused):
        momentum, nesterov, dampened = batch.flags
        steps = self.steps(batch) if dampened else None
        buffers = self.slots(batch, "momentum_buffer") if momentum else None
        sgd_step(batch.params, batch.grads, buffers, steps, batch.groups, batch.settings, fused, nesterov,
                 self.grad_scale, self.found_inf)

    def steps(self, batch):
        """Step counts, which dampening needs: a buffer without one (from PyTorch, say) is not at its first step."""
        for p in batch.tensors:
            state = self.state[p]
            if "momentum_buffer" in state and "step" not in state:
                state["step"] = make(full((), 1, float32, p.array))
        return self.slots(batch, "step", float32)
