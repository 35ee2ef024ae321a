"""Races, memory that nobody wrote, undefined lanes, misaligned addresses: found, and described."""

import numpy as np
import pytest

pytest.importorskip("triton", reason="interprets Triton kernels")

from tests.kernels.lab import faulty_kernels as K
from tritonnet import kernels
from tritonnet.kernels import arrays, runtime
from tritonnet.kernels.arrays import empty, to_device
from tritonnet.kernels.kernel import kernel
from tritonnet.kernels.runtime import Misaligned, Race, Undefined, Uninitialised
from tritonnet.kernels.runtime.interpret.fresh import written


def floats(*shape):
    return np.random.default_rng(0).standard_normal(shape).astype(np.float32)


def raises(error, call, *words):
    with pytest.raises(error) as caught:
        call()
    missing = [w for w in words if w not in str(caught.value)]
    assert not missing, f"{missing} not in: {caught.value}"


def racing(*args, races=True, **kwargs):
    return lambda: kernels.interpret(*args, races=races, **kwargs)


# --- races ---

def test_read_and_write_of_two_programs():
    raises(Race, racing(K.read_add_write, (2,), floats(100), np.zeros(1, "f4"), 100, BLOCK=64),
           "'read_add_write', program (1, 0, 0)", "load of 'total_ptr' races with the store of program (0, 0, 0)",
           "faulty_kernels.py:", "total = tl.load(total_ptr)", "total_ptr[0] (its lane (0,))")
    kernels.interpret(K.add_atomically, (2,), floats(100), np.zeros(1, "f4"), 100, BLOCK=64, races=True)


def test_two_writes():
    y = np.zeros((2, 32), np.int32)
    raises(Race, racing(K.overlapping, (2,), y, 16, 12, BLOCK=16),
           "store of 'y_ptr' races with the store of program (0", "4 of 16 active lanes",
           "lane (0,) -> y_ptr[0, 12] (its lane (12,))")
    kernels.interpret(K.overlapping, (2,), y, 16, 16, BLOCK=16, races=True)
    raises(Race, racing(K.overlapping, (2,), y, 16, 12, BLOCK=16, races="same-value-ok"), "4 of 16")
    raises(Race, racing(K.same_everywhere, (2,), y, 3, BLOCK=16), "16 of 16 active lanes", "and 12 more")
    kernels.interpret(K.same_everywhere, (2,), y, 3, BLOCK=16, races="same-value-ok")


def test_a_write_after_another_programs_read():
    raises(Race, racing(K.shift_left, (2,), np.arange(32), 32, BLOCK=16),
           "store of 'x_ptr' races with the load of program (0, 0, 0)", "1 of 15 active lanes",
           "lane (0,) -> x_ptr[16] (its lane (15,))", "tl.store(x_ptr + at, x, mask=at + 1 < n)")
    kernels.interpret(K.shift_left, (1,), np.arange(32), 32, BLOCK=32, races=True)


def test_lanes_of_one_store():
    index, y = np.array([0, 1, 2, 1], np.int64), np.zeros(4, np.int32)
    raises(Race, racing(K.scatter, (1,), index, y, BLOCK=4),
           "lanes (1,) and (3,) of one store write different values, 1 and 3, to y_ptr[1]")
    kernels.interpret(K.scatter, (1,), np.arange(4), y, BLOCK=4, races=True)


def test_arguments_that_overlap():
    whole = floats(96)
    raises(Race, racing(K.add, (2,), whole[:64], whole[:64], whole[16:80], 64, BLOCK=32),
           "load of 'x_ptr' races with the store of 'z_ptr' of program (0, 0, 0)", "x_ptr[32] (its lane (16,))")
    kernels.interpret(K.add, (2,), whole[:64], whole[:64], whole[:64], 64, BLOCK=32, races=True)  # in place: no race
    spread = np.lib.stride_tricks.as_strided(np.zeros(1, np.int32), (2, 16), (0, 0))
    raises(Race, racing(K.overlapping, (2,), spread, 1, 0, BLOCK=1), "y_ptr[0, 0] (its lane (0,))")


