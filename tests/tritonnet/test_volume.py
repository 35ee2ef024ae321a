"""Layers and functions over three axes, as PyTorch's: values, gradients, representations, mistakes."""

import pytest

SHAPE = (2, 4, 5, 6, 7)
LAYERS = [
    "Conv3d(4, 6, 3)", "Conv3d(4, 6, (3, 2, 1), stride=(1, 2, 2), padding=(1, 0, 2), dilation=(2, 1, 1), bias=False)",
    "Conv3d(4, 4, 3, padding='same', groups=2)", "Conv3d(4, 2, 2, padding=1, padding_mode='circular')",
    "Conv3d(4, 2, (2, 3, 2), padding='same')", "ConvTranspose3d(4, 3, 3)",
    "ConvTranspose3d(4, 2, (3, 2, 3), stride=(2, 1, 3), padding=(1, 0, 2), output_padding=(1, 0, 2), groups=2)",
    "ConvTranspose3d(4, 2, 2, stride=3, dilation=2)",
    "MaxPool3d(2)", "MaxPool3d((3, 2, 2), stride=2, padding=1, ceil_mode=True)", "MaxPool3d(2, dilation=2, stride=1)",
    "AvgPool3d(2)", "AvgPool3d(3, stride=2, padding=1, ceil_mode=True, count_include_pad=False)",
    "AvgPool3d((2, 3, 3), stride=3, padding=1, ceil_mode=True)", "AvgPool3d(2, divisor_override=3)",
    "AdaptiveAvgPool3d(3)", "AdaptiveAvgPool3d((2, None, 4))", "AdaptiveMaxPool3d((2, 3, 4))",
    "BatchNorm3d(4)", "InstanceNorm3d(4, affine=True)", "ConstantPad3d(1, 2.0)", "ZeroPad3d((1, 0, 2, 0, 0, 3))",
    "ReflectionPad3d(2)", "ReplicationPad3d((1, 2, 0, 1, 3, 0))", "CircularPad3d(1)",
    "Upsample(scale_factor=2)", "Upsample((3, 4, 9), mode='trilinear', align_corners=True)", "LPPool3d(2, 2)",
    "Dropout3d(0.0)",
]
CALLS = [
    "F.max_pool3d(x, 2, return_indices=True)", "F.max_pool3d(x, 3, 2, 1, ceil_mode=True, return_indices=True)",
    "F.adaptive_max_pool3d(x, (2, 3, 3), return_indices=True)", "F.adaptive_max_pool3d_with_indices(x[0], 2)",
    "F.max_unpool3d(*F.max_pool3d(x, 2, return_indices=True), 2, output_size=(5, 6, 7))",
    "F.max_unpool2d(*F.max_pool2d(x[0], 3, 2, 1, return_indices=True), 3, 2, 1, (6, 7))",
    "F.max_unpool1d(*F.max_pool1d(x[0, 0], 2, return_indices=True), 2, output_size=(7,))",
    "F.lp_pool1d(x[0, 0].abs(), 2, 3)", "F.lp_pool2d(x[0].abs(), 3, (2, 3), stride=2)", "F.conv3d(x[0], w)",
    "F.conv3d(x, w, torch.ones(3), stride=2, padding=1)", "F.interpolate(x, (3, 9, 4), mode='nearest')",
    "F.interpolate(x, scale_factor=1.5, mode='nearest-exact')", "F.interpolate(x, (2, 3, 4), mode='area')",
    "F.interpolate(x, scale_factor=(2, 1, 0.5), mode='trilinear')", "F.dropout3d(x, 1.0)",
    "F.feature_alpha_dropout(x, 0.3, False)",
]
MISTAKES = [
    "F.max_unpool2d(*F.max_pool2d(x[0], 2, return_indices=True), 2)",
    "F.conv3d(x[0, 0], w)", "F.conv3d(x, w[:, 1:])", "F.conv3d(x, w, stride=0)", "F.conv3d(x, w, padding=-1)",
    "F.conv3d(x[..., :1], w)", "F.conv3d(x[:, :, :1], w)", "F.conv3d(x, w, padding='sane')", "F.conv3d(x, w.double())",
    "F.max_pool3d(x, 9)", "F.max_pool3d(x, 2, padding=2)", "F.conv_transpose3d(x, w)",
    "F.max_unpool2d(x[0], torch.ones(1), 2)", "F.interpolate(x, 4, mode='bilinear')",
    "F.max_unpool2d(*F.max_pool2d(x[0], 2, return_indices=True), 2, output_size=(9, 9))",
    "F.adaptive_avg_pool3d(x, (1, 2))",
    "torch.nn.BatchNorm3d(4)(x[0])", "torch.nn.InstanceNorm3d(4)(x[0, 0])",
]


@pytest.mark.parametrize("text", LAYERS)
def test_a_layer_agrees_with_pytorch(alike, evaluated, text):
    alike(lambda torch: evaluated(torch, text, SHAPE, True))


def test_statistics_are_used_in_evaluation(alike, evaluated):
    alike(lambda torch: evaluated(torch, "BatchNorm3d(4)", SHAPE, False))


@pytest.mark.parametrize("text", CALLS)
def test_a_function_agrees_with_pytorch(alike, drawn, text):
    def program(torch):
        x, w = drawn(torch, *SHAPE).requires_grad_(), drawn(torch, 3, 4, 2, 3, 2, seed=1).requires_grad_()
        found = eval(text, {"F": torch.nn.functional, "x": x, "w": w, "torch": torch})
        value = found[0] if isinstance(found, tuple) else found
        (value * drawn(torch, *value.shape, seed=11)).sum().backward()
        return found, x.grad, w.grad

    alike(program, rtol=1e-4)


@pytest.mark.parametrize("text", MISTAKES)
def test_mistakes(alike, drawn, text):
    def program(torch):
        x, w = drawn(torch, *SHAPE), drawn(torch, 3, 4, 2, 3, 2, seed=1)
        return eval(text, {"F": torch.nn.functional, "x": x, "w": w, "torch": torch})

    alike(program, types_only=True)


def test_a_convolution_over_volumes_on_the_simulated_device(drawn):
    import numpy as np

    import tritonnet

    layer = tritonnet.nn.Conv3d(2, 3, 2, padding=1)
    x = drawn(tritonnet, 1, 2, 3, 4, 3)
    expected = layer(x)
    with tritonnet.cuda.simulated():
        found = layer.cuda()(x.cuda())
        found.sum().backward()
        assert layer.weight.grad.is_cuda
        np.testing.assert_allclose(found.detach().cpu().numpy(), expected.detach().numpy(), rtol=1e-5, atol=1e-5)
