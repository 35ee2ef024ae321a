"""Functions of one's own: outputs, saved results in a recorded backward, and what backward may return."""

import pytest

import tritonnet as tn
from tritonnet.autograd import Function, grad, gradgradcheck


class Exp(Function):
    @staticmethod
    def forward(ctx, x):
        y = x.exp()
        ctx.save_for_backward(y)
        return y

    @staticmethod
    def backward(ctx, dy):
        y, = ctx.saved_tensors
        return dy * y


class Pair(Function):
    @staticmethod
    def forward(ctx, x):
        y, z = x.exp(), x * x
        ctx.save_for_backward(x, z, y, None)
        return y, z

    @staticmethod
    def backward(ctx, dy, dz):
        x, _, y, nothing = ctx.saved_tensors
        return dy * y + 2 * dz * x


def returning(gradient):
    """A Function whose backward returns this."""

    class Given(Function):
        @staticmethod
        def forward(ctx, x):
            return x * 2

        @staticmethod
        def backward(ctx, dy):
            return gradient(dy)

    return Given


@pytest.mark.parametrize("function", [Exp.apply, lambda x: Pair.apply(x)[0], lambda x: sum(Pair.apply(x))])
def test_a_saved_result_keeps_its_history(function):
    assert gradgradcheck(function, (tn.tensor([0.3, -1.0], dtype=tn.float64, requires_grad=True),))


def test_third_derivative():
    x = tn.tensor(0.5, requires_grad=True)
    y = Exp.apply(x)
    for _ in range(3):
        y, = grad(y, x, create_graph=True)
    assert abs(y.item() - 1.6487213) < 1e-5


@pytest.mark.parametrize("gradient, error, text", [
    (lambda dy: dy[:1], RuntimeError, r"invalid gradient at index 0 - got \[1, 2\] but expected shape.*\[3, 2\]"),
    (lambda dy: dy[0], RuntimeError, "invalid gradient"),
    (lambda dy: (dy, dy), RuntimeError, "incorrect number of gradients"),
    (lambda dy: 1.0, TypeError, "expected a Tensor or None"),
])
def test_wrong_gradients(gradient, error, text):
    x = tn.ones(3, 2, requires_grad=True)
    with pytest.raises(error, match=text):
        returning(gradient).apply(x).sum().backward()


def test_a_gradient_that_was_broadcast_is_summed():
    x = tn.ones(3, 2, requires_grad=True)
    returning(lambda dy: dy.expand(4, 3, 2)).apply(x).sum().backward()
    assert x.grad.tolist() == [[4, 4]] * 3


def test_instances_are_not_called():
    with pytest.raises(RuntimeError, match="static forward method"):
        Exp()(tn.ones(2))


class Split(Function):
    @staticmethod
    def forward(ctx, x, scale):
        ctx.scale = scale
        ctx.save_for_backward(x)
        return x * scale, x * x

    @staticmethod
    def backward(ctx, da, db):
        x, = ctx.saved_tensors
        return da * ctx.scale + 2 * x * db, None


def test_function_with_several_outputs_and_unused_ones():
    x = tn.tensor(3.0, requires_grad=True)
    a, b = Split.apply(x, 10)
    (a + b).backward(retain_graph=True)
    assert x.grad.item() == 16 and a.grad_fn is not b.grad_fn
    x.grad = None
    b.backward()
    assert x.grad.item() == 6
    with pytest.raises(RuntimeError, match="second time"):
        b.backward()


def test_function_with_the_wrong_number_of_gradients():
    class Wrong(Function):
        @staticmethod
        def forward(ctx, x, y):
            return x + y

        @staticmethod
        def backward(ctx, dy):
            return dy

    with pytest.raises(RuntimeError, match=r"WrongBackward.*expected 2, got 1"):
        Wrong.apply(tn.ones(1).requires_grad_(), tn.ones(1)).backward()


def test_second_derivatives_of_a_function():
    class Cube(Function):
        @staticmethod
        def forward(ctx, x):
            ctx.save_for_backward(x)
            return x ** 3

        @staticmethod
        def backward(ctx, dy):
            x, = ctx.saved_tensors
            return 3 * x * x * dy

    x = tn.tensor(2.0, requires_grad=True)
    first, = grad(Cube.apply(x), x, create_graph=True)
    first.backward()
    assert first.item() == 12 and x.grad.item() == 12
