"""The files that tuned configurations lie in: one per device, read with suspicion, written whole and one at a time.

    {"format": 1, "device": "NVIDIA H200",
     "kernels": {"gemm_kernel": {"source": "9f3c1a…",
                                 "entries": {"float16/1x4096x4096x4096": {
                                     "config": {"BLOCK_M": 128, …, "num_warps": 8},
                                     "measured": {"us": 174.2, "mhz": 1980, "date": "2026-11-21", …}}}}}}

An entry counts only for the kernel it was measured with: `source` is the hash of the kernel's text and of all that it
calls. What the file says of one kernel can be wrong without the rest being so: what does not have this form is left
out with a warning, and a file that is no JSON is set aside.
"""

from __future__ import annotations

import contextlib
import json
import os
import warnings

from tritonnet.kernels.runtime.folders import write_whole

FORMAT = 1
NUMBERS = ("us", "low", "high", "mhz", "tflops", "gbytes")  # of what was measured: finite numbers, or left out


def empty_table(device: str) -> dict:
    """A table without entries."""
    return {"format": FORMAT, "device": device, "kernels": {}}


def file_name(device: str) -> str:
    """What a device's file is called."""
    return "".join(c if c.isalnum() or c in "._" else "-" for c in device) + ".json"


def read(path, device: str, ours: bool = True) -> dict:
    """The table in a file, an empty one where there is none. Warns about what cannot be used.

    ours: a file of the user's cache, which is set aside when it is spoilt (renamed to *.spoilt).
    """
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return empty_table(device)
    except (OSError, UnicodeDecodeError) as error:
        return _spoilt(path, device, error, ours)
    try:
        table = json.loads(text)
        if not isinstance(table, dict) or not isinstance(table.get("kernels"), dict):
            raise ValueError("it is no table of configurations")
        if table.get("format") != FORMAT:
            raise ValueError(f"its format is {table.get('format')!r}, this version reads {FORMAT}")
        if not isinstance(table.get("device", device), str):
            raise ValueError("it names no device")
    except (ValueError, RecursionError) as error:
        return _spoilt(path, device, error, ours)
    good, wrong = _checked(table["kernels"])
    if wrong:
        warnings.warn(f"{path}: {len(wrong)} entries have not the form of a configuration and are ignored: "
                      f"{', '.join(wrong[:3])}", RuntimeWarning, stacklevel=4)
    return {"format": FORMAT, "device": table.get("device", device), "kernels": good}


def _spoilt(path, device, error, ours):
    """Set a file aside that cannot be trusted."""
    aside = ""
    if ours:
        with contextlib.suppress(OSError):
            os.replace(path, f"{path}.spoilt")
            aside = f"; it was renamed to {path.name}.spoilt, tuning starts anew"
    warnings.warn(f"{path}: spoilt table of tuned configurations ({error}){aside}", RuntimeWarning, stacklevel=5)
    return empty_table(device)


def _checked(kernels) -> tuple[dict, list]:
    """(what has the right form, names of what has not)."""
    good, wrong = {}, []
    for name, of_kernel in kernels.items():
        if not isinstance(of_kernel, dict) or not isinstance(of_kernel.get("source"), str) or not isinstance(
                of_kernel.get("entries"), dict):
            wrong.append(name)
            continue
        entries = {}
        for key, entry in of_kernel["entries"].items():
            measured = _figures(entry.get("measured", {})) if isinstance(entry, dict) else None
            if measured is not None and is_config(entry.get("config")):
                entries[key] = {"config": entry["config"], "measured": measured}
            else:
                wrong.append(f"{name} {key}")
        good[name] = {"source": of_kernel["source"], "entries": entries}
    return good, wrong


def is_config(config) -> bool:
    """Whether something is a configuration: names and integers (of 31 bits, none negative) or booleans."""
    return isinstance(config, dict) and bool(config) and all(
        isinstance(value, bool) or isinstance(value, int) and 0 <= value < 1 << 31 for value in config.values())


def _figures(measured) -> dict | None:
    """What was measured, without what is no finite number where one belongs; None if it is no table."""
    if not isinstance(measured, dict):
        return None
    return {name: value for name, value in measured.items() if name not in NUMBERS or (
        isinstance(value, (int, float)) and not isinstance(value, bool) and abs(value) < 1e18)}


def merged(first: dict, second: dict) -> dict:
    """Both tables, `second` in front: of kernels whose source differs only its entries are kept."""
    kernels = {name: {"source": k["source"], "entries": dict(k["entries"])} for name, k in first["kernels"].items()}
    for name, of_kernel in second["kernels"].items():
        if name in kernels and kernels[name]["source"] == of_kernel["source"]:
            kernels[name]["entries"] |= of_kernel["entries"]
        else:
            kernels[name] = of_kernel
    return first | {"kernels": kernels}


def faster(first: dict, second: dict) -> dict:
    """Both tables; where both have an entry for the same source, that which was measured to take less time."""
    found = merged(second, first)
    for name, of_kernel in second["kernels"].items():
        mine = found["kernels"][name]
        if mine["source"] == of_kernel["source"]:
            for key, entry in of_kernel["entries"].items():
                here = mine["entries"].get(key)
                if here is None or _time(entry) < _time(here):
                    mine["entries"][key] = entry
    return found


def _time(entry) -> float:
    us = entry["measured"].get("us")
    return us if isinstance(us, (int, float)) and us > 0 else float("inf")


def write(path, table: dict) -> bool:
    """Write a table whole, where a link leads; False where the folder cannot be written."""
    return write_whole(path.resolve(), json.dumps(table, indent=1, sort_keys=True).encode() + b"\n")


@contextlib.contextmanager
def locked(path):
    """Keep other processes from changing a file meanwhile: what they added would be lost."""
    with contextlib.ExitStack() as stack:
        with contextlib.suppress(ImportError, OSError):  # not a Unix; or a folder where nothing can be written anyway
            import fcntl

            path = path.resolve()  # one lock of a file, whichever link leads there
            path.parent.mkdir(parents=True, exist_ok=True)
            fcntl.flock(stack.enter_context(open(f"{path}.lock", "w")), fcntl.LOCK_EX)
        yield
