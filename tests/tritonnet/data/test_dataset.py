"""Datasets, Subset, random_split, and which of them the loader may gather at once."""

import numpy as np
import pytest

import tritonnet
from tritonnet.data.dataset import batch_of
from tritonnet.utils.data import (
    ChainDataset,
    ConcatDataset,
    DataLoader,
    Dataset,
    IterableDataset,
    StackDataset,
    Subset,
    TensorDataset,
    default_collate,
    random_split,
)


class Squares(Dataset):
    def __init__(self, n):
        self.n = n

    def __len__(self):
        return self.n

    def __getitem__(self, index):
        return index * index


class Count(IterableDataset):
    def __init__(self, n):
        self.n = n

    def __iter__(self):
        return iter(range(self.n))


def test_tensor_dataset_indexes_all_tensors():
    x, y = tritonnet.arange(12).reshape(4, 3), tritonnet.arange(4)
    dataset = TensorDataset(x, y)
    assert len(dataset) == 4
    assert dataset[2][0].tolist() == [6, 7, 8] and dataset[-1][1].item() == 3


def test_tensor_dataset_wants_equal_sizes():
    with pytest.raises(AssertionError, match=r"Size mismatch between tensors.*4, 5"):
        TensorDataset(tritonnet.zeros(4), tritonnet.zeros(5))


def test_gathered_batch_is_what_collating_gives():
    dataset = TensorDataset(tritonnet.randn(10, 2, 3), tritonnet.arange(10))
    at_once = next(iter(DataLoader(dataset, batch_size=4)))
    one_by_one = next(iter(DataLoader(dataset, batch_size=4, collate_fn=lambda samples: default_collate(samples))))
    assert type(at_once) is type(one_by_one) is list
    for a, b in zip(at_once, one_by_one):
        assert a.dtype == b.dtype and np.array_equal(a.numpy(), b.numpy())


def test_gather_keeps_gradients():
    weight = tritonnet.randn(5, 2, requires_grad=True)
    (batch,) = next(iter(DataLoader(TensorDataset(weight), batch_size=3)))
    batch.sum().backward()
    assert weight.grad.sum(dim=1).tolist() == [2, 2, 2, 0, 0]


def test_overriding_getitem_alone_turns_the_gather_off():
    class Doubled(TensorDataset):
        def __getitem__(self, index):
            return tuple(2 * t for t in super().__getitem__(index))

    plain, doubled = TensorDataset(tritonnet.ones(4)), Doubled(tritonnet.ones(4))
    assert batch_of(plain) is not None and batch_of(doubled) is None and batch_of(Subset(doubled, [0])) is None
    assert next(iter(DataLoader(doubled, batch_size=4)))[0].tolist() == [2, 2, 2, 2]
    assert next(iter(DataLoader(Subset(doubled, [3, 1]), batch_size=4)))[0].tolist() == [2, 2]


def test_getitems_is_called_once_per_batch():
    class Several(Squares):
        calls = 0

        def __getitems__(self, indices):
            Several.calls += 1
            return [self[i] for i in indices]

    assert [b.tolist() for b in DataLoader(Several(5), batch_size=2)] == [[0, 1], [4, 9], [16]]
    assert Several.calls == 3


def test_subset_of_subset():
    subset = Subset(Subset(Squares(10), [9, 8, 7, 6]), [3, 0])
    assert [subset[i] for i in range(2)] == [36, 81] and subset.__getitems__([1, 0]) == [81, 36]
    assert next(iter(DataLoader(subset, batch_size=2))).tolist() == [36, 81]


def test_subset_of_tensors_is_gathered():
    subset = Subset(TensorDataset(tritonnet.arange(10) * 10), [7, 2, 5])
    assert batch_of(subset) is not None
    assert [b[0].tolist() for b in DataLoader(subset, batch_size=2)] == [[70, 20], [50]]


def test_concat():
    joined = Squares(3) + Squares(2)
    assert isinstance(joined, ConcatDataset) and len(joined) == 5
    assert [joined[i] for i in range(-5, 5)] == [0, 1, 4, 0, 1] * 2
    for index in (5, -6):
        with pytest.raises(ValueError, match="5 samples"):
            joined[index]
    with pytest.raises(AssertionError, match="empty"):
        ConcatDataset([])
    with pytest.raises(AssertionError, match="IterableDataset"):
        ConcatDataset([Count(3)])


def test_chain():
    assert list(Count(2) + Count(3)) == [0, 1, 0, 1, 2] and isinstance(Count(2) + Count(3), ChainDataset)
    with pytest.raises(AssertionError, match="only supports IterableDataset"):
        list(ChainDataset([Squares(2)]))


def test_stack():
    assert StackDataset(Squares(3), Squares(3))[2] == (4, 4)
    assert StackDataset(a=Squares(3), b=Squares(3))[1] == {"a": 1, "b": 1}
    with pytest.raises(ValueError, match="Size mismatch"):
        StackDataset(Squares(3), Squares(4))


@pytest.mark.parametrize("lengths, sizes", [
    ([7, 3], [7, 3]), ([0.8, 0.2], [8, 2]), ([0.33, 0.33, 0.34], [4, 3, 3]), ([1.0], [10]), ([10], [10])])
def test_random_split_is_a_partition(lengths, sizes):
    parts = random_split(Squares(10), lengths, generator=tritonnet.Generator().manual_seed(3))
    assert [len(p) for p in parts] == sizes
    assert sorted(i for p in parts for i in p.indices) == list(range(10))


def test_random_split_follows_its_generator():
    split = lambda seed: random_split(Squares(50), [25, 25], tritonnet.Generator().manual_seed(seed))[0].indices  # noqa: E731
    assert split(1) == split(1) != split(2)


def test_random_split_errors():
    with pytest.raises(ValueError, match="9 != 10"):
        random_split(Squares(10), [5, 4])
    with pytest.raises(ValueError, match="Fraction at index 0"):
        random_split(Squares(10), [1.5, -0.5])
    with pytest.warns(UserWarning, match="index 1 is 0"):
        random_split(Squares(1), [0.9, 0.1])


def test_bare_dataset_says_what_to_implement():
    with pytest.raises(NotImplementedError, match="__getitem__"):
        Dataset()[0]
    assert Dataset[int] is Dataset and DataLoader[int] is DataLoader
