"""Where a tensor lies: `device("cpu")`, `device("cuda")`, `device("cuda", 1)`."""

from __future__ import annotations

import re

from tritonnet.kernels import runtime
from tritonnet.kernels.arrays import is_host


class device:
    """A device by type and index; usable as a context manager that makes it the default for new tensors."""

    __slots__ = ("type", "index", "_before")

    def __init__(self, type="cpu", index=None):
        if isinstance(type, device):
            type, index = type.type, type.index
        elif isinstance(type, int) and not isinstance(type, bool):
            type, index = "cuda", type
        elif isinstance(type, str):
            found = re.fullmatch(r"([a-z]+)(?::(\d+))?", type)
            if found is None:
                raise RuntimeError(f"Invalid device string: {type!r}: expected 'cpu', 'cuda' or 'cuda:N'")
            if found[2] is not None and index is not None:
                raise RuntimeError("type (string) must not include an index because index was passed explicitly: "
                                   f"{type}")
            type, index = found[1], int(found[2]) if found[2] is not None else index
        else:
            raise TypeError(f"device: expected a string, an index or a device, got {type.__class__.__name__}")
        if type not in ("cpu", "cuda"):
            raise RuntimeError(f"Expected one of cpu, cuda device type at start of device string: {type}")
        self.type, self.index, self._before = type, index, []

    def __repr__(self):
        return f"device(type={self.type!r}" + (f", index={self.index})" if self.index is not None else ")")

    def __str__(self):
        return self.type if self.index is None else f"{self.type}:{self.index}"

    def __eq__(self, other):
        return isinstance(other, device) and (self.type, self.index) == (other.type, other.index)

    def __hash__(self):
        return hash((self.type, self.index))

    def __reduce__(self):
        return device, (self.type, self.index)

    def __enter__(self):
        self._before.append(get_default_device())
        set_default_device(self)
        return self

    def __exit__(self, *_):
        set_default_device(self._before.pop())


CPU = device("cpu")
_default = CPU


def get_default_device() -> device:
    """Where new tensors go when nothing is said."""
    return _default


def set_default_device(given) -> None:
    """Choose where new tensors go when nothing is said; None for the CPU."""
    global _default
    _default = CPU if given is None else device(given)


def place(given):
    """What the ground floor allocates on: None for the host, else its Device; raises where there is none."""
    where = _default if given is None else given if isinstance(given, device) else device(given)
    if where.type == "cpu":
        return None
    return runtime.current_device() if where.index is None else runtime.device(where.index)


def device_of(array) -> device:
    """The device of an array."""
    return CPU if is_host(array) else device("cuda", array.device.index)
