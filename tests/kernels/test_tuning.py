"""Tuned configurations: look-up, the user's file, search."""

import json

import numpy as np
import pytest

from tritonnet.kernels import runtime, tuning
from tritonnet.kernels.arrays import empty
from tritonnet.kernels.matmul import matmul
from tritonnet.kernels.matmul.gemm import gemm_kernel
from tritonnet.kernels.runtime import simulated
from tritonnet.kernels.runtime.simulation import DryDriver

CONFIG = {"BLOCK_M": 32, "BLOCK_N": 32, "BLOCK_K": 16, "GROUP_M": 4, "num_warps": 2, "num_stages": 2}


@pytest.fixture
def gpu(tmp_path, monkeypatch):
    """A H200 that computes nothing, with an empty cache of the user."""
    monkeypatch.setenv("TRITONNET_CACHE", str(tmp_path))
    monkeypatch.setattr(tuning, "_tables", {})
    with simulated(driver=DryDriver, arch=90) as device:
        yield device


def user_file(tmp_path):
    return next((tmp_path / "tuned").glob("*.json"))


def test_what_is_stored_is_found_without_what_was_measured(gpu, tmp_path):
    assert tuning.look_up(gemm_kernel, gpu, "float32/x") is None
    tuning.store(gemm_kernel, gpu, "float32/x", CONFIG | {"us": 12.5, "mhz": 1980})
    assert tuning.look_up(gemm_kernel, gpu, "float32/x") == CONFIG
    written = json.loads(user_file(tmp_path).read_text())
    assert written["gemm_kernel"]["source"] == gemm_kernel.key[:16]
    assert written["gemm_kernel"]["float32/x"]["us"] == 12.5


def test_entries_of_another_source_do_not_count(gpu, tmp_path):
    tuning.store(gemm_kernel, gpu, "float32/x", CONFIG)
    path = user_file(tmp_path)
    path.write_text(path.read_text().replace(gemm_kernel.key[:16], "0123456789abcdef"))
    tuning._tables.clear()
    assert tuning.look_up(gemm_kernel, gpu, "float32/x") is None
    tuning.store(gemm_kernel, gpu, "float32/y", CONFIG)                  # and are dropped
    assert set(json.loads(path.read_text())["gemm_kernel"]) == {"source", "float32/y"}


@pytest.mark.parametrize("text", ["", "{", "[1, 2]"])
def test_a_spoilt_file_is_an_empty_one(gpu, tmp_path, text):
    tuning.store(gemm_kernel, gpu, "float32/x", CONFIG)
    user_file(tmp_path).write_text(text)
    tuning._tables.clear()
    assert tuning.look_up(gemm_kernel, gpu, "float32/x") is None


def test_products_take_what_was_tuned(gpu):
    key = f"float16/{tuning.bucket(1, 1000, 512, 256)}"
    tuning.store(gemm_kernel, gpu, key, CONFIG | {"SPLIT": 2})
    seen = []
    with runtime.watching(seen.append):
        matmul(empty((1000, 256), np.dtype(np.float16), gpu), empty((256, 512), np.dtype(np.float16), gpu))
    assert [launch.name for launch in seen] == ["gemm_kernel", "reduce_kernel"]
    assert seen[0].variant.constants["BLOCK_M"] == 32 and seen[0].variant.options["num_warps"] == 2
    assert seen[0].grid == (32 * 16, 2)


def test_the_simulated_device_is_never_tuned(simulated):
    assert tuning.look_up(gemm_kernel, simulated, "float32/x") is None


def test_buckets_are_powers_of_two():
    assert tuning.bucket(1, 60, 784, 10) == "1x64x1024x16"


def test_search_ranks_what_runs_and_leaves_out_what_does_not(simulated):
    def run(config):
        if config["n"] == 0:
            raise RuntimeError("too much shared memory")
        np.ones((50 * config["n"], 50)).sum()

    ranked = tuning.search([{"n": 400}, {"n": 0}, {"n": 1}], run, simulated, rounds=3, calls=2)
    assert [config["n"] for _, config in ranked] == [1, 400]
