"""Matrix products: what the host splits, what a device launches, precisions; values are tested by the samples."""

import numpy as np
import pytest

from tritonnet.kernels import runtime
from tritonnet.kernels.arrays import empty, to_device
from tritonnet.kernels.matmul import (
    get_matmul_precision,
    linear,
    linear_backward,
    matmul,
    mirror,
    set_matmul_precision,
)
from tritonnet.kernels.matmul.gemm import gemm_kernel
from tritonnet.kernels.matmul.precision import precision_on
from tritonnet.kernels.matmul.shapes import splits, tiles
from tritonnet.kernels.runtime import host
from tritonnet.kernels.runtime.simulation import DryDriver

F4, F2 = np.dtype(np.float32), np.dtype(np.float16)


def random(*shape, dtype=np.float32):
    return np.random.default_rng(0).standard_normal(shape).astype(dtype)


@pytest.fixture
def split_everything(monkeypatch):
    """Two threads, and no product too small for them."""
    monkeypatch.setattr(host, "_team", host.Team(2))
    monkeypatch.setattr(host, "SPLIT", 2)
    for name in ("SMALL", "ONE_THREAD", "SPLIT"):
        monkeypatch.setattr(mirror, name, 1)
    host.parallel(lambda i, j: None, 2, 1 << 20)         # a loop was split of late: products are ours to split


@pytest.mark.parametrize("x, y", [((300, 40), (40, 30)), ((20, 40), (40, 300)), ((7, 9, 4), (4, 5)),
                                  ((3, 5, 6), (3, 6, 4)), ((1, 4, 5, 6), (4, 6, 3)), ((2, 1, 4, 5), (3, 5, 2))])
