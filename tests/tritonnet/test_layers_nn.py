"""Layers: signatures, repr, state_dict and values with copied parameters, as in PyTorch; default initialisations."""

import inspect

import numpy as np
import pytest

import tritonnet
from tritonnet import nn

# layer, shape of its input (a list: several inputs)
LAYERS = {
    "Linear(3, 4)": (5, 3),
    "Linear(3, 4, bias=False)": (2, 5, 3),
    "Linear(3, 4, True)": (3,),
    "Bilinear(3, 4, 2)": [(5, 3), (5, 4)],
    "Bilinear(3, 4, 2, bias=False)": [(2, 5, 3), (2, 5, 4)],
    "Identity(54, unused=True)": (2, 3),
    "Conv1d(2, 3, 3)": (4, 2, 9),
    "Conv1d(2, 4, 3, stride=2, padding=1, dilation=2, groups=2, bias=False)": (4, 2, 9),
    "Conv1d(2, 3, 4, padding='same')": (2, 9),
    "Conv2d(2, 3, 3)": (4, 2, 7, 6),
    "Conv2d(2, 4, (3, 2), stride=(2, 1), padding=(1, 0), dilation=(1, 2), groups=2)": (2, 2, 7, 6),
    "Conv2d(2, 3, 3, padding='same')": (2, 2, 7, 6),
    "Conv2d(2, 3, (4, 3), padding='same', dilation=(1, 2))": (2, 2, 7, 6),
    "Conv2d(2, 3, 3, padding='valid', bias=False)": (2, 7, 6),
    "Conv2d(2, 3, 3, padding=2, padding_mode='reflect')": (2, 2, 7, 6),
    "Conv2d(2, 3, 3, padding=(1, 2), padding_mode='replicate')": (2, 2, 7, 6),
    "Conv2d(2, 3, (4, 3), padding='same', padding_mode='circular')": (2, 2, 7, 6),
    "BatchNorm1d(3)": (5, 3),
    "BatchNorm1d(3, momentum=None)": (5, 3, 4),
    "BatchNorm1d(3, affine=False)": (5, 3),
    "BatchNorm2d(3)": (5, 3, 4, 2),
    "BatchNorm2d(3, eps=1e-3, momentum=0.3, track_running_stats=False)": (5, 3, 4, 2),
    "BatchNorm2d(3, bias=False)": (5, 3, 4, 2),
    "InstanceNorm1d(3)": (5, 3, 4),
    "InstanceNorm2d(3, affine=True, track_running_stats=True)": (5, 3, 4, 2),
    "InstanceNorm2d(3)": (3, 4, 2),
    "LayerNorm(4)": (2, 3, 4),
    "LayerNorm((3, 4), eps=1e-3, bias=False)": (2, 3, 4),
    "LayerNorm([4], elementwise_affine=False)": (2, 3, 4),
    "GroupNorm(2, 4)": (2, 4, 3),
    "GroupNorm(4, 4, affine=False)": (2, 4, 3, 2),
    "RMSNorm(4)": (2, 3, 4),
    "RMSNorm((3, 4), eps=1e-3)": (2, 3, 4),
    "RMSNorm(4, elementwise_affine=False)": (2, 3, 4),
    "LocalResponseNorm(2)": (2, 5, 3, 3),
    "LocalResponseNorm(3, alpha=0.1, beta=0.5, k=2.0)": (2, 5, 3),
    "Dropout(0.0)": (2, 3),
    "Dropout2d(0.0, inplace=True)": (2, 3, 2, 2),
    "Dropout1d(0.0)": (2, 3, 2),
    "AlphaDropout(0.0)": (2, 3),
    "MaxPool1d(2)": (2, 3, 7),
    "MaxPool1d(3, 2, 1, ceil_mode=True)": (3, 8),
    "MaxPool1d(2, return_indices=True)": (2, 3, 7),
    "MaxPool2d(2)": (2, 3, 6, 7),
    "MaxPool2d((3, 2), stride=(2, 1), padding=(1, 0), dilation=(1, 2))": (2, 3, 6, 7),
    "MaxPool2d(3, 2, ceil_mode=True, return_indices=True)": (3, 6, 8),
    "AvgPool1d(2)": (2, 3, 7),
    "AvgPool1d(3, 2, 1, ceil_mode=True, count_include_pad=False)": (3, 8),
    "AvgPool2d(2)": (2, 3, 6, 7),
    "AvgPool2d(3, 2, 1)": (3, 6, 7),
    "AvgPool2d((3, 2), ceil_mode=True, padding=(1, 0), count_include_pad=False)": (2, 3, 6, 7),
    "AvgPool2d(3, 2, 1, True, divisor_override=2)": (2, 3, 6, 6),
    "AdaptiveAvgPool1d(3)": (2, 3, 7),
    "AdaptiveAvgPool2d(1)": (2, 3, 6, 7),
    "AdaptiveAvgPool2d((None, 3))": (3, 6, 7),
    "AdaptiveMaxPool1d(3)": (2, 3, 7),
    "AdaptiveMaxPool2d((2, 3), return_indices=True)": (2, 3, 6, 7),
    "Flatten()": (2, 3, 4),
    "Flatten(0, 1)": (2, 3, 4),
    "Unflatten(1, (2, 3))": (4, 6, 2),
    "Unflatten(-1, [2, -1])": (4, 6),
    "ZeroPad1d(1)": (2, 3),
    "ZeroPad2d((1, 0, 2, -1))": (2, 3, 4),
    "ConstantPad1d((1, 2), 3.5)": (2, 3),
    "ConstantPad2d(1, 2.0)": (2, 3, 4),
    "ReflectionPad1d((2, 1))": (2, 3),
    "ReflectionPad2d(1)": (2, 3, 3, 4),
    "ReplicationPad1d(2)": (2, 3),
    "ReplicationPad2d((1, 0, 2, 3))": (2, 3, 3, 4),
    "CircularPad1d(2)": (2, 3),
    "CircularPad2d((1, 0, 2, 3))": (2, 3, 3, 4),
    "Conv3d(2, 3, 3)": (2, 2, 5, 4, 6),
    "Conv3d(2, 4, (3, 2, 3), (2, 1, 2), (1, 0, 2), (1, 2, 1), groups=2)": (2, 2, 5, 4, 6),
    "Conv3d(2, 3, (2, 3, 4), padding='same', bias=False)": (2, 5, 4, 6),
    "Conv3d(2, 3, 3, padding=1, padding_mode='replicate')": (2, 2, 3, 4, 5),
    "ConvTranspose3d(2, 3, 3)": (2, 2, 3, 4, 5),
    "ConvTranspose3d(2, 4, (3, 2, 3), (3, 2, 2), (1, 0, 2), (2, 1, 0), groups=2, dilation=(2, 1, 1))": (2, 3, 4, 5),
    "BatchNorm3d(3)": (2, 3, 4, 2, 3),
    "InstanceNorm3d(3, affine=True)": (2, 3, 4, 2, 3),
    "Dropout3d(0.0)": (2, 3, 2, 2, 2),
    "MaxPool3d(2)": (2, 3, 4, 6, 7),
    "MaxPool3d((3, 2, 2), (2, 1, 2), (1, 0, 1), (1, 2, 1), True, True)": (3, 5, 6, 7),
    "AvgPool3d(2)": (2, 3, 4, 6, 7),
    "AvgPool3d((3, 2, 3), 2, (1, 0, 1), True, False)": (3, 6, 5, 7),
    "AvgPool3d(3, 2, 1, True, divisor_override=2)": (2, 3, 6, 6, 5),
    "AdaptiveAvgPool3d((2, None, 3))": (2, 3, 5, 4, 7),
    "AdaptiveMaxPool3d((2, None, 3), True)": (3, 5, 4, 7),
    "ZeroPad3d((1, 0, 2, -1, 1, 1))": (2, 3, 4, 5),
    "ConstantPad3d(1, 2.0)": (2, 3, 2, 3, 4),
    "ReflectionPad3d((1, 2, 0, 1, 1, 1))": (2, 3, 3, 3, 4),
    "ReplicationPad3d(1)": (3, 2, 3, 4),
    "CircularPad3d((1, 0, 2, 1, 0, 1))": (2, 3, 3, 3, 4),
    "Upsample(scale_factor=2, mode='trilinear')": (1, 2, 3, 2, 4),
    "Upsample(size=(2, 5, 3), mode='trilinear', align_corners=True)": (1, 2, 3, 2, 4),
    "Upsample(scale_factor=(2, 1, 1.5))": (1, 2, 3, 2, 4),
    "CosineSimilarity()": [(3, 4), (3, 4)],
    "CosineSimilarity(dim=0)": [(3, 4), (3, 1)],
    "PairwiseDistance()": [(3, 4), (3, 4)],
    "PairwiseDistance(p=1.0, keepdim=True)": [(3, 4), (3, 4)],
    "Softmax(1)": (3, 4), "Softmax()": (3, 4), "LogSoftmax(dim=0)": (3, 4), "Softmin(-1)": (3, 4),
    "Softmax2d()": (2, 3, 4, 2), "GLU()": (3, 4), "GLU(0)": (4, 3),
    **{f"{name}()": (3, 5) for name in (
        "ReLU", "ReLU6", "ELU", "SELU", "CELU", "GELU", "SiLU", "Mish", "LeakyReLU", "Sigmoid", "Tanh", "LogSigmoid",
        "Softplus", "Softsign", "Hardtanh", "Hardswish", "Hardsigmoid", "Tanhshrink", "Hardshrink", "Softshrink",
        "PReLU")},
    "ELU(0.5)": (3, 5), "CELU(2.0)": (3, 5), "GELU('tanh')": (3, 5), "LeakyReLU(0.3)": (3, 5), "PReLU(5)": (3, 5),
    "PReLU(3, init=0.1)": (2, 3, 4), "Softplus(2, 1)": (3, 5), "Hardtanh(-0.2, 0.3)": (3, 5),
    "Threshold(0.1, 20)": (3, 5),
    "Hardshrink(0.1)": (3, 5), "Softshrink(0.1)": (3, 5), "RReLU(0.25, 0.25)": (3, 5),
}
INTEGERS_OUT = ("return_indices=True",)


