"""DataLoader with worker processes: order, seeds, errors, deaths, no process left behind."""

import multiprocessing
import os
import random
import signal
import time

import numpy as np
import pytest

import tritonnet
from tritonnet.utils.data import DataLoader, Dataset, IterableDataset, TensorDataset, get_worker_info


class Slow(Dataset):
    """Earlier samples take longer, so workers finish out of order."""

    def __len__(self):
        return 12

    def __getitem__(self, index):
        time.sleep(0.002 * (12 - index))
        return np.full(3, index)


class Failing(Dataset):
    def __init__(self, error):
        self.error = error

    def __len__(self):
        return 4

    def __getitem__(self, index):
        if index == 2:
            raise self.error
        return index


class Mortal(Dataset):
    def __len__(self):
        return 8

    def __getitem__(self, index):
        if index == 5:
            os.kill(os.getpid(), signal.SIGKILL)
        return index


class Sleepy(Dataset):
    def __len__(self):
        return 4

    def __getitem__(self, index):
        time.sleep(30)


class Who(Dataset):
    def __len__(self):
        return 4

    def __getitem__(self, index):
        info = get_worker_info()
        return {"id": info.id, "of": info.num_workers, "seed": info.seed, "draw": float(tritonnet.rand(1).item()),
                "python": random.random(), "numpy": float(np.random.random())}


class Shard(IterableDataset):
    """Worker w of n yields w, w + n, …"""

    def __init__(self, n):
        self.n = n

    def __iter__(self):
        info = get_worker_info()
        first, step = (0, 1) if info is None else (info.id, info.num_workers)
        return iter(range(first, self.n, step))


class TwoArguments(Exception):
    def __init__(self, a, b):
        super().__init__(a, b)


@pytest.fixture(autouse=True)
def no_process_left():
    """Whatever a test does, its workers are gone afterwards."""
    yield
    deadline = time.monotonic() + 5
    while multiprocessing.active_children() and time.monotonic() < deadline:
        time.sleep(0.01)
    assert multiprocessing.active_children() == []


def test_batches_come_in_order():
    batches = [b[:, 0].tolist() for b in DataLoader(Slow(), batch_size=2, num_workers=2)]
    assert batches == [[0, 1], [2, 3], [4, 5], [6, 7], [8, 9], [10, 11]]


def test_batches_as_they_come():
    loader = DataLoader(Slow(), batch_size=2, num_workers=2, in_order=False)
    assert sorted(i for b in loader for i in b[:, 0].tolist()) == list(range(12))


def test_same_batches_as_without_workers():
    dataset = TensorDataset(tritonnet.randn(50, 40, 50), tritonnet.arange(50))  # 128 KB a batch: more than a pipe holds
    for ours, theirs in zip(DataLoader(dataset, 16, num_workers=2, prefetch_factor=1), DataLoader(dataset, 16)):
        assert all(np.array_equal(a.numpy(), b.numpy()) for a, b in zip(ours, theirs))


def test_same_order_as_without_workers():
    def orders(**options):
        tritonnet.manual_seed(3)
        given, default = [], []
        generator = tritonnet.Generator().manual_seed(5)
        seeded = DataLoader(range(20), 4, shuffle=True, generator=generator, **options)
        unseeded = DataLoader(range(20), 4, shuffle=True, **options)
        for _ in range(3):
            given += [b.tolist() for b in seeded]
            default += [b.tolist() for b in unseeded]
        return given, default

    assert orders() == orders(num_workers=2) == orders(num_workers=2, persistent_workers=True)


@pytest.mark.parametrize("workers", [0, 2])
def test_a_sample_that_stops_the_iteration_ends_the_pass(workers):
    batches = [b.tolist() for b in DataLoader(Failing(StopIteration()), num_workers=workers)]
    assert batches == [[0], [1]]  # and nothing after a gap


def test_received_tensors_can_be_written():
    (batch,) = DataLoader(range(3), batch_size=3, num_workers=1)
    batch += 1
    assert batch.tolist() == [1, 2, 3]


