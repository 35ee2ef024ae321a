"""Transforms: torchvision's numbers, reprs and errors; batches come out as single images do, arrays as Pillow's."""

import numpy as np
import pytest
from PIL import Image

import tritonnet
from tritonnet.vision import transforms
from tritonnet.vision.transforms import functional as F
from tritonnet.vision.transforms import pixels
from tritonnet.vision.transforms.images import Images, batched

Mode = transforms.InterpolationMode


def noise(*shape, seed=0):
    return np.random.default_rng(seed).integers(0, 256, shape, np.uint8)


def pil(h=28, w=28, seed=0):
    return Image.fromarray(noise(h, w, seed=seed))


# values

def test_to_tensor_divides_by_255():
    array = np.arange(256, dtype=np.uint8).reshape(16, 16)
    found = transforms.ToTensor()(Image.fromarray(array))
    assert found.shape == (1, 16, 16) and found.dtype == tritonnet.float32
    assert np.array_equal(found.numpy()[0], array.astype(np.float32) / np.float32(255))


def test_to_tensor_of_other_images():
    colour = transforms.ToTensor()(Image.fromarray(noise(4, 5, 3)))
    assert np.array_equal(colour.numpy(), noise(4, 5, 3).transpose(2, 0, 1) / np.float32(255))
    assert transforms.ToTensor()(Image.new("1", (3, 2), 1)).tolist() == [[[1.0] * 3] * 2]
    assert transforms.ToTensor()(Image.new("F", (3, 2), 2.5)).tolist() == [[[2.5] * 3] * 2]
    assert transforms.ToTensor()(Image.new("I", (3, 2), 70000)).dtype == tritonnet.int32
    assert transforms.ToTensor()(noise(4, 5)).shape == (1, 4, 5)
    assert transforms.ToTensor()(np.ones((4, 5, 2))).dtype == tritonnet.float64


@pytest.mark.parametrize("given, error, message", [
    ([1], TypeError, "PIL Image or ndarray"), (np.ones(3), ValueError, "2/3 dimensional")])
def test_to_tensor_errors(given, error, message):
    with pytest.raises(error, match=message):
        transforms.ToTensor()(given)


def test_normalize_is_torchvisions_arithmetic(torch):
    x = np.random.default_rng(0).random((3, 4, 5), np.float32)
    mean, std = (0.1307, 0.5, -0.2), (0.3081, 0.25, 1.5)
    m, s = (torch.tensor(v)[:, None, None] for v in (mean, std))
    theirs = torch.from_numpy(x.copy()).sub_(m).div_(s).numpy()
    assert np.array_equal(transforms.Normalize(mean, std)(tritonnet.from_numpy(x)).numpy(), theirs)


def test_normalize_in_place_and_not():
    x = tritonnet.ones(1, 2, 2)
    assert transforms.Normalize((0.5,), (0.5,))(x).tolist() == [[[1.0] * 2] * 2] and x.sum().item() == 4
    assert transforms.Normalize((0.5,), (0.25,), inplace=True)(x) is x and x[0, 0, 0].item() == 2


def test_normalize_on_a_device(simulated):
    x = tritonnet.full((2, 2, 2), 3.0).cuda()
    assert transforms.Normalize((1.0, 2.0), (2.0, 4.0))(x).cpu().tolist() == [[[1.0] * 2] * 2, [[0.25] * 2] * 2]


@pytest.mark.parametrize("given, error, message", [
    (pil(), TypeError, "should be Tensor Image"), (tritonnet.ones(2, 2), ValueError, r"\(..., C, H, W\)"),
    (tritonnet.ones(1, 2, 2, dtype=tritonnet.uint8), TypeError, "should be a float tensor")])
def test_normalize_errors(given, error, message):
    with pytest.raises(error, match=message):
        transforms.Normalize((0.5,), (0.5,))(given)
    with pytest.raises(ValueError, match="division by zero"):
        transforms.Normalize((0.5,), (0.0,))(tritonnet.ones(1, 2, 2))
    with pytest.raises(RuntimeError, match="mean of 2 channels for an image of 3"):
        transforms.Normalize((0.5, 0.5), (0.5, 0.5))(tritonnet.ones(3, 2, 2))


