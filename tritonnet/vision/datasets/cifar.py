"""CIFAR-10 and CIFAR-100, with torchvision's signature, attributes and folders.

The files are Python pickles of NumPy arrays; they are read by an unpickler that can make nothing else.
"""

from __future__ import annotations

import pickle
import tarfile
from pathlib import Path

import numpy as np

from tritonnet.autograd.function import make
from tritonnet.data.dataset import Dataset
from tritonnet.vision.datasets.download import download
from tritonnet.vision.datasets.folder import transformed
from tritonnet.vision.datasets.idx import CorruptFile
from tritonnet.vision.transforms.images import Images, batched

ALLOWED = {("numpy", "ndarray"), ("numpy", "dtype"), ("_codecs", "encode"),
           *((f"numpy.{core}.multiarray", "_reconstruct") for core in ("core", "_core"))}


class _Arrays(pickle.Unpickler):
    """Makes dicts, lists, strings, numbers and NumPy arrays, and refuses everything else."""

    def find_class(self, module, name):
        if (module, name) not in ALLOWED:
            raise pickle.UnpicklingError(f"it wants {module}.{name}")
        return super().find_class(module, name)


def _read(path):
    try:
        with open(path, "rb") as file:
            return _Arrays(file, encoding="latin1").load()
    except (pickle.UnpicklingError, EOFError, ValueError, AttributeError, ImportError, IndexError) as error:
        raise CorruptFile(f"{path}: no batch of CIFAR images: {error}") from None


class CIFAR10(Dataset):
    """60,000 colour images of 32 x 32 in 10 classes: 50,000 to train on (`train=True`), 10,000 to test on.

    root: the folder with `cifar-10-batches-py`.  transform, target_transform: functions of a PIL image and of an int
    label.  download: fetch and unpack what is missing.
    data: (N, 32, 32, 3) uint8 array.  targets: list of N ints.
    Raises RuntimeError when files are missing, and naming the file when one is spoilt.
    """

    base_folder, filename = "cifar-10-batches-py", "cifar-10-python.tar.gz"
    mirrors, tgz_md5 = ["https://www.cs.toronto.edu/~kriz/"], "c58f30108f718f92721af3b95e74349a"
    train_list, test_list = [f"data_batch_{i}" for i in range(1, 6)], ["test_batch"]
    meta, labels, names = "batches.meta", "labels", "label_names"

    def __init__(self, root, train=True, transform=None, target_transform=None, download=False):
        self.root, self.train = str(Path(root).expanduser()), train
        self.transform, self.target_transform = transform, target_transform
        if download:
            self.download()
        images, self.targets = [], []
        for name in self.train_list if train else self.test_list:
            batch = _read(self._file(name))
            images.append(np.asarray(batch["data"], np.uint8).reshape(-1, 3, 32, 32))
            self.targets += [int(label) for label in batch[self.labels]]
        self.data = np.ascontiguousarray(np.concatenate(images).transpose(0, 2, 3, 1))
        if len(self.data) != len(self.targets):
            raise CorruptFile(f"{self.root}: {len(self.targets)} labels for {len(self.data)} images")
        self.classes = list(_read(self._file(self.meta))[self.names])
        self.class_to_idx = {name: i for i, name in enumerate(self.classes)}

    def _file(self, name):
        path = Path(self.root) / self.base_folder / name
        if not path.is_file():
            raise RuntimeError(f"Dataset not found: no {name} in {path.parent}. "
                               "You can use download=True to download it")
        return path

    def _check_exists(self):
        return all((Path(self.root) / self.base_folder / name).is_file()
                   for name in (*self.train_list, *self.test_list, self.meta))

    def download(self):
        """Fetch the archive, check its md5 and unpack it, unless all files are there."""
        if not self._check_exists():
            with tarfile.open(download(self.filename, self.mirrors, self.root, self.tgz_md5)) as archive:
                archive.extractall(self.root, filter="data")

    def __getitem__(self, index):
        """(image, label): an RGB PIL image, or what `transform` makes of it; an int."""
        from PIL import Image

        return transformed(self, Image.fromarray(self.data[index]), self.targets[index])

    def __getbatch__(self, indices):
        """[images, labels] of a batch by one gather, each image transformed on its own."""
        rows = np.asarray(indices, np.int64)
        images = Images(np.ascontiguousarray(self.data.take(rows, 0).transpose(0, 3, 1, 2)), pil=True)
        images = batched(self.transform)(images)
        return [make(np.ascontiguousarray(images.array)), make(np.array([self.targets[i] for i in rows], np.int64))]

    @property
    def has_batches(self):
        """Whether `__getbatch__` can stand for `__getitem__`: the transforms end in tensors and have a batched form."""
        form = None if self.transform is None else batched(self.transform)
        return form is not None and form.gives_tensors and self.target_transform is None

    def __len__(self):
        return len(self.data)

    def __repr__(self):
        lines = [f"Dataset {type(self).__name__}", f"Number of datapoints: {len(self)}", f"Root location: {self.root}",
                 f"Split: {'Train' if self.train is True else 'Test'}"]
        return "\n    ".join(lines)


class CIFAR100(CIFAR10):
    """As CIFAR10, with 100 classes; the folder is `cifar-100-python`."""

    base_folder, filename = "cifar-100-python", "cifar-100-python.tar.gz"
    tgz_md5 = "eb9058c3a382ffc7106e4002c42a8d85"
    train_list, test_list = ["train"], ["test"]
    meta, labels, names = "meta", "fine_labels", "fine_label_names"
