"""torchvision's datasets of small images: MNIST and its kin, CIFAR, images in folders, made-up images."""

from tritonnet.vision.datasets.cifar import CIFAR10, CIFAR100
from tritonnet.vision.datasets.folder import DatasetFolder, FakeData, ImageFolder
from tritonnet.vision.datasets.mnist import KMNIST, MNIST, FashionMNIST

__all__ = ["CIFAR10", "CIFAR100", "DatasetFolder", "FakeData", "FashionMNIST", "ImageFolder", "KMNIST", "MNIST"]