def test_pil_to_tensor_and_back():
    for image in (pil(3, 4), Image.fromarray(noise(3, 4, 3)), Image.fromarray(noise(3, 4, 4), "RGBA")):
        found = transforms.PILToTensor()(image)
        assert found.dtype == tritonnet.uint8
        assert np.array_equal(np.asarray(transforms.ToPILImage()(found)), np.asarray(image))
        assert np.array_equal(np.asarray(transforms.ToPILImage()(transforms.ToTensor()(image))), np.asarray(image))


def test_to_pil_image_modes_and_errors():
    assert transforms.ToPILImage()(tritonnet.ones(2, 3)).size == (3, 2)
    assert transforms.ToPILImage("HSV")(tritonnet.ones(3, 2, 3)).mode == "HSV"
    assert transforms.ToPILImage("F")(tritonnet.ones(1, 2, 3)).mode == "F"
    with pytest.raises(ValueError, match="Incorrect mode"):
        transforms.ToPILImage("L")(tritonnet.ones(3, 2, 3))
    with pytest.raises(ValueError, match="> 4 channels"):
        transforms.ToPILImage()(tritonnet.ones(5, 2, 3))
    with pytest.raises(TypeError, match="Tensor or ndarray"):
        transforms.ToPILImage()([1])


@pytest.mark.parametrize("given, dtype, expected", [
    ([0, 255], "float32", [0.0, 1.0]), ([0, 255], "int16", [0, 255 * 128]), ([0, 255], "uint8", [0, 255])])
def test_convert_image_dtype(given, dtype, expected):
    image = tritonnet.tensor(given, dtype=tritonnet.uint8).reshape(1, 1, 2)
    found = transforms.ConvertImageDtype(getattr(tritonnet, dtype))(image)
    assert found.dtype == getattr(tritonnet, dtype) and found.flatten().tolist() == expected
    back = transforms.ConvertImageDtype(tritonnet.uint8)(found)
    assert back.flatten().tolist() == given


def test_unsafe_conversion():
    with pytest.raises(RuntimeError, match="cannot be performed safely"):
        transforms.ConvertImageDtype(tritonnet.int32)(tritonnet.ones(1, 2, 2))


def test_grayscale():
    image = Image.fromarray(noise(6, 7, 3))
    grey = transforms.Grayscale()(image)
    assert grey.mode == "L" and transforms.Grayscale(3)(image).mode == "RGB"
    tensor = transforms.Grayscale()(transforms.PILToTensor()(image))
    assert tensor.shape == (1, 6, 7) and np.abs(tensor.numpy()[0].astype(int) - np.asarray(grey)).max() <= 1
    with pytest.raises(ValueError, match="either 1 or 3"):
        transforms.Grayscale(2)(image)


def test_random_erasing():
    image = tritonnet.ones(3, 20, 20)
    tritonnet.manual_seed(0)
    erased = transforms.RandomErasing(p=1.0)(image)
    part = 1 - erased.mean().item()
    assert 0.01 < part < 0.4 and image.mean().item() == 1
    assert transforms.RandomErasing(p=0.0)(image).mean().item() == 1
    assert transforms.RandomErasing(p=1.0, value="random")(image).std().item() > 0
    assert set(transforms.RandomErasing(p=1.0, value=(2, 3, 4))(image)[2].flatten().tolist()) == {1, 4}
    for options, error in (({"value": "x"}, ValueError), ({"p": 2}, ValueError), ({"scale": 1}, TypeError)):
        with pytest.raises(error):
            transforms.RandomErasing(**options)
    with pytest.raises(ValueError, match="one per channel, 3"):
        transforms.RandomErasing(p=1.0, value=(1, 2))(image)


# place

@pytest.mark.parametrize("interpolation", [Mode.NEAREST, Mode.BILINEAR])
@pytest.mark.parametrize("angle, shift, scale, shear", [
    (0, (3, -2), 1.0, 0), (17, (0, 0), 1.0, 0), (-40, (2, 1), 1.3, (5, -3)), (90, (0, 0), 1.0, 0),
    (10, (0, 0), 0.6, 20)])
def test_affine_of_arrays_is_pillows(interpolation, angle, shift, scale, shear):
    image = pil(21, 30)
    ours, theirs = (F.affine(x, angle, shift, scale, shear, interpolation, 9) for x in (F.pil_to_tensor(image), image))
    assert np.array_equal(ours.numpy()[0], np.asarray(theirs))


