"""CyclicLR: up and down between two rates, over and over.  Source: Smith 2017."""

from __future__ import annotations

import math

from tritonnet.optim.lr_scheduler import LRScheduler, each_group, set_momentum

SCALES = {"triangular": ("cycle", lambda x, gamma: 1.0), "triangular2": ("cycle", lambda x, gamma: 1 / 2.0 ** (x - 1)),
          "exp_range": ("iterations", lambda x, gamma: gamma**x)}


class CyclicLR(LRScheduler):
    """base_lr to max_lr in step_size_up steps and back in step_size_down; one step per batch.

    mode: "triangular"; "triangular2" halves the height each cycle; "exp_range" scales it by gamma^step; scale_fn of
    the cycle or of the step (scale_mode "cycle" or "iterations") instead. Momentum goes the other way if asked.
    """

    def __init__(self, optimizer, base_lr, max_lr, step_size_up=2000, step_size_down=None, mode="triangular", gamma=1.0,
                 scale_fn=None, scale_mode="cycle", cycle_momentum=True, base_momentum=0.8, max_momentum=0.9,
                 last_epoch=-1):
        self.optimizer = optimizer
        groups = optimizer.param_groups
        bases = each_group(optimizer, base_lr, "base_lr")
        self.max_lrs = each_group(optimizer, max_lr, "max_lr")
        if last_epoch == -1:
            for group, lr in zip(groups, bases):
                group["lr"] = lr
        down = step_size_up if step_size_down is None else step_size_down
        self.total_size = float(step_size_up) + float(down)
        self.step_ratio = float(step_size_up) / self.total_size
        if mode not in SCALES and scale_fn is None:
            raise ValueError("mode is invalid and scale_fn is None")
        self.mode, self.gamma, self._scale_fn_custom = mode, gamma, scale_fn
        self.scale_mode = scale_mode if scale_fn is not None else SCALES[mode][0]
        self.cycle_momentum = cycle_momentum
        if cycle_momentum:
            if "momentum" not in optimizer.defaults and "betas" not in optimizer.defaults:
                raise ValueError("optimizer must support momentum or beta1 with `cycle_momentum` option enabled")
            self.base_momentums = each_group(optimizer, base_momentum, "base_momentum")
            self.max_momentums = each_group(optimizer, max_momentum, "max_momentum")
            if last_epoch == -1:
                for group, high, low in zip(groups, self.max_momentums, self.base_momentums):
                    set_momentum(group, high)
                    group["max_momentum"], group["base_momentum"] = high, low
        super().__init__(optimizer, last_epoch)
        self.base_lrs = bases

    def scale_fn(self, x):
        """How high the cycle, or the step, x is."""
        if self._scale_fn_custom is not None:
            return self._scale_fn_custom(x)
        return SCALES[self.mode][1](x, self.gamma)

    def get_lr(self):
        cycle = math.floor(1 + self.last_epoch / self.total_size)
        x = 1.0 + self.last_epoch / self.total_size - cycle
        part = x / self.step_ratio if x <= self.step_ratio else (x - 1) / (self.step_ratio - 1)
        part *= self.scale_fn(cycle if self.scale_mode == "cycle" else self.last_epoch)
        if self.cycle_momentum:
            for group, low, high in zip(self.optimizer.param_groups, self.base_momentums, self.max_momentums):
                set_momentum(group, high - (high - low) * part)
        return [low + (high - low) * part for low, high in zip(self.base_lrs, self.max_lrs)]

    def state_dict(self):
        """Everything but the optimizer and a scale_fn that is a plain function."""
        state = super().state_dict()
        custom = state.pop("_scale_fn_custom")
        return {**state, "_scale_fn_custom": dict(vars(custom)) if hasattr(custom, "__dict__") and not hasattr(
            custom, "__code__") else None}

    def load_state_dict(self, state_dict):
        """Take over what state_dict returned."""
        state = dict(state_dict)
        custom = state.pop("_scale_fn_custom", None)
        super().load_state_dict(state)
        if custom is not None:
            vars(self._scale_fn_custom).update(custom)
