"""For optimizers without a fused kernel: each parameter is updated by operations on tensors, a few launches each."""

from __future__ import annotations

from tritonnet.optim.optimizer import Optimizer, number
from tritonnet.tensor.creation import zeros


class EachParameter(Optimizer):
    """A subclass defines `start(p, group)`, its first state, and `move(p, grad, state, group)`, in place."""

    def update_all(self):
        for group in self.param_groups:
            for p in group["params"]:
                if p.grad is None:
                    continue
                state = self.state[p]
                if not state:
                    self.start(p, group)
                state["step"] += 1
                grad = -p.grad if group["maximize"] else p.grad.detach()
                if group.get("decoupled_weight_decay"):
                    p.mul_(1 - number("learning rate", group["lr"]) * group["weight_decay"])
                elif group.get("weight_decay"):
                    grad = grad + group["weight_decay"] * p.detach()
                self.move(p, grad, state, group)

    def start(self, p, group):
        """Fill in the state of a parameter before its first step."""
        self.state[p]["step"] = zeros(())

    def move(self, p, grad, state, group):
        """Update one parameter in place; grad includes weight decay."""
        raise NotImplementedError(f"{type(self).__name__} does not define move")


def check_betas(betas):
    """ValueError unless both of Adam's betas are in [0, 1)."""
    for i, beta in enumerate(betas):
        number(f"beta parameter at index {i}", beta, 0, 1)