@pytest.mark.parametrize("expand", [False, True])
@pytest.mark.parametrize("angle", [0, 30, -100, 45.5])
def test_rotation_of_arrays_is_pillows(angle, expand):
    image = pil(24, 16)
    ours = F.rotate(F.pil_to_tensor(image), angle, Mode.BILINEAR, expand)
    theirs = np.asarray(F.rotate(image, angle, Mode.BILINEAR, expand))
    assert ours.shape[1:] == theirs.shape and (ours.numpy()[0] != theirs).mean() < 0.01  # Pillow rounds its matrix


@pytest.mark.parametrize("mode", ["nearest", "bilinear", "bicubic"])
@pytest.mark.parametrize("size", [(32, 40), (14, 13), 7, (28, 50)])
def test_resize_of_arrays_is_close_to_pillows(mode, size):
    image = pil(28, 30)
    ours = F.resize(F.pil_to_tensor(image), size, Mode(mode)).numpy()[0]
    theirs = np.asarray(F.resize(image, size, Mode(mode)))
    assert ours.shape == theirs.shape
    if mode != "nearest":  # whose rounding of positions differs
        assert np.abs(ours.astype(int) - theirs).max() <= (2 if mode == "bilinear" else 6)  # Pillow clips in between


@pytest.mark.parametrize("antialias", [False, True])
@pytest.mark.parametrize("size", [(20, 20), (9, 5), (11, 17)])
def test_resize_of_floats_is_torchs(torch, size, antialias):
    x = np.random.default_rng(1).random((2, 11, 13), np.float32)
    theirs = torch.nn.functional.interpolate(torch.from_numpy(x)[None], size, mode="bilinear", antialias=antialias)[0]
    ours = F.resize(tritonnet.from_numpy(x), size, antialias=antialias)
    assert np.allclose(ours.numpy(), theirs.numpy(), atol=1e-5)


@pytest.mark.parametrize("size, max_size, expected", [
    (14, None, (14, 21)), ([14], None, (14, 21)), (14, 18, (12, 18)), ((5, 6), None, (5, 6)), (20, None, (20, 30))])
def test_resized_sizes(size, max_size, expected):
    assert F.resize(tritonnet.ones(1, 20, 30), size, max_size=max_size).shape[1:] == expected
    assert F.resize(pil(20, 30), size, max_size=max_size).size == expected[::-1]


def test_resize_errors():
    with pytest.raises(ValueError, match="max_size"):
        F.resize(pil(), (4, 4), max_size=9)
    with pytest.raises(ValueError, match="strictly greater"):
        F.resize(pil(), 5, max_size=5)
    with pytest.raises(ValueError, match="1 or 2 values"):
        transforms.Resize((1, 2, 3))
    with pytest.raises(TypeError, match="InterpolationMode"):
        transforms.Resize(3, interpolation="sharp")


@pytest.mark.parametrize("padding, size", [
    (2, (14, 10)), ((1, 3), (16, 8)), ([1, 2, 3, 4], (16, 10)), ((2,), (14, 10))])
@pytest.mark.parametrize("mode", ["constant", "edge", "reflect", "symmetric"])
def test_pad(padding, size, mode):
    image = pil(10, 6)
    ours, theirs = F.pad(F.pil_to_tensor(image), padding, 7, mode), F.pad(image, padding, 7, mode)
    assert ours.shape[1:] == size and theirs.size == size[::-1] and np.array_equal(ours.numpy()[0], np.asarray(theirs))


def test_pad_errors():
    with pytest.raises(ValueError, match="1, 2 or 4"):
        transforms.Pad((1, 2, 3))
    with pytest.raises(ValueError, match="constant, edge"):
        transforms.Pad(1, padding_mode="wrap")
    with pytest.raises(TypeError, match="padding arg"):
        transforms.Pad("1")


