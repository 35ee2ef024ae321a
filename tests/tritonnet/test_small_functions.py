"""Quantiles, steps, grids of images and the like, as PyTorch's."""

import io

import numpy as np
import pytest

import tritonnet
from tritonnet.vision import utils

CALLS = [
    "torch.quantile(x, 0.3)", "torch.quantile(x, 0.3, dim=1)", "torch.quantile(x, torch.tensor([0.1, 0.5, 1.0]), 0)",
    "x.quantile(torch.tensor([0.25]), 1, True)", "torch.quantile(x, 0.3, keepdim=True)",
    *(f"torch.quantile(x, 0.3, 1, interpolation={how!r})" for how in ("lower", "higher", "midpoint", "nearest")),
    "torch.quantile(torch.tensor([1.0, torch.nan]), 0.5)", "torch.fmax(x, y)", "torch.fmin(x, y)", "torch.sinc(x)",
    "torch.fmax(torch.tensor([1.0, torch.nan, 2.0]), torch.tensor([torch.nan, 1.0, 3.0]))", "torch.sinc(x * 0)",
    "torch.heaviside(torch.tensor([-1.0, 0.0, 2.0]), torch.tensor(0.5))", "torch.positive(x)", "+x",
    "torch.signbit(torch.tensor([-1.0, 0.0, -0.0, 2.0])) * 1.0", "x.new([1.0, 2.0])",
    "torch.compile(lambda v: v * 2)(x)",
    # mistakes
    "torch.quantile(x, 1.5)", "torch.quantile(x.long(), 0.5)", "torch.quantile(x, torch.ones(2, 2))",
    "torch.quantile(x, torch.tensor(0.5).double())", "torch.quantile(x[:0], 0.5)",
    "torch.quantile(x, 0.5, interpolation='a')", "torch.positive(x > 0)",
]


@pytest.mark.parametrize("text", CALLS)
def test_a_function_computes_what_pytorchs_does(alike, drawn, text):
    def program(torch):
        x, y = drawn(torch, 4, 5).requires_grad_(), drawn(torch, 4, 5, seed=1).requires_grad_()
        result = eval(text, {"torch": torch, "x": x, "y": y})
        if result.requires_grad:
            (result * drawn(torch, *result.shape, seed=11)).sum().backward()
        return result, x.grad, y.grad

    in_other_words = ("1.5)", "interpolation='a'")
    alike(program, types_only=any(words in text for words in in_other_words))


def test_the_truth_of_one_element(alike):
    alike(lambda torch: [torch.ones(1).is_nonzero(), torch.zeros(1).is_nonzero()])
    alike(lambda torch: torch.ones(2).is_nonzero(), types_only=True)


def test_a_grid_of_images():
    images = tritonnet.arange(5 * 2 * 3.0).reshape(5, 1, 2, 3)
    grid = utils.make_grid(images, nrow=3, padding=1, pad_value=-1.0)
    assert grid.shape == (3, 7, 13)
    assert grid[0, 1:3, 1:4].tolist() == images[0, 0].tolist()
    assert grid[2, 4:6, 5:8].tolist() == images[4, 0].tolist()
    assert (grid[:, 0] == -1).all() and (grid[:, 4:, 9:] == -1).all()
    assert utils.make_grid(images[0, 0]).shape == (3, 2, 3)
    scaled = utils.make_grid(list(images), normalize=True)
    assert scaled.min() == 0 and scaled.max() == 1
    assert utils.make_grid(images, normalize=True, value_range=(0, 10), scale_each=True).max() == 1
    with pytest.raises(TypeError, match="tensor or list of tensors"):
        utils.make_grid("a")


def test_images_are_written(tmp_path):
    from PIL import Image

    images = tritonnet.tensor([[[[0.0, 0.5], [1.0, 2.0]]]])
    utils.save_image(images, tmp_path / "a.png")
    assert np.asarray(Image.open(tmp_path / "a.png"))[..., 0].tolist() == [[0, 128], [255, 255]]
    file = io.BytesIO()
    utils.save_image(images, file, format="png")
    assert Image.open(file).size == (2, 2)
