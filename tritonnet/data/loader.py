"""DataLoader: a dataset, an order and a way to make batches, as something to iterate over once per epoch."""

from __future__ import annotations

import itertools
import multiprocessing

from tritonnet.data.collate import default_collate, default_convert
from tritonnet.data.dataset import IterableDataset
from tritonnet.data.fetch import fetch_of
from tritonnet.data.sampler import BatchSampler, RandomSampler, SequentialSampler
from tritonnet.data.seeding import draw_seed
from tritonnet.data.worker import Job
from tritonnet.data.workers import Pass, Workers

FIXED = ("batch_size", "batch_sampler", "sampler", "drop_last", "dataset", "persistent_workers")


class DataLoader:
    """Batches of a dataset, in PyTorch's way.

    batch_size: samples per batch; None passes samples on unbatched.  shuffle: a new random order every epoch.
    sampler, batch_sampler: an order of one's own.  drop_last: leave out an incomplete last batch.
    collate_fn: list of samples -> batch.  generator: where random orders and worker seeds come from.
    num_workers: processes that fetch ahead, `prefetch_factor` batches each, started every epoch or, with
    `persistent_workers`, once; `worker_init_fn(number)` runs first in each; `timeout` in seconds for one batch.
    An exception in a worker is raised here with the worker's traceback; a worker that dies raises RuntimeError.
    pin_memory and pin_memory_device are accepted and change nothing.

    >>> [batch.tolist() for batch in DataLoader(range(5), batch_size=2)]
    [[0, 1], [2, 3], [4]]
    """

    def __init__(
        self, dataset, batch_size=1, shuffle=None, sampler=None, batch_sampler=None, num_workers=0, collate_fn=None,
        pin_memory=False, drop_last=False, timeout=0, worker_init_fn=None, multiprocessing_context=None, generator=None,
        *, prefetch_factor=None, persistent_workers=False, pin_memory_device="", in_order=True,
    ):
        _check_workers(num_workers, timeout, prefetch_factor, persistent_workers, multiprocessing_context)
        _check_order(dataset, batch_size, shuffle, sampler, batch_sampler, drop_last)
        streamed = isinstance(dataset, IterableDataset)
        if sampler is None and streamed:
            sampler = _Endless()
        elif sampler is None:
            sampler = RandomSampler(dataset, generator=generator) if shuffle else SequentialSampler(dataset)
        if batch_sampler is not None:
            batch_size = None
        elif batch_size is not None:
            batch_sampler = BatchSampler(sampler, batch_size, drop_last)
        self.dataset, self.batch_size, self.drop_last = dataset, batch_size, drop_last
        self.sampler, self.batch_sampler, self.generator = sampler, batch_sampler, generator
        self.collate_fn = collate_fn or (default_convert if batch_sampler is None else default_collate)
        self.num_workers, self.worker_init_fn, self.timeout = num_workers, worker_init_fn, timeout
        self.prefetch_factor = 2 if num_workers and prefetch_factor is None else prefetch_factor
        self.persistent_workers, self.in_order = persistent_workers, in_order
        self.pin_memory, self.pin_memory_device = pin_memory, pin_memory_device
        self.multiprocessing_context = multiprocessing_context
        self._workers = None
        self._made = True

    def __setattr__(self, name, value):
        if name in FIXED and self.__dict__.get("_made"):
            raise ValueError(f"{name} attribute should not be set after {type(self).__name__} is initialized")
        super().__setattr__(name, value)

    def __class_getitem__(cls, item):
        """`DataLoader[int]` in annotations is the class itself."""
        return cls

    def __iter__(self):
        seed = draw_seed(self.generator)  # with and without workers, so that both see the same orders
        if self.num_workers:
            return self._with_workers(seed)
        fetch = fetch_of(self.dataset, self.batch_sampler is not None, self.collate_fn, self.drop_last)
        indices = iter(self.sampler if self.batch_sampler is None else self.batch_sampler)
        return _stream(fetch, indices) if isinstance(self.dataset, IterableDataset) else map(fetch, indices)

    def _with_workers(self, seed):
        """A pass by worker processes, new ones or the last pass's."""
        workers = self._workers
        if workers is None or not workers.processes:
            batched = self.batch_sampler is not None
            job = Job(self.dataset, batched, self.collate_fn, self.drop_last, self.worker_init_fn,
                      seed, self.num_workers)
            context = self.multiprocessing_context
            workers = Workers(job, multiprocessing.get_context(context) if isinstance(context, str) else context)
            self._workers = workers if self.persistent_workers else None
        return Pass(workers, self.sampler if self.batch_sampler is None else self.batch_sampler, timeout=self.timeout,
                    ahead=self.prefetch_factor, in_order=self.in_order, keep=self.persistent_workers)

    def __len__(self):
        """Batches per epoch. For a stream that knows its length, what one process would yield."""
        if not isinstance(self.dataset, IterableDataset):
            return len(self.sampler if self.batch_sampler is None else self.batch_sampler)
        n = len(self.dataset)
        if self.batch_size is None:
            return n
        return n // self.batch_size if self.drop_last else -(-n // self.batch_size)


