"""Results changed in place before backward: allowed where PyTorch allows it, refused where it refuses."""

import pytest

LAYERS = ["MaxPool2d(2)", "MaxPool2d(3, 2, 1)", "AvgPool2d(2)", "AdaptiveMaxPool2d(2)", "BatchNorm2d(4)",
          "Conv2d(4, 3, 3)", "GroupNorm(2, 4)", "LocalResponseNorm(2)", "ConvTranspose2d(4, 3, 3)", "GELU()",
          "Sigmoid()",
          "Tanh()",
          "Softmax(1)", "Upsample(scale_factor=2)"]


@pytest.mark.parametrize("text", LAYERS)
def test_a_relu_in_place_after_a_layer(alike, drawn, filled, text):
    def program(torch):
        layer = filled(torch, eval(text, dict(vars(torch.nn))))
        x = drawn(torch, 2, 4, 6, 6).requires_grad_()
        try:
            y = torch.nn.Sequential(layer, torch.nn.ReLU(inplace=True))(x)
            (y * drawn(torch, *y.shape, seed=3)).sum().backward()
        except RuntimeError as error:
            return "modified by an inplace operation" in str(error)
        return y, x.grad, [p.grad for p in layer.parameters()]

    alike(program, rtol=1e-4)


@pytest.mark.parametrize("text", ["a + b", "a * b", "a / b", "a / 2", "a @ b.T", "a ** 2", "a.exp()", "a.sqrt()",
                                  "a.sum(1)", "a.max(1)[0]", "a.logsumexp(1)", "a.cumsum(1)", "a.std(1)",
                                  "a.clamp(0.2, 0.6)"])
def test_a_sum_in_place_after_an_operation(alike, drawn, text):
    def program(torch):
        a, b = (drawn(torch, 3, 4, seed=i, low=0.1).requires_grad_() for i in (1, 2))
        y = eval(text, {"a": a, "b": b})
        try:
            y += 1
            (y * drawn(torch, *y.shape, seed=3)).sum().backward()
        except RuntimeError as error:
            return "modified by an inplace operation" in str(error)
        return y, a.grad, b.grad

    alike(program, rtol=1e-4)
