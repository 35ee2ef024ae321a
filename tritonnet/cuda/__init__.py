"""GPUs: what is there, which is current, memory, streams and events; and the simulated device.

    with tritonnet.cuda.simulated():
        x = tritonnet.ones(3).cuda()      # works on any machine: kernels are interpreted, every access checked
"""

from __future__ import annotations

import contextlib

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


def _chosen(given):
    from tritonnet.devices import device as as_device

    if given is None:
        return runtime.current_device()
    index = as_device(given).index
    return runtime.current_device() if index is None else runtime.device(index)


class device(contextlib.AbstractContextManager):
    """Context manager that makes a GPU the current one."""

    def __init__(self, given):
        self.chosen = _chosen(given)

    def __enter__(self):
        self.before = runtime.current_device()
        runtime.set_device(self.chosen.index)
        return self

    def __exit__(self, *_):
        runtime.set_device(self.before.index)


def set_device(given) -> None:
    """Make a GPU the current one."""
    runtime.set_device(_chosen(given).index)


def synchronize(device=None) -> None:
    """Wait until all work on a GPU is done."""
    _chosen(device).synchronize()


def get_device_properties(device=None):
    """name, major, minor, total_memory (bytes), multi_processor_count of a GPU."""
    return _chosen(device).properties


def get_device_name(device=None) -> str:
    """The GPU's name."""
    return _chosen(device).properties.name


def get_device_capability(device=None) -> tuple[int, int]:
    """The GPU's compute capability, (major, minor)."""
    found = _chosen(device).properties
    return found.major, found.minor


def mem_get_info(device=None) -> tuple[int, int]:
    """Bytes free and in all on a GPU."""
    return _chosen(device).memory_info()


def memory_allocated(device=None) -> int:
    """Bytes that tensors occupy; 0 without a GPU."""
    return _chosen(device).pool.used if is_available() else 0


def max_memory_allocated(device=None) -> int:
    """The most bytes that tensors have occupied; 0 without a GPU."""
    return _chosen(device).pool.peak if is_available() else 0


def memory_reserved(device=None) -> int:
    """Bytes taken from the driver, those kept for reuse included; 0 without a GPU."""
    return _chosen(device).pool.reserved if is_available() else 0


def reset_peak_memory_stats(device=None) -> None:
    """Start max_memory_allocated anew."""
    pool = _chosen(device).pool
    pool.peak = pool.used


def empty_cache() -> None:
    """Give memory kept for reuse back to the driver."""
    if is_available():
        runtime.current_device().pool.release_cached()


def manual_seed(seed: int) -> None:
    """Seed the random numbers of the current GPU."""
    from tritonnet.tensor import rng

    rng.seed_devices(seed)


manual_seed_all = manual_seed


def get_rng_state(device="cuda"):
    """The state of a GPU's generator, as a uint8 tensor on the CPU."""
    from tritonnet.autograd.function import make
    from tritonnet.kernels import rng

    return make(rng.default_generator(_chosen(device)).get_state())


def set_rng_state(new_state, device="cuda") -> None:
    """Set the state of a GPU's generator to what get_rng_state gave."""
    from tritonnet.kernels import rng

    rng.default_generator(_chosen(device)).set_state(new_state.cpu().array)


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
    raise AttributeError(f"module 'tritonnet.cuda' has no attribute {name!r}")
