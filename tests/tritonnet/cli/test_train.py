"""`tritonnet train`: files, exact resumption, interruption, bad input. Small runs on generated digits."""

import errno
import json
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

import tritonnet
from tritonnet.cli import main
from tritonnet.cli import train as command
from tritonnet.cli.training import Training

pytestmark = pytest.mark.slow  # trains, or simulates a lot

SMALL = ["--data", "generated", "--limit", "600", "--batch-size", "50", "--seed", "3"]


def train(*arguments):
    return main(["train", *SMALL, *map(str, arguments)])


def test_results(tmp_path, capsys):
    out = tmp_path / "deep" / "run"
    assert train("--out", out, "--epochs", 2, "--device", "cpu") == 0
    files = ["checkpoint.safetensors", "curve.png", "metrics.json", "mistakes.png"]
    assert sorted(p.name for p in out.iterdir()) == files
    metrics = json.loads((out / "metrics.json").read_text())
    assert metrics["data_source"] == "generated digits" and metrics["device"].startswith("CPU")
    assert metrics["model"] == "cnn" and metrics["epochs"] == metrics["epochs_done"] == 2 and not metrics["interrupted"]
    assert metrics["train_seconds"] > 0 and len(metrics["history"]) == 2
    assert metrics["test_accuracy"] == metrics["history"][-1]["test_accuracy"] > 0.5
    assert metrics["versions"]["tritonnet"] == tritonnet.__version__ and metrics["versions"]["numpy"] == np.__version__
    printed = capsys.readouterr().out
    assert "GENERATED DIGITS, not MNIST" in printed and "device  CPU" in printed and "test accuracy" in printed
    for name in ("curve.png", "mistakes.png"):
        assert (out / name).read_bytes().startswith(b"\x89PNG") and (out / name).stat().st_size > 10_000


def weights(path):
    return {name: t.numpy() for name, t in tritonnet.load(path)["model"].items()}


def interrupt_in_epoch(monkeypatch, epoch, step=5):
    """Ctrl-C in the middle of an epoch."""
    plain = Training._step

    def stepping(self, images, targets):
        self.count = getattr(self, "count", 0) + 1
        if self.epoch == epoch - 1 and self.count % self.steps == step:
            raise KeyboardInterrupt
        return plain(self, images, targets)

    monkeypatch.setattr(Training, "_step", stepping)


@pytest.mark.parametrize("options", [(), ("--model", "conv10-conv20", "--optimizer", "sgd", "--lr", 0.02)])
def test_resumed_is_as_if_never_interrupted(tmp_path, monkeypatch, capsys, options):
    whole, halves = tmp_path / "whole", tmp_path / "halves"
    assert train("--out", whole, "--epochs", 3, *options) == 0
    with monkeypatch.context() as patch:
        interrupt_in_epoch(patch, 3)
        assert train("--out", halves, "--epochs", 3, *options) == 130
    assert "2 of 3 epochs are saved" in capsys.readouterr().out
    metrics = json.loads((halves / "metrics.json").read_text())
    assert metrics["interrupted"] and metrics["epochs_done"] == 2
    assert main(["train", "--data", "generated", "--out", str(halves), "--resume"]) == 0
    ours, theirs = weights(halves / "checkpoint.safetensors"), weights(whole / "checkpoint.safetensors")
    assert all(np.array_equal(ours[name], theirs[name]) for name in theirs)
    ours, theirs = (json.loads((out / "metrics.json").read_text())["history"] for out in (halves, whole))
    assert [h["losses"] for h in ours] == [h["losses"] for h in theirs]


def test_interrupted_in_the_first_epoch(tmp_path, monkeypatch, capsys):
    interrupt_in_epoch(monkeypatch, 1)
    assert train("--out", tmp_path) == 130
    assert sorted(p.name for p in tmp_path.iterdir()) == ["metrics.json"]
    assert json.loads((tmp_path / "metrics.json").read_text())["test_accuracy"] is None
    assert "no epoch was complete" in capsys.readouterr().out


