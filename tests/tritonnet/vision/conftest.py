"""Small data sets in MNIST's format."""

import numpy as np
import pytest

from tritonnet.vision.datasets.idx import write_idx


@pytest.fixture
def write_mnist():
    """A function that writes four idx files of random images into a folder."""
    def write(folder, suffix="", n=(20, 10)):
        folder.mkdir(parents=True, exist_ok=True)
        rng = np.random.default_rng(0)
        for part, size in zip(("train", "t10k"), n):
            write_idx(folder / f"{part}-images-idx3-ubyte{suffix}", rng.integers(0, 256, (size, 28, 28), np.uint8))
            write_idx(folder / f"{part}-labels-idx1-ubyte{suffix}", np.arange(size, dtype=np.uint8) % 10)

    return write


@pytest.fixture
def mnist(tmp_path, write_mnist):
    """A root with MNIST/raw of 20 and 10 random images."""
    write_mnist(tmp_path / "MNIST" / "raw")
    return tmp_path
