"""gather, scatter, masks, sorting, …: values and gradients held against PyTorch and a device, and errors."""

import numpy as np
import pytest

import tritonnet
from tests.libraries import OURS, agree, ours_on, theirs


def ordered(t, x):
    """Functions of order, of x (4, 6)."""
    yield from t.sort(x)
    yield from x.sort(0, descending=True)
    yield from x.topk(3, dim=1)
    yield from t.topk(x, 2, 0, largest=False)
    yield from t.kthvalue(x, 2)
    yield from x.kthvalue(3, 0, keepdim=True)
    yield t.argsort(x, dim=0)
    yield t.msort(x)


def selected(t, x):
    """Functions by index and mask, of x (4, 6)."""

    def place(values):
        return t.tensor(values).to(x.device)

    i, rows = place([2, 0, 3]), place([[0, 5, 1], [2, 2, 4]])
    mask, src = place([[True], [False], [True], [True]]), x.detach()[:2, :3] * 3
    yield from (
        t.gather(x, 1, rows),
        x.gather(0, rows % 4),
        t.take_along_dim(x, rows[:1], 1),
        x.take(place([0, -1, 7])),
    )
    yield from (
        t.scatter(x, 1, place([[0, 5, 1], [2, 3, 4]]), src),
        x.scatter(0, rows % 4, 2.5),
        x.scatter_add(1, rows, src),
        x.scatter(1, place([[0, 5]]), value=1.0),
        x.detach().scatter(1, rows, src, reduce="add"),
    )
    yield from (
        x.index_select(0, i),
        t.index_select(x, 1, i),
        x.index_add(0, i, x[1:], alpha=2),
        x.index_copy(0, i, x[:3]),
        x.index_fill(1, i, -1),
        x.index_put((i, i), x[0, :3]),
        x.index_put((i,), x[0], accumulate=True),
    )
    yield from (
        x.masked_fill(mask, 9.0),
        t.masked_select(x, mask),
        x.masked_fill(mask, place(2)),
        t.masked_scatter(x, mask.expand(4, 6), x * 2),
    )
    y = x * 1
    y.index_add_(0, i, x[1:])
    y.masked_fill_(mask, 0.5).scatter_(1, rows, 3.0).index_fill_(0, i[:1], 2.0)
    yield y
    yield from (t.nonzero(x > 0), x.argwhere(), *t.nonzero(x > 0.5, as_tuple=True), *t.where(x < 0), t.nonzero(x[0, 0]))
    n = (x * 3).detach().long()
    yield from (
        t.unique(n),
        *n.unique(return_inverse=True, return_counts=True),
        *t.unique(n % 2, dim=0, return_counts=True),
        *t.unique_consecutive(n[0], return_inverse=True, return_counts=True),
    )
    yield from (
        t.bincount(i, minlength=6),
        t.bincount(i, weights=x[0, :3].detach()),
        t.isin(n, place([0, 1])),
        t.searchsorted(place([0.0, 0.5, 1.0]), x.detach().float()),
        t.bucketize(x.detach().float(), place([0.0, 1.0]), right=True),
        t.searchsorted(x.detach().sort(1).values, x.detach(), right=True),
    )


def run(program, t, lib):
    x = lib.leaf(np.random.default_rng(3).standard_normal((4, 6)))
    found = list(program(t, x))
    rng = np.random.default_rng(4)
    sum((y * lib.tensor(rng.standard_normal(tuple(y.shape)))).sum() for y in found if y.requires_grad).backward()
    return [lib.host(y) for y in found] + [lib.host(x.grad)]


@pytest.mark.parametrize("program", [ordered, selected])
def test_functions_agree_with_pytorch(program, torch):
    found, expected = run(program, tritonnet, OURS), run(program, torch, theirs(torch))
    agree(found, expected, program.__name__)
    assert [f.dtype for f in found] == [e.dtype for e in expected]


@pytest.mark.parametrize("program", [ordered, selected])
def test_functions_on_a_device_agree_with_the_host(program, simulated):
    agree(run(program, tritonnet, ours_on(simulated)), run(program, tritonnet, OURS), program.__name__)


INDEX = tritonnet.tensor([[1]])


@pytest.mark.parametrize(
    "call, error, words",
    [
        (
            lambda x: x.gather(1, tritonnet.tensor([[4]])),
            RuntimeError,
            "index 4 is out of bounds for dimension 1 with size 4",
        ),
        (lambda x: x.gather(1, tritonnet.tensor([[-1]])), RuntimeError, "index -1 is out of bounds"),
        (lambda x: x.gather(1, INDEX[0]), RuntimeError, "same number of dimensions"),
        (lambda x: x.gather(1, INDEX.float()), RuntimeError, r"gather\(\): Expected dtype int32/int64 for index"),
        (lambda x: x.gather(2, INDEX), IndexError, "Dimension out of range"),
        (lambda x: x.gather(0, INDEX.expand(2, 5)), RuntimeError, "Size does not match at dimension 1"),
        (lambda x: x.scatter(1, tritonnet.tensor([[4]]), 1.0), RuntimeError, "index 4 is out of bounds"),
        (lambda x: x.scatter(1, INDEX, x.double()), RuntimeError, "Expected self.dtype to be equal to src.dtype"),
        (lambda x: x.scatter(1, INDEX.expand(1, 2), x[:1, :1]), RuntimeError, "no larger size than src"),
        (lambda x: x.index_select(0, tritonnet.tensor([3])), IndexError, "index 3 is out of bounds"),
        (lambda x: x.index_select(0, INDEX), IndexError, "supposed to be a vector"),
        (lambda x: x.index_add(0, INDEX[0], x), RuntimeError, "Number of indices"),
        (lambda x: x.index_add(0, tritonnet.tensor([5]), x[:1]), RuntimeError, "index 5 is out of bounds"),
        (lambda x: x.index_copy(0, tritonnet.tensor([-1]), x[:1]), IndexError, "index -1 is out of bounds"),
        (lambda x: x.masked_fill(x > 0, tritonnet.ones(2)), RuntimeError, "0-dimensional value tensor"),
        (lambda x: x.masked_fill(x, 1.0), RuntimeError, "expected BoolTensor for mask"),
        (lambda x: x.masked_fill(x[:2] > 0, 1.0), RuntimeError, "must match the size of tensor"),
        (lambda x: x.masked_select(INDEX), RuntimeError, "expected BoolTensor for mask"),
        (lambda x: x.take(tritonnet.tensor([12])), IndexError, "index 12 is out of bounds"),
        (lambda x: x.topk(5), RuntimeError, "selected index k out of range"),
        (lambda x: x.sort(2), IndexError, "Dimension out of range"),
        (lambda x: tritonnet.bincount(tritonnet.tensor([-1])), RuntimeError, "non-negative"),
    ],
)
def test_bad_arguments(call, error, words):
    with pytest.raises(error, match=words):
        call(tritonnet.zeros(3, 4))
