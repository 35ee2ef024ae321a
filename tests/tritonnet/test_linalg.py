"""Products on tensors: einsum and the functions around matmul against NumPy, their errors, gradients of gradients."""

import numpy as np
import pytest

import tritonnet

SIZES = {"i": 2, "j": 3, "k": 4, "l": 5, "b": 6}
EQUATIONS = [
    "ij,jk->ik", "ij,kj->ik", "ij,jk", "bij,bjk->bik", "i,j->ij", "i,i->", "i,i->i", "ij->ji", "ij->", "ij->j", "ij",
    "ji", "ij,ij->", "ij,jk,kl->il", "bij,bkj->bik", "bi,bj->bij", "bij,jk->bik", "ijk,kl->ijl", "ij,k->ijk", "ij,kl->",
    "i...,...j->i...j", "...ij,...jk->...ik", "b...->...b", "ij,b->ji",
]


def operands(equation, rng):
    made = []
    for term in equation.split("->")[0].split(","):
        shape = []
        for letter in term.replace("...", "."):
            shape += [2, 3] if letter == "." else [SIZES[letter]]
        made.append(rng.standard_normal(shape))
    return made


@pytest.mark.parametrize("equation", EQUATIONS)
def test_einsum_agrees_with_numpy(equation):
    arrays = operands(equation, np.random.default_rng(0))
    tensors = [tritonnet.tensor(a, requires_grad=True) for a in arrays]
    found = tritonnet.einsum(equation, *tensors)
    np.testing.assert_allclose(found.detach().numpy(), np.einsum(equation, *arrays), rtol=1e-12, atol=1e-12)
    found.sum().backward()
    for i, (t, a) in enumerate(zip(tensors, arrays)):           # linear in each operand
        direction = np.random.default_rng(1).standard_normal(a.shape)
        moved = [*arrays[:i], direction, *arrays[i + 1:]]
        np.testing.assert_allclose((t.grad.numpy() * direction).sum(), np.einsum(equation, *moved).sum(), rtol=1e-10)


def test_einsum_takes_diagonals_and_broadcasts_sizes_of_1():
    x = np.arange(9.0).reshape(3, 3)
    assert tritonnet.einsum("ii", tritonnet.tensor(x)).item() == np.trace(x)
    np.testing.assert_array_equal(tritonnet.einsum("ii->i", tritonnet.tensor(x)).numpy(), np.diag(x))
    one = tritonnet.ones(1, 4, dtype=tritonnet.float64)
    assert tritonnet.einsum("ij,ij->i", tritonnet.ones(3, 4, dtype=tritonnet.float64), one).tolist() == [4, 4, 4]


@pytest.mark.parametrize("equation, shapes, message", [
    ("ij,jk->ik", [(2, 3), (4, 5)], "subscript j has size 4 for operand 1"),
    ("ij,jk->il", [(2, 3), (3, 5)], "output subscript l does not appear"),
    ("ij,jk->ii", [(2, 3), (3, 5)], "output subscript i appears more than once"),
    ("ij", [(2, 3), (3,)], "more operands were provided"),
    ("ij,jk", [(2, 3)], "fewer operands were provided"),
    ("ijk", [(2, 3)], "does not match the number of dimensions"),
    ("i1", [(2, 3)], "invalid subscript"),
])
def test_einsum_names_what_is_wrong(equation, shapes, message):
    with pytest.raises(RuntimeError, match=message.replace("(", r"\(")):
        tritonnet.einsum(equation, *[tritonnet.zeros(*s) for s in shapes])


