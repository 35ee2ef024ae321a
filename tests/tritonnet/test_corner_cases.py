"""What random programs found to differ from PyTorch, and no longer does."""

import numpy as np
import pytest

NAN, INF = float("nan"), float("inf")


@pytest.mark.parametrize("x", [[1.0, 1.0, 1.0], [1.0, 2.0, 4.0], [5.0]], ids=str)
@pytest.mark.parametrize("correction", [0, 1])
def test_the_gradient_of_a_deviation_of_0(alike, x, correction):
    if correction and len(x) == 1:
        pytest.skip("NaN, which test_ops.py covers")

    def program(torch):
        t = torch.tensor(x, requires_grad=True)
        t.std(correction=correction).backward()
        return t.grad

    alike(program)


@pytest.mark.parametrize("dtype", ["uint8", "int32", "int64", "bool", "float64"])
@pytest.mark.parametrize("name", ["sum", "prod", "nansum"])
def test_reductions_into_a_type(alike, name, dtype):
    def program(torch):
        x = torch.tensor([[1.0, 2.0], [300.0, 0.0]])
        return getattr(x[:1], name)(dtype=getattr(torch, dtype)), getattr(x, name)(dim=1, dtype=getattr(torch, dtype))

    alike(program)


def test_running_sums_into_a_type(alike):
    alike(lambda torch: [torch.tensor([1.0, 2, 3]).cumsum(0, dtype=getattr(torch, d))
                         for d in ("int32", "uint8", "float64")])


def test_medians_of_nan_and_of_numbers(alike):
    def program(torch):
        x = torch.tensor([[1.0, NAN, 3.0, 0.0], [4.0, 1.0, 2.0, 3.0]])
        return (x.median(1).values, x.median(1, keepdim=True).indices, torch.tensor(2.0).median(0).values,
                torch.tensor([[3, 1, 2]]).median(1).values)

    alike(program)


@pytest.mark.parametrize("call", [
    lambda torch: torch.tensor([1, 2], dtype=torch.uint8) ** -1,
    lambda torch: torch.tensor(1.0).unbind(),
    lambda torch: torch.arange(4.0).__setitem__(torch.arange(4) > 1, torch.ones(2, 2)),
], ids=["negative power", "unbind", "mask"])
def test_errors(alike, call):
    alike(call, types_only=True)


def test_a_view_keeps_its_history_when_its_base_is_detached(alike):
    def program(torch):
        w = torch.tensor([1.0, 2, 3], requires_grad=True)
        x = w * 2
        v = x[1:]
        x.detach_()
        (v * v).sum().backward()
        return x.requires_grad, v.requires_grad, w.grad

    alike(program)


def test_a_detached_leaf_receives_no_gradient(alike):
    def program(torch):
        a, b = (torch.tensor([1.0, 2], requires_grad=True) for _ in range(2))
        y = (a * b).sum()
        a.detach_()
        y.backward()
        return a.grad, b.grad

    alike(program)


@pytest.mark.parametrize("change", [
    lambda torch, x: x.copy_(torch.ones(3)), lambda torch, x: x[1:].copy_(torch.ones(2)), lambda torch, x: x.normal_(),
    lambda torch, x: x.uniform_(), lambda torch, x: x.fill_(2.0),
], ids=["copy_", "copy_ of a view", "normal_", "uniform_", "fill_"])
def test_what_is_overwritten_has_a_gradient_of_0(alike, change):
    def program(torch):
        w = torch.tensor([1.0, 2, 3], requires_grad=True)
        x = w * 1
        change(torch, x)
        x.sum().backward()
        return x.requires_grad, x.is_leaf, w.grad

    alike(program)


@pytest.mark.parametrize("product", [
    lambda torch, x, w: x @ w, lambda torch, x, w: torch.nn.functional.linear(x, w),
    lambda torch, x, w: torch.mv(x, w[0]),
], ids=["matmul", "linear", "mv"])
@pytest.mark.parametrize("tracked", [0, 1])
def test_a_factor_that_no_gradient_needs_may_change(alike, product, tracked):
    def program(torch, changed):
        given = [torch.tensor([[1.0, 2], [3, 4]]) for _ in range(2)]
        given[tracked].requires_grad_()
        y = product(torch, *given).sum()
        with torch.no_grad():
            given[changed].add_(1)
        y.backward()
        return given[tracked].grad

    alike(lambda torch: program(torch, tracked))
    alike(lambda torch: program(torch, 1 - tracked), types_only=True)


VALUES = {
    "nothing but nan": [NAN] * 30, "infinities": [INF, -INF], "with an integer": [1.0, NAN, -INF], "zeros": [0.0, -0.0],
    "integers": [1.0, 2e9], "small": [1e-5, 2.0], "ordinary": [1.5, -22.25, 300.0] * 30,
}


@pytest.mark.parametrize("options", [{}, {"sci_mode": True}, {"sci_mode": False}, {"precision": 8}, {"linewidth": 40}],
                         ids=str)
@pytest.mark.parametrize("values", VALUES)
def test_printing(alike, values, options):
    def program(torch):
        x = torch.tensor(VALUES[values])
        torch.set_printoptions(**options)
        try:
            return repr(x), repr(x.requires_grad_()), repr(x * 1), repr(x.detach()[:2].reshape(2, 1, 1))
        finally:
            torch.set_printoptions(profile="default")
            torch.set_printoptions(sci_mode=None)

    alike(program)


def test_suffixes_of_long_lines(alike):
    def program(torch):
        return [repr(torch.from_numpy(np.full((2, n), 0.5, np.float32)).requires_grad_()) for n in range(4, 10)]

    alike(program)
