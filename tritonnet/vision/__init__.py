"""Images: MNIST and its like, transforms, generated digits, models. PyTorch's `torchvision`, as far as digits go."""

from tritonnet.vision import datasets, transforms, utils

__all__ = ["datasets", "transforms", "utils"]
