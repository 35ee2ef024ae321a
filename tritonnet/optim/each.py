"""For optimizers without a fused kernel: each parameter is updated by operations on tensors."""

from __future__ import annotations

from tritonnet.optim.optimizer import Optimizer
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
                if group["weight_decay"]:
                    grad = grad + group["weight_decay"] * p.detach()
                self.move(p, grad, state, group)

    def start(self, p, group):
        """Fill in the state of a parameter before its first step."""
        self.state[p]["step"] = zeros(())

    def move(self, p, grad, state, group):
        """Update one parameter in place; grad includes weight decay."""
        raise NotImplementedError(f"{type(self).__name__} does not define move")
