"""What the simulated device finds, counts and injects."""

import ml_dtypes
import numpy as np
import pytest

from tests.kernels.runtime import sample_kernels as K
from tritonnet.kernels import arrays, runtime
from tritonnet.kernels.arrays import DeviceArray, empty, full, to_device, zeros
from tritonnet.kernels.runtime import LaunchFailed, OutOfBounds, OutOfMemoryError, Uninitialised, UseAfterFree
from tritonnet.kernels.runtime.simulation import heap

F32 = np.dtype("f4")
normal = np.random.default_rng(0).standard_normal


@pytest.fixture
def tracking(monkeypatch):
    """A device that notes what was written."""
    monkeypatch.setattr(arrays, "FILL_FRESH", None)
    with runtime.simulated(own_blocks=True, track_writes=True) as device:
        yield device


def raises(error, call, *words):
    with pytest.raises(error) as caught:
        call()
    missing = [w for w in words if w not in str(caught.value)]
    assert not missing, f"{missing} not in: {caught.value}"


def test_stray_accesses(tracking):
    x, y = to_device(normal(100).astype("f4"), tracking, "weights"), to_device(np.zeros(128, "f4"), tracking)
    fresh = empty((64,), F32, tracking)

    def shifted(*args):
        K.shifted[(1,)](*args, BLOCK=64)

    shifted(x, y, 36)
    raises(OutOfBounds, lambda: shifted(x, y, 37), "'shifted'", "load outside block 0 (weights, 400 bytes)",
           "through x: 1 of 64", "lane (63,) -> element 100")
    raises(OutOfBounds, lambda: shifted(x, y, -2), "2 of 64", "element -2")
    raises(OutOfBounds, lambda: shifted(y, x[40:], 0), "store outside", "weights", "through y", "element 100")
    raises(OutOfBounds, lambda: shifted(x, y, 2**31 - 100), "64 of 64", "weights")
    raises(Uninitialised, lambda: shifted(fresh, y, 0), "never written", "block 2 (test_simulation.py:", "64 of 64")
    fresh[:32].device.driver.copy(fresh.ptr, x.ptr, 128, tracking.stream.handle)
    raises(Uninitialised, lambda: shifted(fresh, y, 0), "32 of 64", "lane (32,) -> element 32")


def test_use_after_free(simulated):
    x, y = to_device(normal(100).astype("f4"), simulated, "weights"), zeros((128,), F32, simulated)
    stale = DeviceArray(x.ptr, x.shape, x.strides, x.dtype, simulated, None)
    del x
    raises(UseAfterFree, lambda: K.shifted[(1,)](stale, y, 0, BLOCK=64), "of freed block 0 (weights",
           "freed at test_simulation.py")
    raises(UseAfterFree, stale.numpy, "download of 400 bytes")
    raises(UseAfterFree, lambda: simulated.driver.free(stale.ptr), "freed again")


def test_stray_copies(simulated):
    y, stream = zeros((128,), F32, simulated), simulated.stream.handle
    raises(OutOfBounds, lambda: simulated.driver.copy(y.ptr, y.ptr + 256, 300, stream), "source of a copy",
           "bytes 256 to 556 of block 0")
    raises(OutOfBounds, lambda: simulated.driver.fill(y.ptr, np.uint32(1), 129, stream), "fill of 516 bytes")
    raises(OutOfBounds, lambda: simulated.driver.free(y.ptr + 4), "no block begins", "inside block 0")
    raises(OutOfBounds, lambda: simulated.driver.free(12345), "no block begins")


def test_numbers_of_blocks_come_round(simulated, monkeypatch):
    monkeypatch.setattr(heap, "REMEMBERED", 3)
    held = zeros((4,), F32, simulated)
    for i in range(20):
        assert (full((4,), i, F32, simulated).numpy() == i).all()
    assert len(simulated.driver.heap.blocks) < 7 and (held.numpy() == 0).all()


def test_pointer_tables(simulated):
    arrays_ = [zeros((32,), F32, simulated) for _ in range(3)]
    table = np.array([a.ptr for a in arrays_], np.int64)

    def run():
        K.add_through_table[(3,)](to_device(table, simulated), 2.0, BLOCK=32)

    run()
    assert all((a.numpy() == 2).all() for a in arrays_)
    table[2] += 4
    raises(OutOfBounds, run, "block 2 (", "through a pointer in memory", "element 32")
    table[2] = 0
    raises(OutOfBounds, run, "address 0x0", "belongs to no block: null")
    table[2] = arrays_.pop().ptr
    raises(UseAfterFree, run, "of freed", "freed at test_simulation.py")


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64, ml_dtypes.bfloat16])
def test_fresh_memory_is_nan(simulated, dtype):
    assert np.isnan(empty((3,), dtype, simulated).numpy().astype("f4")).all()