def layer_of(torch, text):
    return eval(text, {name: getattr(torch.nn, name) for name in [text.partition("(")[0]]})


@pytest.mark.parametrize("text", LAYERS)
def test_a_layer_computes_what_pytorchs_does(alike, evaluated, text):
    alike(lambda torch: [evaluated(torch, text, LAYERS[text], t) for t in (True, False)], rtol=1e-4)


@pytest.mark.parametrize("text", [t for t in LAYERS if t.endswith("()") and hasattr(
    layer_of(tritonnet, t), "inplace")] + ["Dropout()", "LeakyReLU(0.2)", "ELU(0.5)", "Hardtanh(-1, 1)",
                                           "Threshold(0.1, 2.0)", "CELU(0.4)"])
def test_inplace_writes_into_the_input(alike, drawn, text):
    def program(torch):
        layer = layer_of(torch, text[:-1] + (", " if text[-2] != "(" else "") + "inplace=True)").eval()
        leaf = drawn(torch, 3, 5)
        leaf.requires_grad_()
        x = leaf * 2
        y = layer(x)
        y.sum().backward()
        return repr(layer), y is x, x.detach(), leaf.grad

    alike(program)


ON_THE_DEVICE = [
    "Linear(3, 4)", "Conv1d(2, 3, 4, padding='same')", "Conv2d(2, 3, 3)", "BatchNorm1d(3)", "BatchNorm2d(3)",
    "Conv2d(2, 3, 3, padding=2, padding_mode='reflect')", "LayerNorm(4)", "GroupNorm(2, 4)", "RMSNorm(4)", "GELU()",
    "InstanceNorm1d(3)", "MaxPool2d(2)", "AvgPool1d(2)", "AdaptiveAvgPool2d(1)", "PReLU(3, init=0.1)", "GLU()",
    "Hardshrink()", "LogSoftmax(dim=0)", "CosineSimilarity()", "ConstantPad2d(1, 2.0)", "Bilinear(3, 4, 2)",
    "Conv3d(2, 3, 3)", "MaxPool3d(2)",
]


