"""The memory pool: size classes, reuse, out of memory, other streams, on every driver."""

import gc

import numpy as np
import pytest

from tests.kernels.runtime import sample_kernels as K
from tritonnet.kernels import runtime
from tritonnet.kernels.arrays import empty, to_device
from tritonnet.kernels.runtime.pool import Pool, size_class

F32 = np.dtype("f4")


def test_size_classes():
    assert [size_class(n) for n in (0, 512, 513, 1000, 1025, 5 << 20)] == [512, 512, 640, 1024, 1280, 5 << 20]
    for n in range(1, 100_000, 777):
        assert n <= size_class(n) <= max(512, 1.25 * n) and size_class(size_class(n)) == size_class(n)


def test_memory_is_used_again(device):
    pool = device.pool = Pool(device.driver)
    before = empty((1000,), F32, device)
    address = before.ptr
    view = before[10:20]
    del before
    assert pool.used == 4096, "a view keeps it"
    del view
    assert pool.used == 0 and pool.reserved == 4096 and empty((900,), F32, device).ptr == address
    assert (pool.requests, pool.from_driver, pool.peak) == (2, 1, 4096)
    device.empty_cache()
    assert pool.reserved == 0
    assert "pool: 0 bytes in use (peak 4096), 0 cached; device:" in str(pool)


def test_recovery_from_out_of_memory():
    with runtime.simulated(memory=10_000) as device:
        pool, free = device.pool, device.driver.counts
        held = [empty((500,), F32, device) for _ in range(4)]  # 2048 bytes each
        held.pop()
        assert pool.reserved == 8192 and free["free"] == 0
        other = empty((600,), F32, device)  # needs what is cached
        assert free["free"] == 1 and pool.reserved == 3 * 2048 + 2560 == device.driver.heap.used and other.size
        held.append([held.pop(), held])
        held[-1].append(held[-1])
        del held
        assert empty((1200,), F32, device).shape == (1200,), "garbage in a cycle is found"


def test_memory_that_another_stream_uses_waits_for_it():
    with runtime.simulated(lazy=True) as device:
        x = to_device(np.zeros(64, "f4"), device)
        other = device.new_stream()
        with device.on(other):
            K.copy[(1,)](x, x, 64, BLOCK=64)
            assert device.stream is other
        x.owner.used_on(other)
        address, pool = x.ptr, device.pool
        del x
        assert pool.used == 0 and empty((64,), F32, device).ptr != address
        device.synchronize()
        assert address in {empty((64,), F32, device).ptr for _ in range(1)}
        x = empty((64,), F32, device)
        x.owner.used_on(other)
        del x
        device.empty_cache()  # waits
        assert pool.reserved == 0 and not pool.pending


def test_own_blocks_keep_nothing():
    with runtime.simulated(own_blocks=True) as device:
        x = empty((3,), F32, device)
        assert device.pool.used == 12 == device.driver.heap.used
        del x
        gc.collect()
        assert device.pool.used == device.pool.reserved == device.driver.heap.used == 0


def test_arrays_die_on_any_thread(device):
    import threading

    held = [empty((64,), F32, device) for _ in range(50)]
    used = device.pool.used
    threads = [threading.Thread(target=held.clear)] + [
        threading.Thread(target=lambda: [empty((64,), F32, device) for _ in range(50)]) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert device.pool.used <= used - 50 * 256


@pytest.mark.parametrize("shape", [(), (0,), (3, 0)])
def test_empty_arrays_have_an_address(device, shape):
    assert empty(shape, F32, device).ptr % 256 == 0
