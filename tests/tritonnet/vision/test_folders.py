"""CIFAR, ImageFolder and FakeData: what torchvision's give, on small files made here."""

import pickle

import numpy as np
import pytest
from PIL import Image

import tritonnet
from tritonnet.data import DataLoader
from tritonnet.vision import datasets, transforms


def cifar(folder, cls, per_file=6):
    """The files of a CIFAR dataset with random images, as pickles of protocol 2."""
    rng = np.random.default_rng(0)
    place = folder / cls.base_folder
    place.mkdir()
    for name in (*cls.train_list, *cls.test_list):
        images, labels = rng.integers(0, 256, (per_file, 3072), np.uint8), rng.integers(0, 10, per_file).tolist()
        batch = {"data": images, cls.labels: labels}
        (place / name).write_bytes(pickle.dumps(batch, protocol=2))
    (place / cls.meta).write_bytes(pickle.dumps({cls.names: [f"class {i}" for i in range(10)]}, protocol=2))
    return place


@pytest.mark.parametrize("cls", [datasets.CIFAR10, datasets.CIFAR100])
def test_cifar(tmp_path, cls):
    place = cifar(tmp_path, cls)
    data = cls(tmp_path, train=True, download=True)  # nothing is missing, so nothing is fetched
    assert len(data) == len(data.targets) == 6 * len(cls.train_list)
    assert data.data.shape == (len(data), 32, 32, 3) and data.class_to_idx["class 3"] == 3
    with open(place / cls.train_list[0], "rb") as file:
        batch = pickle.load(file)
    image, label = data[1]
    assert label == batch[cls.labels][1] and image.mode == "RGB"
    assert np.array_equal(np.asarray(image), batch["data"][1].reshape(3, 32, 32).transpose(1, 2, 0))
    assert "Split: Train" in repr(data) and "Split: Test" in repr(cls(tmp_path, train=False))
    chain = transforms.Compose([transforms.ToTensor(), transforms.Normalize((0.5,) * 3, (0.25,) * 3)])
    test = cls(tmp_path, train=False, transform=chain)
    assert test.has_batches and not data.has_batches
    x, y = next(iter(DataLoader(test, batch_size=6)))
    assert x.shape == (6, 3, 32, 32) and y.tolist() == test.targets
    assert tritonnet.equal(x, tritonnet.stack([test[i][0] for i in range(6)]))


def test_cifar_files_cannot_run_code(tmp_path):
    place = cifar(tmp_path, datasets.CIFAR10)

    class Evil:
        def __reduce__(self):
            return print, ("code ran",)

    (place / "test_batch").write_bytes(pickle.dumps(Evil()))
    with pytest.raises(RuntimeError, match="builtins.print"):
        datasets.CIFAR10(tmp_path, train=False)
    (place / "test_batch").write_bytes(b"\x80\x02}")
    with pytest.raises(RuntimeError, match="test_batch"):
        datasets.CIFAR10(tmp_path, train=False)
    (place / "test_batch").unlink()
    with pytest.raises(RuntimeError, match="download=True"):
        datasets.CIFAR10(tmp_path, train=False)


def test_images_in_folders(tmp_path):
    for name, count in (("cat", 2), ("ant", 1)):
        (tmp_path / name / "deep").mkdir(parents=True)
        for i in range(count):
            Image.fromarray(np.full((4, 5, 3), 10 * i, np.uint8)).save(tmp_path / name / "deep" / f"{i}.PNG")
        (tmp_path / name / "notes.txt").write_text("no image")
    data = datasets.ImageFolder(tmp_path, transform=transforms.ToTensor(), target_transform=lambda t: t + 1)
    assert data.classes == ["ant", "cat"] and data.targets == [0, 1, 1] and data.imgs is data.samples
    x, y = data[2]
    assert x.shape == (3, 4, 5) and y == 2 and x.max().item() == pytest.approx(10 / 255)
    x, y = next(iter(DataLoader(data, batch_size=3, num_workers=1)))
    assert x.shape == (3, 3, 4, 5) and y.tolist() == [1, 2, 2]
    texts = datasets.DatasetFolder(str(tmp_path), loader=lambda path: path[-3:], extensions="txt")
    assert texts[0] == ("txt", 0) and len(texts) == 2
    chosen = datasets.ImageFolder(tmp_path, is_valid_file=lambda path: path.endswith("0.PNG"))
    assert len(chosen) == 2
    (tmp_path / "bee").mkdir()
    with pytest.raises(FileNotFoundError, match="bee.*Supported extensions"):
        datasets.ImageFolder(tmp_path)
    assert len(datasets.ImageFolder(tmp_path, allow_empty=True)) == 3
    with pytest.raises(FileNotFoundError, match="class folder"):
        datasets.ImageFolder(tmp_path / "bee")
    with pytest.raises(ValueError, match="extensions"):
        datasets.DatasetFolder(tmp_path, loader=open)


def test_made_up_images():
    data = datasets.FakeData(5, (3, 6, 7), num_classes=4, transform=transforms.ToTensor())
    x, y = data[2]
    assert len(data) == 5 and x.shape == (3, 6, 7) and 0 <= y < 4 and tritonnet.equal(x, data[2][0])
    other = datasets.FakeData(5, (3, 6, 7), random_offset=1, transform=transforms.ToTensor())
    assert not tritonnet.equal(x, other[2][0])
    assert datasets.FakeData(2, (1, 4, 4))[0][0].mode == "L"
    with pytest.raises(IndexError):
        data[5]
    assert [len(b[1]) for b in DataLoader(data, 2)] == [2, 2, 1]
