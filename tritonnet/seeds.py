"""PyTorch's `torch.random`: seeds and states of the default generators. Reached as `tritonnet.random`."""

from __future__ import annotations

import contextlib

from tritonnet import cuda
from tritonnet.tensor.rng import default_generator, get_rng_state, initial_seed, manual_seed, seed, set_rng_state

__all__ = ["default_generator", "fork_rng", "get_rng_state", "initial_seed", "manual_seed", "seed", "set_rng_state"]


@contextlib.contextmanager
def fork_rng(devices=None, enabled=True):
    """Context manager: afterwards the random numbers go on as if nothing had been drawn inside.

    devices: the GPUs to do this for, beside the CPU; by default all.
    """
    if not enabled:
        yield
        return
    states = generator_states(devices)
    try:
        yield
    finally:
        set_generator_states(states)


def generator_states(devices=None):
    """The states of the default generators: of the CPU, then of these GPUs (all, by default) by index."""
    devices = range(cuda.device_count()) if devices is None else list(devices)
    return get_rng_state(), {d: cuda.get_rng_state(d) for d in devices}


def set_generator_states(states) -> None:
    """Go on from what generator_states gave."""
    host, of_devices = states
    set_rng_state(host)
    for chosen, state in of_devices.items():
        cuda.set_rng_state(state, chosen)
