"""Images in folders by class, and made-up images: torchvision's DatasetFolder, ImageFolder and FakeData."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np

from tritonnet.data.dataset import Dataset

__all__ = ["DatasetFolder", "FakeData", "IMG_EXTENSIONS", "ImageFolder", "default_loader"]

IMG_EXTENSIONS = (".jpg", ".jpeg", ".png", ".ppm", ".bmp", ".pgm", ".tif", ".tiff", ".webp")


def default_loader(path):
    """The image in a file, as RGB."""
    from PIL import Image

    with open(path, "rb") as file:
        return Image.open(file).convert("RGB")


def transformed(dataset, sample, target):
    """(sample, target) through the dataset's transforms."""
    if dataset.transform is not None:
        sample = dataset.transform(sample)
    if dataset.target_transform is not None:
        target = dataset.target_transform(target)
    return sample, target


class DatasetFolder(Dataset):
    """Files in `root/<class>/…`: sample i is (loader(path), index of its class), through the transforms.

    loader: a function of a path.  extensions: of the files that count; or is_valid_file: a function of a path.
    allow_empty: classes without a file are no error.  FileNotFoundError where there are no classes, or empty ones.
    """

    def __init__(self, root, loader, extensions=None, transform=None, target_transform=None, is_valid_file=None,
                 allow_empty=False):
        self.root, self.loader, self.extensions = str(Path(root).expanduser()), loader, extensions
        self.transform, self.target_transform = transform, target_transform
        self.classes, self.class_to_idx = self.find_classes(self.root)
        self.samples = self.make_dataset(self.root, self.class_to_idx, extensions, is_valid_file, allow_empty)
        self.targets = [target for _, target in self.samples]

    def find_classes(self, directory):
        """(names of classes, name -> index): the folders in `directory`, sorted."""
        classes = sorted(entry.name for entry in os.scandir(directory) if entry.is_dir())
        if not classes:
            raise FileNotFoundError(f"Couldn't find any class folder in {directory}.")
        return classes, {name: i for i, name in enumerate(classes)}

    @staticmethod
    def make_dataset(directory, class_to_idx, extensions=None, is_valid_file=None, allow_empty=False):
        """[(path, class index), …], sorted within each class."""
        if (extensions is None) == (is_valid_file is None):
            raise ValueError("Both extensions and is_valid_file cannot be None or not None at the same time")
        endings = (extensions,) if isinstance(extensions, str) else extensions
        valid = is_valid_file or (lambda path: path.lower().endswith(tuple(endings)))
        samples, empty = [], []
        for name, index in sorted(class_to_idx.items()):
            paths = [os.path.join(folder, file)
                     for folder, _, files in sorted(os.walk(os.path.join(directory, name), followlinks=True))
                     for file in sorted(files)]
            found = [(path, index) for path in paths if valid(path)]
            samples += found
            if not found:
                empty.append(name)
        if empty and not allow_empty:
            raise FileNotFoundError(f"Found no valid file for the classes {', '.join(empty)}." + (
                f" Supported extensions are: {', '.join(endings)}" if endings else ""))
        return samples

    def __getitem__(self, index):
        path, target = self.samples[index]
        return transformed(self, self.loader(path), target)

    def __len__(self):
        return len(self.samples)


class ImageFolder(DatasetFolder):
    """Images in `root/<class>/…`, loaded as RGB; see `DatasetFolder`."""

    def __init__(self, root, transform=None, target_transform=None, loader=default_loader, is_valid_file=None,
                 allow_empty=False):
        super().__init__(root, loader, IMG_EXTENSIONS if is_valid_file is None else None, transform, target_transform,
                         is_valid_file, allow_empty)
        self.imgs = self.samples


class FakeData(Dataset):
    """`size` random images (C, H, W) of random classes; image i is always the same."""

    def __init__(self, size=1000, image_size=(3, 224, 224), num_classes=10, transform=None, target_transform=None,
                 random_offset=0):
        self.size, self.image_size, self.num_classes = size, tuple(image_size), num_classes
        self.transform, self.target_transform, self.random_offset = transform, target_transform, random_offset

    def __getitem__(self, index):
        from PIL import Image

        if not 0 <= index < self.size:
            raise IndexError("FakeData index out of range")
        rng = np.random.default_rng([index, self.random_offset])
        pixels = rng.integers(0, 256, self.image_size, np.uint8).transpose(1, 2, 0)
        image = Image.fromarray(pixels[:, :, 0] if pixels.shape[2] == 1 else np.ascontiguousarray(pixels))
        return transformed(self, image, int(rng.integers(self.num_classes)))

    def __len__(self):
        return self.size
