"""The host's buffer pool and threads."""

import os
import threading

import numpy as np
import pytest

from tritonnet.kernels import arrays
from tritonnet.kernels.runtime import host

F4 = np.dtype(np.float32)
BIG = (300, 1000)                                        # above 64 KB


@pytest.fixture
def pool(monkeypatch):
    """A pool of its own, 16 MB at most."""
    made = host.BufferPool(16 << 20)
    monkeypatch.setattr(host, "pool", made)
    return made


@pytest.fixture
def two_threads(monkeypatch):
    """A team of two, also where there is one core."""
    team = host.Team(2)
    monkeypatch.setattr(host, "_team", team)
    return team


def address(a):
    return a.__array_interface__["data"][0]


def test_a_block_is_used_again_when_no_view_of_it_is_left(pool):
    a = host.empty(BIG, F4)
    where, view = address(a), a[::2].T
    del a
    b = host.empty(BIG, F4)
    assert address(b) != where                           # the view is alive
    del view
    assert address(host.empty(BIG, F4)) == where
    assert address(host.empty((1000, 301), F4)) == where                 # similar sizes share


def test_small_arrays_and_what_exceeds_the_limit_come_from_numpy(pool):
    small = host.empty((100,), F4)
    assert small.base is None and pool.held == 0
    kept = [host.empty((1 << 20,), F4) for _ in range(6)]                # 4 MB each
    assert pool.held <= pool.limit and [a.base is None for a in kept].count(True) == 2


def test_free_blocks_make_room_for_others(pool):
    for size in (1 << 20, 2 << 20, 3 << 20):                             # 4, 8, 12 MB: not all at once
        a = host.empty((size,), F4)
        a[:] = 1
        del a
    assert pool.held <= pool.limit
    pool.trim()
    assert pool.held == 0


def test_blocks_are_aligned_and_fresh_memory_is_poisoned(pool):
    for shape in (BIG, (70000,), (5,)):
        a = host.empty(shape, F4)
        assert np.isnan(a).all()
        assert a.nbytes < host.SMALL or address(a) % host.ALIGN == 0
    assert host.empty((0, 5), F4).shape == (0, 5)


def test_without_poison_nothing_is_written(pool, monkeypatch):
    monkeypatch.setattr(arrays, "FILL_FRESH", None)
    a = host.empty(BIG, F4)
    a.fill(3)
    del a
    assert (host.empty(BIG, F4) == 3).all()


def test_threads_never_share_a_block(pool):
    clashes = []

    def work(number):
        for _ in range(200):
            a = host.empty(BIG, F4)
            a.fill(number)
            if not (a == number).all():
                clashes.append(number)

    threads = [threading.Thread(target=work, args=(i,)) for i in range(4)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert not clashes


def test_parallel_covers_the_range_once(two_threads):
    for n, piece in ((1, None), (7, None), (1000, None), (1000, 64), (999, 1000), (0, None)):
        seen, names = np.zeros(n, int), set()

        def part(i, j, seen=seen, names=names):
            seen[i:j] += 1
            names.add(threading.current_thread().name)

        host.parallel(part, n, 1 << 20, piece)
        assert (seen == 1).all()
        assert len(names) == (2 if n > 1 else 1)


def test_little_work_is_not_split(two_threads):
    parts = []
    host.parallel(lambda i, j: parts.append((i, j)), 10, host.SPLIT - 1)
    assert parts == [(0, 10)]


def test_a_call_from_inside_or_beside_runs_alone(two_threads):
    inner = []

    def part(i, j):
        host.parallel(lambda k, m: inner.append((k, m)), 8, 1 << 20)

    host.parallel(part, 2, 1 << 20)
    assert inner == [(0, 8), (0, 8)]


@pytest.mark.parametrize("where", [0, 1])
def test_errors_come_out_and_leave_the_team_usable(two_threads, where):
    def part(i, j):
        if (i > 0) == bool(where):
            raise KeyError("here")

    for _ in range(3):
        with pytest.raises(KeyError, match="here"):
            host.parallel(part, 10, 1 << 20)
    done = []
    host.parallel(lambda i, j: done.append(j - i), 10, 1 << 20)
    assert sum(done) == 10


def test_errstate_holds_in_every_thread(two_threads):
    x = np.full(1 << 18, np.inf, np.float32)
    with np.errstate(all="ignore"):
        host.parallel(lambda i, j: np.subtract(x[i:j], x[i:j], out=x[i:j]), x.size, x.size)
    assert np.isnan(x).all()


def test_blas_has_one_thread_inside_and_its_own_again_after(two_threads):
    if not host.blas().known:
        pytest.skip("this NumPy's BLAS cannot be told its number of threads")
    before, inside = host.blas().get(), []
    host.parallel(lambda i, j: inside.append(host.blas().get()), 10, 1 << 20, uses_blas=True)
    assert inside == [1, 1] and host.blas().get() == before
    assert not host.blas_alone()                         # a split loop is not long ago
    two_threads.recent = 0
    assert host.blas_alone()


def test_products_are_not_split_where_blas_cannot_be_told(two_threads, monkeypatch):
    monkeypatch.setattr(host.blas(), "known", False)
    parts = []
    host.parallel(lambda i, j: parts.append((i, j)), 10, 1 << 20, uses_blas=True)
    assert parts == [(0, 10)] and host.blas_alone()


def test_set_num_threads():
    before = host.get_num_threads()
    try:
        host.set_num_threads(3)
        parts = []
        host.parallel(lambda i, j: parts.append((i, j)), 9, 1 << 20)
        assert host.get_num_threads() == 3 and sorted(parts) == [(0, 3), (3, 6), (6, 9)]
        with pytest.raises(ValueError, match="positive"):
            host.set_num_threads(0)
    finally:
        host.set_num_threads(before)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
@pytest.mark.filterwarnings("ignore:This process.*multi-threaded:DeprecationWarning")
def test_a_forked_child_starts_its_own_threads(two_threads):
    done = []
    host.parallel(lambda i, j: done.append((i, j)), 10, 1 << 20)         # the thread is there
    child = os.fork()
    if child == 0:
        ok = False
        try:
            seen = np.zeros(10, int)
            host.parallel(lambda i, j: seen.__setitem__(slice(i, j), 1), 10, 1 << 20)
            ok = seen.all() and host.empty(BIG, F4).shape == BIG
        finally:
            os._exit(0 if ok else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
