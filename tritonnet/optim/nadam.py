"""NAdam: Adam with Nesterov's momentum.

    mu_t = b1 (1 - 0.96^(t decay) / 2),   M = mu_1 … mu_t,   m = b1 m + (1 - b1) g,   v = b2 v + (1 - b2) g^2
    p = p - lr ((1 - mu_t) / (1 - M) g + mu_(t+1) / (1 - M mu_(t+1)) m) / (sqrt(v / (1 - b2^t)) + eps)

Source: Dozat 2016.
"""

from __future__ import annotations

from tritonnet.optim.each import EachParameter, check_betas
from tritonnet.optim.optimizer import number
from tritonnet.tensor.creation import ones, zeros_like


class NAdam(EachParameter):
    """Adam with Nesterov's momentum; decoupled_weight_decay as in AdamW."""

    def __init__(self, params, lr=2e-3, betas=(0.9, 0.999), eps=1e-8, weight_decay=0, momentum_decay=4e-3,
                 decoupled_weight_decay=False, *, foreach=None, maximize=False, capturable=False, differentiable=False):
        number("learning rate", lr)
        number("epsilon value", eps)
        check_betas(betas)
        number("weight_decay value", weight_decay)
        number("momentum_decay value", momentum_decay)
        super().__init__(params, dict(
            lr=lr, betas=betas, eps=eps, weight_decay=weight_decay, momentum_decay=momentum_decay,
            decoupled_weight_decay=decoupled_weight_decay, maximize=maximize, foreach=foreach, capturable=capturable,
            differentiable=differentiable))

    def start(self, p, group):
        super().start(p, group)
        self.state[p]["mu_product"] = ones(())
        self.state[p]["exp_avg"], self.state[p]["exp_avg_sq"] = zeros_like(p.detach()), zeros_like(p.detach())

    def move(self, p, grad, state, group):
        (beta1, beta2), step, lr = group["betas"], state["step"].item(), number("learning rate", group["lr"])
        mu, following = (beta1 * (1 - 0.5 * 0.96 ** (t * group["momentum_decay"])) for t in (step, step + 1))
        product = state["mu_product"].mul_(mu).item()
        mean = state["exp_avg"].lerp_(grad, 1 - beta1)
        squares = state["exp_avg_sq"].mul_(beta2).add_(grad * grad * (1 - beta2))
        scale = (squares / (1 - beta2**step)).sqrt_().add_(group["eps"])
        p.add_(grad / scale * (-lr * (1 - mu) / (1 - product)))
        p.add_(mean / scale * (-lr * following / (1 - product * following)))
