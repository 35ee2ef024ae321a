"""Random numbers: generators, their seeds and states, random tensors. In place: see `fills`."""

from __future__ import annotations

import numpy as np

from tritonnet import dtypes as dt
from tritonnet.autograd.function import make
from tritonnet.devices import CPU, device, place
from tritonnet.kernels import arrays, dtypes
from tritonnet.kernels import rng as kernels

__all__ = [
    "Generator", "default_generator", "manual_seed", "seed", "initial_seed", "get_rng_state", "set_rng_state", "rand",
    "randn", "randint", "randperm", "rand_like", "randn_like", "randint_like", "bernoulli", "normal", "multinomial",
    "use_philox",
]


class Generator:
    """A stream of random numbers on one device."""

    def __init__(self, device="cpu", inner=None):
        self.inner = kernels.Generator(place(device)) if inner is None else inner

    @property
    def device(self):
        return CPU if self.inner.device is None else device("cuda", self.inner.device.index)

    def manual_seed(self, seed):
        """Start over from a seed; returns this generator."""
        self.inner.manual_seed(seed)
        return self

    def seed(self):
        """Start over from a seed that the operating system draws; returns it."""
        return self.inner.seed()

    def initial_seed(self):
        """The seed this generator started from."""
        return self.inner.initial_seed()

    def get_state(self):
        """Everything that decides the next draws, as a uint8 tensor."""
        return make(self.inner.get_state())

    def set_state(self, state):
        """Go on from what get_state gave."""
        self.inner.set_state(arrays.to_host(state.array))
        return self


def _inner(generator):
    return None if generator is None else generator.inner


default_generator = Generator(inner=kernels.default_generator())


def manual_seed(seed) -> Generator:
    """Seed every device's default generator; returns the CPU's."""
    kernels.manual_seed(int(seed))
    return default_generator


def seed_devices(seed) -> None:
    """Seed the default generator of the current GPU, if there is one."""
    from tritonnet import cuda
    from tritonnet.kernels import runtime

    if cuda.is_available():
        kernels.default_generator(runtime.current_device()).manual_seed(int(seed))


def seed() -> int:
    """Seed all devices with a number that the operating system draws; returns it."""
    drawn = default_generator.seed()
    kernels.manual_seed(drawn)
    return drawn


def initial_seed() -> int:
    """The seed that the CPU's generator started from."""
    return default_generator.initial_seed()


def get_rng_state():
    """The state of the CPU's generator."""
    return default_generator.get_state()


def set_rng_state(state) -> None:
    """Set the state of the CPU's generator."""
    default_generator.set_state(state)


def use_philox(on: bool = True) -> None:
    """Draw the same numbers on every device: the CPU uses the GPU's Philox generator instead of its own, faster one."""
    kernels.same_stream_everywhere(on)


def _new(size, dtype, where, default=None):
    from tritonnet.tensor.creation import shape_of

    wanted = dt.numpy_dtype(dtype) if dtype is not None else default or dtypes.default_float
    return arrays.empty(shape_of(size), wanted, place(where))


def _leaf(array, requires_grad):
    made = make(array)
    return made.requires_grad_() if requires_grad else made


def rand(*size, generator=None, dtype=None, device=None, requires_grad=False):
    """Uniform numbers from [0, 1)."""
    return _leaf(kernels.uniform(_new(size, dtype, device), generator=_inner(generator)), requires_grad)


def randn(*size, generator=None, dtype=None, device=None, requires_grad=False):
    """Normal numbers of mean 0 and variance 1."""
    return _leaf(kernels.normal(_new(size, dtype, device), generator=_inner(generator)), requires_grad)


def randint(*args, low=None, high=None, size=None, generator=None, dtype=None, device=None, requires_grad=False):
    """randint(high, size) or randint(low, high, size): integers from [low, high), low 0."""
    args = list(args)
    if size is None:
        if not args:
            raise TypeError("randint(): expected (high, size) or (low, high, size)")
        size = args.pop()
    if high is None:
        high = args.pop() if args else None
    if low is None:
        low = args.pop() if args else 0
    if high is None or args:
        raise TypeError("randint(): expected (high, size) or (low, high, size)")
    out = _new((size,), dtype, device, dtypes.int64)
    return _leaf(kernels.randint(out, int(low), int(high), _inner(generator)), requires_grad)


