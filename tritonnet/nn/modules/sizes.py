"""Sizes that may be given once for all axes."""

from __future__ import annotations

from collections.abc import Iterable


def ntuple(value, count):
    """`value` as a tuple: its elements if it has some, else `count` times itself."""
    return tuple(value) if isinstance(value, Iterable) else (value,) * count
