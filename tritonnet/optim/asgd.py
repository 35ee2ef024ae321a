"""Averaged SGD.

    p = (1 - lambd eta) p - eta g,   a = a + mu (p - a),   eta = lr / (1 + lambd lr t)^alpha,   mu = 1 / max(1, t - t0)

Source: Polyak & Juditsky 1992.
"""

from __future__ import annotations

from tritonnet.optim.each import EachParameter
from tritonnet.optim.optimizer import number
from tritonnet.tensor.creation import full, ones, zeros_like


class ASGD(EachParameter):
    """SGD that keeps the mean of the parameters since step t0 in its state, under "ax"."""

    def __init__(self, params, lr=1e-2, lambd=1e-4, alpha=0.75, t0=1e6, weight_decay=0, foreach=None, maximize=False,
                 differentiable=False, capturable=False):
        number("learning rate", lr)
        number("weight_decay value", weight_decay)
        super().__init__(params, dict(
            lr=lr, lambd=lambd, alpha=alpha, t0=t0, weight_decay=weight_decay, foreach=foreach, maximize=maximize,
            differentiable=differentiable, capturable=capturable))

    def start(self, p, group):
        super().start(p, group)
        self.state[p].update(eta=full((), number("learning rate", group["lr"])), mu=ones(()), ax=zeros_like(p.detach()))

    def move(self, p, grad, state, group):
        lr, eta, mean = number("learning rate", group["lr"]), state["eta"].item(), state["ax"]
        p.mul_(1 - group["lambd"] * eta).add_(grad * -eta)
        mean.add_((p.detach() - mean) * state["mu"].item())
        step = state["step"].item()
        state["eta"].fill_(lr / (1 + group["lambd"] * lr * step) ** group["alpha"])
        state["mu"].fill_(1 / max(1, step - group["t0"]))
