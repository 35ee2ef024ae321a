"""Where orders and augmentations draw from: the host's generator, which `manual_seed` and worker seeds set."""

from __future__ import annotations

from tritonnet.kernels import rng


def host_generator(generator=None):
    """The NumPy generator of a tritonnet.Generator; without one, of the host's default."""
    return (rng.default_generator() if generator is None else generator.inner).numpy


def draw_seed(generator=None):
    """A fresh seed below 2**62, so that worker numbers can be added."""
    return int(host_generator(generator).integers(2**62))


def seed_all(seed):
    """What manual_seed does."""
    rng.manual_seed(seed)
