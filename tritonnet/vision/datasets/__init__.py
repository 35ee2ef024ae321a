"""torchvision's datasets: MNIST and FashionMNIST."""

from tritonnet.vision.datasets.mnist import MNIST, FashionMNIST

__all__ = ["MNIST", "FashionMNIST"]
