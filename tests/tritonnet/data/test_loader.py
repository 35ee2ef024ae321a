"""DataLoader in one process."""

import numpy as np
import pytest

import tritonnet
from tritonnet.utils.data import (
    BatchSampler,
    DataLoader,
    IterableDataset,
    RandomSampler,
    SequentialSampler,
    TensorDataset,
)


class Count(IterableDataset):
    def __init__(self, n):
        self.n = n

    def __iter__(self):
        return iter(range(self.n))

    def __len__(self):
        return self.n


@pytest.mark.parametrize("drop_last, sizes", [(False, [4, 4, 2]), (True, [4, 4])])
def test_batches_and_length(drop_last, sizes):
    loader = DataLoader(range(10), batch_size=4, drop_last=drop_last)
    assert [len(b) for b in loader] == sizes and len(loader) == len(sizes)
    assert [len(b) for b in loader] == sizes  # a second epoch


def test_shuffle_visits_each_sample_once():
    loader = DataLoader(range(50), batch_size=7, shuffle=True)
    epochs = [[i for batch in loader for i in batch.tolist()] for _ in range(2)]
    assert sorted(epochs[0]) == sorted(epochs[1]) == list(range(50)) and epochs[0] != epochs[1]
    assert isinstance(loader.sampler, RandomSampler) and isinstance(loader.batch_sampler, BatchSampler)


def test_shuffle_follows_its_generator():
    order = lambda seed: [b.item() for b in DataLoader(  # noqa: E731
        range(20), shuffle=True, generator=tritonnet.Generator().manual_seed(seed))]
    assert order(5) == order(5) != order(6)


def test_samplers_of_ones_own():
    assert [b.tolist() for b in DataLoader(range(5), sampler=[4, 0, 2], batch_size=2)] == [[4, 0], [2]]
    assert [b.tolist() for b in DataLoader(range(5), batch_sampler=[[0, 1, 2], [4]])] == [[0, 1, 2], [4]]


def test_without_batches_samples_pass_unchanged():
    assert list(DataLoader([5, "a"], batch_size=None)) == [5, "a"]
    (row,) = DataLoader([np.ones(3)], batch_size=None)
    assert isinstance(row, tritonnet.Tensor) and row.shape == (3,)


def test_collate_fn_gets_the_samples():
    assert list(DataLoader(range(5), batch_size=2, collate_fn=sum)) == [1, 5, 4]


@pytest.mark.parametrize("drop_last, batches", [(False, [[0, 1], [2, 3], [4]]), (True, [[0, 1], [2, 3]])])
def test_stream(drop_last, batches):
    loader = DataLoader(Count(5), batch_size=2, drop_last=drop_last)
    assert [b.tolist() for b in loader] == batches == [b.tolist() for b in loader] and len(loader) == len(batches)
    assert list(DataLoader(Count(3), batch_size=None)) == [0, 1, 2]


def test_a_sample_that_raises_shows_its_own_error():
    with pytest.raises(ZeroDivisionError):
        list(DataLoader([0, 1], collate_fn=lambda samples: 1 // 0))


def test_tensor_dataset_on_a_device(simulated):
    dataset = TensorDataset(tritonnet.arange(6).cuda() * 10)
    batches = [b.cpu().tolist() for (b,) in DataLoader(dataset, batch_size=4)]
    assert batches == [[0, 10, 20, 30], [40, 50]]


@pytest.mark.parametrize("options, message", [
    ({"num_workers": -1}, "num_workers option should be non-negative"),
    ({"timeout": -1}, "timeout option"),
    ({"prefetch_factor": 2}, "prefetch_factor option could only"),
    ({"num_workers": 1, "prefetch_factor": 0}, "prefetch_factor option should be positive"),
    ({"persistent_workers": True}, "persistent_workers option needs"),
    ({"sampler": SequentialSampler(range(3)), "shuffle": True}, "mutually exclusive with shuffle"),
    ({"batch_sampler": [[0]], "batch_size": 2}, "batch_sampler option is mutually exclusive"),
    ({"batch_size": None, "drop_last": True}, "disables auto-batching"),
    ({"batch_size": 0}, "batch_size should be a positive integer"),
    ({"multiprocessing_context": "fork"}, "multi-process loading"),
    ({"num_workers": 1, "multiprocessing_context": "thread"}, "valid start method"),
])
def test_bad_options(options, message):
    with pytest.raises(ValueError, match=message):
        DataLoader(range(3), **options)


@pytest.mark.parametrize("options", [{"shuffle": True}, {"sampler": [0]}, {"batch_sampler": [[0]]}])
def test_bad_options_for_a_stream(options):
    with pytest.raises(ValueError, match="DataLoader with IterableDataset: expected unspecified"):
        DataLoader(Count(3), **options)


def test_what_is_fixed_cannot_be_set():
    loader = DataLoader(range(3))
    loader.pin_memory = True
    with pytest.raises(ValueError, match="batch_size attribute should not be set"):
        loader.batch_size = 2
