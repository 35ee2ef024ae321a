"""Interpolation, pixel shuffles, folding, transposed convolution: values, gradients, errors, layers as PyTorch's."""

import numpy as np
import pytest

import tritonnet

SIZES = ["size=(7, 9)", "size=3", "size=(1, 1)", "scale_factor=2", "scale_factor=(1.5, 0.6)",
         "scale_factor=1.7, recompute_scale_factor=True"]
CALLS = [
    *(f"F.interpolate(image, {size}, mode={mode!r})" for size in SIZES
      for mode in ("nearest", "nearest-exact", "area", "bilinear", "bicubic")),
    *(f"F.interpolate(image, {size}, mode={mode!r}, align_corners=True)" for size in SIZES
      for mode in ("bilinear", "bicubic")),
    *(f"F.interpolate(sound, {size}, mode={mode!r})" for size in ("size=11", "scale_factor=0.5", "scale_factor=3.3")
      for mode in ("nearest", "area", "linear")),
    "F.upsample(image, scale_factor=2)", "F.upsample_nearest(image, 3)", "F.upsample_bilinear(image, 8)",
    "F.pixel_shuffle(image, 2)", "F.pixel_unshuffle(image[:, :, :4], 2)", "F.channel_shuffle(image, 2)",
    "F.unfold(image, 2, padding=1, stride=2)", "F.unfold(image, (3, 2), dilation=2)", "F.unfold(image[0], 2)",
    "F.fold(F.unfold(image, 2), (5, 6), 2)", "F.fold(F.unfold(image, 3, padding=1)[0], (5, 6), 3, padding=1)",
    "F.conv_transpose2d(image, w)", "F.conv_transpose2d(image[0], w, stride=(2, 3))",
    "F.conv_transpose2d(image, w, r(3), stride=2, padding=1, output_padding=1)",
    "F.conv_transpose2d(image, w, stride=(2, 1), groups=2, dilation=2)",
    "F.conv_transpose1d(sound, r(4, 2, 3), stride=2, padding=1, output_padding=1)",
]
MISTAKES = [
    "F.interpolate(image)", "F.interpolate(image, 2, 2)", "F.interpolate(image[0], 2, mode='bilinear')",
    "F.interpolate(image[0, 0], 2)", "F.interpolate(image, 2, align_corners=True)", "F.interpolate(image, 2, mode='a')",
    "F.interpolate(image, (2, 2, 2))", "F.interpolate(image, 0)", "F.interpolate(image, scale_factor=-1)",
    "F.interpolate(image, 3, mode='linear')", "F.interpolate(image, 3, recompute_scale_factor=True)",
    "F.pixel_shuffle(image, 3)", "F.pixel_unshuffle(image, 4)", "F.pixel_shuffle(image[0, 0], 2)",
    "F.fold(image, (4, 4), 2)", "F.fold(r(2, 8, 8), (4, 4), 2)", "F.unfold(image, 9)",
    "F.conv_transpose2d(image, r(3, 1, 3, 3))", "F.conv_transpose2d(image, w, output_padding=1)",
    "F.conv_transpose2d(image, w, output_padding=-1)", "F.conv_transpose2d(image[0, 0], w)",
    "F.conv_transpose2d(image, w, padding=4)", "F.conv_transpose2d(image.double(), w)",
    "F.conv_transpose2d(image, w, r(4))", "F.conv_transpose2d(image, w, stride=0)",
    "F.conv_transpose2d(image, w, groups=3)", "F.conv_transpose2d(image, w, padding=-1)",
    "torch.nn.ConvTranspose2d(2, 3, 3, padding_mode='reflect')", "torch.nn.ConvTranspose2d(3, 4, 3, groups=2)",
    "torch.nn.ConvTranspose2d(4, 3, 3, 2)(image, output_size=(20, 20))",
    "torch.nn.ConvTranspose2d(4, 3, 3, 2)(image, output_size=[2, 3, 12])",
]
LAYERS = {
    "Upsample(size=3)": (2, 4, 5, 6), "Upsample(scale_factor=2)": (2, 4, 5),
    "Upsample(scale_factor=(2, 3), mode='bilinear')": (2, 4, 5, 6),
    "Upsample(size=(3, 4), mode='bicubic', align_corners=True)": (2, 4, 5, 6),
    "UpsamplingBilinear2d(scale_factor=2)": (2, 4, 5, 6), "UpsamplingNearest2d((3, 4))": (2, 4, 5, 6),
    "PixelShuffle(2)": (2, 4, 5, 6), "PixelUnshuffle(2)": (2, 1, 4, 6), "ChannelShuffle(2)": (2, 4, 5, 6),
    "Unfold(2, padding=1)": (2, 4, 5, 6), "Fold((4, 4), 2, stride=2)": (2, 8, 4),
    "ConvTranspose1d(4, 2, 3, bias=False)": (2, 4, 7),
    "ConvTranspose2d(4, 6, 3, stride=2, padding=1, output_padding=1, groups=2, dilation=2)": (2, 4, 5, 6),
}


def image_call(torch, drawn, text):
    names = {"image": drawn(torch, 2, 4, 5, 6), "sound": drawn(torch, 2, 4, 7), "w": drawn(torch, 4, 3, 3, 2),
             "torch": torch, "F": torch.nn.functional, "r": lambda *shape: drawn(torch, *shape, seed=7)}
    leaves = [names[name].requires_grad_() for name in ("image", "sound", "w")]
    y = eval(text, names)
    (y * drawn(torch, *y.shape, seed=11)).sum().backward()
    return y, [leaf.grad for leaf in leaves]


@pytest.mark.parametrize("text", CALLS)
def test_a_function_computes_what_pytorchs_does(alike, drawn, text):
    alike(lambda torch: image_call(torch, drawn, text), rtol=1e-4)


@pytest.mark.parametrize("text", MISTAKES)
def test_a_mistake_raises_what_pytorch_raises(alike, drawn, text):
    alike(lambda torch: image_call(torch, drawn, text), types_only=True)


@pytest.mark.parametrize("text", LAYERS)
def test_a_layer_computes_what_pytorchs_does(alike, evaluated, text):
    alike(lambda torch: evaluated(torch, text, LAYERS[text], True), rtol=1e-4)


def test_a_transposed_convolution_gives_the_size_asked_for(alike, drawn, filled):
    def program(torch):
        layer = filled(torch, torch.nn.ConvTranspose2d(4, 3, 3, 2))
        x = drawn(torch, 2, 4, 5, 6)
        return [layer(x, output_size=size) for size in ((12, 14), [2, 3, 12, 13], (11, 13))]

    alike(program, rtol=1e-4)


def test_the_device_agrees_with_the_host(simulated, drawn):
    for text in ("F.interpolate(image, scale_factor=2, mode='bilinear')", "F.pixel_shuffle(image, 2)",
                 "F.conv_transpose2d(image, w, stride=2, padding=1)", "F.interpolate(image, 7)",
                 "F.unfold(image, 2)", "F.conv_transpose1d(sound, r(4, 2, 3), stride=2)"):
        y, gradients = image_call(tritonnet, drawn, text)
        z, found = image_call(tritonnet, lambda *a, **k: drawn(*a, **k).cuda(), text)
        for ours, expected in zip((z, *found), (y, *gradients)):
            assert (ours is None) == (expected is None)
            if ours is not None:
                np.testing.assert_allclose(ours.detach().cpu(), expected.detach(), rtol=1e-4, atol=1e-5)