def randperm(n, *, generator=None, dtype=None, device=None, requires_grad=False):
    """0 … n-1 in random order, int64."""
    made = make(kernels.permutation(n, place(device), _inner(generator)))
    return made if dtype is None else made._cast(dtype)


def _as(x, fill):
    def like(x, *, dtype=None, device=None, requires_grad=False, generator=None, memory_format=None):
        return fill(tuple(x.shape), dtype=x.dtype if dtype is None else dtype,
                    device=x.device if device is None else device, requires_grad=requires_grad, generator=generator)

    like.__name__ = x
    like.__doc__ = f"As tritonnet.{fill.__name__}, in the shape, type and place of another tensor."
    return like


rand_like, randn_like = _as("rand_like", rand), _as("randn_like", randn)


def randint_like(x, low, high=None, *, dtype=None, device=None, requires_grad=False):
    """Integers from [low, high) (or [0, low)), in the shape, type and place of another tensor."""
    low, high = (0, low) if high is None else (low, high)
    return randint(low, high, tuple(x.shape), dtype=x.dtype if dtype is None else dtype,
                   device=x.device if device is None else device, requires_grad=requires_grad)


def bernoulli(x, p=None, *, generator=None):
    """1 with probability x (or p), else 0, in x's type."""
    chance = x.array if p is None else p
    return make(kernels.bernoulli(arrays.empty_like(x.array), chance, _inner(generator)))


def normal(mean, std=None, size=None, *, generator=None, dtype=None, device=None):
    """Normal numbers: of one mean and deviation in a shape, or of means and deviations per element."""
    if size is not None:
        deviation = float(1 if std is None else std)
        return make(kernels.normal(_new((size,), dtype, device), float(mean), deviation, _inner(generator)))
    like = mean if hasattr(mean, "array") else std
    std = 1.0 if std is None else std
    return (mean + std * like.new_empty(tuple(like.shape)).normal_(generator=generator)).detach()


def multinomial(weights, num_samples, replacement=False, *, generator=None):
    """Indices drawn with probabilities proportional to `weights`, (C,) or (N, C); drawn on the host."""
    host = arrays.to_host(weights.array).astype(np.float64)
    if host.ndim not in (1, 2):
        raise RuntimeError(f"prob_dist must be 1 or 2 dim, got {host.ndim}")
    if (host < 0).any() or not np.isfinite(host).all():
        raise RuntimeError("probability tensor contains either `inf`, `nan` or element < 0")
    if not replacement and num_samples > host.shape[-1]:
        raise RuntimeError("cannot sample n_sample > prob_dist.size(-1) samples without replacement")
    rows = np.atleast_2d(host)
    if (rows.sum(axis=1) <= 0).any():
        raise RuntimeError("invalid multinomial distribution (sum of probabilities <= 0)")
    on_host = generator is not None and generator.inner.device is None
    source = (generator.inner if on_host else kernels.default_generator()).numpy
    out = _drawn(rows, num_samples, replacement, source).reshape(*host.shape[:-1], num_samples)
    return make(out if arrays.is_host(weights.array) else arrays.to_device(out, weights.array.device))


def _drawn(rows, count, replacement, source):
    """Indices (rows, count) drawn in proportion to each row.

    With replacement, or one alone: where uniform numbers lie among the sums so far. Without: whose events come first,
    if those of an index come at its rate (Efraimidis & Spirakis 2006).
    """
    if count > 1 and not replacement:
        if ((rows > 0).sum(axis=1) < count).any():
            raise RuntimeError("invalid multinomial distribution (with replacement=False, not enough non-negative "
                               "category to sample)")
        with np.errstate(divide="ignore"):
            times = source.standard_exponential(rows.shape) / rows
        return times.argsort(axis=1)[:, :count]
    sums = rows.cumsum(axis=1)
    at = source.random((len(rows), count)) * sums[:, -1:]
    return np.stack([row.searchsorted(points, side="right") for row, points in zip(sums, at)])
