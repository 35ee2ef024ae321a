"""`tritonnet doctor` tells what there is, what is broken, and what to do."""

import json

import pytest

from tritonnet.cli import main


def test_doctor(capsys, monkeypatch, tmp_path):
    monkeypatch.setenv("TRITONNET_CACHE", str(tmp_path / "cache"))
    (tmp_path / "cache" / "cubin").mkdir(parents=True)
    (tmp_path / "cache" / "cubin" / "x").write_bytes(bytes(1000))
    monkeypatch.setenv("TRITONNET_DATA", str(tmp_path / "nowhere"))
    assert main(["doctor"]) == 1, "TRITONNET_DATA names no folder"
    text = capsys.readouterr().out
    for part in ("numpy", "triton", "CPU", "cubin          1 files", "nowhere is no folder"):
        assert part in text


def test_doctor_with_a_device(capsys, simulated):
    assert main(["doctor"]) == 0
    assert "cuda:0" in capsys.readouterr().out


def test_doctor_with_a_broken_driver(capsys, monkeypatch):
    from tritonnet import cuda

    def broken():
        raise RuntimeError("driver too old")

    monkeypatch.setattr(cuda, "device_count", broken)
    assert main(["doctor"]) == 1
    assert "driver fails: driver too old" in capsys.readouterr().out


def test_a_machine_without_a_gpu_is_not_broken_unless_one_is_asked_for(capsys):
    assert main(["doctor", "--json"]) == 0
    found = {f["name"]: f for f in json.loads(capsys.readouterr().out)}
    assert {f["state"] for f in found.values()} <= {"ok", "--"} and found["kernel"]["state"] == "ok"
    if not found.get("cuda:0"):
        assert found["driver"]["advice"] and main(["doctor", "--gpu"]) == 1
        assert "!! --gpu" in capsys.readouterr().out


def test_a_simulated_gpu_is_no_gpu(capsys, simulated):
    assert main(["doctor", "--gpu"]) == 1


def test_a_compiler_that_fails_is_found(capsys, monkeypatch):
    from tritonnet.cli import doctor

    def fails():
        raise RuntimeError("ptxas: no space left")

    monkeypatch.setattr(doctor, "_compiled", fails)
    if doctor.importlib.util.find_spec("triton"):
        assert main(["doctor"]) == 1
        assert "!! kernel         RuntimeError: ptxas: no space left" in capsys.readouterr().out


def test_what_a_check_did_not_foresee_is_told(capsys, monkeypatch):
    from tritonnet.cli import doctor

    def odd():
        raise KeyError("odd")
        yield

    monkeypatch.setattr(doctor, "CHECKS", (odd, doctor.memory))
    assert main(["doctor"]) == 1
    assert "KeyError: 'odd'" in (text := capsys.readouterr().out) and "available" in text


def test_a_library_that_does_not_load_is_broken(capsys, monkeypatch):
    from tritonnet.cli import doctor

    monkeypatch.setattr(doctor, "SCALE_OUT", (("X", "x", "sys", "raise OSError('libx.so: not found')"),))
    monkeypatch.setattr(doctor, "CHECKS", (doctor.scale_out,))
    assert main(["doctor"]) == 1
    assert "libx.so: not found" in capsys.readouterr().out


def test_a_cache_that_cannot_be_written_is_broken(capsys, monkeypatch, tmp_path):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("TRITONNET_CACHE", str(tmp_path / "file" / "cache"))
    assert main(["doctor"]) == 1
    assert "cache cannot be written: Not a directory" in capsys.readouterr().out


@pytest.mark.parametrize("package, state", [("triton", "!!"), ("ml_dtypes", "!!"), ("matplotlib", "--")])
def test_what_an_installation_brings_must_be_there(package, state, capsys, monkeypatch):
    from tritonnet.cli import doctor
    from tritonnet.kernels.lab import provenance

    found = provenance.versions()
    monkeypatch.setattr(provenance, "versions", lambda *more: found | {package: None})
    monkeypatch.setattr(doctor, "REQUIRED", doctor.REQUIRED | {"triton"})  # as on Linux
    monkeypatch.setattr(doctor, "CHECKS", (doctor.versions,))
    assert main(["doctor"]) == (state == "!!")
    assert f"{state} {package:<14} not installed" in capsys.readouterr().out
