"""Tuned configurations: look-up, the user's file, search."""

import json
import subprocess
import sys

import numpy as np
import pytest

from tritonnet.kernels import runtime, tuning, tuning_tables
from tritonnet.kernels.arrays import empty
from tritonnet.kernels.matmul import matmul
from tritonnet.kernels.matmul.gemm import gemm_kernel
from tritonnet.kernels.runtime import simulated
from tritonnet.kernels.runtime.simulation import DryDriver

CONFIG = {"BLOCK_M": 32, "BLOCK_N": 32, "BLOCK_K": 16, "GROUP_M": 4, "SPLIT": 2, "RESIDENT": 0, "STREAM": 0,
          "DESCRIPTORS": 0, "SPECIALIZE": 0, "num_warps": 2, "num_stages": 2}


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
    tuning.store(gemm_kernel, gpu, "float32/x", CONFIG, {"us": 12.5, "mhz": 1980})
    assert tuning.look_up(gemm_kernel, gpu, "float32/x") == CONFIG
    written = json.loads(user_file(tmp_path).read_text())
    assert written["device"] == gpu.name and written["kernels"]["gemm_kernel"]["source"] == gemm_kernel.key[:16]
    entry = written["kernels"]["gemm_kernel"]["entries"]["float32/x"]
    assert entry == {"config": CONFIG, "measured": {"us": 12.5, "mhz": 1980}}


def test_entries_of_another_source_do_not_count(gpu, tmp_path):
    tuning.store(gemm_kernel, gpu, "float32/x", CONFIG)
    path = user_file(tmp_path)
    path.write_text(path.read_text().replace(gemm_kernel.key[:16], "0123456789abcdef"))
    tuning._tables.clear()
    assert tuning.look_up(gemm_kernel, gpu, "float32/x") is None
    tuning.store(gemm_kernel, gpu, "float32/y", CONFIG)                  # and are dropped
    assert set(json.loads(path.read_text())["kernels"]["gemm_kernel"]["entries"]) == {"float32/y"}


@pytest.mark.parametrize("text", ["", "{", "[1, 2]", '{"kernels": 3}', '{"kernels": {}, "format": 99}', "[" * 100_000,
                                  '{"kernels": {}, "format": 1, "device": null}'])
def test_a_spoilt_file_is_set_aside_with_a_warning(gpu, tmp_path, text):
    tuning.store(gemm_kernel, gpu, "float32/x", CONFIG)
    path = user_file(tmp_path)
    path.write_text(text)
    tuning.forget()
    with pytest.warns(RuntimeWarning, match="spoilt table .* renamed to NVIDIA-H200.json.spoilt"):
        assert tuning.look_up(gemm_kernel, gpu, "float32/x") is None
    assert path.with_name(f"{path.name}.spoilt").read_text() == text and not path.exists()
    tuning.store(gemm_kernel, gpu, "float32/x", CONFIG)  # and is built anew
    assert tuning.look_up(gemm_kernel, gpu, "float32/x") == CONFIG


def test_a_link_stays_a_link(gpu, tmp_path):
    tuning.store(gemm_kernel, gpu, "float32/x", CONFIG)
    path = user_file(tmp_path)
    shared = path.rename(tmp_path / "shared.json")
    path.symlink_to(shared)
    tuning.store(gemm_kernel, gpu, "float32/y", CONFIG)
    assert path.is_symlink() and {*json.loads(shared.read_text())["kernels"]["gemm_kernel"]["entries"]} == {
        "float32/x", "float32/y"}


def test_entries_that_are_no_configurations_are_left_out(gpu, tmp_path):
    tuning.store(gemm_kernel, gpu, "float32/x", CONFIG)
    table = json.loads(user_file(tmp_path).read_text())
    table["kernels"]["gemm_kernel"]["entries"] |= {
        "float32/y": {"config": CONFIG | {"BLOCK_M": "__import__('os')"}}, "float32/z": 7}
    table["kernels"]["other"] = {"source": 1}
    user_file(tmp_path).write_text(json.dumps(table))
    tuning.forget()
    with pytest.warns(RuntimeWarning, match="3 entries .* gemm_kernel float32/y"):
        assert tuning.look_up(gemm_kernel, gpu, "float32/y") is None
    assert tuning.look_up(gemm_kernel, gpu, "float32/x") == CONFIG


