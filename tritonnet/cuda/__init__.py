"""GPUs: what is there, which is current, memory, streams and events; and the simulated device.

    with tritonnet.cuda.simulated():
        x = tritonnet.ones(3).cuda()      # works on any machine: kernels are interpreted, every access checked
"""

from __future__ import annotations

import contextlib

from tritonnet.cuda.memory import (  # noqa: F401  (PyTorch's place)
    OutOfMemoryError,
    chosen,
    empty_cache,
    max_memory_allocated,
    max_memory_cached,
    max_memory_reserved,
    mem_get_info,
    memory_allocated,
    memory_cached,
    memory_reserved,
    memory_snapshot,
    memory_stats,
    memory_summary,
    reset_accumulated_memory_stats,
    reset_max_memory_allocated,
    reset_max_memory_cached,
    reset_peak_memory_stats,
)
from tritonnet.kernels import runtime


def is_available() -> bool:
    """Whether `.cuda()` will work: a GPU with its driver, or the simulated device."""
    return runtime.device_count() > 0


def device_count() -> int:
    """How many GPUs there are; 1 on the simulated device."""
    return runtime.device_count()


def current_device() -> int:
    """The index of the device that `.cuda()` uses."""
    return runtime.current_device().index


def simulated(**options):
    """Context manager: `.cuda()` means a device simulated in host memory by Triton's interpreter, bounds-checked.

    Slow (about a millisecond per program), for tests, teaching and debugging. Options as
    tritonnet.kernels.runtime.simulated.
    """
    return runtime.simulated(**options)


class device(contextlib.AbstractContextManager):
    """Context manager that makes a GPU the current one."""

    def __init__(self, given):
        self.chosen = chosen(given)

    def __enter__(self):
        self.before = runtime.current_device()
        runtime.set_device(self.chosen.index)
        return self

    def __exit__(self, *_):
        runtime.set_device(self.before.index)


def set_device(given) -> None:
    """Make a GPU the current one."""
    runtime.set_device(chosen(given).index)


def synchronize(device=None) -> None:
    """Wait until all work on a GPU is done."""
    chosen(device).synchronize()


def get_device_properties(device=None):
    """name, major, minor, total_memory (bytes), multi_processor_count of a GPU."""
    return chosen(device).properties


def get_device_name(device=None) -> str:
    """The GPU's name."""
    return chosen(device).properties.name


def get_device_capability(device=None) -> tuple[int, int]:
    """The GPU's compute capability, (major, minor)."""
    found = chosen(device).properties
    return found.major, found.minor


def manual_seed(seed: int) -> None:
    """Seed the random numbers of the current GPU."""
    from tritonnet.tensor import rng

    rng.seed_devices(seed)


manual_seed_all = manual_seed


def get_rng_state(device="cuda"):
    """The state of a GPU's generator, as a uint8 tensor on the CPU."""
    from tritonnet.autograd.function import make
    from tritonnet.kernels import rng

    return make(rng.default_generator(chosen(device)).get_state())


def set_rng_state(new_state, device="cuda") -> None:
    """Set the state of a GPU's generator to what get_rng_state gave."""
    from tritonnet.kernels import rng

    rng.default_generator(chosen(device)).set_state(new_state.cpu().array)


def init() -> None:
    """Nothing to do: the driver is started at the first use."""


def is_initialized() -> bool:
    """Whether there is a GPU to use."""
    return is_available()


def ipc_collect() -> None:
    """Nothing to do: memory is not shared between processes."""


def __getattr__(name):
    if name.endswith("Tensor"):
        from tritonnet.tensor.legacy import constructor

        return constructor(name, "cuda")
    if name == "amp":
        import importlib

        return importlib.import_module("tritonnet.cuda.amp")
    if name in ("Stream", "Event", "current_stream", "stream"):
        from tritonnet.cuda import streams

        return getattr(streams, name)
    if name in ("CUDAGraph", "graph", "graphs", "graph_pool_handle", "is_current_stream_capturing",
                "make_graphed_callables"):
        import importlib

        graphs = importlib.import_module("tritonnet.cuda.graphs")
        return graphs if name == "graphs" else getattr(graphs, name)
    raise AttributeError(f"module 'tritonnet.cuda' has no attribute {name!r}")
