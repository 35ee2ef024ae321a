"""Samplers: which samples an epoch visits, in what order. They yield Python ints, batch samplers lists of them."""

from __future__ import annotations

import itertools

import numpy as np

from tritonnet.data.seeding import host_generator


class Sampler:
    """An order of indices: define `__iter__`, and `__len__` where it is known."""

    def __init__(self, data_source=None):
        self.data_source = data_source

    def __iter__(self):
        raise NotImplementedError(f"{type(self).__name__} should implement __iter__.")

    def __class_getitem__(cls, item):
        """`Sampler[int]` in annotations is the class itself."""
        return cls


class SequentialSampler(Sampler):
    """0, 1, …, len(data_source) - 1."""

    def __iter__(self):
        return iter(range(len(self.data_source)))

    def __len__(self):
        return len(self.data_source)


class RandomSampler(Sampler):
    """All indices in random order, or `num_samples` of them; with replacement, each drawn from all.

    Without replacement more samples than there are go round again, each round in an order of its own.
    """

    def __init__(self, data_source, replacement=False, num_samples=None, generator=None):
        super().__init__(data_source)
        self.replacement, self._num_samples, self.generator = replacement, num_samples, generator
        if not isinstance(replacement, bool):
            raise TypeError(f"replacement should be a boolean value, but got replacement={replacement}")
        if not _positive_int(self.num_samples):
            raise ValueError(
                f"num_samples should be a positive integer value, but got num_samples={self.num_samples}"
            )

    @property
    def num_samples(self):
        """How many indices one pass yields; by default as many as the dataset has now."""
        return len(self.data_source) if self._num_samples is None else self._num_samples

    def __iter__(self):
        n, rng = len(self.data_source), host_generator(self.generator)
        if self.replacement:
            return iter(rng.integers(0, n, self.num_samples).tolist())
        rounds = -(-self.num_samples // n)
        orders = (rng.permutation(n).tolist() for _ in range(rounds))
        return itertools.islice(itertools.chain.from_iterable(orders), self.num_samples)

    def __len__(self):
        return self.num_samples


class SubsetRandomSampler(Sampler):
    """These indices, in random order."""

    def __init__(self, indices, generator=None):
        super().__init__()
        self.indices, self.generator = indices, generator

    def __iter__(self):
        order = host_generator(self.generator).permutation(len(self.indices)).tolist()
        return (self.indices[i] for i in order)

    def __len__(self):
        return len(self.indices)


class WeightedRandomSampler(Sampler):
    """`num_samples` of the indices of `weights`, each with a probability proportional to its weight.

    weights: (N,) not negative, of any sum.
    """

    def __init__(self, weights, num_samples, replacement=True, generator=None):
        super().__init__()
        if not _positive_int(num_samples):
            raise ValueError(f"num_samples should be a positive integer value, but got num_samples={num_samples}")
        if not isinstance(replacement, bool):
            raise ValueError(f"replacement should be a boolean value, but got replacement={replacement}")
        weights = weights.numpy() if hasattr(weights, "numpy") else weights
        if isinstance(weights, (list, tuple)):
            weights = [w.item() if hasattr(w, "item") and w.ndim == 0 else w for w in weights]
        self.weights = np.asarray(weights, np.float64)
        if self.weights.ndim != 1:
            raise ValueError(f"weights should be a 1d sequence but given weights have shape {self.weights.shape}")
        self.num_samples, self.replacement, self.generator = num_samples, replacement, generator

    def __iter__(self):
        w = self.weights
        if not np.isfinite(w).all() or (w < 0).any() or not w.sum() > 0:
            raise RuntimeError("weights should be finite, not negative, and not all zero")
        if not self.replacement and np.count_nonzero(w) < self.num_samples:
            raise RuntimeError(
                f"cannot draw {self.num_samples} samples without replacement from {np.count_nonzero(w)} weights above 0"
            )
        rng = host_generator(self.generator)
        return iter(rng.choice(len(w), self.num_samples, self.replacement, p=w / w.sum()).tolist())

    def __len__(self):
        return self.num_samples


class BatchSampler(Sampler):
    """Lists of `batch_size` indices of another sampler.

    >>> list(BatchSampler(SequentialSampler(range(5)), batch_size=2, drop_last=False))
    [[0, 1], [2, 3], [4]]
    """

    def __init__(self, sampler, batch_size, drop_last):
        super().__init__()
        if not _positive_int(batch_size):
            raise ValueError(f"batch_size should be a positive integer value, but got batch_size={batch_size}")
        if not isinstance(drop_last, bool):
            raise ValueError(f"drop_last should be a boolean value, but got drop_last={drop_last}")
        self.sampler, self.batch_size, self.drop_last = sampler, batch_size, drop_last

    def __iter__(self):
        indices = iter(self.sampler)
        while batch := list(itertools.islice(indices, self.batch_size)):
            if len(batch) < self.batch_size and self.drop_last:
                return
            yield batch

    def __len__(self):
        n = len(self.sampler)
        return n // self.batch_size if self.drop_last else -(-n // self.batch_size)


def _positive_int(n):
    """Whether n counts something; True and False do not."""
    return isinstance(n, int) and not isinstance(n, bool) and n > 0
