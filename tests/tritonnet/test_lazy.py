"""Lazy layers: shapes from the first input, ordinary layers from then on, as PyTorch's."""

import pytest

import tritonnet
from tritonnet import nn

LAYERS = {
    "LazyLinear(3)": (4, 5), "LazyLinear(3, bias=False)": (2, 4, 5), "LazyConv1d(4, 3)": (2, 6, 9),
    "LazyConv2d(4, 3, 2, padding=1, groups=2)": (2, 6, 9, 8), "LazyConv3d(2, 2, bias=False)": (1, 3, 4, 5, 4),
    "LazyConvTranspose1d(4, 3)": (2, 6, 9), "LazyConvTranspose2d(4, 3, 2, 1, 1, 2)": (2, 6, 5, 4),
    "LazyConvTranspose3d(2, 2)": (1, 3, 2, 3, 2), "LazyBatchNorm1d()": (4, 5),
    "LazyBatchNorm2d(affine=False)": (2, 3, 4, 4),
    "LazyBatchNorm3d(eps=1e-3)": (2, 3, 2, 2, 2), "LazyInstanceNorm1d()": (2, 3, 5),
    "LazyInstanceNorm2d()": (2, 3, 4, 4),
    "LazyInstanceNorm3d()": (2, 3, 2, 2, 3),
}


@pytest.mark.parametrize("text", LAYERS)
def test_a_lazy_layer_becomes_an_ordinary_one(alike, drawn, filled, text):
    def program(torch):
        layer = eval(text, vars(torch.nn).copy())
        before, waits = repr(layer), layer.has_uninitialized_params()
        layer(drawn(torch, *LAYERS[text]))
        shapes = {name: tuple(t.shape) for name, t in layer.state_dict().items()}
        filled(torch, layer)
        found = layer.eval()(drawn(torch, *LAYERS[text]))
        return before, waits, type(layer).__name__, repr(layer), shapes, found

    alike(program, rtol=1e-4)


def test_a_model_of_lazy_layers_trains():
    model = nn.Sequential(nn.LazyConv2d(4, 3), nn.LazyBatchNorm2d(), nn.Flatten(), nn.LazyLinear(2))
    assert repr(model[0].weight) == "<UninitializedParameter>"
    assert isinstance(model[1].running_mean, nn.UninitializedBuffer)
    parameters = list(model.parameters())
    model(tritonnet.randn(2, 3, 5, 5))
    assert all(a is b for a, b in zip(parameters, model.parameters()))
    assert type(model[3]) is nn.Linear and not isinstance(model[3].weight, nn.UninitializedParameter)
    optimizer = tritonnet.optim.SGD(model.parameters(), lr=0.1)
    before = model[3].weight.detach().clone()
    model(tritonnet.randn(2, 3, 5, 5)).square().sum().backward()
    optimizer.step()
    assert (model[3].weight != before).any()


def test_a_state_gives_shapes():
    model, trained = nn.Sequential(nn.LazyLinear(2)), nn.Sequential(nn.Linear(5, 2))
    model.load_state_dict(trained.state_dict())
    x = tritonnet.randn(3, 5)
    assert (model(x) == trained(x)).all()


def test_channels_must_be_divisible():
    with pytest.raises(ValueError, match="divisible"):
        nn.LazyConv2d(4, 3, groups=2)(tritonnet.randn(1, 3, 5, 5))
    with pytest.raises(RuntimeError, match="Expected 3D"):
        nn.LazyConv2d(4, 3)(tritonnet.randn(3))
