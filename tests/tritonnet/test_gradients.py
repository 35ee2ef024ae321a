"""What is assigned to .grad, .requires_grad and .data is checked; in-place changes keep histories right; grad_fn."""

import pytest

import tritonnet as tn
from tritonnet.nn import functional as F


def leaf(*shape, value=1.0):
    return tn.full(shape, value, requires_grad=True)


def assign(name, value):
    def program(torch):
        x = torch.ones(2, requires_grad=True)
        setattr(x, name, value(torch))
        return getattr(x, name)

    return program


@pytest.mark.parametrize("name, value", [
    ("grad", lambda torch: torch.ones(3)), ("grad", lambda torch: "a"), ("grad", lambda torch: torch.ones(2).double()),
    ("data", lambda torch: torch.ones(2).long()), ("data", lambda torch: 1.0),
], ids=["shape", "text", "type", "integers", "number"])
def test_what_cannot_be_assigned(alike, name, value):
    alike(assign(name, value), types_only=True)


@pytest.mark.parametrize("name, value", [
    ("grad", lambda torch: torch.full((2,), 3.0)), ("grad", lambda torch: None),
    ("requires_grad", lambda torch: False), ("data", lambda torch: torch.zeros(5)),
])
def test_what_can(alike, name, value):
    alike(assign(name, value))


def test_integers_and_results_keep_their_flag(alike):
    def integers(torch):
        torch.tensor([1, 2]).requires_grad = True

    def result(torch):
        y = torch.ones(2, requires_grad=True) * 2
        y.requires_grad = False

    alike(integers, types_only=True)
    alike(result)


@pytest.mark.parametrize("change", [
    lambda x: x.add_(1), lambda x: x.zero_(), lambda x: x.copy_(x + 1), lambda x: x.normal_(), lambda x: x.clamp_(0, 1),
    lambda x: x.__setitem__(0, 1.0), lambda x: x.exponential_(),
], ids=["add_", "zero_", "copy_", "normal_", "clamp_", "setitem", "exponential_"])
@pytest.mark.parametrize("place", ["cpu", "cuda"])
def test_expanded_memory_is_not_written(change, place):
    with tn.cuda.simulated(), pytest.raises(RuntimeError, match="single memory location"):
        change(tn.ones(3, 1, device=place).expand(3, 4))


def test_copying_a_leaf_gives_it_the_gradient():
    x, y = leaf(3), tn.zeros(3)
    y.copy_(x)
    (y * 2).sum().backward()
    assert y.grad_fn is not None and x.grad.tolist() == [2, 2, 2]


def test_a_filled_result_has_a_gradient_of_zero():
    x = leaf(3)
    y = x * 2
    y.zero_()
    y.sum().backward()
    assert x.grad.tolist() == [0, 0, 0]


def test_a_product_with_a_number_takes_part_in_one_backward(alike):
    def twice(torch):
        y = (torch.ones(2, requires_grad=True) * 2).sum()
        y.backward()
        y.backward()

    alike(twice, types_only=True)


NAMES = {
    "x ** 2": "PowBackward0", "x @ x.t()": "MmBackward0", "x @ x[0]": "MvBackward0", "x.view(4)": "ViewBackward0",
    "x[0]": "SelectBackward0", "x[:1]": "SliceBackward0", "x[None]": "UnsqueezeBackward0", "x.sum()": "SumBackward0",
    "x.sum(1)": "SumBackward1", "x.mean()": "MeanBackward0", "x.clone()": "CloneBackward0", "x.max()": "MaxBackward1",
    "F.linear(x, x, x[0])": "AddmmBackward0", "F.linear(x, x)": "MmBackward0", "x.double()": "ToCopyBackward0",
    "F.linear(x[None], x, x[0])": "ViewBackward0", "F.cross_entropy(x, tn.tensor([0, 1]))": "NllLossBackward0",
    "F.conv2d(x[None, None], x[None, None])": "ConvolutionBackward0", "x.clamp(0)": "ClampBackward1",
    "F.max_pool2d(x[None], 2)": "MaxPool2DWithIndicesBackward0",
}


@pytest.mark.parametrize("text", NAMES)
def test_names_of_backwards(text):
    y = eval(text, {"x": leaf(2, 2), "F": F, "tn": tn})
    assert y.grad_fn.name == NAMES[text] and f"grad_fn=<{NAMES[text]}>" in repr(y)
    y.sum().backward()
    assert repr(y.grad_fn).startswith("<")
