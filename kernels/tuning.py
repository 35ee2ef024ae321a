"""Tuned configurations: looked up by device, kernel and bucket of shapes.

A table per device is shipped in `kernels/tuned/`; the user's own results lie in their cache (`tuning_tables` tells
the form of both). TRITONNET_TUNE says what counts:

    auto      the user's results, then what is shipped (the default)
    shipped   only what is shipped
    off       neither: every launch takes its heuristic configuration

Nothing is ever tuned by itself: `tritonnet tune` does it when asked.
"""

from __future__ import annotations

import contextlib
import os
import threading
import warnings

from tritonnet.kernels import plans
from tritonnet.kernels import tuning_tables as tables
from tritonnet.kernels.runtime.folders import cache_folder

MODES = ("auto", "shipped", "off")

_listening: list[list] = []                   # who wants to know what is looked up
_forced: dict = {}                            # kernel -> the configuration that all its launches take
_tables: dict[str, dict] = {}                 # device name -> {kernel name: {"source": …, "entries": …}}
_lock = threading.Lock()


def bucket(*sizes) -> str:
    """Sizes rounded up to powers of two, as keys name them.

    >>> bucket(60, 784, 10)
    '64x1024x16'
    """
    return "x".join(str(1 << max(0, n - 1).bit_length()) for n in sizes)


def key_of(dtype, sizes, way="") -> str:
    """What tables know a launch by."""
    return f"{dtype.name}/{bucket(*sizes)}{way and f'/{way}'}"


def look_up(kernel, device, key: str) -> dict | None:
    """The tuned constexprs and options of a kernel for a key such as "float16/64x1024x16", or None."""
    if _forced and kernel in _forced:
        return dict(_forced[kernel])
    if device.simulated:
        return None
    table = _tables.get(device.name)
    if table is None:
        table = _load(device.name)
    found = table.get(kernel.entry)
    if not found or found["source"] != kernel.key[:16]:
        return None
    entry = found["entries"].get(key)
    return dict(entry["config"]) if entry and _suits(kernel, entry["config"], key) else None


def _suits(kernel, config, key) -> bool:
    """Whether a configuration gives a value that could be one to just what the kernel's space names; says so where not.

    A table may have been damaged or edited: what does not compile, or compiles for an hour, is never launched.
    """
    names = getattr(kernel.space, "names", None)
    if names is not None and config.keys() != set(names):
        wrong = f"it gives values to {', '.join(sorted(config))}, the kernel's space names {', '.join(sorted(names))}"
    else:
        wrong = "; ".join(filter(None, (_wrong_value(name, value, getattr(kernel.space, "choices", {}).get(name, ()))
                                        for name, value in config.items())))
    if wrong:
        warnings.warn(f"tuned configuration of {kernel.name} for {key} is ignored: {wrong}", RuntimeWarning,
                      stacklevel=3)
    return not wrong


def _wrong_value(name, value, choices) -> str:
    """Why a value that is none of the declared choices cannot be one either; "" where it can, or is one."""
    if value in choices or isinstance(value, bool):
        return ""
    if value == 0:
        return f"{name} cannot be 0"
    if choices and value > max(choices):
        return f"{name} is {value}, at most {max(choices)} is declared"
    if value & (value - 1) and all(not c & (c - 1) for c in choices if not isinstance(c, bool)) and choices:
        return f"{name} is {value}, no power of two"
    return ""


def chosen(kernel, device, dtype, *sizes, way="") -> dict | None:
    """`look_up` by a type and sizes; costs next to nothing where the device has no entry for the kernel.

    way: what else tells launches apart, such as how the operands lie in memory.
    """
    for heard in _listening:
        heard.append((kernel, key_of(dtype, sizes, way)))
    if not (_forced and kernel in _forced):
        if device.simulated:
            return None
        table = _tables.get(device.name)
        if table is not None and kernel.entry not in table:
            return None
    return look_up(kernel, device, key_of(dtype, sizes, way))


@contextlib.contextmanager
def asked():
    """A list of (kernel, key) of whatever is `chosen` meanwhile."""
    heard: list[tuple] = []
    _listening.append(heard)
    plans.forget()
    try:
        yield heard
    finally:
        _listening[:] = [other for other in _listening if other is not heard]


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


def store(kernel, device, key: str, config: dict, measured: dict | None = None) -> bool:
    """Keep a configuration, and what was measured, in the user's cache; from now on it is used there.

    False where the cache cannot be written: then it counts for this process only.
    """
    if not tables.is_config(config):
        raise ValueError(f"{kernel.name}: {config} is no configuration: names with integers")
    entry = {"config": dict(config), "measured": dict(measured or {})}
    added = {"kernels": {kernel.entry: {"source": kernel.key[:16], "entries": {key: entry}}}}
    path = user_file(device.name)
    with _lock, tables.locked(path):
        done = tables.write(path, tables.merged(tables.read(path, device.name), added))
        if done:
            _tables.pop(device.name, None)
    if not done:
        table = _load(device.name)
        with _lock:
            _tables[device.name] = tables.merged({"kernels": table}, added)["kernels"]
    plans.forget()
    return done


def mode() -> str:
    """What TRITONNET_TUNE asks for; what it is not is said once, and counts as "auto"."""
    asked = os.environ.get("TRITONNET_TUNE", "") or MODES[0]
    if asked not in MODES:
        warnings.warn(f"TRITONNET_TUNE={asked}: expected one of {', '.join(MODES)}; taking {MODES[0]}", RuntimeWarning,
                      stacklevel=2)
        return MODES[0]
    return asked


def user_file(device_name: str):
    """Where the user's results for a device are."""
    return cache_folder("tuned") / tables.file_name(device_name)


def shipped(device_name: str) -> dict:
    """The table that comes with the package."""
    return tables.read(_shipped_folder() / tables.file_name(device_name), device_name, False)


def shipped_files() -> list:
    """Every table that comes with the package."""
    return sorted((f for f in _shipped_folder().iterdir() if f.name.endswith(".json")), key=lambda f: f.name)


def _shipped_folder():
    from importlib.resources import files  # here: `import tritonnet` does without it

    return files("tritonnet.kernels") / "tuned"


def forget():
    """Read the tables anew when next asked: a file, or TRITONNET_TUNE, has changed."""
    _tables.clear()
    plans.forget()


def _load(device_name):
    """{kernel: its entries}, by what TRITONNET_TUNE asks for."""
    asked = mode()
    table = tables.empty_table(device_name) if asked == "off" else shipped(device_name)
    if asked == "auto":
        table = tables.merged(table, tables.read(user_file(device_name), device_name))
    with _lock:
        return _tables.setdefault(device_name, table["kernels"])