def test_crops():
    x = tritonnet.arange(30).reshape(1, 5, 6)
    assert transforms.CenterCrop(3)(x).tolist() == x[:, 1:4, 2:5].tolist()
    assert transforms.CenterCrop((7, 2))(x)[0, :, 0].tolist() == [0, 2, 8, 14, 20, 26, 0]
    ours, theirs = (F.center_crop(image, (7, 9)) for image in (F.pil_to_tensor(pil(5, 6)), pil(5, 6)))
    assert np.array_equal(ours.numpy()[0], np.asarray(theirs))
    assert F.crop(x, -1, 4, 3, 3).tolist() == [[[0, 0, 0], [4, 5, 0], [10, 11, 0]]]
    with pytest.raises(ValueError, match=r"\(9, 9\) is larger than input image size \(5, 6\)"):
        transforms.RandomCrop(9)(x)
    assert transforms.RandomCrop(9, pad_if_needed=True)(x).shape == (1, 9, 9)


def test_random_crop_reaches_every_place():
    x = tritonnet.arange(9).reshape(1, 3, 3)
    crop = transforms.RandomCrop(2)
    assert {crop(x)[0, 0, 0].item() for _ in range(200)} == {0, 1, 3, 4}


def test_flips():
    x = tritonnet.arange(6).reshape(1, 2, 3)
    assert F.hflip(x).tolist() == [[[2, 1, 0], [5, 4, 3]]] and F.vflip(x).tolist() == [[[3, 4, 5], [0, 1, 2]]]
    for flip, of_pil in ((F.hflip, Image.Transpose.FLIP_LEFT_RIGHT), (F.vflip, Image.Transpose.FLIP_TOP_BOTTOM)):
        assert np.array_equal(np.asarray(flip(pil())), np.asarray(pil().transpose(of_pil)))
    assert transforms.RandomHorizontalFlip(p=1.0)(x).tolist() == F.hflip(x).tolist()
    assert transforms.RandomVerticalFlip(p=0.0)(x).tolist() == x.tolist()


@pytest.mark.parametrize("make, message", [
    (lambda: transforms.RandomRotation(-5), "must be positive"),
    (lambda: transforms.RandomRotation((1, 2, 3)), "length 2"),
    (lambda: transforms.RandomAffine(0, translate=(0.1, 2)), "between 0 and 1"),
    (lambda: transforms.RandomAffine(0, scale=(0, 1)), "positive"),
    (lambda: transforms.RandomAffine(0, shear=(1, 2, 3)), "length 2 or 4"),
])
def test_geometry_errors(make, message):
    with pytest.raises(ValueError, match=message):
        make()


@pytest.mark.parametrize("given", ["image.png", None, np.ones((3, 3))])
def test_what_is_no_image(given):
    for transform in (transforms.CenterCrop(2), transforms.RandomAffine(10), transforms.RandomErasing(1.0)):
        with pytest.raises(TypeError, match="Unexpected type"):
            transform(given)


# chains, batches, reprs

def test_chains():
    double = transforms.Lambda(lambda v: v * 2)
    assert transforms.Compose([double, lambda v: v + 1])(3) == 7
    assert transforms.RandomApply([double], p=1.0)(3) == 6 and transforms.RandomApply([double], p=0.0)(3) == 3
    assert transforms.RandomChoice([double, double])(3) == 6
    plus = transforms.Lambda(lambda v: v + 1)
    assert {transforms.RandomOrder([double, plus])(3) for _ in range(50)} == {7, 8}
    assert {transforms.RandomChoice([double, plus], p=[0, 1])(3) for _ in range(20)} == {4}
    with pytest.raises(TypeError, match="callable"):
        transforms.Lambda(3)


PLACES = [
    transforms.RandomAffine(20, (0.1, 0.2), (0.8, 1.2), 10),
    transforms.RandomAffine(5, interpolation=Mode.BILINEAR, fill=3), transforms.RandomRotation(30),
    transforms.RandomCrop(24, padding=4), transforms.RandomCrop((20, 25)), transforms.RandomResizedCrop(20),
    transforms.RandomHorizontalFlip(), transforms.RandomVerticalFlip(), transforms.Resize(20),
    transforms.Resize((30, 10)), transforms.CenterCrop(20), transforms.CenterCrop(32),
    transforms.Pad((1, 2), 5, "edge"), transforms.Grayscale(3),
]
RANDOM = [place for place in PLACES if type(place).__name__.startswith("Random")]


