"""`torch.distributed` for programs that ask whether it is there: it is not, so they train in one process.

Importing its functions works; calling one that needs other processes raises.
"""

from __future__ import annotations

import enum

__all__ = [
    "ReduceOp", "all_gather", "all_gather_into_tensor", "all_gather_object", "all_reduce", "barrier", "broadcast",
    "broadcast_object_list", "destroy_process_group", "gather", "get_backend", "get_rank", "get_world_size",
    "init_process_group", "is_available", "is_gloo_available", "is_initialized", "is_mpi_available",
    "is_nccl_available", "is_torchelastic_launched", "new_group", "recv", "reduce", "reduce_scatter", "scatter", "send",
]


class ReduceOp(enum.Enum):
    """How `all_reduce` combines what the processes have."""

    SUM, AVG, PRODUCT, MIN, MAX = range(5)


def is_available() -> bool:
    """False."""
    return False


is_gloo_available = is_initialized = is_mpi_available = is_nccl_available = is_torchelastic_launched = is_available


def get_rank(group=None) -> int:
    """Raises ValueError, as PyTorch does before init_process_group."""
    raise ValueError("Default process group has not been initialized, please make sure to call init_process_group. "
                     "(tritonnet trains in one process: ask is_initialized() first)")


get_world_size = get_backend = get_rank


def destroy_process_group(group=None) -> None:
    """Nothing to do: there is none."""


def _missing(name):
    def refuse(*args, **kwargs):
        raise RuntimeError(f"distributed.{name}: tritonnet trains in one process on one device; "
                           "distributed.is_available() says so")

    refuse.__name__, refuse.__doc__ = name, "Raises: there is only this process."
    return refuse


for _name in ("all_gather", "all_gather_into_tensor", "all_gather_object", "all_reduce", "barrier", "broadcast",
              "broadcast_object_list", "gather", "init_process_group", "new_group", "recv", "reduce", "reduce_scatter",
              "scatter", "send"):
    globals()[_name] = _missing(_name)
