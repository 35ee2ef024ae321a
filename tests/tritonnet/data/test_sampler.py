"""Samplers: every index the right number of times, errors as PyTorch's."""

import collections

import pytest

import tritonnet
from tritonnet.utils.data import (
    BatchSampler,
    RandomSampler,
    Sampler,
    SequentialSampler,
    SubsetRandomSampler,
    WeightedRandomSampler,
)
from tritonnet.utils.data.sampler import SubsetRandomSampler as SameSampler


def seeded(seed):
    return tritonnet.Generator().manual_seed(seed)


def test_sequential():
    assert list(SequentialSampler(range(4))) == [0, 1, 2, 3] and len(SequentialSampler(range(4))) == 4


def test_random_visits_each_once_in_a_new_order_each_time():
    sampler = RandomSampler(range(100), generator=seeded(0))
    first, second = list(sampler), list(sampler)
    assert sorted(first) == sorted(second) == list(range(100)) and first != second
    assert all(type(i) is int for i in first)


def test_random_follows_manual_seed():
    def order(seed):
        tritonnet.manual_seed(seed)
        return list(RandomSampler(range(30)))

    assert order(1) == order(1) != order(2)


@pytest.mark.parametrize("n, counts", [(3, {1}), (10, {1}), (25, {2, 3})])
def test_random_of_another_number(n, counts):
    drawn = list(RandomSampler(range(10), num_samples=n, generator=seeded(1)))
    assert len(drawn) == n and set(collections.Counter(drawn).values()) == counts


def test_random_with_replacement():
    drawn = list(RandomSampler(range(5), replacement=True, num_samples=1000, generator=seeded(2)))
    assert set(drawn) == set(range(5)) and len(drawn) == 1000


@pytest.mark.parametrize("options, error", [
    ({"num_samples": 0}, ValueError), ({"num_samples": 2.5}, ValueError), ({"replacement": 1}, TypeError)])
def test_random_errors(options, error):
    with pytest.raises(error, match="should be"):
        RandomSampler(range(5), **options)


def test_random_of_nothing():
    with pytest.raises(ValueError, match="num_samples=0"):
        RandomSampler([])


def test_subset():
    assert SameSampler is SubsetRandomSampler
    sampler = SubsetRandomSampler([5, 6, 9], generator=seeded(0))
    assert sorted(sampler) == [5, 6, 9] and len(sampler) == 3


def test_weighted_frequencies():
    weights = [0.0, 1.0, 3.0]
    counts = collections.Counter(WeightedRandomSampler(weights, 8000, generator=seeded(4)))
    assert counts[0] == 0 and counts[2] / counts[1] == pytest.approx(3, rel=0.15)
    assert sorted(WeightedRandomSampler(tritonnet.tensor([1.0, 2.0, 3.0]), 3, replacement=False)) == [0, 1, 2]


def test_weighted_errors():
    with pytest.raises(ValueError, match="num_samples=True"):
        WeightedRandomSampler([1.0], True)
    with pytest.raises(ValueError, match="1d sequence"):
        WeightedRandomSampler(tritonnet.ones(2, 2), 1)
    with pytest.raises(ValueError, match="1d sequence"):
        WeightedRandomSampler([[1.0, 2.0]], 1)
    with pytest.raises(RuntimeError, match="not negative"):
        list(WeightedRandomSampler([1.0, -1.0], 2))
    with pytest.raises(RuntimeError, match="cannot draw 2"):
        list(WeightedRandomSampler([1.0, 0.0], 2, replacement=False))


@pytest.mark.parametrize("drop_last, batches", [(False, [[0, 1, 2], [3, 4, 5], [6]]), (True, [[0, 1, 2], [3, 4, 5]])])
def test_batch(drop_last, batches):
    sampler = BatchSampler(SequentialSampler(range(7)), 3, drop_last)
    assert list(sampler) == batches and len(sampler) == len(batches)


@pytest.mark.parametrize("batch_size", [0, -1, 1.5, True])
def test_batch_errors(batch_size):
    with pytest.raises(ValueError, match="batch_size"):
        BatchSampler(range(3), batch_size, False)
    with pytest.raises(ValueError, match="drop_last"):
        BatchSampler(range(3), 1, 1)


def test_bare_sampler_says_what_to_implement():
    with pytest.raises(NotImplementedError, match="__iter__"):
        iter(Sampler())
