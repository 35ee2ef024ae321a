"""L-BFGS: steps along -H g, where H, the inverse of the second derivative, is guessed from the last gradients.

    y_i = g_(i+1) - g_i,   s_i = p_(i+1) - p_i,   H by two loops over the last `history_size` pairs

Source: Nocedal & Wright, algorithm 7.4.
"""

from __future__ import annotations

from functools import partial

import tritonnet
from tritonnet.autograd.mode import enable_grad, no_grad
from tritonnet.optim.line_search import Point, strong_wolfe
from tritonnet.optim.optimizer import Optimizer, number


class LBFGS(Optimizer):
    """Up to max_iter iterations per step(closure), which computes the loss and its gradients anew, often.

    line_search_fn: None for steps of lr, or "strong_wolfe". One group of parameters only.
    """

    def __init__(self, params, lr=1, max_iter=20, max_eval=None, tolerance_grad=1e-7, tolerance_change=1e-9,
                 history_size=100, line_search_fn=None):
        number("learning rate", lr)
        super().__init__(params, dict(
            lr=lr, max_iter=max_iter, max_eval=max_iter * 5 // 4 if max_eval is None else max_eval,
            tolerance_grad=tolerance_grad, tolerance_change=tolerance_change, history_size=history_size,
            line_search_fn=line_search_fn))
        if len(self.param_groups) != 1:
            raise ValueError("LBFGS doesn't support per-parameter options (parameter groups)")
        if line_search_fn not in (None, "strong_wolfe"):
            raise RuntimeError("only 'strong_wolfe' is supported")

    @property
    def _params(self):
        return self.param_groups[0]["params"]

    def _gradient(self):
        return tritonnet.cat([(tritonnet.zeros_like(p.detach()) if p.grad is None else p.grad.detach()).reshape(-1)
                              for p in self._params])

    def _add(self, t, direction):
        for p, part in zip(self._params, direction.split([p.numel() for p in self._params])):
            p.add_(part.view(p.shape), alpha=t)

    def step(self, closure):
        """Run up to max_iter iterations; returns the loss before them. closure: computes loss and gradients."""
        with no_grad():
            return self._run(enable_grad()(closure), self.param_groups[0], self.state[self._params[0]])

    def _run(self, closure, group, state):
        lr, tolerance = number("learning rate", group["lr"]), group["tolerance_change"]
        first = closure()
        loss, gradient, evaluations = float(first), self._gradient(), 1
        state["func_evals"] = state.get("func_evals", 0) + 1
        state.setdefault("n_iter", 0)
        for iteration in range(1, group["max_iter"] + 1):
            if gradient.abs().max().item() <= group["tolerance_grad"]:
                break
            state["n_iter"] += 1
            direction = self._direction(gradient, state, group["history_size"])
            slope, before, used = gradient.dot(direction).item(), loss, 0
            t = lr * (min(1.0, 1 / gradient.abs().sum().item()) if state["n_iter"] == 1 else 1)
            state.update(d=direction, t=t, prev_flat_grad=gradient, prev_loss=loss)
            if slope > -tolerance:
                break
            if group["line_search_fn"] is not None:
                found, used = strong_wolfe(
                    partial(self._evaluate, closure, direction), direction, t, Point(0.0, loss, gradient, slope),
                    max_evaluations=group["max_eval"] - evaluations)
                t, loss, gradient = found.t, found.loss, found.gradient
                self._add(t, direction)
            else:
                self._add(t, direction)
                if iteration < group["max_iter"]:  # the next step begins with an evaluation of its own
                    loss, gradient, used = float(closure()), self._gradient(), 1
            state["t"] = t
            evaluations += used
            state["func_evals"] += used
            small = (direction * t).abs().max().item() <= tolerance or abs(loss - before) < tolerance
            if small or evaluations >= group["max_eval"]:
                break
        self.stepped = True
        return first

    def _evaluate(self, closure, direction, t):
        """Loss and gradients a step t away, without going there."""
        here = [p.detach().clone() for p in self._params]
        self._add(t, direction)
        loss, gradient = float(closure()), self._gradient()
        for p, value in zip(self._params, here):
            p.copy_(value)
        return loss, gradient

    def _direction(self, gradient, state, history_size):
        """-H g; the last step is remembered first."""
        if state["n_iter"] == 1:
            state.update(old_dirs=[], old_stps=[], ro=[], H_diag=1.0)
            return -gradient
        differences, steps, inverses = state["old_dirs"], state["old_stps"], state["ro"]
        y, s = gradient - state["prev_flat_grad"], state["d"] * state["t"]
        product = y.dot(s).item()
        if product > 1e-10:
            if len(differences) == history_size:
                for kept in (differences, steps, inverses):
                    kept.pop(0)
            differences.append(y)
            steps.append(s)
            inverses.append(1 / product)
            state["H_diag"] = product / y.dot(y).item()
        q, shares = -gradient, []
        for y, s, inverse in zip(reversed(differences), reversed(steps), reversed(inverses)):
            shares.append(s.dot(q).item() * inverse)
            q.add_(y, alpha=-shares[-1])
        r = q * state["H_diag"]
        for y, s, inverse, share in zip(differences, steps, inverses, reversed(shares)):
            r.add_(s, alpha=share - y.dot(r).item() * inverse)
        return r
