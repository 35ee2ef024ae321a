"""DeviceLoader: batches of a dataset that fits into the memory of the device, gathered there by one launch each."""

from __future__ import annotations

import numpy as np

from tritonnet.autograd.function import make
from tritonnet.devices import device as as_device
from tritonnet.kernels import batches as kernels
from tritonnet.kernels import rng, runtime
from tritonnet.kernels.arrays import contiguous, copy_to, empty, to_device, to_host
from tritonnet.kernels.counter import Counter
from tritonnet.kernels.dtypes import float32, int64
from tritonnet.kernels.runtime import CaptureError
from tritonnet.tensor.core import Tensor


class DeviceLoader:
    """Batches of tensors whose data, order and position lie on the device.

        loader = DeviceLoader(images, labels, batch_size=256, shuffle=True, drop_last=True,
                              normalize=((0.1307,), (0.3081,)), shift=2)

        @tritonnet.capture
        def step():
            x, y = loader.next()
            ...

        for _ in range(epochs * len(loader)):
            step()                        # replays go on to the next batch by themselves

    tensors: (N, …) each, or a `TensorDataset`; moved to `device` ("cuda" where there is one) once.  batch_size,
    shuffle, drop_last: as DataLoader's; every epoch has an order of its own, drawn on the device.  normalize: (means,
    standard deviations) of the channels of the first tensor, (N, C, H, W): unsigned bytes are divided by 255 first, as
    ToTensor and Normalize do; gives float32.  shift: its images are moved by up to so many pixels at random, zeros
    (before normalising) come in.  generator: a tritonnet.Generator of that device.

    Iterating gives the epoch's batches; `next()` the next batch, for captured steps: there every batch must be full,
    and calls of several batches must divide an epoch. Losses are best kept in a tensor on the device, which is read
    once per epoch.
    """

    def __init__(self, *tensors, batch_size=1, shuffle=False, drop_last=False, device=None, normalize=None, shift=0,
                 generator=None):
        tensors = getattr(tensors[0], "tensors", tensors) if len(tensors) == 1 else tensors
        if not tensors or not all(isinstance(t, Tensor) and t.ndim for t in tensors):
            raise TypeError("DeviceLoader takes tensors (N, ...), or a TensorDataset")
        if len({len(t) for t in tensors}) != 1:
            raise ValueError(f"Size mismatch between tensors: {[list(t.shape) for t in tensors]}")
        if not isinstance(batch_size, int) or batch_size < 1:
            raise ValueError(f"batch_size should be a positive integer value, but got batch_size={batch_size}")
        self.n, self.batch_size, self.shuffle, self.drop_last = len(tensors[0]), batch_size, shuffle, drop_last
        if not len(self):
            raise ValueError(f"DeviceLoader: {self.n} samples make no batch of {batch_size}")
        if shift and (tensors[0].ndim < 3 or not isinstance(shift, int) or shift < 0):
            raise ValueError(f"DeviceLoader: shift={shift!r} of {list(tensors[0].shape)}: expected a number of pixels, "
                             "and images (N, C, H, W) or (N, H, W)")
        place = as_device(device or ("cuda" if runtime.is_available() else "cpu"))
        self.device = None if place.type == "cpu" else (
            runtime.current_device() if place.index is None else runtime.device(place.index))
        self.data = [self._placed(t.array) for t in tensors]
        self.shift, self.scales = shift, self._scales(normalize, self.data[0])
        self.generator = rng.default_generator(self.device) if generator is None else generator.inner
        self.order = empty((self.n,), int64, self.device) if shuffle else None
        self.counter = None if self.device is None else Counter(self.device)
        self.number = 0  # of batches so far, on the CPU

    def _placed(self, array):
        array = contiguous(array)
        return to_host(array) if self.device is None else to_device(array, self.device)

    def _scales(self, normalize, data):
        """(factor, bias) per channel."""
        if normalize is None:
            return None, None
        means, stds = (np.asarray(part, np.float64).reshape(-1) for part in normalize)
        channels = data.shape[1] if data.ndim > 3 else 1
        if means.shape != (channels,) or stds.shape != (channels,) or not (stds > 0).all():
            raise ValueError(f"DeviceLoader: normalize={normalize!r}: expected means and positive standard deviations "
                             f"of {channels} channels")
        full = 255.0 if data.dtype == np.uint8 else 1.0
        return tuple(self._placed(part.astype(float32)) for part in (1 / (full * stds), -means / stds))

    def __len__(self):
        """Batches per epoch."""
        return self.n // self.batch_size if self.drop_last else -(-self.n // self.batch_size)

    def __iter__(self):
        """An epoch from its beginning."""
        self._restart()
        return (self.next() for _ in range(len(self)))

    def _restart(self):
        if self.counter is None:
            self.number = 0
        else:
            self.counter.restart()

    def reshuffle(self):
        """A new order."""
        if self.shuffle:
            copy_to(self.order, rng.permutation(self.n, self.order if self.device is None else self.device,
                                                self.generator))

    def next(self):
        """The next batch, a tuple of tensors; where an epoch has ended, the first of a new one."""
        before = self.number if self.counter is None else self.counter.number
        capturing = self.device and self.device.pool.capturing
        at = before % len(self)
        count = min(self.batch_size, self.n - at * self.batch_size)
        if self.counter is None:
            number, self.number = before, before + 1
        elif capturing:
            number = self._captured(capturing)
        else:
            number = self.counter.take(1)
        if not at and not capturing:
            self.reshuffle()
        made = []
        for i, data in enumerate(self.data):
            shift = 0 if i else self.shift
            draws = self.generator.reserve(count) if shift else None
            made.append(make(kernels.batch(data, self.order, number, len(self), self.batch_size, count,
                                           *((None, None) if i else self.scales), shift, draws)))
        return tuple(made)

    def _captured(self, capturing):
        """Within a graph: (array, offset) of the number; the replay that begins an epoch makes a new order first."""
        if self.n % self.batch_size and not self.drop_last:
            raise CaptureError(f"DeviceLoader: the last batch of {self.n} samples is smaller than {self.batch_size}, "
                               "and shapes in a graph are fixed: pass drop_last=True")
        if self not in capturing.parts:
            capturing.parts[self] = None
            capturing.each_replay.append(lambda: self._before_replay(capturing.parts[self.counter].by))
        return self.counter.take(1)

    def _before_replay(self, by):
        at = self.counter.number % len(self)
        if at + by > len(self):
            raise CaptureError(f"DeviceLoader: a step of {by} batches goes beyond the epoch's {len(self)}, where the "
                               f"order changes: take a number of batches that divides {len(self)}")
        if not at:
            self.reshuffle()
