"""A fused step inside a graph: its settings follow the groups, and what it was captured with is checked."""

from __future__ import annotations

from operator import attrgetter

from tritonnet.autograd.tape import modified
from tritonnet.kernels.runtime import CaptureError

array_of = attrgetter("array")


def not_while_capturing(optimizer, array):
    """Refuse to make a parameter's state inside a graph."""
    if array.device != "cpu" and array.device.pool.capturing is not None:
        raise CaptureError(f"{type(optimizer).__name__} makes its state during the capture, so that each replay would "
                           "make it anew: call step() once before", "make state")


def captured(optimizer, batch, shown, capturing):
    """Before each replay the settings that its groups then have are shown; a step of other parameters is no longer it.

    shown: the `Settings` that the captured launch reads.
    """
    groups, tensors, arrays = list(batch.members), list(batch.tensors), list(batch.params)
    state, known, flags = optimizer.state, len(optimizer.state), batch.flags
    everything = sum(len(group["params"]) for group in optimizer.param_groups)

    def replay():
        shown.show([optimizer.settings(group) for group in groups])
        modified(*arrays)

    def check():
        name = type(optimizer).__name__
        if list(map(array_of, tensors)) != arrays:
            return f"parameters of {name} lie elsewhere now"
        if optimizer.state is not state or len(state) != known:
            return f"the state of {name} was replaced"
        if any(optimizer.flags(group) != flags for group in groups):
            return f"settings of {name} changed that its kernel is chosen by"
        if sum(len(group["params"]) for group in optimizer.param_groups) != everything:
            return f"{name} has other parameters now"
        return None

    capturing.each_replay.append(replay)
    capturing.checks.append(check)
