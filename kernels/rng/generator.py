"""Generators: where the next random numbers come from, per device.

A generator on a device is a seed and a counter: each fill takes the next stretch of one Philox stream. Seed and counter
lie in device memory, so that a captured step draws at each replay what it would have drawn without one. On the host the
everyday generator is
NumPy's SFC64, which is several times faster; `same_stream_everywhere(True)` makes the host use Philox as well.
"""

from __future__ import annotations

import os
import threading
import weakref

import numpy as np

from tritonnet.kernels.counter import Counter

HOST_WORDS = 8  # of a state: seed, offset, four of SFC64, two of its buffered half
_everywhere = False
_lock = threading.Lock()


def same_stream_everywhere(on: bool | None = None) -> bool:
    """Whether the host draws from Philox as devices do, bit for bit; set it by passing True or False."""
    global _everywhere
    if on is not None:
        _everywhere = bool(on)
    return _everywhere


class Generator:
    """A stream of random numbers for one device (None: the host)."""

    def __init__(self, device=None):
        self.device, self.counter = device, Counter(device, (0, 0, 0), base=1)  # seed, base, stream
        self.manual_seed(67280421310721)

    def manual_seed(self, seed: int) -> Generator:
        """Start over from `seed`, any integer of 64 bits; returns self."""
        seed = int(seed)
        if not -(2**63) <= seed < 2**64:
            raise RuntimeError(f"manual_seed: Overflow when unpacking long, expected a seed of 64 bits, got {seed}")
        self.start, self._numpy = seed % 2**64, None
        self.counter.restart((self.start, 0, 0))
        return self

    def seed(self) -> int:
        """Start over from a seed that the operating system draws; returns it."""
        seed = int.from_bytes(os.urandom(8), "little")
        self.manual_seed(seed)
        return seed

    def initial_seed(self) -> int:
        """The seed that this generator started from."""
        return self.start

    @property
    def numpy(self) -> np.random.Generator:
        """The host's everyday generator."""
        if self._numpy is None:
            self._numpy = np.random.Generator(np.random.SFC64(self.start))
        return self._numpy

    def raw(self, n: int) -> np.ndarray:
        """n random uint64 of the host's everyday generator, the fastest it has."""
        return self.numpy.bit_generator.random_raw(n)

    def reserve(self, counters: int):
        """Take the next counters of the Philox stream.

        On the host: (seed, offset, stream). On a device: (array of seed, base and stream, offset), for `words_at`.
        """
        if self.device is not None:
            return self.counter.take(counters)
        offset = self.counter.number
        self.counter.number += counters
        return self.start, offset, 0

    def get_state(self) -> np.ndarray:
        """Everything that decides the next draws, as bytes (uint8)."""
        words = np.zeros(HOST_WORDS, np.uint64)
        words[:2] = self.start, self.counter.number
        if self.device is None:
            inner = self.numpy.bit_generator.state
            words[2:6], words[6], words[7] = inner["state"]["state"], inner["has_uint32"], inner["uinteger"]
        return words.view(np.uint8)

    def set_state(self, state: np.ndarray) -> Generator:
        """Go on from a state that `get_state` gave."""
        state = np.ascontiguousarray(state)
        if state.dtype != np.uint8 or state.shape != (8 * HOST_WORDS,):
            raise RuntimeError(f"set_state: RNG state must be {8 * HOST_WORDS} bytes (uint8) from get_state, got "
                               f"{state.dtype} {state.shape}")
        words = state.view(np.uint64)
        self.manual_seed(int(words[0]))
        self.counter.number = int(words[1])
        if self.device is None:
            self.numpy.bit_generator.state = {
                "bit_generator": "SFC64", "state": {"state": words[2:6].copy()},
                "has_uint32": int(words[6]), "uinteger": int(words[7])}
        return self


_host: Generator | None = None
_defaults: weakref.WeakSet[Generator] = weakref.WeakSet()  # each is kept by its device
_default_seed: int | None = None


def default_generator(device=None) -> Generator:
    """The generator that draws on this device use unless another is given; None is the host."""
    global _host
    found = _host if device is None else vars(device).get("generator")
    if found is None:
        with _lock:
            found = Generator(device)
            if _default_seed is None:
                found.seed()
            else:
                found.manual_seed(_default_seed)
            _defaults.add(found)
            if device is None:
                _host = found
            else:
                device.generator = found
    return found


def manual_seed(seed: int) -> Generator:
    """Seed the default generators of all devices, those not yet used included; returns the host's."""
    global _default_seed
    _default_seed = int(seed)
    host = default_generator()
    for generator in list(_defaults):
        generator.manual_seed(seed)
    return host
