"""Which steps of a program are recorded: PyTorch's `schedule(wait, warmup, active, repeat, skip_first)`."""

from __future__ import annotations

import enum


class ProfilerActivity(enum.Enum):
    """What is recorded. CPU: operations on the host. CUDA: launches, timed on the device."""

    CPU = "CPU"
    CUDA = "CUDA"


class ProfilerAction(enum.Enum):
    """What the profiler does in a step."""

    NONE = 0
    WARMUP = 1
    RECORD = 2
    RECORD_AND_SAVE = 3


def schedule(*, wait: int, warmup: int, active: int, repeat: int = 0, skip_first: int = 0,
             skip_first_wait: int = 0):
    """A function from the number of a step to a `ProfilerAction`.

    Skip so many steps first; then wait, warm up (recorded and thrown away) and record `active` steps, again and again;
    repeat: how many such cycles, 0 for no end.  skip_first_wait: 1 leaves out the first cycle's wait.
    """
    for name, value in (("wait", wait), ("warmup", warmup), ("repeat", repeat), ("skip_first", skip_first)):
        if value < 0:
            raise ValueError(f"schedule: {name} must not be negative, got {value}")
    if active < 1:
        raise ValueError(f"schedule: active must be at least 1, got {active}")
    cycle = wait + warmup + active

    def action(step: int) -> ProfilerAction:
        if step < 0:
            raise ValueError(f"schedule: a step's number is not negative, got {step}")
        if step < skip_first:
            return ProfilerAction.NONE
        step += (wait if skip_first_wait else 0) - skip_first
        if (repeat and step >= repeat * cycle):
            return ProfilerAction.NONE
        step %= cycle
        if step < wait:
            return ProfilerAction.NONE
        if step < wait + warmup:
            return ProfilerAction.WARMUP
        return ProfilerAction.RECORD_AND_SAVE if step == cycle - 1 else ProfilerAction.RECORD

    return action


def always(step: int) -> ProfilerAction:
    """Record every step."""
    return ProfilerAction.RECORD