def test_resuming_what_is_complete_only_draws(tmp_path, capsys):
    assert train("--out", tmp_path, "--epochs", 1) == 0
    before = weights(tmp_path / "checkpoint.safetensors")
    (tmp_path / "curve.png").unlink()
    assert main(["train", "--data", "generated", "--out", str(tmp_path), "--resume"]) == 0
    assert (tmp_path / "curve.png").exists()
    assert all(np.array_equal(before[n], w) for n, w in weights(tmp_path / "checkpoint.safetensors").items())


@pytest.mark.parametrize("model", command.MODELS)
def test_models_and_optimizers_learn(tmp_path, model):
    for optimizer in command.LEARNING_RATES if model == "mlp" else ["adamw"]:
        size = 200 if model == "conv32-conv64" else 600
        assert train("--out", tmp_path, "--model", model, "--optimizer", optimizer, "--epochs", 2, "--limit", size) == 0
        history = json.loads((tmp_path / "metrics.json").read_text())["history"]
        assert history[-1]["train_loss"] < history[0]["losses"][0] - 0.02, (model, optimizer)


def test_the_default_network_trains_on_a_simulated_device(tmp_path, simulated):
    assert train("--out", tmp_path, "--epochs", 1, "--limit", 20, "--batch-size", 10, "--device", "cuda") == 0
    assert json.loads((tmp_path / "metrics.json").read_text())["device"].endswith("(cuda)")


@pytest.mark.parametrize("arguments, message", [
    (["--epochs", "0"], "expected a positive integer, got '0'"),
    (["--epochs", "2.5"], "expected a positive integer"),
    (["--lr", "-1"], "expected a positive number, got '-1'"),
    (["--lr", "nan"], "expected a positive number"),
    (["--batch-size", "x"], "expected a positive integer"),
    (["--batch-size", "1"], "batches of 1 image: the batch norm of the network cnn needs 2"),
    (["--model", "resnet"], "invalid choice: 'resnet'"),
    (["--optimizer", "lion"], "invalid choice: 'lion'"),
    (["--seed", "x"], "invalid int value"),
    (["--seed", str(2**70)], "64 bits"),
    (["--device", "tpu"], "--device tpu"),
    (["--device", "cuda"], "--device cuda"),
    (["--data", "no/such/folder"], "no/such/folder is no folder"),
    (["--out", "/dev/null/x"], "--out /dev/null/x"),
    (["--resume", "no/such/file"], "--resume no/such/file: No such file"),
    (["--sede", "3"], "unrecognized arguments: --sede"),
])
def test_bad_input_exits_with_2(tmp_path, monkeypatch, capsys, arguments, message):
    monkeypatch.chdir(tmp_path)
    try:
        code = main(["train", "--data", "generated", "--limit", "50", *arguments])
    except SystemExit as exit:
        code = exit.code
    assert code == 2
    assert message in " ".join(capsys.readouterr().err.split())


def test_a_full_disk_is_said_and_leaves_the_last_checkpoint(tmp_path, monkeypatch, capsys):
    def full(descriptor):
        raise OSError(errno.ENOSPC, "No space left on device")

    assert train("--out", tmp_path, "--epochs", 1) == 0
    before = weights(tmp_path / "checkpoint.safetensors")
    monkeypatch.setattr("tritonnet.serialization.aside.os.fsync", full)
    assert train("--out", tmp_path, "--epochs", 2) == 2
    assert f"{tmp_path}/checkpoint.safetensors: No space left on device" in capsys.readouterr().err
    after = weights(tmp_path / "checkpoint.safetensors")
    assert all(np.array_equal(before[name], after[name]) for name in before)
    assert not list(tmp_path.glob(".*"))


def test_with_closed_streams(tmp_path):
    command = [sys.executable, "-m", "tritonnet", "train", *SMALL, "--epochs", "1", "--out", str(tmp_path)]
    for closed in ("<&-", ">&-", "2>&-"):
        subprocess.run(["sh", "-c", f'exec "$@" {closed}', "sh", *command], check=True, capture_output=True)


@pytest.mark.parametrize("content", [b"", b"not a checkpoint", b"\xff" * 100])
def test_bad_checkpoints_are_named(tmp_path, capsys, content):
    path = tmp_path / "weights.safetensors"
    path.write_bytes(content)
    assert main(["train", "--data", "generated", "--out", str(tmp_path), "--resume", str(path)]) == 2
    assert f"--resume {path}: " in capsys.readouterr().err