@pytest.mark.parametrize("place", PLACES, ids=lambda t: type(t).__name__)
@pytest.mark.parametrize("first", [False, True], ids=["after ToTensor", "before ToTensor"])
def test_a_batch_of_one_is_the_image(place, first):
    chain = transforms.Compose([place, transforms.ToTensor()] if first else [transforms.ToTensor(), place])
    form = batched(chain)
    assert form.gives_tensors
    for seed in range(5):
        tritonnet.manual_seed(seed)
        single = chain(pil(seed=seed)).numpy()
        tritonnet.manual_seed(seed)
        batch = form(Images(noise(28, 28, seed=seed)[None, None], pil=True))
        assert not batch.pil and np.array_equal(batch.array[0], single)


@pytest.mark.parametrize("place", RANDOM, ids=lambda t: type(t).__name__)
def test_each_image_of_a_batch_has_draws_of_its_own(place):
    same = np.repeat(noise(1, 1, 28, 28), 16, axis=0)
    out = batched(place)(Images(same, pil=True)).array
    assert len({image.tobytes() for image in out}) > 1


def test_a_subclass_with_a_call_of_its_own_has_no_batch():
    class Mine(transforms.CenterCrop):
        def __call__(self, img):
            return super().__call__(img)

    assert batched(transforms.Compose([Mine(3), transforms.ToTensor()])) is None
    assert batched(transforms.RandomRotation(10, expand=True)) is None
    assert batched(transforms.Compose([transforms.Compose([transforms.ToTensor()])])).gives_tensors


@pytest.mark.parametrize("transform, text", [
    (transforms.Compose([transforms.ToTensor(), transforms.PILToTensor()]),
     "Compose(\n    ToTensor()\n    PILToTensor()\n)"),
    (transforms.Normalize((0.5,), (0.25,)), "Normalize(mean=(0.5,), std=(0.25,))"),
    (transforms.RandomCrop(28, padding=2), "RandomCrop(size=(28, 28), padding=2)"),
    (transforms.CenterCrop((3, 4)), "CenterCrop(size=(3, 4))"),
    (transforms.Pad(2), "Pad(padding=2, fill=0, padding_mode=constant)"),
    (transforms.Resize(32), "Resize(size=32, interpolation=bilinear, max_size=None, antialias=True)"),
    (transforms.RandomHorizontalFlip(), "RandomHorizontalFlip(p=0.5)"),
    (transforms.RandomRotation(10),
     "RandomRotation(degrees=[-10.0, 10.0], interpolation=nearest, expand=False, fill=0)"),
    (transforms.RandomAffine(10, translate=(0.1, 0.1)), "RandomAffine(degrees=[-10.0, 10.0], translate=(0.1, 0.1))"),
    (transforms.RandomAffine((0, 5), shear=3, interpolation=Mode.BILINEAR, fill=1, center=(1, 2)),
     "RandomAffine(degrees=[0.0, 5.0], shear=[-3.0, 3.0], interpolation=bilinear, fill=1, center=(1, 2))"),
    (transforms.RandomApply([transforms.Lambda(abs)], p=0.3), "RandomApply(\n    p=0.3\n    Lambda()\n)"),
    (transforms.RandomErasing(), "RandomErasing(p=0.5, scale=(0.02, 0.33), ratio=(0.3, 3.3), value=0, inplace=False)"),
    (transforms.RandomResizedCrop(8), "RandomResizedCrop(size=(8, 8), scale=(0.08, 1.0), ratio=(0.75, 1.3333), "
                                      "interpolation=bilinear, antialias=True)"),
    (transforms.Grayscale(3), "Grayscale(num_output_channels=3)"),
    (transforms.ToPILImage(), "ToPILImage()"), (transforms.ToPILImage("L"), "ToPILImage(mode=L)"),
    (transforms.ConvertImageDtype(tritonnet.float32), "ConvertImageDtype()"),
])
def test_reprs_are_torchvisions(transform, text):
    assert repr(transform) == text


def test_warp_takes_a_matrix_per_image():
    images = noise(2, 3, 5, 5)
    shift = [1, 0, 1, 0, 1, 0]
    out = pixels.warp(images, [[1, 0, 0, 0, 1, 0], shift], 5, 5)
    assert np.array_equal(out[0], images[0]) and np.array_equal(out[1, :, :, :4], images[1, :, :, 1:])
