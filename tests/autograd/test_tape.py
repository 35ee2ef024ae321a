"""The tape: order, accumulation, hooks, versions, views, several outputs."""

import gc
import weakref

import numpy as np
import pytest

import tritonnet as tn
from tritonnet.autograd import backward, engine, grad
from tritonnet.kernels.runtime import host


def leaf(*values):
    return tn.tensor(list(values), requires_grad=True, dtype=tn.float64)


def test_gradients_accumulate_over_uses_and_over_calls():
    x = leaf(1.0, 2.0)
    (x * x + 3 * x).sum().backward()
    assert x.grad.tolist() == [5, 7]
    (x * 2).sum().backward()
    assert x.grad.tolist() == [7, 9]


def test_grad_is_accumulated_in_place():
    x = leaf(1.0)
    x.sum().backward()
    held = x.grad
    x.sum().backward()
    assert held is x.grad and held.tolist() == [2]


def test_gradients_of_two_leaves_do_not_share_memory():
    x, y = leaf(1.0, 2.0), leaf(3.0, 4.0)
    (x + y).sum().backward()
    x.grad.zero_()
    assert y.grad.tolist() == [1, 1]


def test_broadcasting_is_undone():
    x, y = tn.ones(3, 1, requires_grad=True), tn.ones(4, requires_grad=True)
    (x * y).sum().backward()
    assert x.grad.tolist() == [[4]] * 3 and y.grad.tolist() == [3] * 4


def test_a_diamond_runs_each_node_once():
    x = leaf(2.0)
    a = x * x
    b = a + a * a
    b.backward()
    assert x.grad.item() == 2 * 2 + 4 * 8


def test_backward_twice_raises_unless_the_graph_is_retained():
    x = leaf(3.0)
    y = x * x
    y.backward(retain_graph=True)
    y.backward()
    assert x.grad.item() == 12
    with pytest.raises(RuntimeError, match="second time.*retain_graph=True"):
        y.backward()


def test_in_place_change_of_a_saved_value_raises_naming_the_operation():
    x = leaf(1.0, 2.0)
    y = x.exp()
    y.add_(1)
    with pytest.raises(RuntimeError, match=r"modified by an inplace operation.*float64 \[2\].*Exp"):
        y.sum().backward()


def test_in_place_change_of_what_nobody_saved_is_fine():
    x = leaf(1.0, 2.0)
    y = x + 1
    y.mul_(3)
    y.sum().backward()
    assert x.grad.tolist() == [3, 3]


def test_leaves_that_require_gradients_refuse_in_place_changes():
    x = leaf(1.0)
    with pytest.raises(RuntimeError, match="leaf Variable"):
        x.add_(1)
    with pytest.raises(RuntimeError, match="leaf Variable"):
        x[0] = 1
    with tn.no_grad():
        x.add_(1)
    assert x.item() == 2


def test_in_place_change_of_a_view_changes_the_history_of_its_base():
    x, w = leaf(1.0, 2.0, 3.0), leaf(5.0)
    y = x * 1
    first, also_first = y[:1], y[:1]
    first.mul_(w)
    y.sum().backward(retain_graph=True)
    assert x.grad.tolist() == [5, 1, 1] and w.grad.tolist() == [1]
    x.grad = None
    also_first.sum().backward()
    assert x.grad.tolist() == [5, 0, 0]


def test_a_view_made_before_its_base_had_a_history():
    x, w = tn.ones(3, dtype=tn.float64), leaf(5.0)
    view = x[:1]
    x.mul_(w)
    view.mul_(3)
    x.sum().backward()
    assert x.tolist() == [15, 5, 5] and w.grad.tolist() == [5]


def test_assignment_by_index():
    x, v = leaf(1.0, 2.0, 3.0), leaf(7.0)
    y = x * 2
    y[1:2] = v * 3
    (y * y).sum().backward()
    assert x.grad.tolist() == [8, 0, 24] and v.grad.tolist() == [2 * 21 * 3]


def test_no_grad_enable_grad_and_decorators():
    x = leaf(1.0)
    with tn.no_grad():
        assert not (x * 2).requires_grad
        with tn.enable_grad():
            assert (x * 2).requires_grad

    @tn.no_grad()
    def f():
        return x * 2

    @tn.no_grad
    def g():
        yield x * 2

    with tn.inference_mode():
        assert tn.is_inference_mode_enabled() and not (x * 2).requires_grad
    assert not f().requires_grad and not next(g()).requires_grad and tn.is_grad_enabled()
    with tn.set_grad_enabled(False):
        assert not tn.is_grad_enabled()
    assert tn.is_grad_enabled()


