"""MNIST and FashionMNIST, with torchvision's signature and folder layout.

Files are looked for in `root/MNIST/raw` and in `root` itself, with or without `.gz`. All images lie in one uint8 array,
`data`; a DataLoader takes its batches from there at once where all transforms have a batched form.
"""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np

from tritonnet.autograd.function import make
from tritonnet.data.dataset import Dataset
from tritonnet.vision.datasets.download import download
from tritonnet.vision.datasets.idx import CorruptFile, read_idx
from tritonnet.vision.transforms.images import Images, batched


class ImageArrays(Dataset):
    """Grey images with labels, in memory.

    data: (N, H, W) uint8.  targets: (N,) int.  transform: of a PIL image.  target_transform: of an int.
    """

    root = None

    def __init__(self, data, targets, transform=None, target_transform=None):
        self.transform, self.target_transform = transform, target_transform
        self.data, self.targets = make(np.ascontiguousarray(data)), make(np.asarray(targets, np.int64))

    def __getitem__(self, index):
        """(image, label): a PIL image of mode "L", or what `transform` makes of it; an int."""
        from PIL import Image

        image, target = Image.fromarray(self.data.array[index]), int(self.targets.array[index])
        if self.transform is not None:
            image = self.transform(image)
        if self.target_transform is not None:
            target = self.target_transform(target)
        return image, target

    def __getbatch__(self, indices):
        """[images, labels] of a batch by one gather, each image transformed on its own."""
        rows = np.asarray(indices, np.int64)
        images = batched(self.transform)(Images(self.data.array.take(rows, 0)[:, None], pil=True))
        return [make(np.ascontiguousarray(images.array)), make(self.targets.array.take(rows))]

    @property
    def has_batches(self):
        """Whether `__getbatch__` can stand for `__getitem__`: the transforms end in tensors and have a batched form."""
        form = None if self.transform is None else batched(self.transform)
        return form is not None and form.gives_tensors and self.target_transform is None

    def __len__(self):
        return len(self.data.array)

    def extra_repr(self):
        """A line of a subclass's own for `repr`."""
        return ""

    def __repr__(self):
        lines = [f"Number of datapoints: {len(self)}"]
        if self.root is not None:
            lines.append(f"Root location: {self.root}")
        lines += self.extra_repr().splitlines()
        named = {"Transform: ": self.transform, "Target transform: ": self.target_transform}
        given = [(name, transform) for name, transform in named.items() if transform is not None]
        if given:
            lines.append("StandardTransform")
        text = "\n    ".join([f"Dataset {type(self).__name__}", *lines])
        for name, transform in given:
            text += "\n" + name + repr(transform).replace("\n", "\n" + " " * len(name))
        return text


