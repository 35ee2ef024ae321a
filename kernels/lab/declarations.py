"""What users declare of a kernel, read: lists of configurations, and functions that name what they need."""

from __future__ import annotations

import inspect
import itertools


def configurations(name, tune):
    """Every configuration of a declaration, the default first."""
    if not tune:
        return [{}]
    if isinstance(tune, dict):
        lists = {k: v if isinstance(v, (list, tuple, range)) else [v] for k, v in tune.items()}
        if empty_ones := [k for k, v in lists.items() if not v]:
            raise ValueError(f"kernel {name}: tune has no values for {', '.join(empty_ones)}")
        return [dict(zip(lists, values)) for values in itertools.product(*lists.values())]
    if not all(isinstance(config, dict) for config in tune):
        raise TypeError(f"kernel {name}: tune is a dict of lists, or a list of dicts")
    return [dict(config) for config in tune]


def named(name, what, function) -> list:
    """What a declaration of work names beside the grid."""
    if not callable(function):
        raise TypeError(f"kernel {name}: {what} is {function!r}; expected a function of the kernel's parameters")
    return [n for n in inspect.signature(function).parameters if n != "grid"]


def called(function, values):
    """Call a declaration with what it names; a plain value stands for itself."""
    if not callable(function):
        return function
    names = inspect.signature(function).parameters
    if missing := [n for n in names if n not in values]:
        raise TypeError(f"a declaration names {', '.join(missing)}, which is none of {', '.join(values)}")
    return function(**{n: values[n] for n in names})


def single(arrays):
    """One array, or a tuple of several."""
    return arrays[0] if len(arrays) == 1 else tuple(arrays)
