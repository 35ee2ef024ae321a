"""Transforms of colour: torchvision's numbers on tensors, Pillow's on PIL images, reprs and errors."""

import numpy as np
import pytest
from PIL import Image, ImageEnhance, ImageOps

import tritonnet
from tritonnet.vision import transforms
from tritonnet.vision.transforms import functional as F

PIXELS = np.random.default_rng(0).integers(0, 256, (2, 3, 3), np.uint8)  # (H, W, C)
RECORDED = [  # what torchvision 0.29 makes of them as a (C, H, W) tensor of bytes
    ("adjust_brightness", (1.5,),
     [142, 255, 22, 255, 255, 103, 195, 255, 244, 255, 255, 255, 255, 255, 49, 195, 24, 255]),
    ("adjust_contrast", (0.6,),
     [122, 196, 74, 194, 214, 107, 143, 190, 163, 196, 179, 176, 182, 206, 85, 143, 75, 205]),
    ("adjust_saturation", (1.7,), [73, 219, 0, 221, 255, 8, 132, 202, 205, 224, 191, 204, 241, 250, 0, 76, 0, 255]),
    ("adjust_hue", (0.2,), [179, 235, 15, 130, 28, 150, 95, 207, 115, 217, 248, 69, 194, 220, 163, 149, 16, 232]),
    ("adjust_gamma", (0.7, 1.1),
     [141, 251, 38, 249, 255, 112, 175, 243, 205, 251, 228, 224, 232, 255, 67, 175, 40, 255]),
    ("invert", (), [160, 38, 240, 40, 7, 186, 125, 48, 92, 38, 66, 71, 61, 20, 222, 125, 239, 23]),
    ("solarize", (100,), [95, 38, 15, 40, 7, 69, 125, 48, 92, 38, 66, 71, 61, 20, 33, 125, 16, 23]),
    ("posterize", (3,), [64, 192, 0, 192, 224, 64, 128, 192, 160, 192, 160, 160, 192, 224, 32, 128, 0, 224]),
    ("gaussian_blur", ((3, 1), (0.8, 0.5)),
     [153, 140, 112, 231, 197, 155, 167, 178, 184, 204, 194, 186, 214, 177, 130, 76, 95, 129]),
]


@pytest.mark.parametrize("name, args, expected", RECORDED)
def test_tensors_as_torchvision_has_them(name, args, expected):
    image = tritonnet.from_numpy(np.ascontiguousarray(PIXELS.transpose(2, 0, 1)))
    found = getattr(F, name)(image, *args)
    assert found.dtype is tritonnet.uint8 and found.flatten().tolist() == expected
    if name not in ("solarize", "posterize"):
        of_floats = getattr(F, name)(image.float() / 255, *args) * 255
        np.testing.assert_allclose(of_floats.flatten().numpy(), expected, atol=1.5)


def test_pil_images_as_pillow_has_them():
    image = Image.fromarray(PIXELS)
    for found, expected in (
        (F.adjust_brightness(image, 0.5), ImageEnhance.Brightness(image).enhance(0.5)),
        (F.adjust_contrast(image, 1.5), ImageEnhance.Contrast(image).enhance(1.5)),
        (F.adjust_saturation(image, 0.2), ImageEnhance.Color(image).enhance(0.2)),
        (F.invert(image), ImageOps.invert(image)),
        (F.solarize(image, 90), ImageOps.solarize(image, 90)),
        (F.posterize(image, 2), ImageOps.posterize(image, 2)),
    ):
        assert found.mode == "RGB" and np.array_equal(np.asarray(found), np.asarray(expected))
    grey = image.convert("L")
    assert F.adjust_hue(grey, 0.3) is grey
    back = F.adjust_hue(F.adjust_hue(image, 0.25), -0.25)
    assert np.abs(np.asarray(back).astype(int) - PIXELS).mean() < 8
    assert np.array_equal(np.asarray(F.adjust_gamma(image, 1)), PIXELS)
    assert F.gaussian_blur(grey, 1).mode == "L"


@pytest.mark.parametrize("make", [
    lambda: transforms.ColorJitter(0.4, 0.3, (0.5, 1.5), 0.1), lambda: transforms.RandomGrayscale(p=1.0),
    lambda: transforms.GaussianBlur(3), lambda: transforms.RandomInvert(p=1.0),
    lambda: transforms.RandomSolarize(100, p=1.0), lambda: transforms.RandomPosterize(2, p=1.0)])
def test_random_ones_change_images_and_follow_the_seed(make):
    transform = make()
    for image in (Image.fromarray(np.tile(PIXELS, (3, 3, 1))), F.to_tensor(np.tile(PIXELS, (3, 3, 1)))):
        if not isinstance(image, Image.Image) and isinstance(transform, transforms.RandomPosterize):
            image = F.convert_image_dtype(image, tritonnet.uint8)
        if not isinstance(image, Image.Image) and isinstance(transform, transforms.RandomSolarize):
            image = F.convert_image_dtype(image, tritonnet.uint8)
        tritonnet.manual_seed(3)
        first = np.asarray(transform(image))
        tritonnet.manual_seed(3)
        assert np.array_equal(first, np.asarray(transform(image)))
        assert first.shape == np.asarray(image).shape and not np.array_equal(first, np.asarray(image))
    assert isinstance(transforms.Compose([transform]).transforms[0], type(transform))


def test_reprs():
    assert repr(transforms.ColorJitter(0.2, hue=0.1)) == (
        "ColorJitter(brightness=(0.8, 1.2), contrast=None, saturation=None, hue=(-0.1, 0.1))")
    assert repr(transforms.GaussianBlur(3)) == "GaussianBlur(kernel_size=(3, 3), sigma=(0.1, 2.0))"
    assert repr(transforms.RandomSolarize(128)) == "RandomSolarize(threshold=128,p=0.5)"
    assert repr(transforms.RandomGrayscale()) == "RandomGrayscale(p=0.1)"


@pytest.mark.parametrize("call, error, message", [
    (lambda: transforms.ColorJitter(-1), ValueError, "non negative"),
    (lambda: transforms.ColorJitter(hue=0.7), ValueError, "between"),
    (lambda: transforms.ColorJitter("a"), TypeError, "single number"),
    (lambda: transforms.GaussianBlur(4), ValueError, "odd"),
    (lambda: transforms.GaussianBlur(3, -1), ValueError, "positive"),
    (lambda: F.gaussian_blur(tritonnet.ones(1, 4, 4), 9), RuntimeError, "more than 4 pixels"),
    (lambda: F.gaussian_blur(tritonnet.ones(1, 4, 4), (3, 3, 3)), ValueError, "length should be 2"),
    (lambda: F.gaussian_blur(tritonnet.ones(1, 4, 4), 2), ValueError, "odd"),
    (lambda: F.gaussian_blur(tritonnet.ones(1, 4, 4), 3, 0.0), ValueError, "positive"),
    (lambda: F.adjust_hue(tritonnet.ones(3, 4, 4), 0.6), ValueError, "not in"),
    (lambda: F.adjust_brightness(tritonnet.ones(3, 4, 4), -1), ValueError, "non-negative"),
    (lambda: F.posterize(tritonnet.ones(3, 4, 4), 2), TypeError, "uint8"),
    (lambda: F.posterize(tritonnet.ones(3, 4, 4), 9), ValueError, "number of bits"),
    (lambda: F.invert([1]), TypeError, "Unexpected type"),
])
def test_mistakes(call, error, message):
    with pytest.raises(error, match=message):
        call()