class MNIST(ImageArrays):
    """The MNIST digits: 60,000 images to train on (`train=True`) and 10,000 to test on.

    root: folder with `MNIST/raw/`, or with the idx files themselves.  transform, target_transform: functions of a PIL
    image and of an int label.  download: fetch what is missing into `root/MNIST/raw`, checked by md5.
    data: (N, 28, 28) uint8.  targets: (N,) int64.
    Raises RuntimeError when files are missing, and naming the file when one is truncated or corrupt.
    """

    mirrors = ["https://ossci-datasets.s3.amazonaws.com/mnist/", "https://storage.googleapis.com/cvdf-datasets/mnist/"]
    resources = {  # name: md5 of the decompressed content
        "train-images-idx3-ubyte": "6bbc9ace898e44ae57da46a324031adb",
        "train-labels-idx1-ubyte": "a25bea736e30d166cdddb491f175f624",
        "t10k-images-idx3-ubyte": "2646ac647ad5339dbf082846283269ea",
        "t10k-labels-idx1-ubyte": "27ae3e4e09519cfbb04c329615203637",
    }
    classes = ["0 - zero", "1 - one", "2 - two", "3 - three", "4 - four",
               "5 - five", "6 - six", "7 - seven", "8 - eight", "9 - nine"]

    def __init__(self, root, train=True, transform=None, target_transform=None, download=False):
        self.root, self.train = str(Path(root).expanduser()), train
        if download:
            self.download()
        part = "train" if train else "t10k"
        data = read_idx(self._file(f"{part}-images-idx3-ubyte"), rank=3, dtype=np.uint8)
        targets = read_idx(self._file(f"{part}-labels-idx1-ubyte"), rank=1, dtype=np.uint8)
        labels = self._file(f"{part}-labels-idx1-ubyte")
        if len(data) != len(targets):
            raise CorruptFile(f"{labels}: {len(targets)} labels for {len(data)} images")
        if len(targets) and targets.max() >= len(self.classes):
            raise CorruptFile(f"{labels}: holds label {targets.max()}, expected labels below {len(self.classes)}")
        super().__init__(data, targets, transform, target_transform)

    @property
    def raw_folder(self):
        """Where downloads go."""
        return str(Path(self.root) / type(self).__name__ / "raw")

    @property
    def processed_folder(self):
        """Where old versions of torchvision kept converted files; never used."""
        return str(Path(self.root) / type(self).__name__ / "processed")

    @property
    def class_to_idx(self):
        """Class name -> label."""
        return {name: i for i, name in enumerate(self.classes)}

    @classmethod
    def find(cls, root, name):
        """The file in `root/<class>/raw`, `root/raw` or `root`, with or without .gz; None if there is none."""
        root = Path(root)
        for folder in (root / cls.__name__ / "raw", root / "raw", root):
            for path in (folder / name, folder / f"{name}.gz"):
                if path.is_file():
                    return path
        return None

    @classmethod
    def exists_in(cls, root):
        """Whether all four files are there."""
        return all(cls.find(root, name) for name in cls.resources)

    def _check_exists(self):
        return self.exists_in(self.root)

    def _file(self, name):
        """The path of one file. RuntimeError if it is nowhere."""
        path = self.find(self.root, name)
        if path is None:
            raise RuntimeError(
                f"Dataset not found: no {name}[.gz] in {self.raw_folder} or {self.root}. "
                "You can use download=True to download it"
            )
        return path

    @classmethod
    def fetch(cls, root):
        """Download the files that are missing into `root/<class>/raw`. Raises DownloadError."""
        for name, md5 in cls.resources.items():
            if cls.find(root, name) is None:
                download(f"{name}.gz", cls.mirrors, Path(root) / cls.__name__ / "raw", md5)

    def download(self):
        """Download the files that are missing."""
        self.fetch(self.root)

    @property
    def train_data(self):
        warnings.warn("train_data has been renamed data", stacklevel=2)
        return self.data

    @property
    def test_data(self):
        warnings.warn("test_data has been renamed data", stacklevel=2)
        return self.data

    @property
    def train_labels(self):
        warnings.warn("train_labels has been renamed targets", stacklevel=2)
        return self.targets

    @property
    def test_labels(self):
        warnings.warn("test_labels has been renamed targets", stacklevel=2)
        return self.targets

    def extra_repr(self):
        return f"Split: {'Train' if self.train is True else 'Test'}"


class FashionMNIST(MNIST):
    """Fashion-MNIST: 28 x 28 pictures of clothes, in MNIST's format and sizes."""

    mirrors = ["http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",
               "https://github.com/zalandoresearch/fashion-mnist/raw/master/data/fashion/"]
    resources = {  # name: md5 of the published .gz file
        "train-images-idx3-ubyte": "8d4fb7e6c68d591d4c3dfef9ec88bf0d",
        "train-labels-idx1-ubyte": "25c81989df183df01b3e8a0aad5dffbe",
        "t10k-images-idx3-ubyte": "bef4ecab320f06d8554ea6380940ec79",
        "t10k-labels-idx1-ubyte": "bb300cfdad3c16e7a12a480ee83cd310",
    }
    classes = ["T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot"]


class KMNIST(MNIST):
    """Kuzushiji-MNIST: 28 x 28 cursive Japanese characters, in MNIST's format and sizes."""

    mirrors = ["http://codh.rois.ac.jp/kmnist/dataset/kmnist/"]
    resources = {  # name: md5 of the published .gz file
        "train-images-idx3-ubyte": "bdb82020997e1d708af4cf47b453dcf7",
        "train-labels-idx1-ubyte": "e144d726b3acfaa3e44228e80efcd344",
        "t10k-images-idx3-ubyte": "5c965bf0a639b31b8f53240b1b52f4d7",
        "t10k-labels-idx1-ubyte": "7320c461ea6c1c855c0b718fb2a4b134",
    }
    classes = ["o", "ki", "su", "tsu", "na", "ha", "ma", "ya", "re", "wo"]
