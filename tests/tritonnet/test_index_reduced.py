"""Writing by index with reductions, in-place forms, embeddings and their bags: held against PyTorch and a device."""

import itertools

import numpy as np
import pytest

import tritonnet

KINDS = ("sum", "prod", "mean", "amax", "amin")


def numbers(torch, *shape):
    """Small whole numbers, zeros and equals among them."""
    rng = np.random.default_rng(list(shape))
    return torch.tensor(rng.integers(-2, 4, shape).astype(np.float32))


def indices(torch, high, *shape):
    return torch.tensor(np.random.default_rng([high, *shape]).integers(0, high, shape))


def with_gradients(torch, function, *tensors):
    """The result, and the gradients of the tensors where the result is weighed."""
    leaves = [t.requires_grad_() for t in tensors]
    y = function(*leaves)
    y.backward(torch.arange(1.0, y.numel() + 1, device=y.device).reshape(y.shape))
    return y, *(t.grad for t in leaves)


def scattered(kind, include_self, dim):
    def program(torch):
        i = indices(torch, 3 + dim, 3, 4)     # PyTorch's gradient wants src to have the shape of the index
        return with_gradients(torch, lambda x, src: x.scatter_reduce(dim, i, src, kind, include_self=include_self),
                              numbers(torch, 3, 4), numbers(torch, 5, 6)[:3, :4].clone())

    return program


REDUCTIONS = list(itertools.product(KINDS, (True, False), (0, 1)))


@pytest.mark.parametrize("kind, include_self, dim", REDUCTIONS)
def test_scatter_reduce(alike, kind, include_self, dim):
    alike(scattered(kind, include_self, dim))


@pytest.mark.parametrize("kind, include_self", list(itertools.product(KINDS, (True, False))))
def test_scatter_reduce_of_integers_and_bools(alike, kind, include_self):
    def program(torch, dtype):
        x, src, i = numbers(torch, 3, 4), numbers(torch, 3, 5), indices(torch, 4, 3, 5)
        return x.to(dtype).scatter_reduce(1, i, src.to(dtype), kind, include_self=include_self)

    alike(lambda torch: program(torch, torch.int64))
    alike(lambda torch: program(torch, torch.uint8))
    if kind.startswith("a"):
        alike(lambda torch: program(torch, torch.bool))


FORMS = {
    "scatter_ add": lambda torch, x: x.scatter_(1, indices(torch, 4, 3, 5), numbers(torch, 3, 5), reduce="add"),
    "scatter_ multiply": lambda torch, x: x.scatter_(1, indices(torch, 4, 3, 5), 2.0, reduce="multiply"),
    "scatter_reduce_": lambda torch, x: x.scatter_reduce_(0, indices(torch, 3, 3, 4), numbers(torch, 3, 4), "prod"),
    "without dimensions": lambda torch, x: x[0, 0].scatter_reduce_(0, torch.tensor(0), torch.tensor(3.0), "sum"),
    "of nothing": lambda torch, x: x.scatter_reduce(0, indices(torch, 3, 0, 4), numbers(torch, 0, 4), "amax"),
    "index_reduce_": lambda torch, x: x.index_reduce_(1, torch.tensor([0, 0, 2]), numbers(torch, 3, 3), "amax"),
    "index_reduce mean": lambda torch, x: x.index_reduce(
        0, torch.tensor([2, 2]), numbers(torch, 2, 4), "mean", include_self=False),
    "put_": lambda torch, x: x.put_(torch.tensor([0, -1, 5]), torch.tensor([1.0, 2, 3])),
    "put_ accumulate": lambda torch, x: x.put_(torch.tensor([[0, -1], [0, 0]]), torch.ones(2, 2), accumulate=True),
    "put": lambda torch, x: torch.put(x, torch.tensor([1]), torch.tensor([7.0])),
    "index_add_": lambda torch, x: x.index_add_(1, torch.tensor([0, 0]), torch.ones(3, 2), alpha=3),
    "index_add_ of a number": lambda torch, x: x[0, 0].index_add_(0, torch.tensor([0]), torch.tensor(3.0)),
    "index_copy_": lambda torch, x: x.index_copy_(0, torch.tensor([2, 0]), numbers(torch, 2, 4)),
    "index_fill_": lambda torch, x: x.index_fill_(0, torch.tensor([-1]), torch.tensor(5)),
    "index_put_": lambda torch, x: x.index_put_(
        (torch.tensor([0, 0]), torch.tensor([1, 1])), torch.tensor(2.0), accumulate=True),
    "index_put_ mask": lambda torch, x: x.index_put_((x > 0,), torch.tensor(2.0)),
    "masked_fill_": lambda torch, x: x.masked_fill_(torch.tensor([True, False, True, False]), 9),
    "masked_scatter_": lambda torch, x: x.masked_scatter_(x > 0, torch.arange(12.0)),
    "take_along_dim": lambda torch, x: torch.take_along_dim(x, torch.tensor([[3, 0]]), 1),
    "linear": lambda torch, x: torch.nn.functional.linear(x, torch.tensor([1.0, 2, 3, 4])),
    "linear of a stack": lambda torch, x: torch.nn.functional.linear(x[None], torch.tensor([1.0, 2, 3, 4])),
}


