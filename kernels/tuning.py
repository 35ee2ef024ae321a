"""Tuned configurations: data, looked up by device, kernel and bucket of shapes.

One JSON file per device, shipped in `kernels/tuned/` and, in front of it, in the user's cache:

    {"gemm_kernel": {"source": "9f3c1a…",
                     "float16/1x4096x4096x4096": {"BLOCK_M": 128, …, "num_warps": 8, "us": 174, "mhz": 1980}}}

An entry counts only for the kernel it was measured with: `source` is the hash of the kernel's text. What is not a
constexpr or an option of a launch (us, mhz, date, …) is there to be read by people.
"""

from __future__ import annotations

import contextlib
import json
import math
import threading
from importlib.resources import files

from tritonnet.kernels import plans
from tritonnet.kernels.runtime.folders import cache_folder, write_whole

MEASUREMENTS = frozenset({"us", "mhz", "date", "driver", "triton"})

_forced: dict = {}                            # kernel -> the configuration that all its launches take
_tables: dict[str, dict] = {}                 # device name -> {kernel name: {key: config}}
_lock = threading.Lock()


def bucket(*sizes) -> str:
    """Sizes rounded up to powers of two, as keys name them.

    >>> bucket(60, 784, 10)
    '64x1024x16'
    """
    return "x".join(str(1 << max(0, n - 1).bit_length()) for n in sizes)


def look_up(kernel, device, key: str) -> dict | None:
    """The tuned constexprs and options of a kernel for a key such as "float16/64x1024x16", or None."""
    if _forced and kernel in _forced:
        return dict(_forced[kernel])
    if device.simulated:
        return None
    table = _tables.get(device.name)
    if table is None:
        table = _load(device.name)
    entries = table.get(kernel.name)
    if not entries or entries.get("source") != kernel.key[:16]:
        return None
    found = entries.get(key)
    return None if found is None else {k: v for k, v in found.items() if k not in MEASUREMENTS}


def chosen(kernel, device, dtype, *sizes) -> dict | None:
    """`look_up` by a type and sizes; costs next to nothing where the device has no entry for the kernel."""
    if not (_forced and kernel in _forced):
        if device.simulated:
            return None
        table = _tables.get(device.name)
        if table is not None and kernel.name not in table:
            return None
    return look_up(kernel, device, f"{dtype.name}/{bucket(*sizes)}")


@contextlib.contextmanager
def forced(kernel, config: dict):
    """Meanwhile every launch of the kernel that asks for its configuration gets this one, on every device.

    config: a whole configuration, a value for each name in the kernel's space.
    """
    before = _forced.get(kernel)
    _forced[kernel] = dict(config)
    plans.forget()
    try:
        yield
    finally:
        if before is None:
            del _forced[kernel]
        else:
            _forced[kernel] = before
        plans.forget()


def store(kernel, device, key: str, config: dict):
    """Keep a configuration, with what was measured, in the user's cache; from now on it is used."""
    with _lock:
        path = _user_file(device.name)
        table = _read(path)
        entries = table.setdefault(kernel.name, {})
        if entries.get("source") != kernel.key[:16]:
            entries.clear()
            entries["source"] = kernel.key[:16]
        entries[key] = config
        write_whole(path, json.dumps(table, indent=1, sort_keys=True).encode())
        _tables.pop(device.name, None)
    plans.forget()


def search(candidates, run, device, rounds=5, calls=20) -> list[tuple[float, dict]]:
    """Time `run(config)` for each candidate, interleaved; (median microseconds, config), fastest first.

    A candidate that cannot be compiled or launched is left out. `run` queues one call on the device's stream.
    """
    usable = []
    for config in candidates:
        try:
            run(config)
            device.synchronize()
        except Exception:                                # too much shared memory, too many registers, …
            continue
        usable.append(config)
    times: list[list[float]] = [[] for _ in usable]
    for _ in range(rounds):
        for config, seen in zip(usable, times):
            start = device.stream.record()
            for _ in range(calls):
                run(config)
            end = device.stream.record()
            end.synchronize()
            seen.append(1000 * start.elapsed(end) / calls)
    ranked = [(sorted(seen)[len(seen) // 2], config) for config, seen in zip(usable, times)]
    return sorted(ranked, key=lambda pair: pair[0] if math.isfinite(pair[0]) else math.inf)


def _file_name(device_name):
    return device_name.replace(" ", "-").replace("/", "-") + ".json"


def _user_file(device_name):
    return cache_folder("tuned") / _file_name(device_name)


def _read(path):
    """The table in a file; an absent or spoilt file is an empty one."""
    try:
        table = json.loads(path.read_text())
    except (OSError, ValueError):
        return {}
    return table if isinstance(table, dict) else {}


def _load(device_name):
    """What is shipped, with the user's entries in front."""
    table = _read(files("tritonnet.kernels").joinpath("tuned", _file_name(device_name)))
    for kernel, entries in _read(_user_file(device_name)).items():
        if table.get(kernel, {}).get("source") == entries.get("source"):
            table[kernel] = table[kernel] | entries
        else:
            table[kernel] = entries
    with _lock:
        return _tables.setdefault(device_name, table)
