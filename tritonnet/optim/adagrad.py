"""Adagrad.    s = s + g^2,   p = p - lr / (1 + (t - 1) lr_decay) g / (sqrt(s) + eps)      Source: Duchi et al. 2011."""

from __future__ import annotations

from tritonnet.optim.each import EachParameter
from tritonnet.optim.optimizer import number
from tritonnet.tensor.creation import full_like


class Adagrad(EachParameter):
    """Learning rates that shrink with the squares of past gradients. No fused kernel: a few launches per parameter."""

    def __init__(self, params, lr=1e-2, lr_decay=0, weight_decay=0, initial_accumulator_value=0, eps=1e-10,
                 foreach=None, *, maximize=False, differentiable=False, fused=None):
        number("learning rate", lr)
        number("lr_decay value", lr_decay)
        number("weight_decay value", weight_decay)
        number("initial_accumulator_value value", initial_accumulator_value)
        number("epsilon value", eps)
        super().__init__(params, dict(
            lr=lr, lr_decay=lr_decay, eps=eps, weight_decay=weight_decay,
            initial_accumulator_value=initial_accumulator_value, foreach=foreach, maximize=maximize,
            differentiable=differentiable, fused=fused))
        for group in self.param_groups:
            for p in group["params"]:
                self.start(p, group)

    def start(self, p, group):
        super().start(p, group)
        self.state[p]["sum"] = full_like(p.detach(), group["initial_accumulator_value"])

    def move(self, p, grad, state, group):
        rate = number("learning rate", group["lr"]) / (1 + (state["step"].item() - 1) * group["lr_decay"])
        state["sum"].add_(grad * grad)
        p.add_(grad / (state["sum"].sqrt() + group["eps"]) * -rate)