def test_hooks_see_and_replace_gradients():
    x = leaf(1.0, 2.0)
    y = x * 3
    seen = []
    y.register_hook(lambda g: seen.append(g.tolist()) or g * 10)
    handle = x.register_hook(lambda g: g + 1)
    y.sum().backward()
    assert seen == [[1, 1]] and x.grad.tolist() == [31, 31]
    handle.remove()
    x.grad = None
    (x * 1).sum().backward()
    assert x.grad.tolist() == [1, 1]


def test_retain_grad():
    x = leaf(1.0)
    y = x * 3
    y.retain_grad()
    (y * 2).backward()
    assert y.retains_grad and y.grad.item() == 2 and x.grad.item() == 6


def test_grad_returns_and_leaves_alone():
    x, y, unused = leaf(2.0), leaf(3.0), leaf(1.0)
    z = x * x * y
    gx, gy = grad(z, (x, y), retain_graph=True)
    assert (gx.item(), gy.item()) == (12, 4) and x.grad is None
    with pytest.raises(RuntimeError, match="not have been used"):
        grad(z, (x, unused), retain_graph=True)
    assert grad(z, (x, unused), allow_unused=True, retain_graph=True)[1] is None
    middle = x * x
    assert grad(middle * y, middle)[0].item() == 3


def test_backward_for_some_inputs_only():
    x, y = leaf(2.0), leaf(3.0)
    backward([x * y], inputs=[x])
    assert x.grad.item() == 3 and y.grad is None


@pytest.mark.parametrize("call, error, text", [
    (lambda x: (x * 2).backward(), RuntimeError, "only for scalar outputs"),
    (lambda x: x.detach().sum().backward(), RuntimeError, "does not require grad"),
    (lambda x: (x * 2).backward(tn.ones(3)), RuntimeError, "Mismatch in shape"),
    (lambda x: x.numpy(), RuntimeError, "detach"),
    (lambda x: (x * 2).requires_grad_(False), RuntimeError, "leaf"),
    (lambda x: tn.tensor([1], requires_grad=True), RuntimeError, "floating point"),
    (lambda x: x.detach().register_hook(print), RuntimeError, "doesn't require gradient"),
])
def test_errors(call, error, text):
    with pytest.raises(error, match=text):
        call(leaf(1.0, 2.0))


def test_several_outputs():
    x = tn.tensor([[1.0, 5.0, 3.0]], requires_grad=True)
    values, indices = x.max(dim=1)
    assert not indices.requires_grad
    values.sum().backward()
    assert x.grad.tolist() == [[0, 1, 0]]


def test_long_chains_neither_recurse_nor_leak():
    x = leaf(1.0)
    y = x
    for _ in range(20_000):
        y = y + 1
    here = weakref.ref(y.grad_fn)
    y.backward()
    del y
    gc.collect()
    assert x.grad.item() == 1 and here() is None


def test_saved_arrays_are_let_go_after_backward():
    x = leaf(1.0, 2.0)
    y = x.exp()
    here = weakref.ref(y.array)
    z = y.sum()
    del y
    assert here() is not None
    z.backward()
    assert here() is None


def test_deepcopy_and_pickle():
    import copy
    import pickle

    x = leaf(1.0, 2.0)
    for other in (copy.deepcopy(x), pickle.loads(pickle.dumps(x))):
        assert other.requires_grad and other.tolist() == x.tolist() and other.array is not x.array
    with pytest.raises(RuntimeError, match="graph leaves"):
        copy.deepcopy(x * 2)


def test_threads_record_and_run_apart():
    from concurrent.futures import ThreadPoolExecutor

    def work(k):
        x = leaf(float(k))
        for _ in range(50):
            x.grad = None
            (x * x).backward()
        return x.grad.item()

    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(work, range(8))) == [2.0 * k for k in range(8)]


def test_gradient_of_half_precision_is_half_precision():
    x = tn.ones(3, dtype=tn.float16, requires_grad=True)
    (x.float() * 2).sum().backward()
    assert x.grad.dtype is tn.float16 and np.all(x.grad.numpy() == 2)


@pytest.mark.parametrize("n", [10, 100_000])              # from NumPy's own memory, and from the pool
def test_a_leaf_keeps_the_gradient_that_nobody_else_holds(n):
    def accumulate(gradient):                             # called as the engine calls a leaf's
        return engine.unshared(gradient)

    result = host.empty((n,), np.dtype(np.float32))
    assert accumulate(result)
    result = result.reshape(2, -1)
    assert accumulate(result)
    other = result[:1]
    assert not accumulate(result)
    result, other = other, None
    assert accumulate(result)
    same = result
    assert not accumulate(result) and same is result
    x, given = tn.ones(n, requires_grad=True), tn.full((n,), 3.0)
    (x + 0).backward(given)
    assert not np.shares_memory(x.grad.array, given.array)
    (x + 0).backward(given)                               # added in place, to what the leaf owns
    assert (x.grad == 6).all() and (given == 3).all()
