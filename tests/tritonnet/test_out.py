"""out=: written into, resized with a warning, refused for types and for tensors that require gradients."""

import warnings

import pytest

import tritonnet
from tritonnet.tensor import out as offered


def x(torch):
    return torch.arange(6.0).reshape(2, 3)


def y(torch):
    return torch.ones(3)


CALLS = {
    "add": lambda torch, out: torch.add(x(torch), y(torch), out=out),
    "add alpha": lambda torch, out: torch.add(x(torch), y(torch), alpha=2, out=out),
    "mul of integers": lambda torch, out: torch.mul(x(torch).long(), 2, out=out),
    "div": lambda torch, out: torch.div(x(torch), y(torch), rounding_mode="floor", out=out),
    "exp": lambda torch, out: torch.exp(x(torch), out=out),
    "eq": lambda torch, out: torch.eq(x(torch), 1, out=out),
    "clamp": lambda torch, out: torch.clamp(x(torch), 1, 3, out=out),
    "where": lambda torch, out: torch.where(x(torch) > 1, x(torch), y(torch), out=out),
    "mm": lambda torch, out: torch.mm(x(torch), x(torch).t(), out=out),
    "matmul": lambda torch, out: torch.matmul(x(torch), y(torch), out=out),
    "addmm": lambda torch, out: torch.addmm(torch.ones(2, 2), x(torch), x(torch).t(), out=out),
    "sum": lambda torch, out: torch.sum(x(torch), 0, out=out),
    "sum of integers": lambda torch, out: torch.sum(x(torch).long(), 0, out=out),
    "mean": lambda torch, out: torch.mean(x(torch), 1, keepdim=True, out=out),
    "sum of a type": lambda torch, out: torch.sum(x(torch), 0, dtype=torch.float64, out=out),
    "var": lambda torch, out: torch.var(x(torch), 0, out=out),
    "cumsum": lambda torch, out: torch.cumsum(x(torch), 0, out=out),
    "argmax": lambda torch, out: torch.argmax(x(torch), 0, out=out),
    "any": lambda torch, out: torch.any(x(torch) > 1, 0, out=out),
    "cat": lambda torch, out: torch.cat([x(torch), x(torch)], out=out),
    "stack": lambda torch, out: torch.stack([x(torch), x(torch)], 1, out=out),
    "index_select": lambda torch, out: torch.index_select(x(torch), 1, torch.tensor([0, 2]), out=out),
    "tril": lambda torch, out: torch.tril(x(torch), out=out),
    "arange": lambda torch, out: torch.arange(4, out=out),
    "zeros": lambda torch, out: torch.zeros(2, 3, out=out),
    "ones of a type": lambda torch, out: torch.ones(2, dtype=torch.int64, out=out),
    "linspace": lambda torch, out: torch.linspace(0, 1, 3, out=out),
}
OUTS = {
    "empty": lambda torch: torch.zeros(0),
    "other shape": lambda torch: torch.zeros(7),
    "float64": lambda torch: torch.zeros(0, dtype=torch.float64),
    "int64": lambda torch: torch.zeros(0, dtype=torch.int64),
    "bool": lambda torch: torch.zeros(0, dtype=torch.bool),
}


@pytest.mark.parametrize("call, out", [
    (call, out) for call in CALLS for out in OUTS if out != "bool" or call in ("add", "mul of integers", "eq", "any")])
def test_out(alike, call, out):
    def program(torch):
        given = OUTS[out](torch)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                return CALLS[call](torch, given) is given, given
            except (RuntimeError, TypeError) as error:
                return type(error).__name__

    alike(program)


def test_resizing_warns():
    with pytest.warns(UserWarning, match=r"resized since it had shape \[7\].*required output shape \[2, 3\]"):
        tritonnet.add(x(tritonnet), 1, out=tritonnet.zeros(7))


def test_memory_is_written_to(alike):
    def program(torch):
        whole, crossed, same = torch.zeros(4, 3), torch.zeros(3, 2), x(torch)
        torch.add(x(torch), y(torch), out=whole[1:3])
        torch.add(x(torch), y(torch), out=crossed.t())
        torch.mul(same, 2, out=same)
        return whole, crossed, same

    alike(program)
    square = x(tritonnet)[:, :2].clone()  # not compared: PyTorch's answer depends on the processor
    expected = square @ square
    assert tritonnet.equal(tritonnet.mm(square, square, out=square), expected)


def test_pairs(alike):
    def program(torch):
        values, indices = torch.zeros(0), torch.zeros(0, dtype=torch.int64)
        found = torch.max(x(torch), 0, out=(values, indices))
        first, second = torch.zeros(0), torch.zeros(0, dtype=torch.int64)
        torch.sort(x(torch), 1, descending=True, out=(first, second))
        return found[0] is values, found.indices is indices, values, indices, first, second

    alike(program)


@pytest.mark.parametrize("call", [
    lambda torch: torch.add(x(torch).requires_grad_(), 1, out=torch.zeros(2, 3)),
    lambda torch: torch.add(x(torch), 1, out=torch.zeros(2, 3, requires_grad=True)),
    lambda torch: torch.cat([x(torch), x(torch).requires_grad_()], out=torch.zeros(0)),
], ids=["argument", "out", "of several"])
def test_nothing_is_recorded(alike, call):
    def quietly(torch):
        with torch.no_grad():
            return call(torch)

    alike(call)
    alike(quietly)


def test_resize_(alike):
    def program(torch):
        t = torch.arange(6)
        smaller = t.clone().resize_(2, 2)
        t.resize_(0)
        torch.arange(3, out=t)
        return smaller, torch.arange(4).resize_((2, 2)), t, torch.zeros(1).resize_(2)[0]

    alike(program)
    alike(lambda torch: torch.zeros(2, requires_grad=True).resize_(3))


def test_random_numbers_are_written_too():
    t = tritonnet.zeros(100)
    assert tritonnet.rand(100, out=t) is t and 0 < t.mean() < 1 and t.std() > 0.1


def test_on_a_device():
    with tritonnet.cuda.simulated():
        t = tritonnet.zeros(2, 3, device="cuda")
        assert tritonnet.add(x(tritonnet).cuda(), 1, out=t) is t and t.cpu().tolist() == [[1, 2, 3], [4, 5, 6]]
        with pytest.raises(RuntimeError, match="same device"):
            tritonnet.add(x(tritonnet), 1, out=t)


def test_every_name_is_a_function_of_its_own():
    names = offered.MAY_CAST + offered.EXACT + offered.CREATION
    assert len(set(names)) == len(names) and all(callable(getattr(tritonnet, name)) for name in names)
