"""The configurations that a kernel may take, declared beside it; read by tuning, inspection and budgets.

    @kernel(space=Space(BLOCK=[256, 1024, 4096], num_warps=[4, 8],
                        where=lambda BLOCK, num_warps, n: BLOCK >= 32 * num_warps and BLOCK <= 2 * n))

A configuration gives values to constexprs and launch options. `where` keeps those that make sense for a launch: it
names what it needs of the configuration, of the kernel's parameters, and of
    itemsize   bytes per element of the kernel's first array
    gpu        the device's `Properties`
Whether a configuration compiles without spills is not asked here: only the compiler knows.
"""

from __future__ import annotations

import inspect
import itertools


class Space:
    """Lists of values by name, and which combinations of them are meant."""

    def __init__(self, where=None, **choices):
        self.choices, self.where = {name: tuple(values) for name, values in choices.items()}, where
        if empty := [name for name, values in self.choices.items() if not values]:
            raise ValueError(f"space: no values for {', '.join(empty)}")
        self.needed = () if where is None else tuple(inspect.signature(where).parameters)

    @property
    def names(self) -> tuple[str, ...]:
        """What a configuration gives values to."""
        return tuple(self.choices)

    def candidates(self, known: dict) -> list[dict]:
        """The configurations for a launch of which `known` tells the parameters, itemsize and gpu."""
        if missing := [n for n in self.needed if n not in known and n not in self.choices]:
            raise TypeError(f"space: `where` names {', '.join(missing)}, which is none of {', '.join(known)}")
        outside = {name: known[name] for name in self.needed if name not in self.choices}
        inside = [name for name in self.needed if name in self.choices]
        found = []
        for values in itertools.product(*self.choices.values()):
            config = dict(zip(self.choices, values))
            if self.where is None or self.where(**{name: config[name] for name in inside}, **outside):
                found.append(config)
        return found


def fitting(block: int, num_warps: int, n: int, most: int = 32) -> bool:
    """Whether blocks of n elements that lie behind each other are worth a try: each thread has one to `most` of them,
    and no block is much longer than they are."""
    return block < 2 * max(n, 256) and 1 <= block / (32 * num_warps) <= most


BLOCKS = [256, 512, 1024, 2048, 4096, 8192]
WARPS = [1, 2, 4, 8]
LINES = Space(BLOCK=BLOCKS, num_warps=WARPS, where=lambda BLOCK, num_warps, n: fitting(BLOCK, num_warps, n))