def last(sem):
    parts, ticket, total = np.zeros(4, "f4"), np.zeros(1, np.int32), np.zeros(1, "f4")
    x = floats(100)
    kernels.interpret(K.last_adds_up, (4,), x, parts, ticket, total, 100, PROGRAMS=4, BLOCK=32, SEM=sem, races=True)
    assert total[0] == pytest.approx(x.sum(), rel=1e-4) and ticket[0] == 0


def test_what_a_ticket_orders_is_no_race():
    last("acq_rel")
    for sem in ("relaxed", "acquire", "release"):
        raises(Race, lambda sem=sem: last(sem), "load of 'parts_ptr' races with the store of program (0, 0, 0)")


def test_accesses_of_several_sizes():
    """Bytes of one program beside words of another."""
    data, y = np.arange(16, dtype=np.int8), np.zeros(1, np.int32)
    kernels.interpret(K.as_words, (3,), data, y, 4, races="same-value-ok")
    raises(Misaligned, racing(K.as_words, (1,), data, y, 2), "load of 4 bytes at an address of 'bytes_ptr'",
           "no multiple of 4")
    raises(ValueError, racing(K.as_words, (1,), data, np.zeros(5, np.int8)[1:].view(np.int32), 0),
           "'y_ptr' is misaligned")


# --- memory that nobody wrote ---

@pytest.mark.parametrize("dtype", [np.float32, np.float16, np.int64, np.int32, np.uint8, bool])
def test_reading_what_nobody_wrote(dtype):
    x = kernels.uninitialised(64, dtype)
    y = kernels.uninitialised(64, dtype)
    x[:60] = np.nan if np.dtype(dtype).kind == "f" else 1
    raises(Uninitialised, lambda: kernels.interpret(K.with_helper, (1,), x, y, BLOCK=64),
           "load of elements of 'x_ptr' that nobody wrote: 4 of 64 active lanes: lane (60,) -> x_ptr[60]",
           "x = tl.load(x_ptr + tl.arange(0, BLOCK))")
    x[60:] = 0
    kernels.interpret(K.with_helper, (1,), x, y, BLOCK=64)
    kernels.interpret(K.with_helper, (1,), y, x, BLOCK=64)  # a kernel has written it, NaN included


def test_views_and_other_ways_of_writing():
    x, y = kernels.uninitialised((4, 16)), np.zeros(64, np.float32)

    def read(array):
        kernels.interpret(K.with_helper, (1,), array, y, BLOCK=16)

    x[1, ::2] = 0
    raises(Uninitialised, lambda: read(x[1]), "8 of 16", "lane (1,) -> x_ptr[1]")
    x[1][1::2] = 0
    read(x[1])
    np.copyto(x[2], 1)
    read(x[2])
    raises(Uninitialised, lambda: read(x[3]))
    x[3].fill(0)
    read(x[3])
    x[0][np.arange(16) > 3] = 1
    raises(Uninitialised, lambda: read(x[0]), "4 of 16")
    x[[0]] = 2
    read(x[0])
    assert getattr(x + 1, "root", None) is None or (x + 1).sum() != 0
    read(x[0] + 1)  # a result is an array like any other


def test_what_counts_as_written():
    x = kernels.uninitialised((3, 4))
    x[1, 2], x[None, 0], x[..., 0][2], x[5:] = 5, 1, 2, 3
    assert written(x).reshape(3, 4, 4).all(axis=2).astype(int).tolist() == [[1, 1, 1, 1], [0, 0, 1, 0], [1, 0, 0, 0]]
    scalar = kernels.uninitialised((), np.int64)
    scalar[...] = 1
    assert written(scalar).all() and written(kernels.uninitialised(0)) is None
    with pytest.raises(TypeError, match="Triton does not know complex64; it knows"):
        kernels.uninitialised(3, np.complex64)


def test_bytes_and_words_of_one_buffer():
    buffer = np.zeros(64, np.int8)
    kernels.interpret(K.as_words, (1,), buffer[1:], buffer[4:8].view(np.int32), 3, races=True)  # address 4 is aligned


