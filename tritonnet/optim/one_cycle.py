"""OneCycleLR: up from a small rate to a large one and down to almost none, in one run.  Source: Smith & Topin 2018."""

from __future__ import annotations

import math

from tritonnet.optim.lr_scheduler import LRScheduler, each_group, set_momentum


def cosine(start, end, part):
    """From start to end along half a cosine."""
    return end + (start - end) / 2 * (1 + math.cos(math.pi * part))


def linear(start, end, part):
    """From start to end along a line."""
    return (end - start) * part + start


class OneCycleLR(LRScheduler):
    """One step per batch: max_lr / div_factor -> max_lr in pct_start of total_steps, -> initial / final_div_factor.

    Momentum (or Adam's first beta) goes the other way, between max_momentum and base_momentum, if cycle_momentum.
    """

    def __init__(self, optimizer, max_lr, total_steps=None, epochs=None, steps_per_epoch=None, pct_start=0.3,
                 anneal_strategy="cos", cycle_momentum=True, base_momentum=0.85, max_momentum=0.95, div_factor=25.0,
                 final_div_factor=1e4, three_phase=False, last_epoch=-1):
        if total_steps is None:
            if epochs is None or steps_per_epoch is None:
                raise ValueError("You must define either total_steps OR (epochs AND steps_per_epoch)")
            total_steps = epochs * steps_per_epoch
        for name, n in (("total_steps", total_steps), ("epochs", epochs), ("steps_per_epoch", steps_per_epoch)):
            if n is not None and (not isinstance(n, int) or n <= 0):
                raise ValueError(f"Expected positive integer {name}, but got {n}")
        if not 0 <= pct_start <= 1:
            raise ValueError(f"Expected float between 0 and 1 pct_start, but got {pct_start}")
        if anneal_strategy not in ("cos", "linear"):
            raise ValueError(f"anneal_strategy must be one of 'cos' or 'linear', instead got {anneal_strategy}")
        self.total_steps, self.anneal_strategy, self.cycle_momentum = total_steps, anneal_strategy, cycle_momentum
        up = float(pct_start * total_steps) - 1
        down = float(2 * pct_start * total_steps) - 2
        last = total_steps - 1
        self.phases = [(up, "initial_lr", "max_lr", "max_momentum", "base_momentum")] + (
            [(down, "max_lr", "initial_lr", "base_momentum", "max_momentum"),
             (last, "initial_lr", "min_lr", "max_momentum", "max_momentum")] if three_phase
            else [(last, "max_lr", "min_lr", "base_momentum", "max_momentum")])
        groups = optimizer.param_groups
        if last_epoch == -1:
            for group, highest in zip(groups, each_group(optimizer, max_lr, "max_lr")):
                group["initial_lr"] = highest / div_factor
                group["max_lr"], group["min_lr"] = highest, group["initial_lr"] / final_div_factor
        if cycle_momentum:
            if "momentum" not in optimizer.defaults and "betas" not in optimizer.defaults:
                raise ValueError("optimizer must support momentum or beta1 with `cycle_momentum` option enabled")
            if last_epoch == -1:
                for group, high, low in zip(groups, each_group(optimizer, max_momentum, "max_momentum"),
                                            each_group(optimizer, base_momentum, "base_momentum")):
                    set_momentum(group, high)
                    group["max_momentum"], group["base_momentum"] = high, low
        super().__init__(optimizer, last_epoch)

    def get_lr(self):
        step = self.last_epoch
        if step > self.total_steps:
            raise ValueError(f"Tried to step {step} times. The specified number of total steps is {self.total_steps}")
        anneal, rates, start = cosine if self.anneal_strategy == "cos" else linear, [], 0.0
        for phase in self.phases:
            end = phase[0]
            if step <= end or phase is self.phases[-1]:
                part = (step - start) / (end - start) if end != start else 1.0
                break
            start = end
        _, low, high, momentum, momentum_after = phase
        for group in self.optimizer.param_groups:
            rates.append(anneal(group[low], group[high], part))
            if self.cycle_momentum:
                set_momentum(group, anneal(group[momentum], group[momentum_after], part))
        return rates
