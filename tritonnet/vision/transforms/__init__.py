"""torchvision's transforms, on PIL images and tensors, and on whole batches inside a DataLoader."""

from tritonnet.vision.transforms import functional
from tritonnet.vision.transforms.chain import Compose, Lambda, RandomApply, RandomChoice, RandomOrder
from tritonnet.vision.transforms.colour import (
    ColorJitter,
    GaussianBlur,
    RandomGrayscale,
    RandomInvert,
    RandomPosterize,
    RandomSolarize,
)
from tritonnet.vision.transforms.geometry import (
    CenterCrop,
    Pad,
    RandomAffine,
    RandomCrop,
    RandomHorizontalFlip,
    RandomResizedCrop,
    RandomRotation,
    RandomVerticalFlip,
    Resize,
)
from tritonnet.vision.transforms.images import InterpolationMode
from tritonnet.vision.transforms.values import (
    ConvertImageDtype,
    Grayscale,
    Normalize,
    PILToTensor,
    RandomErasing,
    ToPILImage,
    ToTensor,
)

__all__ = [
    "CenterCrop", "ColorJitter", "Compose", "ConvertImageDtype", "GaussianBlur", "Grayscale", "InterpolationMode",
    "Lambda", "Normalize", "PILToTensor", "Pad", "RandomAffine", "RandomApply", "RandomChoice", "RandomCrop",
    "RandomErasing", "RandomGrayscale", "RandomHorizontalFlip", "RandomInvert", "RandomOrder", "RandomPosterize",
    "RandomResizedCrop", "RandomRotation", "RandomSolarize", "RandomVerticalFlip", "Resize", "ToPILImage", "ToTensor",
    "functional",
]