def test_a_configuration_of_other_names_is_ignored(gpu):
    tuning.store(gemm_kernel, gpu, "float32/x", CONFIG | {"BLOCK_Q": 3})
    with pytest.warns(RuntimeWarning, match="BLOCK_Q"):
        assert tuning.look_up(gemm_kernel, gpu, "float32/x") is None
    tuning.store(gemm_kernel, gpu, "float32/x", CONFIG | {"BLOCK_N": 0})
    with pytest.warns(RuntimeWarning, match="ignored: BLOCK_N cannot be 0"):
        assert tuning.look_up(gemm_kernel, gpu, "float32/x") is None
    for name, value, said in (("num_warps", 3, "num_warps is 3, no power of two"), ("BLOCK_M", 33, "no power of two"),
                              ("num_warps", 4096, "num_warps is 4096, at most")):
        tuning.store(gemm_kernel, gpu, "float32/x", CONFIG | {name: value})
        with pytest.warns(RuntimeWarning, match=f"ignored: .*{said}"):
            assert tuning.look_up(gemm_kernel, gpu, "float32/x") is None
    with pytest.raises(ValueError, match="no configuration"):
        tuning.store(gemm_kernel, gpu, "float32/x", {"BLOCK_M": 1.5})


@pytest.mark.parametrize("mode, found", [("auto", True), ("", True), ("shipped", False), ("off", False)])
def test_modes(gpu, monkeypatch, mode, found):
    tuning.store(gemm_kernel, gpu, "float32/x", CONFIG)
    monkeypatch.setenv("TRITONNET_TUNE", mode)
    tuning.forget()
    assert (tuning.look_up(gemm_kernel, gpu, "float32/x") is not None) == found


def test_what_is_shipped_counts_behind_the_users(gpu, monkeypatch):
    table = tuning_tables.empty_table(gpu.name)
    source = gemm_kernel.key[:16]
    table["kernels"]["gemm_kernel"] = {"source": source, "entries": {
        key: {"config": CONFIG | {"BLOCK_M": 64}, "measured": {}} for key in ("float32/x", "float32/y")}}
    monkeypatch.setattr(tuning, "shipped", lambda name: table)
    tuning.store(gemm_kernel, gpu, "float32/x", CONFIG)
    assert tuning.look_up(gemm_kernel, gpu, "float32/x")["BLOCK_M"] == 32
    assert tuning.look_up(gemm_kernel, gpu, "float32/y")["BLOCK_M"] == 64
    for mode, block in (("shipped", 64), ("off", None)):
        monkeypatch.setenv("TRITONNET_TUNE", mode)
        tuning.forget()
        assert (tuning.look_up(gemm_kernel, gpu, "float32/x") or {}).get("BLOCK_M") == block


def test_an_unknown_mode_is_said(gpu, monkeypatch):
    monkeypatch.setenv("TRITONNET_TUNE", "always")
    tuning.forget()
    with pytest.warns(RuntimeWarning, match="TRITONNET_TUNE=always: expected one of auto, shipped, off"):
        tuning.look_up(gemm_kernel, gpu, "float32/x")


def test_a_cache_that_cannot_be_written(gpu, monkeypatch):
    monkeypatch.setattr(tuning_tables, "write_whole", lambda path, data: False)
    assert not tuning.store(gemm_kernel, gpu, "float32/x", CONFIG)
    assert tuning.look_up(gemm_kernel, gpu, "float32/x") == CONFIG, "it counts for this process"


def test_many_writers_lose_nothing(gpu, tmp_path):
    program = f"""if True:
        import sys
        from tritonnet.kernels import tuning
        from tritonnet.kernels.matmul.gemm import gemm_kernel
        class Gpu: name, simulated = {gpu.name!r}, False
        for i in range(5):
            tuning.store(gemm_kernel, Gpu, f"float32/{{sys.argv[1]}}-{{i}}", {CONFIG})"""
    runs = [subprocess.Popen([sys.executable, "-c", program, str(n)]) for n in range(4)]
    assert [run.wait() for run in runs] == [0] * 4
    assert len(json.loads(user_file(tmp_path).read_text())["kernels"]["gemm_kernel"]["entries"]) == 20


def test_of_two_tables_the_faster_entry_is_kept():
    def table(us, source="s"):
        return {"format": 1, "device": "d", "kernels": {"k": {"source": source, "entries": {
            "x": {"config": {"B": us}, "measured": {"us": us}}, f"only {us}": {"config": {"B": 1}, "measured": {}}}}}}

    found = tuning_tables.faster(table(2), table(1))["kernels"]["k"]["entries"]
    assert found["x"]["config"] == {"B": 1} and found.keys() == {"x", "only 1", "only 2"}
    assert tuning_tables.faster(table(2), table(3))["kernels"]["k"]["entries"]["x"]["config"] == {"B": 2}
    assert tuning_tables.faster(table(2), table(1, "other"))["kernels"]["k"]["source"] == "s", "another kernel's"


def test_products_take_what_was_tuned(gpu):
    key = f"float16/{tuning.bucket(1, 1000, 512, 256)}"
    tuning.store(gemm_kernel, gpu, key, CONFIG)
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