@pytest.mark.parametrize("text", ON_THE_DEVICE)
def test_a_layer_on_the_device_agrees_with_the_host(simulated, drawn, filled, text):
    def results(place):
        layer = filled(tritonnet, layer_of(tritonnet, text)).to(place)
        shapes = LAYERS[text] if isinstance(LAYERS[text], list) else [LAYERS[text]]
        inputs = [drawn(tritonnet, *s, seed=9).to(place).requires_grad_() for s in shapes]
        y = layer(*inputs)
        (y * drawn(tritonnet, *y.shape, seed=5).to(place)).sum().backward()
        assert y.is_cuda == (place == "cuda")
        gradients = [t.grad for t in (*inputs, *layer.parameters())]
        return [t.detach().cpu().numpy() for t in (y, *gradients, *layer.buffers())]

    for found, expected in zip(results("cuda"), results("cpu"), strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)


def test_an_inplace_activation_of_a_leaf_raises(alike):
    alike(lambda torch: torch.nn.ReLU(inplace=True)(torch.ones(2, requires_grad=True)))


CLASSES = [name for name in nn.modules.__all__ if name not in ("Module",)]


@pytest.mark.parametrize("name", CLASSES)
def test_constructors_take_what_pytorchs_take(alike, name):
    def program(torch):
        parameters = inspect.signature(getattr(torch.nn, name).__init__).parameters.values()
        if name in ("ModuleList", "ModuleDict", "ParameterList", "ParameterDict", "Sequential"):  # other names
            return [(str(p.kind), repr(p.default)) for p in parameters]
        return [(p.name, str(p.kind), getattr(p.default, "__name__", repr(p.default))) for p in parameters]

    alike(program)


