"""From the indices of a batch to the batch: by one gather, by `__getitems__`, sample by sample, or from a stream."""

from __future__ import annotations

from itertools import islice

from tritonnet.data.collate import default_collate
from tritonnet.data.dataset import IterableDataset, batch_of


def fetch_of(dataset, batched, collate_fn, drop_last):
    """A function from what the sampler yields to what the loader yields; a stream's raises StopIteration at its end.

    batched: the sampler yields lists of indices, not single ones.
    """
    if isinstance(dataset, IterableDataset):
        return _from_stream(iter(dataset), batched, collate_fn, drop_last)
    if not batched:
        return lambda index: collate_fn(dataset[index])
    if collate_fn is default_collate and (gather := batch_of(dataset)) is not None:
        return gather
    several = getattr(dataset, "__getitems__", None)
    if callable(several):
        return lambda indices: collate_fn(several(indices))
    return lambda indices: collate_fn([dataset[i] for i in indices])


def _from_stream(stream, batched, collate_fn, drop_last):
    """The next samples of a stream, as many as there are indices; the indices mean nothing else."""

    def fetch(indices):
        if not batched:
            return collate_fn(next(stream))
        samples = list(islice(stream, len(indices)))
        if not samples or drop_last and len(samples) < len(indices):
            raise StopIteration
        return collate_fn(samples)

    return fetch