class _Endless:
    """The sampler of a stream, which itself decides what comes and when it ends."""

    def __iter__(self):
        return itertools.repeat(0)


def _stream(fetch, indices):
    """Fetch until the stream ends."""
    for chunk in indices:
        try:
            batch = fetch(chunk)
        except StopIteration:
            return
        yield batch


def _check_workers(num_workers, timeout, prefetch_factor, persistent_workers, context):
    """The options about processes fit together."""
    if num_workers < 0:
        raise ValueError("num_workers option should be non-negative; use num_workers=0 to disable multiprocessing.")
    if timeout < 0:
        raise ValueError("timeout option should be non-negative")
    if num_workers == 0 and prefetch_factor is not None:
        raise ValueError("prefetch_factor option could only be specified in multiprocessing: "
                         "let num_workers > 0, or leave prefetch_factor out")
    if prefetch_factor is not None and prefetch_factor < 1:
        raise ValueError(f"prefetch_factor option should be positive, got {prefetch_factor}")
    if persistent_workers and num_workers == 0:
        raise ValueError("persistent_workers option needs num_workers > 0")
    if context is None:
        return
    if num_workers == 0:
        raise ValueError("multiprocessing_context can only be used with multi-process loading (num_workers > 0), "
                         f"but got num_workers={num_workers}")
    methods = multiprocessing.get_all_start_methods()
    if isinstance(context, str) and context not in methods:
        raise ValueError(f"multiprocessing_context option should specify a valid start method in {methods}, "
                         f"but got multiprocessing_context={context!r}")
    if not isinstance(context, (str, multiprocessing.context.BaseContext)):
        raise TypeError("multiprocessing_context option should be a valid context object or a string specifying the "
                        f"start method, but got multiprocessing_context={context!r}")


def _check_order(dataset, batch_size, shuffle, sampler, batch_sampler, drop_last):
    """The options about order and batches fit together."""
    if isinstance(dataset, IterableDataset):
        for name, value in (("shuffle", shuffle or None), ("sampler", sampler), ("batch_sampler", batch_sampler)):
            if value is not None:
                raise ValueError(
                    f"DataLoader with IterableDataset: expected unspecified {name} option, but got {name}={value}"
                )
    if sampler is not None and shuffle:
        raise ValueError("sampler option is mutually exclusive with shuffle")
    if batch_sampler is not None and (batch_size != 1 or shuffle or sampler is not None or drop_last):
        raise ValueError(
            "batch_sampler option is mutually exclusive with batch_size, shuffle, sampler, and drop_last"
        )
    if batch_sampler is None and batch_size is None and drop_last:
        raise ValueError("batch_size=None option disables auto-batching and is mutually exclusive with drop_last")