def test_many_indices_do_not_block_the_pipe():
    n = 200_000  # megabytes of indices each way
    loader = DataLoader(range(n), batch_size=n // 4, num_workers=1, prefetch_factor=4, collate_fn=np.array)
    assert sum(int(b.sum()) for b in loader) == n * (n - 1) // 2


@pytest.mark.parametrize("workers", [1, 3])
def test_streams_are_shared(workers):
    batches = [b.tolist() for b in DataLoader(Shard(10), batch_size=2, num_workers=workers)]
    assert sorted(i for b in batches for i in b) == list(range(10))


def test_each_worker_has_its_own_seed():
    batches = list(DataLoader(Who(), batch_size=1, num_workers=2))
    by_worker = {b["id"].item(): b for b in batches}
    assert set(by_worker) == {0, 1} and all(b["of"].item() == 2 for b in batches)
    assert by_worker[1]["seed"].item() == by_worker[0]["seed"].item() + 1
    for name in ("draw", "python", "numpy"):
        assert len({b[name].item() for b in batches}) == 4
    assert get_worker_info() is None


def test_seeds_follow_the_generator():
    def draws(seed):
        loader = DataLoader(Who(), num_workers=2, generator=tritonnet.Generator().manual_seed(seed))
        return [(b["draw"].item(), b["numpy"].item()) for b in loader]

    assert draws(1) == draws(1) != draws(2)


def test_worker_init_fn_runs_first():
    def init(worker):
        get_worker_info().dataset.error = ValueError(f"prepared by {worker}")

    with pytest.raises(ValueError, match="prepared by 0"):
        list(DataLoader(Failing(None), num_workers=1, worker_init_fn=init))


def test_worker_init_fn_that_fails():
    with pytest.raises(ZeroDivisionError, match="worker process 0"):
        list(DataLoader(Slow(), num_workers=1, worker_init_fn=lambda worker: 1 // worker))


@pytest.mark.parametrize("error, kind", [
    (ValueError("bad sample"), ValueError), (KeyError("lost"), KeyError), (TwoArguments(1, 2), RuntimeError)])
def test_errors_arrive_with_their_traceback(error, kind):
    with pytest.raises(kind) as caught:
        list(DataLoader(Failing(error), num_workers=2))
    text = str(caught.value)
    assert f"Caught {type(error).__name__} in DataLoader worker process 0" in text
    assert "Traceback" in text and "in __getitem__" in text and "\n" in text


def test_error_of_a_local_class_arrives():
    class Local(Exception):
        pass

    with pytest.raises(RuntimeError, match="Caught Local"):
        list(DataLoader(Failing(Local("x")), num_workers=1))


def test_what_cannot_be_pickled_is_said():
    with pytest.raises((TypeError, AttributeError, RuntimeError), match="worker process 0"):
        list(DataLoader(range(2), num_workers=1, collate_fn=lambda samples: lambda: samples))


def test_a_dead_worker_is_noticed():
    start = time.monotonic()
    with pytest.raises(RuntimeError, match=r"pid\(s\) \d+ killed by SIGKILL\) exited unexpectedly"):
        list(DataLoader(Mortal(), num_workers=2))
    assert time.monotonic() - start < 10


def test_timeout():
    start = time.monotonic()
    with pytest.raises(RuntimeError, match="timed out after 0.2 seconds"):
        list(DataLoader(Sleepy(), num_workers=1, timeout=0.2))
    assert time.monotonic() - start < 15


def test_leaving_early_ends_the_workers():
    for _ in DataLoader(Slow(), num_workers=2):
        break


def test_persistent_workers_stay():
    loader = DataLoader(Who(), num_workers=2, persistent_workers=True)
    first = [b["seed"].item() for b in loader]
    next(iter(loader))  # a pass that is not finished
    again = [b["seed"].item() for b in loader]
    assert first == again  # the same processes
    assert len(multiprocessing.active_children()) == 2
    loader._workers.close()


def test_persistent_workers_begin_streams_anew():
    loader = DataLoader(Shard(6), batch_size=2, num_workers=2, persistent_workers=True)
    for _ in range(3):
        assert sorted(i for b in loader for i in b.tolist()) == list(range(6))
    loader._workers.close()


def test_an_error_leaves_persistent_workers_usable():
    loader = DataLoader(Failing(ValueError("x")), num_workers=1, persistent_workers=True)
    for _ in range(2):
        with pytest.raises(ValueError, match="worker process 0"):
            list(loader)
    loader._workers.close()


def test_workers_after_threads_have_run():
    x = tritonnet.randn(400, 400)  # big enough to start resident threads, which a fork does not copy
    (x @ x + x).exp().sum().item()

    class Product(Dataset):
        def __len__(self):
            return 2

        def __getitem__(self, index):
            return (x @ x + x).sum().item()

    assert len(list(DataLoader(Product(), num_workers=1, timeout=60))) == 2


def test_spawned_workers():
    dataset = TensorDataset(tritonnet.arange(4))
    batches = [b.tolist() for (b,) in DataLoader(dataset, 2, num_workers=1, multiprocessing_context="spawn")]
    assert batches == [[0, 1], [2, 3]]
