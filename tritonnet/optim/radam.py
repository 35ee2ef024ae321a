"""RAdam: Adam that waits for its mean square to be trusted.

    r = 2 / (1 - b2) - 1,   r_t = r - 2 t b2^t / (1 - b2^t),   m, v as Adam's, m' = m / (1 - b1^t)
    r_t > 5:  p = p - lr m' sqrt(1 - b2^t) / (sqrt(v) + eps) sqrt((r_t - 4)(r_t - 2) r / ((r - 4)(r - 2) r_t))
    else:     p = p - lr m'

Source: Liu et al. 2019.
"""

from __future__ import annotations

from tritonnet.optim.each import EachParameter, check_betas
from tritonnet.optim.optimizer import number
from tritonnet.tensor.creation import zeros_like


class RAdam(EachParameter):
    """Adam with a rectified variance; decoupled_weight_decay as in AdamW."""

    def __init__(self, params, lr=1e-3, betas=(0.9, 0.999), eps=1e-8, weight_decay=0, decoupled_weight_decay=False, *,
                 foreach=None, maximize=False, capturable=False, differentiable=False):
        number("learning rate", lr)
        number("epsilon value", eps)
        check_betas(betas)
        number("weight_decay value", weight_decay)
        super().__init__(params, dict(
            lr=lr, betas=betas, eps=eps, weight_decay=weight_decay, maximize=maximize, foreach=foreach,
            capturable=capturable, decoupled_weight_decay=decoupled_weight_decay, differentiable=differentiable))

    def start(self, p, group):
        super().start(p, group)
        self.state[p]["exp_avg"], self.state[p]["exp_avg_sq"] = zeros_like(p.detach()), zeros_like(p.detach())

    def move(self, p, grad, state, group):
        (beta1, beta2), step = group["betas"], state["step"].item()
        mean = state["exp_avg"].lerp_(grad, 1 - beta1)
        squares = state["exp_avg_sq"].mul_(beta2).add_(grad * grad * (1 - beta2))
        rate = -number("learning rate", group["lr"]) / (1 - beta1**step)
        left = 1 - beta2**step
        longest = 2 / (1 - beta2) - 1
        length = longest - 2 * step * beta2**step / left
        if length > 5:
            rate *= (left * (length - 4) * (length - 2) * longest / ((longest - 4) * (longest - 2) * length)) ** 0.5
            p.add_(mean / squares.sqrt().add_(group["eps"]) * rate)
        else:
            p.add_(mean * rate)
