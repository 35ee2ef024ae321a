"""`tritonnet bench` on the command line."""

import json

import pytest

from tritonnet.cli import main

TINY = ["--device", "cpu", "--tiny", "--rounds", "6", "--seconds", "0.0005", "--peers", "numpy"]


def test_a_run_with_files_and_its_comparison(tmp_path, capsys):
    assert main(["bench", "matmul,bias", *TINY, "--out", str(tmp_path / "a")]) == 0
    told = capsys.readouterr()
    assert "matmul, 8 x 8 x 8" in told.out and "numpy" in told.out and "wrote" in told.err
    file, = (tmp_path / "a").glob("*.json")
    report = json.loads(file.read_text())
    assert report["about"]["threads"] == 2 and report["about"]["numpy"] and len(report["rows"]) >= 4
    for row in report["rows"]:  # an earlier run in which all was a hundred times faster
        row["peers"]["tritonnet"]["samples"] = [s / 100 for s in row["peers"]["tritonnet"]["samples"]]
    file.write_text(json.dumps(report))
    assert main(["bench", "matmul", *TINY, "--compare", str(file)]) == 1
    assert "REGRESSED" in capsys.readouterr().out
    report["about"]["threads"] = 7
    file.write_text(json.dumps(report))
    assert main(["bench", "matmul", *TINY, "--compare", str(file)]) == 2
    assert "threads differs: 7 then, 2 now" in capsys.readouterr().err


def test_a_comparison_of_nothing_is_no_success(tmp_path, capsys):
    few = [*TINY[:3], "--rounds", "2", *TINY[5:]]
    assert main(["bench", "bias", *few, "--out", str(tmp_path)]) == 0
    file, = tmp_path.glob("*.json")
    assert main(["bench", "bias", *few, "--compare", str(file)]) == 2
    assert "no case has 5 samples in both reports" in capsys.readouterr().err
    report = json.loads(file.read_text())
    report["about"]["processor"] = "another"
    file.write_text(json.dumps(report))
    main(["bench", "bias", *few, "--compare", str(file)])
    assert "warning: --compare: processor 'another' then" in capsys.readouterr().err


def test_a_folder_that_cannot_be_made_is_told_first(tmp_path, capsys):
    (tmp_path / "file").touch()
    assert main(["bench", "bias", *TINY, "--out", str(tmp_path / "file")]) == 2
    told = capsys.readouterr()
    assert "--out" in told.err and not told.out


def test_list(capsys):
    assert main(["bench", "--list", "conv", "--device", "cpu"]) == 0
    out = capsys.readouterr().out
    assert out.startswith("conv ") and "64 x 1 x 28 x 32 x 3 x 0 (float32)" in out


@pytest.mark.slow
def test_on_the_simulated_device(simulated, capsys):
    assert main(["bench", "bias", "--tiny", "--dtype", "float32", "--peers", "none"]) == 0
    assert "simulated" in capsys.readouterr().out


@pytest.mark.parametrize("arguments, message", [
    (["nothing like it"], "no case matches"), (["--peers", "tensorflow"], "unknown peer 'tensorflow'"),
    (["--compare", "nowhere.json"], "--compare nowhere.json: No such file"), (["--device", "tpu"], "--device tpu"),
])
def test_what_cannot_be_done(arguments, message, capsys):
    assert main(["bench", *arguments, *(() if "--device" in arguments else ("--device", "cpu"))]) == 2
    assert message in capsys.readouterr().err


def test_a_spoilt_report(tmp_path, capsys):
    (tmp_path / "x.json").write_text("{}")
    assert main(["bench", "matmul", *TINY, "--compare", str(tmp_path / "x.json")]) == 2
    assert "no report of tritonnet bench" in capsys.readouterr().err
