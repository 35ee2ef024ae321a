"""Samples: the arguments an operation is proven with, declared beside it, and PyTorch's name for the same thing."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable, Iterator

import numpy as np

from tritonnet.kernels.dtypes import bfloat16

FLOAT_DTYPES = ("float32", "float16", "bfloat16")


class Sample:
    """Arguments of one call.

    raises: the exception the call must raise. grad: whether finite differences hold here (not at kinks, not for
    random results). device: whether it is small enough for the simulated device. dtypes: float types that float
    arrays are cast to on the device. loose: factor on the tolerances, with a comment that says why.
    """

    def __init__(self, *args, raises=None, grad=True, device=True, dtypes=FLOAT_DTYPES, loose=1.0, **kwargs):
        self.args, self.kwargs, self.raises, self.grad, self.device = args, kwargs, raises, grad, device
        self.dtypes, self.loose = dtypes, loose

    def cast(self, dtype):
        """The arguments with float64 arrays in another float type."""
        dtype = bfloat16 if dtype == "bfloat16" else np.dtype(dtype)

        def one(a):
            return a.astype(dtype, order="K") if isinstance(a, np.ndarray) and a.dtype == np.float64 else a

        return [one(a) for a in self.args], {k: one(v) for k, v in self.kwargs.items()}

    def __repr__(self):
        def brief(a):
            return f"{a.dtype}{list(a.shape)}" if isinstance(a, np.ndarray) else repr(a)

        return ", ".join([*map(brief, self.args), *(f"{k}={brief(v)}" for k, v in self.kwargs.items())])


class Rand:
    """Random arguments, the same at every run: float64, which tests cast down."""

    def __init__(self, seed: int):
        self.rng = np.random.default_rng(seed)

    def __call__(self, *shape, low=-1.0, high=1.0):
        return self.rng.uniform(low, high, shape)

    def normal(self, *shape):
        return self.rng.standard_normal(shape)

    def integers(self, low, high, shape):
        return self.rng.integers(low, high, shape)

    def bools(self, *shape):
        return self.rng.random(shape) < 0.5


class Declared:
    """What @samples noted for one operation."""

    def __init__(self, op, generate, torch):
        self.op, self.generate, self.torch = op, generate, torch

    def __iter__(self) -> Iterator[Sample]:
        return iter(self.generate(Rand(sum(map(ord, self.op.__name__)))))


declared: dict[type, Declared] = {}


def samples(op: type, torch: Callable | None = None):
    """Declare the samples of `op`; `torch(torch, *args, **kwargs)` computes the same in PyTorch."""

    def note(generate):
        declared[op] = Declared(op, generate, torch)
        return generate

    return note


def every_op() -> list[type]:
    """All built-in operations, by importing every family; private parts of others, and bases without samples, do not
    count."""
    from tritonnet.autograd import ops
    from tritonnet.autograd.function import Op

    for module in pkgutil.walk_packages(ops.__path__, ops.__name__ + "."):
        importlib.import_module(module.name)
    found, stack = [], [Op]
    while stack:
        subclasses = stack.pop().__subclasses__()
        found += [c for c in subclasses if c.__module__.startswith(ops.__name__)
                  and not c.__name__.startswith("_") and (c in declared or not c.__subclasses__())]
        stack += subclasses
    return sorted(found, key=lambda c: (c.__module__, c.__name__))


def every_sample() -> list[tuple[type, int, Sample]]:
    """(operation, number, sample) for all that is declared."""
    return [(op, i, s) for op in every_op() if op in declared for i, s in enumerate(declared[op])]
