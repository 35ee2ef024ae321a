"""`tritonnet inspect`: figures, stages, comparisons and JSON; errors that say what there is."""

import importlib.util
import json
import os
import subprocess
import sys

import pytest

from tritonnet.cli import main
from tritonnet.kernels.lab import every_subject

needs_triton = pytest.mark.skipif(importlib.util.find_spec("triton") is None, reason="compiles: needs Triton")


def test_list(capsys):
    assert main(["inspect", "--list"]) == 0
    text = capsys.readouterr().out
    assert "M=4096, N=4096, K=4096" in text and all(name in text for name in every_subject())


@needs_triton
def test_figures(capsys):
    assert main(["inspect", "softmax", "--shapes", "8192x512", "4096x512", "--dtype", "bf16", "--arch", "sm_80"]) == 0
    text = capsys.readouterr().out
    assert "softmax N=8192 C=512 bfloat16: softmax_kernel on sm_80" in text and "softmax N=4096" in text
    assert "registers" in text and "A100" in text
    assert main(["inspect", "relu", "--arch", "sm_86,h200"]) == 0
    text = capsys.readouterr().out
    assert "relu_kernel on sm_86" in text and "relu_kernel on sm_90" in text and "(default)" in text
    assert main(["inspect", "transpose_kernel"]) == 0
    assert "(fixed)" in capsys.readouterr().out


@needs_triton
def test_stages(capsys, tmp_path):
    page = tmp_path / "page.html"
    assert main(["inspect", "softmax", "--show", "ptx", "--html", str(page)]) == 0
    text = capsys.readouterr().out
    assert "ld.global" in text and f"written: {page}" in text and page.read_text().startswith("<!doctype html>")


@needs_triton
def test_differences(capsys):
    assert main(["inspect", "softmax", "--diff", "ROWS=1,num_warps=8"]) == 0
    text = capsys.readouterr().out
    assert "num_warps" in text and "A: softmax" in text and "B: softmax" in text
    assert main(["inspect", "softmax", "--diff", "sm_80", "--json"]) == 0
    (pair,) = json.loads(capsys.readouterr().out)["pairs"]
    assert pair["left"]["arch"] == "sm_90" and pair["right"]["arch"] == "sm_80"


@needs_triton
def test_a_kernel_of_ones_own(capsys, tmp_path):
    file = tmp_path / "own_kernel_for_inspect.py"
    file.write_text("import triton\nimport triton.language as tl\n\n\n"
                    "@triton.jit\ndef twice(x, n, BLOCK: tl.constexpr):\n"
                    "    at = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)\n"
                    "    tl.store(x + at, 2 * tl.load(x + at, mask=at < n), mask=at < n)\n")
    assert main(["inspect", f"{file}:twice", "--signature", "*fp32,i32:16", "--config", "BLOCK=1024", "--json"]) == 0
    (launch,) = json.loads(capsys.readouterr().out)["launches"]
    assert launch["kernel"] == "twice" and launch["accesses"]["global loads"] == {"128": 2}
    assert launch["roofline"] is None and launch["grid"] is None


@pytest.mark.parametrize("arguments, told", [
    ([], "name a kernel, or ask for the --list"),
    (["matmull"], "no kernel 'matmull'; close: matmul"),
    (["matmul", "--shapes", "4x4"], "has 2 sizes, it needs 3: MxNxK"),
    (["matmul", "--arch", "sm_70"], "unknown architecture 'sm_70': one of sm_80"),
    (["matmul", "--dtype", "int3"], "unknown dtype 'int3'"),
    (["matmul", "--config", "BLOK=3"], "no BLOK in its configuration"),
    (["matmul", "--config", "128"], "'128' is no value of a configuration"),
    (["nowhere.py:f"], "cannot be imported"),
    (["matmul", "--html", "/no/such/p.html"], "--html /no/such/p.html: there is no folder /no/such"),
    (["matmul", "--html", "/tmp"], "--html /tmp is a folder"),
    (["softmax", "--config", "num_warps=64"], "num_warps=64: a block has at most 1024 threads, 32 warps"),
    *((["matmul", "--config", f"num_warps=4,{wrong}"], f"matmul: {wrong} cannot be: a configuration has positive num")
      for wrong in ("BLOCK_M=0", "BLOCK_M=-16", "BLOCK_M=wide", "BLOCK_M=0.5")),
])
def test_errors(capsys, arguments, told):
    assert main(["inspect", *arguments]) == 2
    assert told in capsys.readouterr().err


@needs_triton
def test_what_does_not_compile_is_told_with_its_line(capsys):
    assert main(["inspect", "softmax", "--config", "BLOCK=1000"]) == 2
    said = capsys.readouterr().err
    assert "power of 2" in said and " in: " in said and "tl.arange(0, BLOCK)" in said


def test_a_terminal_of_few_letters_shows_the_others_as_numbers():
    run = subprocess.run([sys.executable, "-m", "tritonnet", "inspect", "--help"], capture_output=True, text=True,
                         env=os.environ | {"PYTHONIOENCODING": "ascii:strict", "PYTHONPATH": os.getcwd()})
    assert run.returncode == 0 and "\\u2026" in run.stdout, run.stderr


@needs_triton
def test_diff_shows_no_stages(capsys):
    assert main(["inspect", "softmax", "--diff", "sm_80", "--show", "ptx"]) == 2
    assert "--diff tells differences" in capsys.readouterr().err


def test_without_triton(capsys, monkeypatch):
    from tritonnet.kernels.runtime import compiler

    find = importlib.util.find_spec
    compiler.triton_version.cache_clear()
    monkeypatch.setattr(importlib.util, "find_spec", lambda name, *at: None if name == "triton" else find(name, *at))
    try:
        from tritonnet.kernels.lab import inspection

        inspection.ready.cache_clear()
        assert main(["inspect", "softmax"]) == 2
    finally:
        compiler.triton_version.cache_clear()
        inspection.ready.cache_clear()
    assert "pip install 'triton>=3.6,<3.10'" in capsys.readouterr().err
