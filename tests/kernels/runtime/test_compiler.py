"""The cubin cache: what its keys follow, what a warm start touches, what happens when it cannot be written."""

import json
import os
import subprocess
import sys

import numpy as np
import pytest

from tests.kernels.runtime import fake_cuda
from tests.kernels.runtime import sample_kernels as K
from tritonnet.kernels.runtime import compiler
from tritonnet.kernels.runtime.driver import Target
from tritonnet.kernels.runtime.folders import cache_folder, write_whole
from tritonnet.kernels.runtime.signature import Specialisation

SM90 = Target("cuda", 90)
OPTIONS = {"num_warps": 4, "num_stages": 3, "enable_fp_fusion": True}
COPY = Specialisation(
    K.copy, {"x": "*fp32", "y": "*fp32", "n": "i32", "BLOCK": "constexpr"}, {"BLOCK": 64}, ("n",), OPTIONS)


@pytest.fixture
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("TRITONNET_CACHE", str(tmp_path))
    return tmp_path


def test_keys_follow_everything(monkeypatch):
    first = compiler.key_of(COPY, SM90)
    assert compiler.key_of(COPY._replace(options=dict(reversed(OPTIONS.items()))), SM90) == first
    others = [
        (COPY._replace(kernel=K.copy_unspecialised), SM90), (COPY._replace(constants={"BLOCK": 128}), SM90),
        (COPY._replace(constants={"BLOCK": np.dtype("f4")}), SM90), (COPY._replace(divisible=()), SM90),
        (COPY._replace(signature=COPY.signature | {"x": "*fp16"}), SM90), (COPY, Target("cuda", 80)),
        (COPY._replace(options=OPTIONS | {"num_warps": 8}), SM90), (COPY, SM90._replace(old_ptxas=True)),
        (COPY._replace(constants={"BLOCK": 64.0}), SM90)]
    keys = {compiler.key_of(*other) for other in others}
    monkeypatch.setattr(compiler, "triton_version", lambda: "0.0")
    keys.add(compiler.key_of(COPY, SM90))
    monkeypatch.setenv("TRITON_PTXAS_PATH", "/elsewhere")
    keys.add(compiler.key_of(COPY, SM90))
    assert len(keys | {first}) == len(others) + 3


def test_compiled_once(cache, monkeypatch):
    binary = compiler.compiled(COPY, SM90)
    assert binary.cubin[:4] == b"\x7fELF" and (binary.name, binary.threads, binary.shared) == ("copy", 128, 0)
    monkeypatch.setattr(compiler, "compile_fully", lambda *args: pytest.fail("compiled again"))
    assert compiler.compiled(COPY, SM90) == binary
    file, = (f for f in cache.rglob("*") if f.is_file())
    assert json.loads(file.read_bytes().partition(b"\n")[0])["bytes"] == len(binary.cubin)


def test_a_damaged_file_is_replaced(cache):
    binary = compiler.compiled(COPY, SM90)
    file, = (f for f in cache.rglob("*") if f.is_file())
    for damage in (b"", b"{}\n", b"[]\n", file.read_bytes()[:-10], b"\xff\xfe"):
        file.write_bytes(damage)
        assert compiler.compiled(COPY, SM90) == binary


def test_a_cache_that_cannot_be_written(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("TRITONNET_CACHE", str(tmp_path / "file"))
    assert compiler.compiled(COPY, SM90).cubin
    assert not write_whole(tmp_path / "file" / "x", b"") and write_whole(tmp_path / "a" / "x", b"12")
    assert (tmp_path / "a" / "x").read_bytes() == b"12" and os.listdir(tmp_path / "a") == ["x"]


def test_where_the_cache_is(monkeypatch):
    monkeypatch.delenv("TRITONNET_CACHE", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", "/there")
    assert str(cache_folder("cubins")) == "/there/tritonnet/cubins"
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", "/home/me")
    assert str(cache_folder("tuned")) == "/home/me/.cache/tritonnet/tuned"


def test_the_version_is_known_without_importing():
    triton = pytest.importorskip("triton", reason="compares with the module's own version")
    assert compiler.triton_version() == triton.__version__


def test_old_drivers_get_code_of_the_old_ptxas(cache):
    """In a process of its own: which ptxas is used is settled by the first compile."""
    code = ("from tests.kernels.runtime.test_compiler import *; import struct;"
            "cubin = compiler.compiled(COPY, SM90._replace(old_ptxas=True)).cubin; print(cubin[8])")
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=fake_cuda.ROOT)
    assert int(done.stdout) <= 7, done.stderr
