"""Every example runs, small, and reaches what it promises. MNIST's examples use a slice of it, or generated digits."""

import importlib
import os
import sys
from pathlib import Path

import pytest

from tritonnet.kernels import runtime

pytestmark = pytest.mark.slow  # trains, or simulates a lot

FOLDER = Path(__file__).resolve().parent.parent / "examples"
DIGITS = ["--limit", "2000", "--batch-size", "32"]


@pytest.fixture(autouse=True)
def examples(monkeypatch):
    """The examples' folder on the path; generated digits where no MNIST is named; no module left loaded."""
    monkeypatch.syspath_prepend(str(FOLDER))
    if "TRITONNET_DATA" not in os.environ:
        monkeypatch.setenv("TRITONNET_DATA", "generated")
    before = set(sys.modules)
    yield
    for name in set(sys.modules) - before:
        if str(getattr(sys.modules[name], "__file__", "")).startswith(str(FOLDER)):
            del sys.modules[name]


def run(name, *arguments):
    """What `main` of an example returns."""
    return importlib.import_module(name).main(["--device", "cpu", *map(str, arguments)])


def test_xor():
    assert run("xor") == 4


def test_linear_regression():
    weight, bias = run("linear_regression")
    assert weight == pytest.approx(3, abs=0.1) and bias == pytest.approx(2, abs=0.1)


def test_five_features():
    found, error = run("five_features")
    assert found == pytest.approx([0.5, -20.0, 0.01, 3.0, 0.0], abs=0.15) and error < 0.02


def test_mnist_mlp():
    assert run("mnist_mlp", *DIGITS, "--epochs", 3) > 0.75


def test_mnist_conv32_conv64():
    assert run("mnist_conv32_conv64", "--limit", 1600, "--batch-size", 16, "--epochs", 1) > 0.5


def test_mnist_conv10_conv20():
    assert run("mnist_conv10_conv20", *DIGITS, "--epochs", 3, "--momentum", 0.9) > 0.7


def test_mnist_speedrun(capsys):
    assert run("mnist_speedrun", "--limit", 2000, "--seeds", 2) > 0.6
    printed = capsys.readouterr().out
    assert "seed 1: " in printed and "  train  " in printed and "2 seed(s)" in printed


def test_mnist_speedrun_as_a_graph(monkeypatch, capsys):
    example = importlib.import_module("mnist_speedrun")
    monkeypatch.setattr(example, "BATCH", 4)
    monkeypatch.setattr(example, "TEST_BATCH", 8)
    with runtime.simulated():
        example.main(["--device", "cuda", "--limit", "16", "--data", "generated"])
    assert "(4 steps," in capsys.readouterr().out


def test_custom_loss():
    recall, precision = run("custom_loss")
    assert recall > 0.9 and precision > 0.5


def test_custom_function():
    assert run("custom_function") < 0.45, "a flat line through the wave would leave 0.5"


def test_custom_function_on_a_device(simulated):
    """The kernels do what the NumPy lines do, forward and backward."""
    import tritonnet

    snake = importlib.import_module("custom_function").Snake
    grads = []
    for device in ("cpu", "cuda"):
        x = (tritonnet.arange(3000, dtype=tritonnet.float32) / 500 - 3).to(device).requires_grad_()
        y = snake.apply(x, 0.7)
        (y * y).sum().backward()
        grads.append((y.detach().cpu(), x.grad.cpu()))
    for ours, theirs in zip(*grads):
        assert tritonnet.allclose(ours, theirs, rtol=1e-5, atol=1e-6)


def test_batch_norm_clipping():
    accuracy, largest = run("batch_norm_clipping")
    assert accuracy > 0.95 and largest > 1


def test_every_example_is_tested_and_listed():
    source, table = Path(__file__).read_text(), (FOLDER / "README.md").read_text()
    for path in FOLDER.glob("*.py"):
        if path.stem not in ("options", "digits"):
            assert f'run("{path.stem}"' in source and f"`{path.name}`" in table
