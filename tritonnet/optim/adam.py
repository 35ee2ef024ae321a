"""Adam and AdamW.

    m = m + (1 - beta1) (g - m),   v = beta2 v + (1 - beta2) g^2
    p = p - lr (m / (1 - beta1^t)) / (sqrt(v / (1 - beta2^t)) + eps)

weight_decay: Adam adds weight_decay p to g; AdamW multiplies p by 1 - lr weight_decay instead. amsgrad: v is the
largest so far. Sources: Kingma & Ba 2015; Loshchilov & Hutter 2019; Reddi et al. 2018.
"""

from __future__ import annotations

from tritonnet.kernels.dtypes import float32
from tritonnet.kernels.optim import adam_step
from tritonnet.optim.optimizer import Optimizer, number


class Adam(Optimizer):
    """Adam; weight decay is added to the gradient unless decoupled_weight_decay."""

    def __init__(self, params, lr=1e-3, betas=(0.9, 0.999), eps=1e-8, weight_decay=0, amsgrad=False, *, foreach=None,
                 maximize=False, capturable=False, differentiable=False, fused=None, decoupled_weight_decay=False):
        number("learning rate", lr)
        number("epsilon value", eps)
        number("beta parameter at index 0", betas[0], 0, 1)
        number("beta parameter at index 1", betas[1], 0, 1)
        number("weight_decay value", weight_decay)
        super().__init__(params, dict(
            lr=lr, betas=betas, eps=eps, weight_decay=weight_decay, amsgrad=amsgrad, maximize=maximize, foreach=foreach,
            capturable=capturable, differentiable=differentiable, fused=fused,
            decoupled_weight_decay=decoupled_weight_decay))

    def settings(self, group):
        return (number("learning rate", group["lr"]), *group["betas"], group["eps"], group["weight_decay"],
                group["maximize"])

    def flags(self, group):
        return group["amsgrad"], group["decoupled_weight_decay"]

    def update(self, batch, fused):
        amsgrad, decoupled = batch.flags
        steps = self.slots(batch, "step", float32)
        means, squares = self.slots(batch, "exp_avg"), self.slots(batch, "exp_avg_sq")
        largest = self.slots(batch, "max_exp_avg_sq") if amsgrad else None
        adam_step(batch.params, batch.grads, means, squares, largest, steps, batch.groups, batch.settings, fused,
                  decoupled, self.grad_scale, self.found_inf)


class AdamW(Adam):
    """Adam with weight decay apart from the gradient."""

    def __init__(self, params, lr=1e-3, betas=(0.9, 0.999), eps=1e-8, weight_decay=1e-2, amsgrad=False, *,
                 maximize=False, foreach=None, capturable=False, differentiable=False, fused=None):
        super().__init__(params, lr, betas, eps, weight_decay, amsgrad, foreach=foreach, maximize=maximize,
                         capturable=capturable, differentiable=differentiable, fused=fused, decoupled_weight_decay=True)
