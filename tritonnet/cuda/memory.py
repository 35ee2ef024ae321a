"""Memory of GPUs: how much is taken, how much was at most, what is kept for reuse, what happens when there is none.

Every array takes a block of the device's pool; a block given back is kept and handed out again, so that a training
step asks the driver for nothing once the first few have run. `memory_allocated` counts blocks, which are up to a
sixteenth larger than the arrays in them (small ones a quarter); `requested_bytes` of `memory_stats` counts the arrays.
"""

from __future__ import annotations

import collections
import gc

from tritonnet.kernels import runtime
from tritonnet.kernels.runtime import OutOfMemoryError  # noqa: F401  (PyTorch's place)
from tritonnet.kernels.runtime.pool import Allocation, in_words


def chosen(given):
    """The device that is meant: an index, a name or a `device`; None for the current one."""
    from tritonnet.devices import device as as_device

    if given is None:
        return runtime.current_device()
    index = as_device(given).index
    return runtime.current_device() if index is None else runtime.device(index)


def _pool(device):
    """The pool that is meant, or None without a GPU."""
    return chosen(device).pool if runtime.device_count() > 0 else None


def mem_get_info(device=None) -> tuple[int, int]:
    """Bytes free and in all on a GPU, as the driver sees it: what is kept for reuse counts as taken."""
    return chosen(device).memory_info()


def memory_allocated(device=None) -> int:
    """Bytes that tensors occupy; 0 without a GPU."""
    pool = _pool(device)
    return pool.used if pool else 0


def max_memory_allocated(device=None) -> int:
    """The most bytes that tensors have occupied since `reset_peak_memory_stats`; 0 without a GPU."""
    pool = _pool(device)
    return pool.peak if pool else 0


def memory_reserved(device=None) -> int:
    """Bytes taken from the driver, those kept for reuse included; 0 without a GPU."""
    pool = _pool(device)
    return pool.reserved if pool else 0


def max_memory_reserved(device=None) -> int:
    """The most bytes taken from the driver since `reset_peak_memory_stats`; 0 without a GPU."""
    pool = _pool(device)
    return pool.peak_reserved if pool else 0


memory_cached, max_memory_cached = memory_reserved, max_memory_reserved  # PyTorch's old names


def reset_peak_memory_stats(device=None) -> None:
    """Start the peaks anew."""
    pool = _pool(device)
    if pool:
        pool.reset_peak()


reset_max_memory_allocated = reset_max_memory_cached = reset_peak_memory_stats


def reset_accumulated_memory_stats(device=None) -> None:
    """Start the counts of what was allocated and freed anew."""
    pool = _pool(device)
    if pool:
        pool.reset_counts()


def empty_cache() -> None:
    """Give memory kept for reuse back to the driver."""
    if pool := _pool(None):
        pool.release_cached()


def memory_stats(device=None) -> dict:
    """Figures of a device's memory under PyTorch's names, those that are counted here; empty without a GPU.

    allocated_bytes: of blocks in use; requested_bytes: of the arrays in them; reserved_bytes: of all blocks;
    allocation: how many are in use. Of each `.all.current` and, where counted, `.peak`, `.allocated` and `.freed` (sums
    since the start). num_device_alloc: how often the driver was asked. num_alloc_retries: how often caches were freed
    because there was no memory; num_ooms: how often that did not help.
    """
    pool = _pool(device)
    if pool is None:
        return collections.OrderedDict()
    blocks = pool.requests - pool.failures - pool.returned
    found = {
        "allocated_bytes": (pool.used, pool.peak, pool.used_ever, pool.used_ever - pool.used),
        "allocation": (blocks, None, pool.requests - pool.failures, pool.returned),
        "requested_bytes": (pool.requested, pool.peak_requested, None, None),
        "reserved_bytes": (pool.reserved, pool.peak_reserved, pool.reserved_ever, pool.reserved_ever - pool.reserved),
    }
    stats = {f"{name}.all.{kind}": value for name, values in found.items()
             for kind, value in zip(("current", "peak", "allocated", "freed"), values) if value is not None}
    stats |= {"num_alloc_retries": pool.retries, "num_ooms": pool.failures, "num_device_alloc": pool.from_driver}
    return collections.OrderedDict(sorted(stats.items()))


def memory_summary(device=None, abbreviated: bool = False) -> str:
    """`memory_stats` as a table to read; abbreviated: without the sums since the start."""
    stats = memory_stats(device)
    if not stats:
        return "no GPU: no memory to summarise"
    kinds = ("current", "peak") if abbreviated else ("current", "peak", "allocated", "freed")
    names = (("allocated_bytes", "in use"), ("requested_bytes", "asked for"), ("reserved_bytes", "reserved"),
             ("allocation", "blocks"))
    lines = [f"memory of {chosen(device)}: {stats['num_ooms']} times none left, caches freed "
             f"{stats['num_alloc_retries']} times", "".join(f"{text:>14}" for text in ("", *kinds))]
    for name, title in names:
        values = [stats.get(f"{name}.all.{kind}") for kind in kinds]
        shown = ["-" if v is None else str(v) if name == "allocation" else in_words(v) for v in values]
        lines.append("".join(f"{text:>14}" for text in (title, *shown)))
    return "\n".join(lines)


def memory_snapshot(device=None) -> list:
    """Every block that was taken from the driver: address, total_size, allocated_size, and the array's size in it.

    A block holds one array or nothing, so each is a segment of one block in PyTorch's words.
    """
    pool = _pool(device)
    if pool is None:
        return []
    index, found = pool.driver.ordinal, []
    for allocation in gc.get_objects():
        if type(allocation) is Allocation and allocation.pool is pool:
            found.append(_segment(index, allocation.ptr, allocation.size, allocation.nbytes))
    with pool.lock:
        found += [_segment(index, ptr, size, None) for size, ready in pool.shared.free.items() for ptr in ready]
    return sorted(found, key=lambda segment: segment["address"])


def _segment(index, address, size, requested):
    used = size if requested is not None else 0
    block = {"address": address, "size": size, "requested_size": requested or 0,
             "state": "inactive" if requested is None else "active_allocated"}
    return {"device": index, "address": address, "total_size": size, "allocated_size": used, "active_size": used,
            "requested_size": requested or 0, "stream": 0, "segment_type": "large" if size >= 1 << 20 else "small",
            "blocks": [block]}
