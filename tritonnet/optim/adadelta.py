"""Adadelta.

    s = rho s + (1 - rho) g^2,   d = g sqrt(u + eps) / sqrt(s + eps),   u = rho u + (1 - rho) d^2,   p = p - lr d

Source: Zeiler 2012.
"""

from __future__ import annotations

from tritonnet.optim.each import EachParameter
from tritonnet.optim.optimizer import number
from tritonnet.tensor.creation import zeros_like


class Adadelta(EachParameter):
    """Steps scaled by past steps and gradients. No fused kernel: a few launches per parameter."""

    def __init__(self, params, lr=1.0, rho=0.9, eps=1e-6, weight_decay=0, foreach=None, *, capturable=False,
                 maximize=False, differentiable=False):
        number("learning rate", lr)
        number("rho value", rho, 0, 1 + 1e-12)
        number("epsilon value", eps)
        number("weight_decay value", weight_decay)
        super().__init__(params, dict(
            lr=lr, rho=rho, eps=eps, weight_decay=weight_decay, maximize=maximize, capturable=capturable,
            foreach=foreach, differentiable=differentiable))

    def start(self, p, group):
        super().start(p, group)
        self.state[p]["square_avg"], self.state[p]["acc_delta"] = zeros_like(p.detach()), zeros_like(p.detach())

    def move(self, p, grad, state, group):
        rho, eps, squares, steps = group["rho"], group["eps"], state["square_avg"], state["acc_delta"]
        squares.mul_(rho).add_(grad * grad * (1 - rho))
        d = (steps + eps).sqrt().div_((squares + eps).sqrt()).mul_(grad)
        steps.mul_(rho).add_(d * d * (1 - rho))
        p.add_(d * -number("learning rate", group["lr"]))
