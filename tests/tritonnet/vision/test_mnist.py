"""MNIST and FashionMNIST: layouts, images, repr, errors."""

import numpy as np
import pytest

import tritonnet
from tritonnet.utils.data import DataLoader, Subset
from tritonnet.vision import datasets, transforms
from tritonnet.vision.datasets.idx import CorruptFile, write_idx


@pytest.mark.parametrize("layout, suffix", [
    ("MNIST/raw", ""), ("MNIST/raw", ".gz"), ("raw", ""), ("", ""), ("", ".gz")])
def test_layouts(tmp_path, layout, suffix, write_mnist):
    write_mnist(tmp_path / layout, suffix)
    train, test = datasets.MNIST(tmp_path), datasets.MNIST(str(tmp_path), train=False)
    assert (len(train), len(test)) == (20, 10)
    assert train.data.shape == (20, 28, 28) and train.data.dtype == tritonnet.uint8
    assert train.targets.tolist() == [*range(10)] * 2 and train.targets.dtype == tritonnet.int64


def test_images_without_transform_are_pil(mnist):
    dataset = datasets.MNIST(mnist)
    image, label = dataset[3]
    assert image.mode == "L" and image.size == (28, 28) and label == 3 and type(label) is int
    assert np.array_equal(np.asarray(image), dataset.data[3].numpy())
    assert dataset[-1][1] == 9
    with pytest.raises(IndexError):
        dataset[20]


def test_transforms_are_applied(mnist):
    dataset = datasets.MNIST(mnist, transform=transforms.ToTensor(), target_transform=lambda t: -t)
    image, label = dataset[4]
    assert image.shape == (1, 28, 28) and label == -4
    assert [b.tolist() for _, b in DataLoader(dataset, 10)] == [[-i for i in range(10)]] * 2


def test_batches_at_once_are_those_one_by_one(mnist):
    chain = transforms.Compose([transforms.ToTensor(), transforms.Normalize((0.1,), (0.3,))])
    dataset = datasets.MNIST(mnist, transform=chain)
    assert dataset.has_batches
    one_by_one = DataLoader(Subset(dataset, range(20)), 7, collate_fn=lambda s: tritonnet.utils.data.default_collate(s))
    for (x, y), (u, v) in zip(DataLoader(Subset(dataset, range(20)), 7), one_by_one):
        assert np.array_equal(x.numpy(), u.numpy()) and x.dtype == u.dtype and y.tolist() == v.tolist()


@pytest.mark.parametrize("transform", [None, transforms.Lambda(np.asarray), transforms.CenterCrop(20), np.asarray])
def test_transforms_that_go_one_by_one(mnist, transform):
    assert not datasets.MNIST(mnist, transform=transform).has_batches


def test_data_can_be_replaced(mnist):
    dataset = datasets.MNIST(mnist, transform=transforms.ToTensor())
    dataset.data, dataset.targets = dataset.data[:5], dataset.targets[:5]
    assert len(dataset) == 5 and sum(len(y) for _, y in DataLoader(dataset, 2)) == 5


def test_repr_is_torchvisions(mnist):
    assert repr(datasets.MNIST(mnist, train=False)) == (
        f"Dataset MNIST\n    Number of datapoints: 10\n    Root location: {mnist}\n    Split: Test")
    chain = transforms.Compose([transforms.ToTensor()])
    assert repr(datasets.MNIST(mnist, transform=chain, target_transform=chain)).splitlines()[3:] == [
        "    Split: Train", "    StandardTransform", "Transform: Compose(", "               ToTensor()", "           )",
        "Target transform: Compose(", "                      ToTensor()", "                  )"]


def test_classes(mnist, tmp_path, write_mnist):
    assert datasets.MNIST(mnist).class_to_idx["7 - seven"] == 7
    write_mnist(tmp_path / "FashionMNIST" / "raw")
    fashion = datasets.FashionMNIST(tmp_path)
    assert fashion.classes[9] == "Ankle boot" and "FashionMNIST" in repr(fashion)


def test_missing_files(tmp_path):
    with pytest.raises(RuntimeError, match=r"train-images-idx3-ubyte\[.gz\].*download=True"):
        datasets.MNIST(tmp_path)


def test_damaged_files_are_named(mnist):
    labels = mnist / "MNIST" / "raw" / "train-labels-idx1-ubyte"
    write_idx(labels, np.zeros(19, np.uint8))
    with pytest.raises(CorruptFile, match=r"train-labels-idx1-ubyte: 19 labels for 20 images"):
        datasets.MNIST(mnist)
    write_idx(labels, np.full(20, 10, np.uint8))
    with pytest.raises(CorruptFile, match="train-labels-idx1-ubyte: holds label 10"):
        datasets.MNIST(mnist)
    write_idx(labels, np.zeros((20, 28, 28), np.uint8))
    with pytest.raises(CorruptFile, match="train-labels-idx1-ubyte: holds 3 dimensions"):
        datasets.MNIST(mnist)


def test_old_names(mnist):
    with pytest.warns(UserWarning, match="renamed"):
        assert datasets.MNIST(mnist).train_labels.shape == (20,)