MISTAKES = {
    "groups": lambda nn: nn.Conv2d(3, 4, 3, groups=2),
    "groups out": lambda nn: nn.Conv2d(4, 3, 3, groups=2),
    "groups 0": lambda nn: nn.Conv2d(4, 4, 3, groups=0),
    "same, stride": lambda nn: nn.Conv2d(3, 4, 3, padding="same", stride=2),
    "dropout": lambda nn: nn.Dropout(2),
    "dropout negative": lambda nn: nn.Dropout2d(-0.1),
    "group norm": lambda nn: nn.GroupNorm(3, 4),
    "hardtanh": lambda nn: nn.Hardtanh(2, 1),
    "embedding": lambda nn: nn.Embedding(3, 4, padding_idx=5),
    "bilinear": lambda nn: nn.Bilinear(0, 1, 2),
    "unflatten": lambda nn: nn.Unflatten(1, 3.5),
    "unflatten floats": lambda nn: nn.Unflatten(1, (2, 3.5)),
    "linear": lambda nn: nn.Linear(3),
    "table": lambda nn: nn.Embedding(3, 4, _weight=nn.Parameter(nn.Linear(3, 4).weight.detach())),
    "hardtanh by its old names": lambda nn: repr(nn.Hardtanh(min_value=-2.0, max_value=3.0)),
    "linear keyword": lambda nn: nn.Linear(3, 4, colour=3),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_a_wrong_constructor_call_raises_what_pytorch_raises(alike, name):
    alike(lambda torch: MISTAKES[name](torch.nn), types_only=name in ("unflatten", "linear", "linear keyword"))


def test_unknown_padding(alike):
    alike(lambda torch: torch.nn.Conv2d(3, 4, 3, padding="foo"), types_only=True)
    alike(lambda torch: torch.nn.Conv2d(3, 4, 3, padding_mode="foo"), types_only=True)


INPUTS = {
    "BatchNorm1d(3)": (2, 3, 4, 5), "BatchNorm2d(3)": (2, 3), "Linear(3, 4)": (2, 5), "Conv2d(3, 4, 3)": (1, 1, 5, 5),
    "LayerNorm(4)": (2, 5), "MaxPool2d(3)": (1, 1, 2, 2), "Unflatten(1, (2, 3))": (2, 5), "BatchNorm1d(4)": (1, 4),
    "InstanceNorm2d(3)": (2, 3), "Softmax2d()": (2, 3), "PReLU(4)": (2, 3), "GLU()": (2, 3), "Softmax(3)": (2, 2),
}


@pytest.mark.parametrize("text", INPUTS)
def test_a_wrong_input_raises_what_pytorch_raises(alike, text):
    in_other_words = text in ("InstanceNorm2d(3)", "MaxPool2d(3)", "LayerNorm(4)")
    alike(lambda torch: layer_of(torch, text)(torch.ones(INPUTS[text])), types_only=in_other_words)