def test_counts_and_log(simulated):
    x, y = empty((64,), F32, simulated), empty((64,), F32, simulated)
    K.copy[(2,)](x, y, 64, BLOCK=32)
    with simulated.on(simulated.new_stream()):
        K.copy[(1,)](x, y, 64, BLOCK=64)
    assert simulated.driver.counts == {"alloc": 2, "load": 2, "launch": 2}
    assert [tuple(entry) for entry in simulated.driver.log] == [
        ("copy", (2, 1, 1), 512, "eager"), ("copy", (1, 1, 1), 512, "eager")]


def test_injected_faults(simulated):
    x = empty((64,), F32, simulated)
    simulated.driver.fail_in = {"launch": 2, "alloc": 3}
    K.copy[(1,)](x, x, 64, BLOCK=64)
    raises(LaunchFailed, lambda: K.copy[(1,)](x, x, 64, BLOCK=64), "injected: launch number 2")
    K.copy[(1,)](x, x, 64, BLOCK=64)
    held = [empty((64,), F32, simulated) for _ in range(3)]  # the third fails, and is tried again
    assert simulated.driver.counts["alloc"] == 5 and held and not simulated.driver.fail_in


def test_limited_memory():
    with runtime.simulated(memory=10_000) as device:
        assert device.memory_info() == (10_000, 10_000) and device.total_memory == 10_000
        held = [empty((500,), F32, device) for _ in range(4)]
        raises(OutOfMemoryError, lambda: empty((600,), F32, device), "allocate 2.50 KiB.",
               "8.00 KiB is allocated", "0 bytes is reserved", "capacity of 9.77 KiB")
        assert len(held) == 4
        raises(OutOfMemoryError, lambda: to_device(np.zeros(9000, "f4"), device, "weights"), "for weights.")


def test_dry_runs_count_at_full_size():
    with runtime.simulated(execute=False, memory=1 << 44) as device:
        x = empty((1 << 31,), F32, device)
        K.copy[(1 << 20,)](x, x, 2**31 - 1, BLOCK=2048)
        assert device.driver.counts["launch"] == 1 and device.pool.used == 1 << 33


def test_compiling_what_is_simulated():
    with runtime.simulated(compile=True, execute=False, arch=80) as device:
        x = empty((64,), F32, device)
        compiled = K.copy.variant(device, BLOCK=64, num_warps=2).compile(x, x, 64)
        assert compiled.loaded.cubin[:4] == b"\x7fELF" and compiled.threads == 64
        assert ".target sm_80" in compiled.stages["ptx"]
        y = empty((1,), np.float64, device)
        constants = {"SIZES": (2, 3, 4), "NONE": None, "NAME": "sum", "TYPES": (F32, np.dtype("f8"))}
        assert K.tuples.variant(device, **constants).compile(y).loaded.cubin
        assert K.module_constants.variant(device, BLOCK=64).compile(x, x).loaded.cubin


def test_lazy_execution_finds_a_missing_wait():
    with runtime.simulated(lazy=True, own_blocks=True) as device:
        x, y = to_device(np.ones(64, "f4"), device), zeros((64,), F32, device)
        start = device.record()
        K.copy[(1,)](x, y, 64, BLOCK=64)
        end = device.record()
        assert not end.done() and start.elapsed(end) > 0 and end.done() and (y.numpy() == 1).all()
        K.shifted[(1,)](x, y, 1, BLOCK=64)
        with pytest.raises(OutOfBounds, match="shifted"):  # as on a GPU, where something waits
            runtime.synchronize()
        runtime.synchronize()
        K.copy[(1,)](x, y, 64, BLOCK=64)
        del x  # freeing waits for what is under way
        assert (y.numpy() == 1).all()
        pinned = device.driver.pinned(256).view("f4")
        device.driver.download_async(pinned, y.ptr, device.stream.handle)
        pinned[:] = 0
        device.stream.synchronize()
        assert (pinned == 1).all()


def test_several_devices():
    with runtime.simulated(devices=3) as first:
        assert runtime.device_count() == 3 and runtime.current_device() is first is runtime.device(0)
        second = runtime.device(1)
        x = to_device(np.arange(5.0), second)
        assert x.device is second and np.array_equal(to_device(x, first).numpy(), np.arange(5))
        runtime.set_device(2)
        assert runtime.current_device().index == 2 and repr(second) == "cuda:1 (simulated)"
        with pytest.raises(runtime.NoDevice, match=r"no device cuda:3: 3 simulated"):
            runtime.device(3)
    assert not isinstance(runtime.backend.backend(), runtime.backend.Simulated) or runtime.simulation_requested()
