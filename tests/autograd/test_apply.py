"""`apply`, written out for the signature of each operation."""

import numpy as np
import pytest

import tritonnet
from tritonnet.autograd.function import Op
from tritonnet.autograd.ops.loss import MseLoss
from tritonnet.autograd.ops.matmul import Linear
from tritonnet.autograd.ops.shape import Cat


class Scaled(Op):
    """x times a factor that its subclasses know."""

    factor = 2

    def forward(ctx, x, shift=None, *, power=1):
        y = ctx.factor**power * x
        return y if shift is None else y + shift

    def backward(ctx, dy):
        return ctx.factor * dy, dy


class Tripled(Scaled):
    factor = 3


def test_a_subclass_applies_itself_also_after_its_base_was_used():
    x = tritonnet.tensor([1.0, 2.0], requires_grad=True)
    assert Scaled.apply(x).tolist() == [2, 4]
    y = Tripled.apply(x)
    y.sum().backward()
    assert y.tolist() == [3, 6] and x.grad.tolist() == [3, 3] and type(y.grad_fn) is Tripled


def test_defaults_keywords_and_numbers_are_those_of_forward():
    x, shift = tritonnet.tensor([1.0]), tritonnet.tensor([10.0], requires_grad=True)
    assert Scaled.apply(x, power=3).tolist() == [8]
    assert Scaled.apply(x, shift=shift).tolist() == [12]
    assert Scaled.apply(x, 5.0).tolist() == [7]
    with pytest.raises(TypeError, match=r"Scaled.apply\(\) takes from 1 to 2"):
        Scaled.apply(x, None, 3)
    with pytest.raises(TypeError, match="must be Tensor, not str"):
        Scaled.apply("x")


def test_an_operation_has_a_parent_for_every_parameter():
    x, w = tritonnet.ones(2, 3), tritonnet.ones(4, 3).requires_grad_()
    assert Linear.apply(x, w).grad_fn.parents == (None, w, None, None)
    assert Cat.apply(x, w).grad_fn.parents == (None, w)
    with tritonnet.no_grad():
        assert not Cat.apply(x, w).requires_grad


def test_the_gradient_that_begins_is_nobodys_to_change():
    x = tritonnet.tensor(2.0, requires_grad=True)
    for _ in range(2):
        x.grad = None
        y = x * 3
        y.register_hook(lambda g: g.mul_(5))
        y.backward()
        assert x.grad.item() == 15
    x.grad = None
    x.backward()
    x.grad += 1
    x.backward()
    assert x.grad.item() == 3


def test_a_loss_weighs_its_gradient():
    x = tritonnet.tensor([1.0, 3.0], requires_grad=True)
    (2 * MseLoss.apply(x, np.zeros(2, "f"))).backward()
    assert x.grad.tolist() == [2, 6]


def test_a_gradient_that_a_hook_keeps_is_not_shared():
    x, kept = tritonnet.ones(2, requires_grad=True), tritonnet.tensor([5.0, 6.0])
    x.register_hook(lambda g: kept)
    x.sum().backward()
    x.grad.zero_()
    assert kept.tolist() == [5, 6]