@pytest.mark.parametrize("name", FORMS)
def test_forms(alike, name):
    if name.startswith("scatter_ "):        # PyTorch has no gradient of these
        alike(lambda torch: FORMS[name](torch, numbers(torch, 3, 4)))
        return
    alike(lambda torch: with_gradients(torch, lambda x: FORMS[name](torch, x * 1), numbers(torch, 3, 4)))


@pytest.mark.parametrize("name", FORMS)
def test_forms_on_a_device(name):
    if name == "linear of a stack":
        pytest.skip("a reshape of the case before it")
    expected = FORMS[name](tritonnet, numbers(tritonnet, 3, 4))
    with tritonnet.cuda.simulated():
        before = tritonnet.get_default_device()
        tritonnet.set_default_device("cuda")
        try:
            found = FORMS[name](tritonnet, numbers(tritonnet, 3, 4).cuda())
        finally:
            tritonnet.set_default_device(before)
        np.testing.assert_allclose(found.cpu().numpy(), expected.numpy(), rtol=1e-6)


REFUSED = {
    "a kind": lambda torch, x, i: x.scatter_reduce(1, i, x, "median"),
    "a kind of scatter": lambda torch, x, i: x.scatter(1, i, x, reduce="mean"),
    "a kind of index_reduce": lambda torch, x, i: x.index_reduce(1, i[0], x, "sum"),
    "a type": lambda torch, x, i: x.scatter_reduce(1, i, x.double(), "sum"),
    "rank": lambda torch, x, i: x.scatter_reduce(1, i[0], x, "sum"),
    "index_reduce: counts": lambda torch, x, i: x.index_reduce(1, i[0, :2], x, "prod"),
    "put: an index": lambda torch, x, i: x.put_(torch.tensor([6]), torch.tensor([1.0])),
    "put: counts": lambda torch, x, i: x.put_(torch.tensor([0, 1]), torch.tensor([1.0])),
    "put: a type": lambda torch, x, i: x.put_(torch.tensor([0]), torch.tensor([1])),
    "put: type of an index": lambda torch, x, i: x.put_(torch.tensor([0.0]), torch.tensor([1.0])),
    "index_copy: slices": lambda torch, x, i: x.index_copy_(0, torch.tensor([0]), torch.ones(1, 2)),
    "index_copy: counts": lambda torch, x, i: x.index_copy_(0, torch.tensor([0, 1]), torch.ones(1, 3)),
    "index_copy: a type": lambda torch, x, i: x.index_copy_(0, torch.tensor([0]), torch.ones(1, 3).double()),
    "index_add: slices": lambda torch, x, i: x.index_add_(0, torch.tensor([0]), torch.ones(1, 1)),
    "index_add: a type": lambda torch, x, i: x.index_add_(0, torch.tensor([0]), torch.ones(1, 3).double()),
    "index_fill: an index": lambda torch, x, i: x.index_fill_(0, torch.tensor([2]), 5),
    "index_fill: a value": lambda torch, x, i: x.index_fill_(0, torch.tensor([1]), torch.ones(1)),
    "index_put: None": lambda torch, x, i: x.index_put_([None, torch.tensor([1])], torch.tensor(2.0)),
    "index_put: a type": lambda torch, x, i: x.index_put_([torch.tensor([1])], torch.tensor(2)),
    "index_put: a number": lambda torch, x, i: x.index_put_([torch.tensor([1])], 2.0),
    "masked_fill_: a shape": lambda torch, x, i: torch.ones(3).masked_fill_(x > 2, 1.5),
    "masked_scatter_: few": lambda torch, x, i: x.masked_scatter_(x > 2, torch.arange(2.0)),
    "masked_scatter_: a type": lambda torch, x, i: x.masked_scatter_(x > 2, torch.arange(3)),
    "take_along_dim: a type": lambda torch, x, i: x.take_along_dim(i.int(), 1),
    "linear: a shape": lambda torch, x, i: torch.nn.functional.linear(x, torch.ones(2)),
    "linear: a bias": lambda torch, x, i: torch.nn.functional.linear(x, torch.ones(3), torch.ones(1)),
    "bags: a kind": lambda torch, x, i: torch.nn.functional.embedding_bag(i, x, mode="median"),
    "bags: offsets": lambda torch, x, i: torch.nn.functional.embedding_bag(i[0], x),
    "bags: too many offsets": lambda torch, x, i: torch.nn.functional.embedding_bag(i, x, i[0]),
    "bags: factors of a mean": lambda torch, x, i: torch.nn.functional.embedding_bag(i, x, per_sample_weights=x),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_refused(alike, name):
    def program(torch):
        return REFUSED[name](torch, torch.arange(6.0).reshape(2, 3), torch.tensor([[0, 1, 1], [1, 0, 0]]))

    alike(program, types_only=True)


def embedding(torch, **options):
    w = torch.arange(10.0).reshape(5, 2)
    return with_gradients(torch, lambda w: torch.nn.functional.embedding(
        torch.tensor([[0, 0, 1], [2, 2, 2]]), w, **options), w)


@pytest.mark.parametrize("options", [
    {"padding_idx": 0}, {"padding_idx": -3}, {"scale_grad_by_freq": True}, {"sparse": False},
    {"padding_idx": 2, "scale_grad_by_freq": True},
], ids=str)
def test_embedding(alike, options):
    alike(lambda torch: embedding(torch, **options))


def test_embedding_shortens_rows_in_place(alike):
    def program(torch):
        w = torch.arange(10.0).reshape(5, 2)
        return torch.nn.functional.embedding(torch.tensor([1, 3, 1]), w, max_norm=2.0, norm_type=1.0), w

    alike(program)


def bags(torch, mode, flat, padding_idx=None, weights=False, place=None):
    w = torch.tensor(np.random.default_rng(0).standard_normal((6, 3)).astype(np.float32)).to(place or "cpu")
    i = torch.tensor([[0, 3, 3], [5, 1, 0]]).to(w.device)
    options = {"mode": mode, "padding_idx": padding_idx}
    if flat:
        i, options["offsets"] = i.reshape(-1), torch.tensor([0, 0, 4]).to(w.device)
    factors = torch.arange(6.0).reshape(i.shape).to(w.device)
    if weights:
        return with_gradients(torch, lambda w, f: torch.nn.functional.embedding_bag(
            i, w, per_sample_weights=f, **options), w, factors)
    return with_gradients(torch, lambda w: torch.nn.functional.embedding_bag(i, w, **options), w)


@pytest.mark.parametrize("flat", [True, False])
@pytest.mark.parametrize("mode, padding_idx, weights", [
    ("sum", None, False), ("mean", None, False), ("max", None, False), ("sum", 3, True), ("mean", 3, False),
    ("max", 3, False), ("sum", None, True),
])
def test_embedding_bag(alike, mode, padding_idx, weights, flat):
    alike(lambda torch: bags(torch, mode, flat, padding_idx, weights))


@pytest.mark.parametrize("mode", ["sum", "mean", "max"])
def test_embedding_bag_on_a_device(mode):
    with tritonnet.cuda.simulated():
        found = [t.detach().cpu().numpy() for t in bags(tritonnet, mode, True, 3, place="cuda")]
    for f, e in zip(found, bags(tritonnet, mode, True, 3)):
        np.testing.assert_allclose(f, e.detach().numpy(), rtol=1e-5)


def test_embedding_bag_as_a_module(alike):
    def program(torch):
        table = torch.arange(8.0).reshape(4, 2)
        m = torch.nn.EmbeddingBag.from_pretrained(table, mode="sum", include_last_offset=True, padding_idx=1)
        fresh = torch.nn.EmbeddingBag(4, 2, max_norm=2.0, padding_idx=1)
        return (repr(m), repr(fresh), list(fresh.state_dict()), fresh.weight[1],
                m(torch.tensor([0, 1, 2, 3]), torch.tensor([0, 3, 4])))

    alike(program)
