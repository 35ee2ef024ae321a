"""DistributedSampler: this process's share of a dataset's indices."""

from __future__ import annotations

import math

import numpy as np

from tritonnet.data.sampler import Sampler


class DistributedSampler(Sampler):
    """Every num_replicas-th index from `rank` on, of an order that `set_epoch` and `seed` determine.

    num_replicas, rank: given, or those of the process group, which has to be initialised.  shuffle: another order each
    epoch.  drop_last: leave out what does not divide evenly; otherwise some indices come twice.
    """

    def __init__(self, dataset, num_replicas=None, rank=None, shuffle=True, seed=0, drop_last=False):
        if num_replicas is None or rank is None:
            from tritonnet import distributed

            if not distributed.is_available():
                raise RuntimeError("Requires distributed package to be available: give num_replicas and rank")
            num_replicas = distributed.get_world_size() if num_replicas is None else num_replicas
            rank = distributed.get_rank() if rank is None else rank
        if not 0 <= rank < num_replicas:
            raise ValueError(f"Invalid rank {rank}, rank should be in the interval [0, {num_replicas - 1}]")
        super().__init__(dataset)
        self.dataset, self.num_replicas, self.rank, self.epoch = dataset, num_replicas, rank, 0
        self.shuffle, self.seed, self.drop_last = shuffle, seed, drop_last
        n = len(dataset)
        self.num_samples = n // num_replicas if drop_last else math.ceil(n / num_replicas)
        self.total_size = self.num_samples * num_replicas

    def __iter__(self):
        n = len(self.dataset)
        order = np.random.default_rng([self.seed, self.epoch]).permutation(n) if self.shuffle else np.arange(n)
        return iter(np.resize(order, self.total_size)[self.rank::self.num_replicas].tolist())

    def __len__(self):
        return self.num_samples

    def set_epoch(self, epoch: int) -> None:
        """Call it before each epoch: another order, the same in all processes."""
        self.epoch = epoch