def test_arguments_declared_unwritten():
    total = np.zeros(1, np.float32)
    raises(Uninitialised, lambda: kernels.interpret(K.read_add_write, (1,), floats(8), total, 8, BLOCK=8,
                                                    uninitialised="total_ptr"), "'total_ptr' that nobody wrote")
    kernels.interpret(K.add, (1,), floats(8), floats(8), floats(8), 8, BLOCK=8, uninitialised=["z_ptr"])


# --- undefined lanes ---

@pytest.mark.parametrize("fn", [K.undefined_sum, K.undefined_maximum])
def test_lanes_without_other(fn):
    total = np.zeros(1, np.float32)
    raises(Undefined, lambda: kernels.interpret(fn, (1,), floats(5), total, 5, BLOCK=8, undefined=True),
           "the store into 'total_ptr' in lane (0,)", "depends on lanes that the load at faulty_kernels.py:",
           "tl.load(x_ptr + at, mask=at < n)", "masks off without other=")
    assert total[0] != 0
    kernels.interpret(fn, (1,), floats(8), total, 8, BLOCK=8, undefined=True)  # no lane is masked off


def test_undefined_addresses():
    index, x, y = np.array([1, 0], np.int32), floats(2), np.zeros(4, np.float32)
    raises(Undefined, lambda: kernels.interpret(K.undefined_address, (1,), index, x, y, 2, BLOCK=4, undefined=True),
           "this failure (kernel 'undefined_address'", "out of bounds of 'x_ptr'",
           "tl.load(index_ptr + at, mask=at < n)")


def test_undefined_lanes_that_reach_nothing():
    x, y, z = floats(100), floats(100), kernels.uninitialised(100)
    trace = kernels.interpret(K.add, (2,), x, y, z, 100, BLOCK=64, trace=True, races=True, undefined=True)
    assert (np.asarray(z) == x + y).all() and len(trace) == 6
    kernels.interpret(K.add, (2,), z, y, z, 100, BLOCK=64, undefined=True)  # in place: each run starts from the same
    np.testing.assert_allclose(z, x + y + y, rtol=1e-6)


# --- the simulated device ---

def test_the_device_checks_when_asked(monkeypatch):
    monkeypatch.setattr(arrays, "FILL_FRESH", None)
    total = kernel(K.read_add_write.fn)
    with runtime.simulated(check=True) as device:
        x = to_device(floats(100), device, "x")
        raises(Uninitialised, lambda: total[(1,)](x, empty((1,), np.dtype("f4"), device), 100, BLOCK=128),
               "'read_add_write'", "never written", "total = tl.load(total_ptr)")
        y = to_device(np.zeros(1, "f4"), device, "sums")
        raises(Race, lambda: total[(2,)](x, y, 100, BLOCK=64),
               "load of block 2 (sums, 4 bytes), through total_ptr races", "element 0", "faulty_kernels.py")
        total[(1,)](x, y, 100, BLOCK=128)
    with runtime.simulated() as device:
        total[(2,)](to_device(floats(100), device), to_device(np.zeros(1, "f4"), device), 100, BLOCK=64)


def test_undefined_lanes_hold_garbage_on_a_device_that_checks():
    total = kernel(K.undefined_sum.fn)
    for check, want in ((False, 10.0), (True, np.nan)):
        with runtime.simulated(check=check) as device:
            y = to_device(np.zeros(1, "f4"), device)
            total[(1,)](to_device(np.ones(5, "f4"), device), y, 5, BLOCK=8)
            np.testing.assert_equal(y.numpy()[0], np.float32(want))


def test_the_environment_asks(monkeypatch):
    for value, want in (("1", True), ("0", False), ("", False)):
        monkeypatch.setenv("TRITONNET_CHECK", value)
        with runtime.simulated() as device:
            assert device.driver.races == device.driver.heap.track_writes == device.pool.own_blocks == want
    monkeypatch.setenv("TRITONNET_CHECK", "1")
    with runtime.simulated(check=False) as device:
        assert not device.driver.races