def test_products_split_over_threads(split_everything, x, y):
    x, y = random(*x), random(*y)
    np.testing.assert_allclose(matmul(x, y), np.matmul(x, y), rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(matmul(x.swapaxes(-1, -2), x), np.matmul(x.swapaxes(-1, -2), x), rtol=1e-5, atol=1e-4)


def test_middling_products_keep_blas_to_one_thread_after_a_split(split_everything, monkeypatch):
    monkeypatch.setattr(mirror, "SPLIT", 1 << 30)
    np.testing.assert_allclose(matmul(random(30, 40), random(40, 30)), random(30, 40) @ random(40, 30), rtol=1e-5)


@pytest.mark.parametrize("dtype", ["int64", "int32", "bool"])
def test_integers_are_multiplied_on_the_host(dtype):
    x = np.arange(6).reshape(2, 3).astype(dtype)
    np.testing.assert_array_equal(matmul(x, x.T), np.matmul(x, x.T))


def test_infinities_pass_without_a_word_where_warnings_are_errors():
    x = np.full((2, 3), np.inf, np.float32)
    for a in (matmul(x, -x.T), matmul(x, np.zeros((3, 2), np.float32)), linear(x, x, np.full(2, -np.inf, np.float32)),
              matmul(x[None], -x.T[None]), *linear_backward(x[:, :2], x, x[:2])):
        assert not np.isfinite(a).all()


@pytest.fixture
def h200():
    with runtime.simulated(driver=DryDriver, arch=90) as device:
        yield device


def launches(work):
    seen = []
    with runtime.watching(seen.append):
        work()
    return seen


def test_transposes_and_strides_are_read_where_they_are(simulated):
    a, b = (to_device(random(40, 40), simulated) for _ in range(2))
    for x, y in [(a.T, b), (a, b.T), (a.T, b.T), (a[::2, ::2], b[:20]), (a[:, 3:23], b[5:25])]:
        seen = launches(lambda x=x, y=y: matmul(x, y))
        assert [one.name for one in seen] == ["gemm_kernel"]


def test_few_rows_swap_the_operands_and_long_sums_are_split(h200):
    x, w, b = empty((64, 784), F4, h200), empty((128, 784), F4, h200), empty((128,), F4, h200)
    gemm, reduce = launches(lambda: linear(x, w, b))
    assert gemm.arguments["SPLIT"] > 1 and gemm.arguments["bias"] is None and reduce.arguments["bias"] is b
    assert gemm.grid[0] * gemm.arguments["SPLIT"] <= 2 * h200.multi_processor_count
    one, = launches(lambda: linear(empty((3, 40), F4, h200), empty((90, 40), F4, h200), empty((90,), F4, h200)))
    assert one.arguments["BIAS_ROWS"] and one.arguments["M"] == 90 and one.arguments["N"] == 3


def test_flops_and_bytes(h200):
    one, = launches(lambda: matmul(empty((4, 256, 64), F2, h200), empty((4, 64, 512), F2, h200)))
    assert one.flops == 2 * 4 * 256 * 64 * 512
    assert one.bytes == 2 * 4 * (256 * 64 + 64 * 512 + 256 * 512)


def test_results_are_the_same_in_every_run(simulated):
    x, w = to_device(random(3, 1000), simulated), to_device(random(40, 1000), simulated)
    assert launches(lambda: linear(x, w))[0].arguments["SPLIT"] > 1
    np.testing.assert_array_equal(linear(x, w).numpy(), linear(x, w).numpy())


def test_huge_strides_are_counted_in_64_bits(h200):
    a = empty((4, 1 << 25), F2, h200)
    one, = launches(lambda: matmul(a[:, :64], empty((64, 64), F2, h200)))
    assert one.arguments["FAR"]


@pytest.mark.parametrize("arch, precision", [(80, "tf32x3"), (86, "ieee"), (89, "ieee"), (90, "tf32x3"),
                                             (100, "tf32x3"), (120, "ieee")])
def test_float32_is_accurate_by_default_in_the_faster_way(arch, precision):
    with runtime.simulated(driver=DryDriver, arch=arch) as device:
        assert precision_on(device) == precision


def test_precision_is_a_setting(simulated):
    assert get_matmul_precision() is None
    try:
        set_matmul_precision("tf32")
        assert get_matmul_precision() == precision_on(simulated) == "tf32"
        x = to_device(random(4, 4), simulated)
        assert launches(lambda: matmul(x, x))[0].arguments["PRECISION"] == "tf32"
        with pytest.raises(ValueError, match="expected one of ieee, tf32x3, tf32"):
            set_matmul_precision("high")
    finally:
        set_matmul_precision(None)


def test_integers_have_no_kernel(simulated):
    x = to_device(np.ones((2, 2), np.int64), simulated)
    with pytest.raises(RuntimeError, match="not implemented for int64"):
        matmul(x, x)


@pytest.mark.parametrize("arch", [80, 86, 89, 90, 100, 120])
@pytest.mark.parametrize("dtype", ["float32", "float16", "float64"])
@pytest.mark.parametrize("shape", [(1, 8192, 8192, 8192), (1, 1024, 1024, 1024), (1, 128, 64, 784), (1, 128, 10, 64),
                                   (96, 1024, 1024, 64), (512, 64, 64, 64)])
def test_default_tiles_fit_into_shared_memory_and_splits_fill_the_device(arch, dtype, shape):
    batch, M, N, K = shape
    with runtime.simulated(driver=DryDriver, arch=arch) as device:
        config = tiles(device, np.dtype(dtype), batch, M, N, K)
        stages = config["num_stages"] - (0 if arch in (90, 100) else 1)
        size = (config["BLOCK_M"] + config["BLOCK_N"]) * config["BLOCK_K"] * np.dtype(dtype).itemsize * stages
        assert size <= device.properties.max_shared
        parts = splits(device, batch, M, N, K, config)
        programs = batch * -(-M // config["BLOCK_M"]) * -(-N // config["BLOCK_N"])
        assert parts == 1 or parts * programs <= 2 * device.multi_processor_count
        assert parts == 1 or 4 * parts * config["BLOCK_K"] <= K
    assert set(config) == {"BLOCK_M", "BLOCK_N", "BLOCK_K", "GROUP_M", "num_warps", "num_stages"}
    assert {p.name for p in gemm_kernel.params if p.constexpr} >= set(config) - {"num_warps", "num_stages"}
