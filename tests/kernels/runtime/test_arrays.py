"""DeviceArray: creation, transfer, views, copies, casts and fills, on every driver."""

import ml_dtypes
import numpy as np
import pytest

from tritonnet.kernels import arrays, runtime
from tritonnet.kernels.arrays import (
    DeviceArray,
    empty,
    full,
    is_host,
    pinned,
    to_device,
    to_host,
    upload,
    upload_async,
    zeros,
)

DTYPES = ["?", "u1", "i1", "i2", "i4", "i8", "f2", "f4", "f8", ml_dtypes.bfloat16, ml_dtypes.float8_e4m3fn]
random = np.random.default_rng(0)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", [(), (1,), (5,), (3, 1, 4), (0, 3)])
def test_there_and_back(device, dtype, shape):
    host = random.integers(0, 2, shape).astype(dtype) if shape else np.array(1, dtype)
    array = to_device(host, device)
    assert (array.shape, array.dtype, array.device) == (host.shape, host.dtype, device) and array.contiguous
    back = array.numpy()
    assert back.dtype == host.dtype and np.array_equal(back, host) and to_device(array, device) is array
    assert to_host(host) is host and is_host(host) and not is_host(array)


def test_uploads_take_any_host_layout(device):
    host = random.standard_normal((4, 6))
    for view in (host.T, host[::2, ::-1], np.asfortranarray(host), host[1:, 1]):
        assert np.array_equal(to_device(view, device).numpy(), view)


def test_a_host_array_may_change_after_the_upload(device):
    host = np.ones(1000, np.float32)
    on_device = []
    for i in range(8):  # more than there are staging buffers
        host[:] = i
        on_device.append(to_device(host, device))
    host[:] = -1
    assert [a.numpy()[7] for a in on_device] == list(range(8))
    big = np.ones((3 << 20,), np.float32)
    array = to_device(big, device)
    big[:] = 2
    assert (array.numpy() == 1).all()


def test_pinned_memory_is_copied_beside_the_work(device):
    stream, host = device.new_stream(), pinned((3, 4), np.float32, device)
    host[...] = np.arange(12).reshape(3, 4)
    array = empty((3, 4), np.float32, device)
    with device.on(stream):
        upload_async(array, host)
    device.stream.wait(stream.record(timing=False))
    assert np.array_equal(array.numpy(), host)
    upload(array, host[::-1].copy())
    assert np.array_equal(array.numpy(), host[::-1])
    for wrong in (host.T, host.astype("f8")):
        with pytest.raises(ValueError, match="cannot upload"):
            upload_async(array, wrong)
    assert pinned((0,), np.float32, device).shape == (0,)


@pytest.mark.parametrize("key", [
    np.s_[2], np.s_[-1, :, 3], np.s_[1:5:2, ::-3], np.s_[::-1, 7, ::-1], np.s_[:0], np.s_[..., 0],
    np.s_[None, 1, ..., None], np.s_[:, None, 2:4], np.s_[4:2], np.s_[5, 39, 7], np.s_[...], np.s_[-100:100]])
def test_views_follow_numpy(device, key):
    host = random.standard_normal((6, 40, 8))
    got = to_device(host, device)[key]
    assert got.shape == host[key].shape and np.array_equal(got.numpy(), host[key])
    assert got.size == host[key].size and got.contiguous == host[key].flags.c_contiguous or got.size == 0


def test_views_refuse_what_they_cannot_be(device):
    array = empty((3, 4), np.float32, device)
    for key, message in ((3, "index 3 is out of bounds for axis 0 with size 3"), ((0, 0, 0), "too many indices"),
                         ((..., ...), "single ellipsis"), ([0, 1], "ints, slices, None and Ellipsis, not list")):
        with pytest.raises(IndexError, match=message):
            array[key]
    with pytest.raises(ValueError, match="cannot reshape 12 elements to"):
        array.reshape(5, -1)
    with pytest.raises(ValueError, match="no permutation of 2 axes"):
        array.transpose(0, 0)
    with pytest.raises(ValueError, match="cannot broadcast"):
        array.broadcast_to((3, 5))
    with pytest.raises(ValueError, match="exactly one element"):
        array.item()


def test_views_share_memory(device):
    host = random.standard_normal((4, 3, 2)).astype("f4")
    array = to_device(host, device)
    for got, want in ((array.T, host.T), (array.transpose(1, 0, 2), host.transpose(1, 0, 2)),
                      (array.transpose((2, -3, 1)), host.transpose(2, 0, 1)),
                      (array.reshape(6, -1), host.reshape(6, 4)), (array[0].reshape(1, 6), host[:1].reshape(1, 6)),
                      (array[:, :, :1].reshape(12), host[:, :, :1].reshape(12)),
                      (array[:, :1].broadcast_to((2, 4, 3, 2)), np.broadcast_to(host[:, :1], (2, 4, 3, 2)))):
        assert got.owner is array.owner and np.array_equal(got.numpy(), want)