def test_products_by_their_names():
    rng = np.random.default_rng(0)
    a, b, c = (tritonnet.tensor(rng.standard_normal(s)) for s in ((2, 3), (3, 4), (2, 4)))
    v, w, batch = (tritonnet.tensor(rng.standard_normal(s)) for s in ((3,), (2,), (5, 2, 3)))
    A, B, C, V, W, S = (t.numpy() for t in (a, b, c, v, w, batch))
    for found, expected in [
        (a @ b, A @ B), (tritonnet.mm(a, b), A @ B), (a.mv(v), A @ V), (v.dot(v), V @ V), (w.outer(v), np.outer(W, V)),
        (tritonnet.addmm(c, a, b, beta=0.5, alpha=2), 0.5 * C + 2 * A @ B), (w.addmv(a, v), W + A @ V),
        (tritonnet.bmm(batch, batch.transpose(1, 2)), S @ S.transpose(0, 2, 1)),
        (tritonnet.inner(a, batch), np.inner(A, S)),
        (tritonnet.baddbmm(w, batch, batch.transpose(1, 2)), W + S @ S.transpose(0, 2, 1)),
    ]:
        assert tuple(found.shape) == expected.shape
        np.testing.assert_allclose(found.numpy(), expected, rtol=1e-12)
    nan = tritonnet.full((2, 4), float("nan"), dtype=tritonnet.float64)
    np.testing.assert_allclose(tritonnet.addmm(nan, a, b, beta=0).numpy(), A @ B)


@pytest.mark.parametrize("call, message", [
    (lambda r: tritonnet.mm(r(2, 3), r(4, 5)), r"mat1 and mat2 shapes cannot be multiplied \(2x3 and 4x5\)"),
    (lambda r: r(2, 3) @ r(4, 5), r"mat1 and mat2 shapes cannot be multiplied \(2x3 and 4x5\)"),
    (lambda r: tritonnet.mm(r(2, 3, 4), r(4, 5)), "self must be a matrix"),
    (lambda r: tritonnet.mm(r(2, 3), r(3, 4).double()), "expected m1 and m2 to have the same dtype"),
    (lambda r: tritonnet.bmm(r(2, 2, 3), r(2, 4, 5)), r"to be: \[2, 3\] but got: \[2, 4\]"),
    (lambda r: tritonnet.bmm(r(2, 3), r(2, 4, 5)), "batch1 must be a 3D tensor"),
    (lambda r: tritonnet.mv(r(2, 3), r(4)), "size mismatch"),
    (lambda r: tritonnet.dot(r(3, 3), r(4)), "1D tensors expected"),
    (lambda r: tritonnet.dot(r(3), r(3).double()), "same dtype"),
    (lambda r: tritonnet.outer(r(3, 3), r(3)), "Expected 1-D argument self, but got 2-D"),
    (lambda r: tritonnet.addmm(r(4), r(2, 3), r(3, 5)), r"expanded size of the tensor \(5\) must match the existing"),
    (lambda r: tritonnet.inner(r(2, 3), r(4)), "last dimension must match"),
    (lambda r: tritonnet.nn.functional.linear(r(2, 3), r(5, 4)), r"cannot be multiplied \(2x3 and 4x5\)"),
])
def test_bad_arguments_raise_as_in_pytorch(call, message):
    with pytest.raises(RuntimeError, match=message):
        call(tritonnet.zeros)


def test_second_derivatives():
    x = tritonnet.tensor(np.random.default_rng(0).standard_normal((3, 4)), requires_grad=True)
    w = tritonnet.tensor(np.random.default_rng(1).standard_normal((2, 4)), requires_grad=True)
    for y in (x @ w.transpose(0, 1), tritonnet.nn.functional.linear(x, w)):
        first, = tritonnet.autograd.grad((y * y).sum(), x, create_graph=True)      # 2 x w' w
        second, = tritonnet.autograd.grad(first.sum(), w)
        X, W, ones = x.detach().numpy(), w.detach().numpy(), np.ones((3, 4))
        np.testing.assert_allclose(second.numpy(), 2 * (W @ (X.T @ ones + ones.T @ X)), rtol=1e-12)


def test_products_with_numbers_are_not_products():
    with pytest.raises(TypeError):
        tritonnet.zeros(2, 2) @ 3
