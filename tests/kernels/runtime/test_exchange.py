"""DLPack and __cuda_array_interface__, both ways."""

import gc

import ml_dtypes
import numpy as np
import pytest

from tests.kernels.runtime.conftest import FAKE
from tritonnet.kernels import runtime
from tritonnet.kernels.arrays import dlpack, empty, from_cuda_array, from_dlpack, to_device

DTYPES = ["?", "u1", "i2", "i4", "i8", "f2", "f4", "f8", ml_dtypes.bfloat16, ml_dtypes.float8_e4m3fn]


@pytest.mark.parametrize("dtype", DTYPES)
def test_there_and_back_by_dlpack(device, dtype):
    host = (np.arange(24).reshape(4, 6) % 2).astype(dtype)
    array = to_device(host, device)
    for view, want in ((array, host), (array.T, host.T), (array[1:, ::2], host[1:, ::2]), (array[:0], host[:0]),
                       (array[2, 3], host[2, 3]), (array[::-1], host[::-1])):
        got = from_dlpack(view)
        got = got if device.simulated else got.numpy()
        assert got.dtype == host.dtype and got.shape == want.shape and np.array_equal(got, want)


def test_memory_is_shared_until_both_let_go(device):
    array = to_device(np.arange(6.0), device)
    used, address = device.pool.used, array.ptr
    other = from_dlpack(array)
    del array
    assert device.pool.used == used and len(dlpack._exported) == 1
    if device.simulated:
        assert other.tolist() == list(range(6))
        other[0] = 9  # writes go through
    else:
        assert other.ptr == address and other.device is device
    del other
    gc.collect()
    assert device.pool.used < used and not dlpack._exported


def test_a_capsule_that_nobody_takes(device):
    array = to_device(np.arange(6.0), device)
    used = device.pool.used
    capsule = array.__dlpack__()
    del array
    assert device.pool.used == used
    del capsule
    assert device.pool.used < used and not dlpack._exported


def test_host_arrays_come_as_they_are():
    host = np.arange(12, dtype=np.int16).reshape(3, 4)
    shared = from_dlpack(host.T)
    assert np.array_equal(shared, host.T) and np.shares_memory(shared, host)


def test_numpy_reads_a_simulated_device(simulated):
    host = np.arange(12, dtype=np.float32).reshape(3, 4)
    assert np.array_equal(np.from_dlpack(to_device(host, simulated).T), host.T)
    assert to_device(host, simulated).__dlpack_device__() == (dlpack.CPU, 0)


def test_what_cannot_be_shared(device):
    array = empty((3,), np.float32, device)
    with pytest.raises(BufferError, match="without a copy, where it is"):
        array.__dlpack__(copy=True)
    with pytest.raises(BufferError, match="without a copy, where it is"):
        array.__dlpack__(dl_device=(4, 0))
    assert hasattr(array, "__cuda_array_interface__") != device.simulated
    assert not hasattr(empty((3,), ml_dtypes.bfloat16, device), "__cuda_array_interface__")


def test_cuda_array_interface(device):
    if device.simulated:
        pytest.skip("a simulated device has no CUDA memory")
    host = np.arange(24, dtype=np.float32).reshape(4, 6)
    array = to_device(host, device)
    for view, want in ((array, host), (array.T[::2], host.T[::2]), (array[:0], host[:0])):
        told = view.__cuda_array_interface__
        assert told["version"] == 3 and told["typestr"] == "<f4" and told["stream"] == int(device.stream.handle)
        back = from_cuda_array(view)
        assert np.array_equal(back.numpy(), want) and back.device is device

    class Other:
        __cuda_array_interface__ = {"shape": (3,), "typestr": "<f4", "data": (array.ptr, False), "version": 2}

    other = Other()
    back = from_cuda_array(other)
    assert np.array_equal(back.numpy(), [0, 1, 2]) and back.contiguous
    other.__cuda_array_interface__ = Other.__cuda_array_interface__ | {"typestr": "<c8"}
    with pytest.raises(BufferError, match="complex64"):
        from_cuda_array(other)


def test_torch(torch):
    if FAKE:
        pytest.skip("torch would look for a real driver")
    with runtime.simulated() as device:
        for dtype in (np.float32, ml_dtypes.bfloat16, np.int64):
            host = np.arange(12).reshape(3, 4).astype(dtype)
            tensor = torch.from_dlpack(to_device(host, device).T)
            assert tensor.stride() == (1, 4) and np.array_equal(tensor.float().numpy(), host.T.astype("f4"))
            back = from_dlpack(tensor)
            assert back.dtype == host.dtype and np.array_equal(back, host.T)
