"""Datasets: what maps an index to a sample, or yields samples one after another.

A dataset whose samples lie in arrays may also define `__getbatch__(indices)`: the collated batch of these samples, made
by one gather. `DataLoader` takes that road where nothing overrides `__getitem__` further down (`batch_of`).
"""

from __future__ import annotations

import bisect
import itertools
import math
import warnings

import numpy as np

from tritonnet.autograd.function import make
from tritonnet.data.seeding import host_generator
from tritonnet.kernels.arrays import is_host


class Dataset:
    """A map from indices to samples: define `__getitem__`, and `__len__` where samplers need it.

    `__getitems__(indices)`, if there is one, returns the list of samples of a batch.
    """

    def __getitem__(self, index):
        raise NotImplementedError("Subclasses of Dataset should implement __getitem__.")

    def __add__(self, other):
        return ConcatDataset([self, other])

    def __class_getitem__(cls, item):
        """`Dataset[int]` in annotations is the class itself."""
        return cls


class IterableDataset(Dataset):
    """A stream of samples: define `__iter__`. In workers, `get_worker_info()` says which share is whose."""

    def __add__(self, other):
        return ChainDataset([self, other])

    def __iter__(self):
        raise NotImplementedError("Subclasses of IterableDataset should implement __iter__.")


class TensorDataset(Dataset):
    """Sample i is the tuple of entries i of each tensor.

    tensors: (N, ...) each, the same N.

    >>> from tritonnet import arange
    >>> TensorDataset(arange(3), arange(3) * 2)[1]
    (tensor(1), tensor(2))
    """

    def __init__(self, *tensors):
        if any(t.shape[0] != tensors[0].shape[0] for t in tensors):
            raise AssertionError(f"Size mismatch between tensors: first sizes {[t.shape[0] for t in tensors]}")
        self.tensors = tensors

    def __getitem__(self, index):
        return tuple([t[index] for t in self.tensors])

    def __getbatch__(self, indices):
        """The samples of these indices, stacked: one gather per tensor."""
        rows = np.asarray(indices, np.int64)
        return [make(t.array.take(rows, 0)) if is_host(t.array) and not t.requires_grad else t[make(rows)]
                for t in self.tensors]

    def __len__(self):
        return self.tensors[0].shape[0]


class StackDataset(Dataset):
    """Samples of several datasets side by side: tuples for positional datasets, dicts for named ones."""

    def __init__(self, *args, **kwargs):
        if bool(args) == bool(kwargs):
            raise ValueError("StackDataset takes either positional or named datasets, at least one")
        self.datasets = args or kwargs
        sizes = [len(d) for d in args or kwargs.values()]
        if len(set(sizes)) != 1:
            raise ValueError(f"Size mismatch between datasets: {sizes}")
        self._length = sizes[0]

    def __getitem__(self, index):
        if isinstance(self.datasets, dict):
            return {name: dataset[index] for name, dataset in self.datasets.items()}
        return tuple([dataset[index] for dataset in self.datasets])

    def __len__(self):
        return self._length


class Subset(Dataset):
    """The samples of a dataset at these indices."""

    def __init__(self, dataset, indices):
        self.dataset, self.indices = dataset, indices

    def __getitem__(self, index):
        if isinstance(index, list):
            return self.dataset[[self.indices[i] for i in index]]
        return self.dataset[self.indices[index]]

    def __getitems__(self, indices):
        chosen = [self.indices[i] for i in indices]
        several = getattr(self.dataset, "__getitems__", None)
        return several(chosen) if callable(several) else [self.dataset[i] for i in chosen]

    @property
    def has_batches(self):
        """Whether the dataset has batches."""
        return batch_of(self.dataset) is not None

    def __getbatch__(self, indices):
        """The batch by the dataset's own gather."""
        return self.dataset.__getbatch__([self.indices[i] for i in indices])

    def __len__(self):
        return len(self.indices)


class ConcatDataset(Dataset):
    """Several datasets, one after the other."""

    def __init__(self, datasets):
        self.datasets = list(datasets)
        if not self.datasets:
            raise AssertionError("datasets should not be an empty iterable")
        if any(isinstance(d, IterableDataset) for d in self.datasets):
            raise AssertionError("ConcatDataset does not support IterableDataset")
        self.cumulative_sizes = list(itertools.accumulate(len(d) for d in self.datasets))

    def __getitem__(self, index):
        if not -len(self) <= index < len(self):
            raise ValueError(f"index {index} is out of range for a ConcatDataset of {len(self)} samples")
        index %= len(self)
        which = bisect.bisect_right(self.cumulative_sizes, index)
        return self.datasets[which][index - (self.cumulative_sizes[which - 1] if which else 0)]

    def __len__(self):
        return self.cumulative_sizes[-1]


class ChainDataset(IterableDataset):
    """Several streams, one after the other."""

    def __init__(self, datasets):
        self.datasets = datasets

    def __iter__(self):
        for dataset in self.datasets:
            if not isinstance(dataset, IterableDataset):
                raise AssertionError("ChainDataset only supports IterableDataset")
            yield from dataset

    def __len__(self):
        return sum(len(dataset) for dataset in self.datasets)


def random_split(dataset, lengths, generator=None):
    """Split into `Subset`s of these lengths, or of these fractions of the dataset, at random without overlap.

    lengths: ints that sum to len(dataset), or fractions that sum to 1 (what rounding leaves is handed out in turn).
    """
    lengths = list(lengths)
    if math.isclose(sum(lengths), 1) and sum(lengths) <= 1:
        lengths = _from_fractions(lengths, len(dataset))
    if sum(lengths) != len(dataset):
        raise ValueError(
            f"Sum of input lengths does not equal the length of the input dataset! {sum(lengths)} != {len(dataset)}"
        )
    order = host_generator(generator).permutation(len(dataset)).tolist()
    ends = itertools.accumulate(lengths)
    return [Subset(dataset, order[end - length:end]) for length, end in zip(lengths, ends)]


def _from_fractions(fractions, n):
    """Whole lengths of these fractions of n; the remainder goes one by one to the first ones."""
    for i, fraction in enumerate(fractions):
        if not 0 <= fraction <= 1:
            raise ValueError(f"Fraction at index {i} is not between 0 and 1: {fraction}")
    lengths = [math.floor(n * fraction) for fraction in fractions]
    for i in range(n - sum(lengths)):
        lengths[i % len(lengths)] += 1
    for i, length in enumerate(lengths):
        if length == 0:
            warnings.warn(f"Length of split at index {i} is 0. This might result in an empty dataset.", stacklevel=3)
    return lengths


def batch_of(dataset):
    """`dataset.__getbatch__` if it stands for the same samples as `__getitem__`, else None.

    A subclass that overrides `__getitem__` or `__getitems__` alone means its own samples. A dataset whose options
    decide says so by `has_batches`.
    """
    if not getattr(dataset, "has_batches", True):
        return None
    for cls in type(dataset).__mro__:
        if "__getbatch__" in cls.__dict__:
            return dataset.__getbatch__
        if "__getitem__" in cls.__dict__ or "__getitems__" in cls.__dict__:
            return None
    return None
