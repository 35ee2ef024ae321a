"""Rprop: steps by the sign of the gradient.

    s = eta+ s where the sign stayed, eta- s where it changed (and g = 0 there), within step_sizes;   p = p - s sign g

Source: Riedmiller & Braun 1993.
"""

from __future__ import annotations

from tritonnet.optim.each import EachParameter
from tritonnet.optim.optimizer import number
from tritonnet.tensor.creation import full_like, ones_like, zeros_like


class Rprop(EachParameter):
    """Resilient propagation, for whole batches. lr: the first step."""

    def __init__(self, params, lr=1e-2, etas=(0.5, 1.2), step_sizes=(1e-6, 50), *, capturable=False, foreach=None,
                 maximize=False, differentiable=False):
        number("learning rate", lr)
        if not 0 < etas[0] < 1 < etas[1]:
            raise ValueError(f"Invalid eta values: {etas[0]}, {etas[1]}")
        super().__init__(params, dict(
            lr=lr, etas=etas, step_sizes=step_sizes, foreach=foreach, maximize=maximize, differentiable=differentiable,
            capturable=capturable))

    def start(self, p, group):
        super().start(p, group)
        self.state[p]["prev"] = zeros_like(p.detach())
        self.state[p]["step_size"] = full_like(p.detach(), number("learning rate", group["lr"]))

    def move(self, p, grad, state, group):
        down, up = group["etas"]
        sign = (grad * state["prev"]).sign()
        sizes = state["step_size"]
        sizes.mul_(ones_like(sign).masked_fill_(sign > 0, up).masked_fill_(sign < 0, down))
        sizes.clamp_(*group["step_sizes"])
        grad = grad.masked_fill(sign < 0, 0.0)
        p.sub_(grad.sign() * sizes)
        state["prev"].copy_(grad)
