"""Who is compared: tritonnet, and every library beside it that is installed. None of them is a dependency.

A peer makes the step of a `Program`: `step(program, place)`, a function that does the work once and returns results
that `numbers` turns into NumPy arrays. It raises `Unable` where it has no such program.
"""

from __future__ import annotations

import importlib
import importlib.util

import numpy as np

NAMES = ("tritonnet", "torch", "torch.compile", "numpy", "cupy", "jax", "tinygrad")
PACKAGES = {"torch.compile": "torch"}  # others are called like their peer


class Unable(Exception):
    """A peer cannot run a program; the message says why."""


def installed() -> list[str]:
    """The names of the peers that could be compared here."""
    return [name for name in NAMES if importlib.util.find_spec(PACKAGES.get(name, name)) is not None]


def peer(name):
    """The peer of that name; Unable if it is not installed, or does not load."""
    if name not in NAMES:
        raise ValueError(f"unknown peer {name!r}: expected some of {', '.join(NAMES)}")
    try:
        if name in ("tritonnet", "torch", "torch.compile"):
            return TorchLike(name, importlib.import_module(PACKAGES.get(name, name)))
        return {"numpy": ArrayLike, "cupy": ArrayLike, "jax": Jax, "tinygrad": Tinygrad}[name](name)
    except ImportError as error:
        raise Unable(f"{name}: {error}") from None


def uniform(shape, rng) -> np.ndarray:
    """float32 in [-1, 1); big arrays repeat a million numbers, which are made quickly."""
    size = int(np.prod(shape))
    some = rng.random(min(size, 1 << 20), dtype=np.float32) * 2 - 1
    return np.resize(some, shape)


class TorchLike:
    """tritonnet, or PyTorch, eager or compiled."""

    def __init__(self, name, module):
        self.name, self.torch = name, module

    def runs_on(self, place) -> bool:
        """Whether it can use the place, "cpu" or "cuda"."""
        return place == "cpu" or self.torch.cuda.is_available()

    def step(self, program, place):
        """A function without arguments."""
        rng, dtype = np.random.default_rng(0), getattr(self.torch, program.dtype)
        self.torch.manual_seed(0)

        def make(*shape):
            return self.torch.from_numpy(uniform(shape, rng)).to(place).to(dtype)

        step = program.case.make(self.torch, make, *program.sizes)
        if self.name != "torch.compile":
            return step
        try:
            compiled = self.torch.compile(step)
            compiled()
        except Exception as error:  # no compiler here, or a program that it does not take
            raise Unable(f"{type(error).__name__}: {str(error).splitlines()[0][:100]}") from None
        return compiled

    def numbers(self, result) -> list:
        """Results as NumPy arrays."""
        results = result if isinstance(result, (list, tuple)) else [result]
        return [x.detach().float().cpu().numpy() for x in results if x is not None]

    def set_threads(self, n):
        """Use so many threads on the CPU."""
        self.torch.set_num_threads(n)

    def synchronize(self):
        """Wait for the GPU."""
        self.torch.cuda.synchronize()


class ArrayLike:
    """NumPy, or CuPy: programs that have a form for arrays."""

    def __init__(self, name):
        self.name, self.xp = name, importlib.import_module(name)

    def runs_on(self, place) -> bool:
        return place == ("cuda" if self.name == "cupy" else "cpu")

    def step(self, program, place):
        if program.case.arrays is None:
            raise Unable("has no form for array libraries")
        inputs = [self.array(x) for x in inputs_of(program)]
        return lambda: program.case.arrays(self.xp, *inputs)

    def array(self, x):
        """An input, where the library keeps its arrays."""
        return self.xp.asarray(x)

    def numbers(self, result) -> list:
        return [np.asarray(result.get() if hasattr(result, "get") else result)]

    def set_threads(self, n):
        """NumPy's BLAS takes OMP_NUM_THREADS when it is loaded: nothing can be done here."""

    def synchronize(self):
        """Wait for the GPU."""
        self.xp.cuda.Device().synchronize()


class Jax(ArrayLike):
    """JAX, compiled by jit."""

    def __init__(self, name):
        self.name, self.jax = name, importlib.import_module("jax")
        self.xp = importlib.import_module("jax.numpy")

    def runs_on(self, place) -> bool:
        return self.jax.default_backend() == ("gpu" if place == "cuda" else "cpu")

    def step(self, program, place):
        if program.case.arrays is None:
            raise Unable("has no form for array libraries")
        inputs = [self.array(x) for x in inputs_of(program)]
        compiled = self.jax.jit(lambda *arrays: program.case.arrays(self.xp, *arrays))
        return lambda: compiled(*inputs).block_until_ready()

    def synchronize(self):
        """Steps wait themselves."""


class Tinygrad(ArrayLike):
    """tinygrad: its tensors under NumPy's names of functions."""

    def __init__(self, name):
        self.name, self.Tensor = name, importlib.import_module("tinygrad").Tensor
        self.xp = TinygradFunctions

    def runs_on(self, place) -> bool:
        device = importlib.import_module("tinygrad").Device.DEFAULT
        return (device in ("CUDA", "NV")) == (place == "cuda")

    def step(self, program, place):
        make = super().step(program, place)
        return lambda: make().realize()

    def array(self, x):
        return self.Tensor(x).realize()

    def numbers(self, result) -> list:
        return [result.numpy()]

    def synchronize(self):
        """Wait for the GPU."""
        tinygrad = importlib.import_module("tinygrad")
        tinygrad.Device[tinygrad.Device.DEFAULT].synchronize()


class TinygradFunctions:
    """The functions of NumPy that cases use, on tinygrad's tensors."""

    exp = staticmethod(lambda x: x.exp())
    sqrt = staticmethod(lambda x: x.sqrt())
    copy = staticmethod(lambda x: x.clone())
    maximum = staticmethod(lambda x, y: x.maximum(y))
    max = staticmethod(lambda x, axis=None, keepdims=False: x.max(axis, keepdim=keepdims))
    sum = staticmethod(lambda x, axis=None, keepdims=False: x.sum(axis, keepdim=keepdims))
    mean = staticmethod(lambda x, axis=None, keepdims=False: x.mean(axis, keepdim=keepdims))
    sort = staticmethod(lambda x, axis=-1: x.sort(axis)[0])


def inputs_of(program) -> list:
    """The arrays that a case makes, in the order in which it makes them: found out by a framework that only notes."""
    rng, made = np.random.default_rng(0), []

    class Noted:
        def __getattr__(self, name):
            return lambda *_, **__: self

        __add__ = __mul__ = __matmul__ = lambda self, other: self

    def make(*shape):
        made.append(uniform(shape, rng))
        return Noted()

    program.case.make(Noted(), make, *program.sizes)
    return made