def test_another_kind_of_checkpoint(tmp_path, capsys):
    tritonnet.save({"weight": tritonnet.ones(2)}, tmp_path / "w")
    assert main(["train", "--data", "generated", "--out", str(tmp_path), "--resume", str(tmp_path / "w")]) == 2
    assert "not a checkpoint of tritonnet train" in capsys.readouterr().err


def test_resuming_with_other_settings(tmp_path, capsys):
    assert train("--out", tmp_path, "--epochs", 1) == 0
    assert main(["train", "--data", "generated", "--out", str(tmp_path), "--resume", "--model", "mlp"]) == 2
    assert "--model mlp: the checkpoint to resume from was trained with cnn" in capsys.readouterr().err


def test_damaged_data_are_named(tmp_path, capsys, monkeypatch):
    for name in tritonnet.vision.datasets.MNIST.resources:
        (tmp_path / name).write_bytes(b"\0\0\x08\x03\0\0")
    assert main(["train", "--data", str(tmp_path), "--out", str(tmp_path / "out")]) == 2
    assert "train-images-idx3-ubyte: truncated" in capsys.readouterr().err


def test_damaged_data_in_the_cache_can_be_had_again(tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("TRITONNET_CACHE", str(tmp_path))
    monkeypatch.delenv("TRITONNET_DATA", raising=False)
    raw = tmp_path / "data" / "MNIST" / "raw"
    raw.mkdir(parents=True)
    for name in tritonnet.vision.datasets.MNIST.resources:
        (raw / name).write_bytes(b"\0\0\x08\x03\0\0")
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    assert main(["train", "--out", str(tmp_path / "out")]) == 2
    assert "train-images-idx3-ubyte: truncated" in (said := capsys.readouterr().err)
    assert "delete the file, and it is downloaded anew" in said


def test_help_tells_the_recipe(capsys):
    with pytest.raises(SystemExit) as exit:
        main(["train", "--help"])
    text = capsys.readouterr().out
    assert exit.value.code == 0 and "recipe" in text and "one cycle" in text and "99.2 %" in text
    for option in ("device", "epochs", "batch-size", "model", "optimizer", "lr", "seed", "data", "out", "resume"):
        assert f"--{option} " in text


def test_without_matplotlib(tmp_path, capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    assert train("--out", tmp_path, "--epochs", 1) == 0
    assert "matplotlib is not installed" in capsys.readouterr().out
    assert sorted(p.name for p in tmp_path.iterdir()) == ["checkpoint.safetensors", "metrics.json"]


def test_as_a_program():
    shown = subprocess.run([sys.executable, "-m", "tritonnet", "--version"], capture_output=True, text=True, check=True)
    assert shown.stdout.strip() == f"tritonnet {tritonnet.__version__}"
    bare = subprocess.run([sys.executable, "-m", "tritonnet"], capture_output=True, text=True)
    assert bare.returncode == 2 and "command" in bare.stderr


def test_ctrl_c_leaves_valid_files(tmp_path):
    """A real SIGINT to a real process."""
    command = [sys.executable, "-m", "tritonnet", "train", *SMALL, "--epochs", "1000", "--out", str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        deadline = time.monotonic() + 120
        while not (tmp_path / "metrics.json").exists() and time.monotonic() < deadline:
            time.sleep(0.05)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=60)
    assert process.returncode == 130 and "interrupted" in out and "Traceback" not in err
    assert sorted(p.name for p in tmp_path.iterdir()) == ["checkpoint.safetensors", "metrics.json"]
    done = json.loads((tmp_path / "metrics.json").read_text())["epochs_done"]
    assert tritonnet.load(tmp_path / "checkpoint.safetensors")["epoch"] == done >= 1


def test_the_default_network_learns_generated_digits(tmp_path):
    out = ["--out", str(tmp_path), "--data", "generated", "--limit", "5000", "--epochs", "3", "--batch-size", "100"]
    assert main(["train", *out]) == 0
    assert json.loads((tmp_path / "metrics.json").read_text())["test_accuracy"] > 0.97
