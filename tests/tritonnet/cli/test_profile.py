"""`tritonnet profile`: programs and built-in networks."""

import json

import pytest

from tritonnet.cli import main

PROGRAM = """
import sys
import tritonnet
print("given", sys.argv[1:], __name__)
x = tritonnet.randn(20, 20, requires_grad=True)
(x @ x).relu().sum().backward()
{end}
"""


def test_a_program_with_its_options(tmp_path, capsys):
    script = tmp_path / "program.py"
    script.write_text(PROGRAM.format(end="sys.exit(3)"))
    code = main(["profile", "--html", str(tmp_path / "p.html"), "--trace", str(tmp_path / "p.json"), str(script),
                 "--epochs", "2"])
    out = capsys.readouterr().out
    assert code == 3 and "given ['--epochs', '2'] __main__" in out
    for part in ("MatMul", "ReluBackward0", "roofs, measured now: copy", "wrote"):
        assert part in out
    assert (tmp_path / "p.html").read_text().startswith("<!DOCTYPE html>")
    assert json.loads((tmp_path / "p.json").read_text())["traceEvents"]


def test_a_program_that_fails_is_still_told_of(tmp_path, capsys):
    script = tmp_path / "program.py"
    script.write_text(PROGRAM.format(end="raise KeyError('gone')"))
    assert main(["profile", str(script)]) == 1
    told = capsys.readouterr()
    assert "KeyError: 'gone'" in told.err and "MatMul" in told.out
    assert "runpy" not in told.err and "profiling.py" not in told.err, "the traceback is that of the program alone"
    script.write_text(PROGRAM.format(end="raise KeyboardInterrupt"))
    assert main(["profile", str(script)]) == 130
    told = capsys.readouterr()
    assert "was interrupted" in told.err and "MatMul" in told.out


def test_a_program_that_makes_its_device_itself(tmp_path, capsys):
    script = tmp_path / "program.py"
    script.write_text("import tritonnet\nwith tritonnet.cuda.simulated():\n    tritonnet.ones(4).cuda().relu()\n")
    assert main(["profile", str(script)]) == 0
    out = capsys.readouterr().out
    assert "kernels: 1 launches, not timed: the program made its device" in out and "Relu" in out


def test_files_are_written_where_they_were_asked_for(tmp_path, capsys, monkeypatch):
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "program.py").write_text("import os, tritonnet\ntritonnet.ones(3).relu()\nos.chdir('elsewhere')\n")
    monkeypatch.chdir(tmp_path)
    assert main(["profile", "--html", "p.html", "--trace", "p.json", "program.py"]) == 0
    assert (tmp_path / "p.html").exists() and (tmp_path / "p.json").exists()
    assert not list((tmp_path / "elsewhere").iterdir())


@pytest.mark.parametrize("file, said", [("elsewhere", "is a folder"), ("gone/p.html", "there is no folder")])
def test_files_that_cannot_be_written_are_told_before_the_program_runs(tmp_path, capsys, monkeypatch, file, said):
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "program.py").write_text("print('ran')")
    monkeypatch.chdir(tmp_path)
    assert main(["profile", "--html", file, "program.py"]) == 2
    told = capsys.readouterr()
    assert said in told.err and "ran" not in told.out


def test_a_program_without_us(tmp_path, capsys):
    (tmp_path / "program.py").write_text("print(1)")
    assert main(["profile", str(tmp_path / "program.py")]) == 0
    assert "used no operation of tritonnet" in capsys.readouterr().err


def test_a_built_in_network(capsys):
    assert main(["profile", "--model", "mnist-mlp", "--batch-size", "8", "--steps", "2", "--rows", "4",
                 "--device", "cpu", "--sort", "calls", "--shapes"]) == 0
    out = capsys.readouterr().out
    assert "LinearBackward" in out or "AddmmBackward0" in out
    assert "… and" in out and "8x784" in out


@pytest.mark.slow
def test_a_network_on_the_simulated_device(capsys, simulated):
    assert main(["profile", "--model", "mnist-mlp", "--batch-size", "2", "--steps", "1"]) == 0
    out = capsys.readouterr().out
    assert "kernels:" in out and "gemm_kernel" in out and "warning: simulated device" in out


@pytest.mark.parametrize("arguments, message", [
    ([], "expected a SCRIPT or --model"), (["nowhere.py"], "nowhere.py: no such file"),
    (["--model", "mnist-cnn", "x.py"], "expected one of them"),
    (["--model", "mnist-cnn", "--html", "/no/such/p.html"], "there is no folder /no/such"),
    (["--model", "mnist-cnn", "--device", "tpu"], "--device tpu"),
])
def test_what_cannot_be_done(arguments, message, capsys):
    assert main(["profile", *arguments]) == 2
    assert message in capsys.readouterr().err
