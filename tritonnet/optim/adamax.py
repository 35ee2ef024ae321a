"""Adamax.

    m = b1 m + (1 - b1) g,   u = max(b2 u, |g| + eps),   p = p - lr / (1 - b1^t) m / u

Source: Kingma & Ba 2014, section 7.1.
"""

from __future__ import annotations

from tritonnet.optim.each import EachParameter, check_betas
from tritonnet.optim.optimizer import number
from tritonnet.tensor.creation import zeros_like
from tritonnet.tensor.elementwise import maximum


class Adamax(EachParameter):
    """Adam with the largest gradient in place of the mean square."""

    def __init__(self, params, lr=2e-3, betas=(0.9, 0.999), eps=1e-8, weight_decay=0, foreach=None, *, maximize=False,
                 differentiable=False, capturable=False):
        number("learning rate", lr)
        number("epsilon value", eps)
        check_betas(betas)
        number("weight_decay value", weight_decay)
        super().__init__(params, dict(
            lr=lr, betas=betas, eps=eps, weight_decay=weight_decay, foreach=foreach, maximize=maximize,
            differentiable=differentiable, capturable=capturable))

    def start(self, p, group):
        super().start(p, group)
        self.state[p]["exp_avg"], self.state[p]["exp_inf"] = zeros_like(p.detach()), zeros_like(p.detach())

    def move(self, p, grad, state, group):
        beta1, beta2 = group["betas"]
        mean, largest = state["exp_avg"].lerp_(grad, 1 - beta1), state["exp_inf"]
        largest.copy_(maximum(largest * beta2, grad.abs() + group["eps"]))
        rate = number("learning rate", group["lr"]) / (1 - beta1 ** state["step"].item())
        p.add_(mean / largest * -rate)