def test_reshape_copies_where_strides_do_not_fit(computing):
    host = random.standard_normal((4, 6)).astype("f4")
    array = to_device(host, computing)
    got = array.T.reshape(24)
    assert got.owner is not array.owner and np.array_equal(got.numpy(), host.T.reshape(24))
    assert array[:, ::2].reshape(2, 2, 3).owner is array.owner
    assert np.array_equal(array[:, ::2].reshape(4, 3, 1).numpy(), host[:, ::2].reshape(4, 3, 1))


@pytest.mark.parametrize("shape, axes", [
    ((37, 61), (1, 0)), ((5, 1, 7), (2, 1, 0)), ((3, 4, 5, 6), (0, 2, 3, 1)), ((3, 4, 5, 6), (3, 1, 2, 0)),
    ((2, 3, 4, 3, 2), (4, 2, 0, 3, 1)), ((2, 3, 2, 3, 2, 3), (5, 3, 1, 4, 2, 0)), ((2,) * 8, (7, 5, 3, 1, 6, 4, 2, 0))])
def test_copies_of_any_strides(computing, shape, axes):
    host = random.standard_normal(shape).astype("f4")
    array = to_device(host, computing).transpose(axes)
    copy = array.copy()
    assert copy.contiguous and np.array_equal(copy.numpy(), host.transpose(axes))
    assert np.array_equal(array[::-1, 1:].copy().numpy(), host.transpose(axes)[::-1, 1:])


@pytest.mark.parametrize("shape, axes", [
    ((300, 520), (1, 0)), ((2, 9, 3, 10, 3, 12), (0, 5, 2, 3, 4, 1)), ((5, 33, 2, 40), (3, 0, 2, 1))])
@pytest.mark.parametrize("dtype", [np.float32, ml_dtypes.bfloat16])
def test_transposes_go_tile_by_tile(computing, shape, axes, dtype):
    host = random.standard_normal(shape).astype("f4")
    array, names = to_device(host, computing).transpose(axes), []
    with runtime.watching(lambda launch: names.append((launch.name, launch.bytes))):
        copy = array.astype(dtype)
    assert names == [("transpose_kernel", host.size * (4 + np.dtype(dtype).itemsize))]
    assert np.array_equal(copy.numpy(), host.transpose(axes).astype(dtype))


def test_copies_between_strided_arrays(computing):
    from tritonnet.kernels.strided import copy_to

    target, source = zeros((4, 6, 5), np.float32, computing), to_device(np.arange(5.0), computing)
    copy_to(target[::2, 1:3], source)
    want = np.zeros((4, 6, 5), np.float32)
    want[::2, 1:3] = np.arange(5)
    assert np.array_equal(target.numpy(), want)
    copy_to(target.T, full((), 7, np.int32, computing))
    assert (target.numpy() == 7).all()


@pytest.mark.parametrize("source", DTYPES)
@pytest.mark.parametrize("target", DTYPES)
def test_casts_agree_with_numpy(computing, source, target):
    host = np.array([0, 1, 2, 3, 5, 7, 100, 0.75, 1.5], np.float64).astype(source)
    array = to_device(host, computing)
    got = array.astype(target)
    assert got.dtype == np.dtype(target) and np.array_equal(got.numpy(), host.astype(target))
    assert array.astype(source, copy=False) is array


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("value", [0, 1, -1.5, np.nan])
def test_fills(computing, dtype, value):
    dtype = np.dtype(dtype)
    if dtype.kind in "biu":
        value = 0 if not value > 0 else value
    for shape in ((), (3,), (2, 5)):
        assert np.array_equal(full(shape, value, dtype, computing).numpy(), full(shape, value, dtype),
                              equal_nan=dtype.kind not in "biu")
    array = zeros((4, 6), dtype, computing)
    arrays.fill(array[:, 1::2], value)
    want = np.zeros((4, 6), dtype)
    want[:, 1::2] = value
    assert np.array_equal(array.numpy().astype("f8"), want.astype("f8"), equal_nan=True)


def test_fresh_memory_is_poisoned_in_tests(device):
    assert np.isnan(empty((3,), np.float32, device).numpy()).all()
    assert (empty((3,), np.int32, device).numpy() == -1).all()
    assert np.isnan(empty((3,), np.float64)).all()


def test_printing(device):
    array = to_device(np.zeros((2, 3), np.float32), device)
    assert repr(array).startswith("DeviceArray(float32[2, 3] on cuda:0") and "strides [1, 3]" in repr(array.T)
    assert len(array) == 2 and array[1, 2].item() == 0.0
    assert isinstance(array, DeviceArray)
