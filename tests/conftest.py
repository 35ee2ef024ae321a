"""What all tests share: poisoned fresh memory, the simulated device, PyTorch as an optional oracle."""

import os

os.environ.setdefault("MPLBACKEND", "agg")
os.environ.setdefault("TRITONNET_NUMBA", "0")  # what most people have; tests/kernels/test_loops.py has it on

import pytest

from tritonnet.kernels import arrays, runtime


def pytest_addoption(parser):
    parser.addoption("--every-specialisation", action="store_true",
                     help="tests/test_compile.py compiles all that a GPU could ask for (20 minutes of processor time)")


@pytest.fixture(autouse=True)
def poison(monkeypatch):
    """Fresh memory is full of 0xFF bytes: NaN in every float type, -1 in integers."""
    monkeypatch.setattr(arrays, "FILL_FRESH", 0xFF)


@pytest.fixture
def simulated():
    """A simulated device of its own for one test: every block apart, so that any stray access shows."""
    with runtime.simulated(own_blocks=True) as device:
        yield device


@pytest.fixture
def torch():
    """PyTorch, or the test is skipped: it is an oracle, never a dependency."""
    return pytest.importorskip("torch", reason="oracle: compares with PyTorch where it is installed")
