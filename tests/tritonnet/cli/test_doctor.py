"""`tritonnet doctor` tells what there is and never fails."""

from tritonnet.cli import main


def test_doctor(capsys, monkeypatch, tmp_path):
    monkeypatch.setenv("TRITONNET_CACHE", str(tmp_path / "cache"))
    (tmp_path / "cache" / "cubin").mkdir(parents=True)
    (tmp_path / "cache" / "cubin" / "x").write_bytes(bytes(1000))
    monkeypatch.setenv("TRITONNET_DATA", str(tmp_path / "nowhere"))
    assert main(["doctor"]) == 0
    text = capsys.readouterr().out
    for part in ("numpy", "triton", "CPU", "cubin            1 files", "nowhere is no folder"):
        assert part in text


def test_doctor_with_a_device(capsys, simulated):
    assert main(["doctor"]) == 0
    assert "cuda:0" in capsys.readouterr().out


def test_doctor_with_a_broken_driver(capsys, monkeypatch):
    from tritonnet import cuda

    def broken():
        raise RuntimeError("driver too old")

    monkeypatch.setattr(cuda, "device_count", broken)
    assert main(["doctor"]) == 0
    assert "driver fails: driver too old" in capsys.readouterr().out
