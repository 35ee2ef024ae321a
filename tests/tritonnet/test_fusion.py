"""Compiled models and functions: the numbers and gradients of the plain ones, and what they fuse."""

import threading

import pytest

import tritonnet
from tests.fusion_nets import NETS, Functional, agree, rows, run
from tritonnet import nn
from tritonnet.autograd.ops.conv import Conv2d
from tritonnet.fusion.pending import Pending
from tritonnet.nn import functional as F


@pytest.mark.parametrize("make", NETS)
def test_numbers_gradients_and_what_is_fused(make):
    tritonnet.manual_seed(0)
    model = make()
    compiled, x = tritonnet.compile(model), tritonnet.randn(3, 1, 8, 8)
    found, _ = rows(compiled, x)
    assert NETS[make] is None or found == NETS[make]
    agree(run(model, compiled, x), run(model, model, x))
    model.eval()
    with tritonnet.no_grad():
        agree([compiled(x)], [model(x)])


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
def test_autocast(dtype):
    tritonnet.manual_seed(0)
    model, x = Functional(), tritonnet.randn(3, 1, 8, 8)
    compiled, dtype = tritonnet.compile(model), getattr(tritonnet, dtype)

    def cast(call):
        def called(x):
            with tritonnet.autocast("cpu", dtype=dtype):
                return call(x).float()
        return called

    assert rows(compiled, x)[0] == NETS[Functional]
    agree(run(model, cast(compiled), x), run(model, cast(model), x), rtol=0.02, atol=0.02)


def test_what_waits_when_autocast_begins_or_ends_is_computed_as_it_would_have_been():
    conv, x = nn.Conv2d(1, 2, 3), tritonnet.randn(1, 1, 5, 5)

    @tritonnet.compile
    def f():
        y = conv(x)
        with tritonnet.autocast("cpu", dtype=tritonnet.bfloat16):
            y, z = F.relu(y), conv(x)
        return y, F.relu(z)

    y, z = f()
    assert y.dtype == tritonnet.float32 and z.dtype == tritonnet.bfloat16


def test_hooks_see_values():
    model, seen = Functional(), []
    for module in (model.conv1, model.conv2):
        module.register_forward_hook(lambda module, args, out: seen.append(out))
    model.conv1.register_full_backward_hook(lambda module, inward, outward: seen.append(outward[0].shape))
    compiled, x = tritonnet.compile(model), tritonnet.randn(3, 1, 8, 8)
    agree(run(model, compiled, x), run(model, model, x))
    assert all(type(t) is not Pending for t in seen)
    agree([seen[1]], [seen[4]])  # un-activated, of the compiled call and of the plain one
    assert seen[1].min() < 0 and seen[2] == seen[5] == (3, 4, 6, 6)


def test_a_hook_that_replaces_the_output():
    model = Functional()
    model.conv1.register_forward_hook(lambda module, args, out: out * 2)
    compiled, x = tritonnet.compile(model), tritonnet.randn(3, 1, 8, 8)
    agree(run(model, compiled, x), run(model, model, x))


def test_a_value_that_outlives_the_call_keeps_the_weights_of_the_call():
    model, kept = Functional(), []

    @tritonnet.compile
    def step(x):
        kept.append(model.conv1(x))
        return F.relu(model.conv1(x)).sum()

    x = tritonnet.randn(3, 1, 8, 8)
    expected = model.conv1(x).detach()
    step(x).backward()
    assert type(kept[0]) is tritonnet.Tensor
    tritonnet.optim.SGD(model.parameters(), lr=1.0).step()
    agree([kept[0].detach()], [expected])


def test_a_compiled_step_with_its_optimizer():
    model = Functional()
    before = [p.detach().clone() for p in model.parameters()]
    optimizer = tritonnet.optim.SGD(model.parameters(), lr=0.1)
    x, y = tritonnet.randn(3, 1, 8, 8), tritonnet.tensor([0, 1, 2])

    def step():
        optimizer.zero_grad()
        unused = model.conv1(x)  # waits until the weights are about to change
        F.nll_loss(model(x), y).backward()
        optimizer.step()
        return unused

    found = tritonnet.compile(step)(), [p.detach().clone() for p in model.parameters()]
    with tritonnet.no_grad():
        for p, b in zip(model.parameters(), before):
            p.copy_(b)
    agree([found[0].detach(), *found[1]], [step().detach(), *model.parameters()])


def test_an_exception_leaves_nothing_waiting():
    conv, kept = nn.Conv2d(1, 2, 3), []

    @tritonnet.compile
    def f(x):
        kept.append(conv(x))
        raise KeyError("mine")

    with pytest.raises(KeyError, match="mine"):
        f(tritonnet.ones(1, 1, 4, 4))
    assert type(kept[0]) is tritonnet.Tensor and not tritonnet.autograd.fusion.fusing


def test_mistakes_are_told_where_they_are_made():
    conv, told = nn.Conv2d(3, 2, 3), []

    @tritonnet.compile
    def f(x):
        try:
            x = conv(x)
        except RuntimeError as error:
            told.append(str(error))
        return F.relu(x)

    f(tritonnet.ones(1, 1, 4, 4))
    assert "3 channels" in told[0]


def test_changes_that_are_not_announced_raise():
    conv = nn.Conv2d(1, 2, 3)

    class Zero(tritonnet.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            ctx.mark_dirty(x)
            x.array[...] = 0
            return x

    @tritonnet.compile
    def f(x):
        y = conv(x)
        Zero.apply(x)
        return F.relu(y)

    with pytest.raises(RuntimeError, match="input .* of conv2d was changed in place"):
        f(tritonnet.ones(1, 1, 4, 4))


def test_other_threads_compute_at_once():
    conv, x, found = nn.Conv2d(1, 2, 3), tritonnet.randn(1, 1, 5, 5), []

    @tritonnet.compile
    def f():
        thread = threading.Thread(target=lambda: found.append(type(conv(x))))
        thread.start()
        thread.join()
        found.append(type(conv(x)))

    f()
    assert found == [tritonnet.Tensor, Pending]


def test_only_what_has_a_kernel_is_taken_along():
    x, w = tritonnet.randn(1, 1, 7, 7), tritonnet.randn(2, 1, 3, 3)

    @tritonnet.compile
    def f(after):
        return after(F.conv2d(x, w, padding=1))

    for after in (lambda y: F.max_pool2d(y, 3), lambda y: F.max_pool2d(F.relu(y), 2, 1), lambda y: F.gelu(y),
                  lambda y: F.max_pool2d(F.relu(y), 2, return_indices=True)[0], lambda y: F.leaky_relu(y),
                  lambda y: F.relu(F.max_pool2d(F.max_pool2d(y, 2), 2))):
        assert "relu + max_pool2d" not in str(rows(f, after)[0])
        agree([f(after)], [after(Conv2d.apply(x, w, None, (1, 1), (1, 1)))])


def test_a_profile_shows_what_was_fused():
    from tritonnet.profiler import profile

    model = tritonnet.compile(Functional())
    with profile() as prof:
        model(tritonnet.randn(3, 1, 8, 8)).sum().backward()
    keys = [average.key for average in prof.key_averages()]
    assert "ConvReluPool2d" in keys and "ConvRelu2d" in keys and "ConvReluPool2dBackward0" in keys
    assert "Conv2d" not in keys and "MaxPool2d" not in keys
