"""Generated digits, and the order in which data are looked for."""

import numpy as np
import pytest

from tritonnet.vision import transforms
from tritonnet.vision.datasets import search
from tritonnet.vision.datasets.download import DownloadError
from tritonnet.vision.datasets.mnist import MNIST
from tritonnet.vision.digits import STYLES, GeneratedDigits, digits


def test_digits_look_like_mnist():
    images, labels = digits(2000, seed=3)
    assert images.shape == (2000, 28, 28) and images.dtype == np.uint8 and labels.dtype == np.int64
    assert np.bincount(labels, minlength=10).min() > 150
    assert 15 < images.mean() < 60 and images.max() == 255
    assert images[:, :2].mean() < 12  # drawn in the middle


def test_digits_are_deterministic():
    (a, la), (b, lb), (c, _) = digits(300, seed=5), digits(300, seed=5), digits(300, seed=6)
    assert np.array_equal(a, b) and np.array_equal(la, lb) and not np.array_equal(a, c)


def test_each_digit_has_styles():
    assert sorted(STYLES) == list(range(10)) and all(len(styles) == 3 for styles in STYLES.values())


def test_classes_differ_and_images_vary():
    images, labels = digits(3000, seed=0)
    flat = images.reshape(len(images), -1) / 255.0
    means = np.stack([flat[labels == d].mean(axis=0) for d in range(10)])
    nearest = ((flat[:, None] - means) ** 2).sum(axis=2).argmin(axis=1)
    assert 0.6 < (nearest == labels).mean() < 0.95  # not trivial, not noise


def test_dataset():
    dataset = GeneratedDigits(train=False, transform=transforms.ToTensor(), size=50)
    image, label = dataset[0]
    assert len(dataset) == 50 and image.shape == (1, 28, 28) and 0 <= label < 10
    assert "Split: Held out" in repr(dataset)
    assert not np.array_equal(GeneratedDigits(size=50).data.numpy(), dataset.data.numpy())


@pytest.fixture
def elsewhere(tmp_path, monkeypatch):
    """No MNIST anywhere: an empty working folder, an empty cache, no net, nothing named."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TRITONNET_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("TRITONNET_DATA", raising=False)

    def fetch(root):
        raise DownloadError("could not download x:\n  http://…: no net")

    monkeypatch.setattr(MNIST, "fetch", fetch)
    return tmp_path


def test_search_order(elsewhere, monkeypatch, write_mnist):
    found = search.find_digits()
    assert found.folder is None and found.reason.endswith("and could not download x")
    write_mnist(elsewhere / "cache" / "data" / "MNIST" / "raw")
    assert search.find_digits().folder == elsewhere / "cache" / "data"
    write_mnist(elsewhere / "data" / "MNIST" / "raw")
    assert str(search.find_digits().folder) == "data"
    write_mnist(elsewhere / "env")
    monkeypatch.setenv("TRITONNET_DATA", str(elsewhere / "env"))
    assert search.find_digits().folder == elsewhere / "env"
    write_mnist(elsewhere / "named")
    found = search.find_digits(str(elsewhere / "named"))
    assert found.folder == elsewhere / "named"
    assert len(found.load(train=True)) == 20 and len(found.load(train=False, limit=3)) == 3
    found = search.find_digits("generated")
    assert found.folder is None and len(found.load(train=True, limit=7)) == 7


def test_download_into_the_cache(elsewhere, monkeypatch, write_mnist):
    monkeypatch.setattr(MNIST, "fetch", lambda root: write_mnist(root / "MNIST" / "raw"))
    assert search.find_digits().folder == elsewhere / "cache" / "data"


def test_a_named_folder_must_hold_mnist(elsewhere, monkeypatch, write_mnist):
    with pytest.raises(FileNotFoundError, match="data=nowhere: nowhere is no folder"):
        search.find_digits("nowhere")
    write_mnist(elsewhere / "part")
    (elsewhere / "part" / "t10k-labels-idx1-ubyte").unlink()
    monkeypatch.setenv("TRITONNET_DATA", str(elsewhere / "part"))
    with pytest.raises(FileNotFoundError, match=r"TRITONNET_DATA=.*lacks t10k-labels-idx1-ubyte\[.gz\]$"):
        search.find_digits()
