"""RMSprop.

    v = alpha v + (1 - alpha) g^2,   centered: a = a + (1 - alpha) (g - a),  v' = v - a^2
    p = p - lr g / (sqrt(v') + eps),   momentum: b = momentum b + that quotient,  p = p - lr b

Source: Tieleman & Hinton 2012, lecture 6.5; Graves 2013 for the centered version.
"""

from __future__ import annotations

from tritonnet.kernels.dtypes import float32
from tritonnet.kernels.optim import rmsprop_step
from tritonnet.optim.optimizer import Optimizer, number


class RMSprop(Optimizer):
    """RMSprop, centered and with momentum if asked."""

    def __init__(self, params, lr=1e-2, alpha=0.99, eps=1e-8, weight_decay=0, momentum=0, centered=False,
                 capturable=False, foreach=None, maximize=False, differentiable=False):
        number("learning rate", lr)
        number("epsilon value", eps)
        number("momentum value", momentum)
        number("weight_decay value", weight_decay)
        number("alpha value", alpha)
        super().__init__(params, dict(
            lr=lr, momentum=momentum, alpha=alpha, eps=eps, centered=centered, weight_decay=weight_decay,
            capturable=capturable, foreach=foreach, maximize=maximize, differentiable=differentiable))

    def settings(self, group):
        return (number("learning rate", group["lr"]), group["alpha"], group["eps"], group["weight_decay"],
                group["momentum"], group["maximize"])

    def flags(self, group):
        return group["centered"], group["momentum"] > 0

    def update(self, batch, fused):
        centered, momentum = batch.flags
        steps, squares = self.slots(batch, "step", float32), self.slots(batch, "square_avg")
        buffers = self.slots(batch, "momentum_buffer") if momentum else None
        means = self.slots(batch, "grad_avg") if centered else None
        rmsprop_step(batch.params, batch.grads, squares, means, buffers, steps, batch.groups, batch.settings, fused,
                     self.grad_scale, self.found_inf)
