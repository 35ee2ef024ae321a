"""`tritonnet tune`: the search, and what is stored."""

import json

import pytest

from tritonnet.cli import main
from tritonnet.kernels import tuning
from tritonnet.kernels.softmax import softmax_kernel


@pytest.fixture
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("TRITONNET_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("TRITON_CACHE_DIR", str(tmp_path / "triton"))
    tuning.forget()
    yield tmp_path
    tuning.forget()


class Gpu:
    name, simulated = "Some GPU 1", False


@pytest.mark.slow
def test_a_prediction(cache, capsys):
    arguments = ["tune", "softmax", "--shapes", "16x64", "--arch", "sm_90", "--candidates", "3", "--rows", "2"]
    assert main([*arguments, "--picture", str(cache / "p.png"), "--json", str(cache / "t.json"),
                 "--axes", "num_warps,ROWS"]) == 0
    out = capsys.readouterr().out
    for part in ("softmax_kernel for softmax N=16, C=64 in float32, predicted", "best: ROWS=", "not stored", "wrote"):
        assert part in out
    assert (cache / "p.png").stat().st_size > 5000
    assert json.loads((cache / "t.json").read_text())[0]["best"]
    assert not (cache / "cache" / "tuned").exists()


@pytest.mark.slow
def test_a_kernel_of_ones_own(cache, capsys):
    (cache / "mine.py").write_text('''if True:
        import numpy as np
        import tritonnet
        from tritonnet.kernels.kernel import tl

        @tritonnet.kernel(mirror=lambda x: 2 * x, arguments={"n": lambda x: x.size},
                          grid=lambda n, BLOCK: -(-n // BLOCK), flops=lambda n: n,
                          bytes=lambda x, y: x.nbytes + y.nbytes, tune={"BLOCK": [128, 256], "num_warps": [2, 4]})
        def double(x, y, n, BLOCK: tl.constexpr):
            at = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
            tl.store(y + at, 2 * tl.load(x + at, mask=at < n), mask=at < n)
''')
    code = main(["tune", f"{cache}/mine.py:double", "--arch", "sm_90", "--shapes", "x=64x33"])
    told = capsys.readouterr()
    assert code == 0 and "best: BLOCK=" in told.out, told


def store(us=12.0, block=64, name="float32/16x64"):
    config = {"ROWS": 1, "BLOCK": block, "num_warps": 4}
    tuning.store(softmax_kernel, Gpu, name, config, {"us": us, "date": "2026-01-01", "gbytes": 900.0})


def test_show_export_and_merge(cache, capsys):
    store(us=12.0)
    assert main(["tune", "show"]) == 0
    out = capsys.readouterr().out
    for part in ("Some GPU 1", "softmax_kernel", "float32/16x64", "BLOCK=64", "12.0", "900 GB/s", "2026-01-01"):
        assert part in out
    assert main(["tune", "export", str(cache / "mine.json")]) == 0
    store(us=15.0, block=128)  # a slower one
    store(us=3.0, block=32, name="float32/32x32")
    assert main(["tune", "merge", str(cache / "mine.json")]) == 0
    assert tuning.look_up(softmax_kernel, Gpu, "float32/16x64")["BLOCK"] == 64, "the faster one is kept"
    assert tuning.look_up(softmax_kernel, Gpu, "float32/32x32")["BLOCK"] == 32


@pytest.mark.parametrize("wrong", ["x", None, True, float("nan"), 1e300, [1]])
def test_figures_that_are_none_are_left_out(cache, capsys, wrong):
    store(us=12.0)
    path = tuning.user_file(Gpu.name)
    table = json.loads(path.read_text())
    (entry,) = table["kernels"]["softmax_kernel"]["entries"].values()
    entry["measured"] = dict.fromkeys(("us", "mhz", "tflops", "gbytes"), wrong) | {"date": "2026-01-01"}
    path.write_text(json.dumps(table))
    assert main(["tune", "show"]) == 0
    out = capsys.readouterr().out
    assert "BLOCK=64" in out and "2026-01-01" in out and "GB/s" not in out
    store(us=13.0)
    entry["config"]["BLOCK"] = 0
    path.write_text(json.dumps(table))
    with pytest.warns(RuntimeWarning, match="is ignored: BLOCK cannot be 0"):
        tuning.forget()
        assert tuning.look_up(softmax_kernel, Gpu, "float32/16x64") is None


def test_an_unknown_mode_is_said(cache, monkeypatch):
    monkeypatch.setenv("TRITONNET_TUNE", "always")
    with pytest.warns(RuntimeWarning, match="TRITONNET_TUNE=always: expected one of auto, shipped, off"):
        assert main(["tune", "show"]) == 2


@pytest.mark.parametrize("arguments, message", [
    (["show"], "nothing is stored"), (["export"], "expected a FILE"), (["merge"], "expected a FILE"),
    (["merge", "nowhere.json"], "no such file"), (["matmul", "extra"], "unexpected argument extra"),
    (["matmull"], "no kernel 'matmull'; close: matmul"), (["softmax", "--shapes", "3x"], "is no shape"),
    (["softmax", "--config", "BLOCK"], "is not NAME=NUMBER"), (["softmax", "--arch", "sm_12"], "sm_90"),
    (["softmax", "--picture", "/no/such/p.png"], "there is no folder"), (["softmax", "--json", "/tmp"], "is a folder"),
    (["transpose_kernel"], "nothing to tune"),
])
def test_what_cannot_be_done(cache, arguments, message, capsys):
    assert main(["tune", *arguments]) == 2
    assert message in capsys.readouterr().err


@pytest.mark.parametrize("text", ["", "{}", '{"format": 1, "device": null, "kernels": {"k": {}}}',
                                  '{"format": 1, "device": "", "kernels": {}}', "\x00\xff"])
def test_a_spoilt_table_is_not_merged(cache, capsys, text):
    (cache / "bad.json").write_text(text)
    assert main(["tune", "merge", str(cache / "bad.json")]) == 2
    assert "merge:" in capsys.readouterr().err and (cache / "bad.json").exists()


def test_without_triton(cache, capsys, monkeypatch):
    from tritonnet.kernels.lab import search
    from tritonnet.kernels.runtime.errors import DeviceError

    def missing():
        raise DeviceError("Triton, which compiles kernels, is not installed")

    monkeypatch.setattr(search, "triton_version", missing)
    assert main(["tune", "softmax", "--shapes", "64x64"]) == 2
    told = capsys.readouterr()
    assert "Triton, which compiles kernels, is not installed" in told.err and not told.out
