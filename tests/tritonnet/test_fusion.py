"""Compiled models and functions: the numbers, gradients and state of the plain ones, and what they fuse."""

import copy
import pickle
import threading

import numpy as np
import pytest

import tritonnet
from tritonnet import nn
from tritonnet.autograd.ops.conv import Conv2d, ConvRelu2d
from tritonnet.fusion.pending import Pending
from tritonnet.kernels import runtime
from tritonnet.nn import functional as F


def rows(model, *args, **kwargs):
    """What a call of a compiled model or function fuses here, as (computed at once, by itself)."""
    report = model._report if hasattr(model, "_report") else model.explain.__self__
    report.notes = None
    result = model(*args, **kwargs)
    return [(row.fused, row.alone) for row in report.notes.rows], result


class Functional(nn.Module):
    """As PyTorch's MNIST example."""

    def __init__(self):
        super().__init__()
        self.conv1, self.conv2 = nn.Conv2d(1, 4, 3), nn.Conv2d(4, 6, 3)
        self.fc1, self.fc2 = nn.Linear(24, 8), nn.Linear(8, 3)

    def forward(self, x):
        x = self.conv1(x)
        x = F.relu(x)
        x = F.max_pool2d(F.relu(self.conv2(x)), 2)
        x = tritonnet.flatten(x, 1)
        return F.log_softmax(self.fc2(F.relu(self.fc1(x))), dim=1)


class PoolFirst(Functional):
    def forward(self, x):
        x = F.max_pool2d(self.conv1(x), 2).relu()
        if x.mean() > -1e9:  # Python between: any
            x = self.conv2(x)
        return x.relu_().sum((2, 3))


class UsedTwice(Functional):
    def forward(self, x):
        x = self.conv1(x)
        return F.max_pool2d(F.relu(x), 2).sum() + x.sum()


class Residual(Functional):
    def forward(self, x):
        x = F.relu(self.conv1(x))
        y = self.conv2(x)
        return F.relu(y + x[:, :1, 1:-1, 1:-1])


class InPlace(Functional):
    def forward(self, x):
        x = self.conv1(x)
        same = x
        F.relu(x, inplace=True)
        x = self.conv2(same)
        x = nn.ReLU(inplace=True)(x)
        x = nn.MaxPool2d(2)(x)
        return F.relu_(x)


class Shared(nn.Module):
    """One convolution twice, and its result in a list."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(1, 1, 3, padding=1)

    def forward(self, x):
        kept = [self.conv(x)]
        kept.append(F.relu(self.conv(F.relu(kept[0]))))
        return kept[0].sum() + F.max_pool2d(kept.pop(), 2).sum()


class Views(Functional):
    """Whoever looks at a value computes it: its shape, a view, NumPy."""

    def forward(self, x):
        x = self.conv1(x)
        x = x[:, :, : x.shape[2] - 1]
        x = F.relu(x)
        x = self.conv2(x)
        assert x.detach().numpy().ndim == 4
        return F.relu(x)


class Changed(Functional):
    """What waits is computed before what it reads is changed in place."""

    @tritonnet.no_grad()
    def forward(self, x):
        x = x * 1
        y = self.conv1(x)
        x.mul_(0).add_(7)
        z = self.conv1(x)
        x[0] = 3
        with tritonnet.enable_grad():
            return (F.relu(y).sum() + F.relu(z).sum()) * self.fc1.weight


class Modes(Functional):
    """Gradients are recorded as they would have been at once."""

    def forward(self, x):
        with tritonnet.no_grad():
            x = self.conv1(x)
        x = F.relu(x)  # constant: no history
        y = self.conv2(x)
        with tritonnet.no_grad():
            assert F.relu(y).node is None
        return y


def sequential():
    return nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(4, 6, 3), nn.Sigmoid(), nn.Flatten(),
                         nn.Dropout(0.5), nn.Linear(6, 3), nn.Tanh())


CONV, RELU, ALL = "conv2d", "conv2d + relu", "conv2d + relu + max_pool2d"
NETS = {  # (computed at once, by itself) of each row, on the host
    sequential: [(ALL, ""), (CONV, ""), ("", "sigmoid"), ("", "dropout"), ("", "tanh")],
    Functional: [(RELU, ""), (ALL, ""), ("", "relu")],
    PoolFirst: [("conv2d + max_pool2d + relu", ""), (RELU, "")],
    UsedTwice: [(CONV, ""), ("", "relu + max_pool2d")],
    Residual: [(RELU, ""), (CONV, ""), ("", "relu")],
    InPlace: [(RELU, ""), (ALL, ""), ("", "relu")],
    Shared: [(CONV, ""), ("", "relu"), (ALL, "")],
    Views: [(CONV, ""), ("", "relu"), (CONV, ""), ("", "relu")],
    Changed: [(CONV, ""), (CONV, ""), ("", "relu"), ("", "relu")],
    Modes: None,
}


def run(model, call, x):
    """(result, gradients of parameters and x) of a seeded call."""
    tritonnet.manual_seed(1)
    x = x.detach().requires_grad_()
    model.zero_grad()
    y = call(x)
    (y * y).sum().backward()
    return [y.detach(), x.grad, *(p.grad for p in model.parameters())]


def agree(found, expected, rtol=1e-5, atol=1e-6):
    for a, b in zip(found, expected, strict=True):
        assert (a is None) == (b is None)
        if a is not None:
            assert a.dtype == b.dtype
            a, b = (t.detach().float().cpu().numpy() for t in (a, b))
            np.testing.assert_allclose(a, b, rtol=rtol, atol=atol)


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


def test_one_state_with_the_model():
    model = Functional()
    compiled = tritonnet.compile(model)
    assert isinstance(compiled, Functional) and isinstance(compiled, nn.Module) and compiled._orig_mod is model
    assert list(compiled.state_dict()) == list(model.state_dict())
    assert [*compiled.parameters()] == [*model.parameters()] and compiled.conv1 is model.conv1
    compiled.eval()
    assert not model.training and not model.conv1.training
    compiled.extra = nn.Linear(2, 2)
    assert "extra.weight" in model.state_dict()
    compiled.double()
    assert model.conv1.weight.dtype == tritonnet.float64
    compiled.load_state_dict({k: v * 0 for k, v in model.state_dict().items()})
    assert not model.conv1.weight.any()
    assert list(nn.Sequential(compiled).state_dict())[0] == "0.conv1.weight"
    assert tritonnet.compile(compiled) is compiled


@pytest.mark.parametrize("again", [copy.deepcopy, lambda m: pickle.loads(pickle.dumps(m))])
def test_copies(again):
    model = tritonnet.compile(nn.Sequential(nn.Conv2d(1, 2, 3), nn.ReLU()))
    copied, x = again(model), tritonnet.randn(1, 1, 5, 5)
    assert copied[0].weight is not model[0].weight
    assert rows(copied, x)[0] == [(RELU, "")]
    agree([copied(x)], [model(x)])


def test_module_compile_is_in_place():
    model, x = Functional(), tritonnet.randn(3, 1, 8, 8)
    expected = model(x)
    model.compile()
    assert type(model) is Functional and rows(model.forward, x)[0] == NETS[Functional]
    agree([model(x)], [expected])
    copied = copy.deepcopy(model)
    copied.conv1.weight.data.zero_()
    agree([model(x)], [expected])
    assert (copied(x) - model(x)).abs().max() > 0


def test_forms_of_compile():
    conv, x = nn.Conv2d(1, 2, 3), tritonnet.randn(1, 1, 5, 5)

    @tritonnet.compile
    def f(x):
        "Doc."
        return F.relu(conv(x))

    @tritonnet.compile(fullgraph=True, dynamic=False, mode="reduce-overhead")
    def g(x):
        return f(x)  # compiled within compiled

    @tritonnet.compile(backend="eager")
    def h(x):
        return F.relu(conv(x))

    assert f.__name__ == "f" and f.__doc__ == "Doc." and rows(f, x)[0] == rows(g, x)[0] == [(RELU, "")]
    agree([f(x), g(x), h(x)], [F.relu(conv(x))] * 3)
    assert type(f(x).node) is ConvRelu2d and type(h(x).node) is not ConvRelu2d
    off = tritonnet.compile(nn.Sequential(conv, nn.ReLU()), disable=True)
    assert type(off(x).node) is not ConvRelu2d
    for wrong in ({"backend": "tensorrt"}, {"mode": "fast"}, {"mode": "default", "options": {"a": 1}}, {"backend": print}):
        with pytest.raises(RuntimeError):
            tritonnet.compile(f, **wrong)
    with pytest.raises(TypeError):
        tritonnet.compile(3)
    with pytest.raises(TypeError):
        tritonnet.compile(f, fast=True)


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


def test_explain(capsys):
    model = tritonnet.compile(Functional())
    with pytest.raises(RuntimeError, match="call the compiled model first"):
        model.explain()
    found = model.explain(tritonnet.randn(2, 1, 8, 8))
    text = capsys.readouterr().out
    assert "conv1   conv2d + relu\n" in text and f"conv2   {ALL}\n" in text
    try:
        import triton  # noqa: F401
    except ImportError:
        assert "not counted: Triton is not installed" in text
    else:
        assert "fc1     linear + relu\n" in text
        assert found.after[0] < found.before[0] and found.after[1] < found.before[1]
    with pytest.raises(RuntimeError, match="nothing is fused"):
        tritonnet.compile(Functional(), backend="eager").explain()


def test_explain_where_values_decide(capsys):
    @tritonnet.compile
    def f(x):
        return F.relu(F.conv2d(x, x))

    f(tritonnet.randn(1, 1, 3, 3))
    f.explain()
    assert "conv2d + relu" in (text := capsys.readouterr().out) and "not counted" in text


ACTIVATIONS = (F.relu, F.sigmoid, F.tanh, F.gelu)


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_linear_on_a_device(activation):
    tritonnet.manual_seed(0)
    model = nn.Sequential(nn.Linear(20, 9), nn.Linear(9, 3))
    x = tritonnet.randn(5, 20)
    expected = run(model, lambda x: model[1](activation(model[0](x))), x)
    with runtime.simulated():
        on_device = copy.deepcopy(model).cuda()
        compiled = tritonnet.compile(lambda x: on_device[1](activation(on_device[0](x))))
        agree(run(on_device, compiled, x.cuda()), expected, rtol=1e-4, atol=1e-5)
        assert rows(compiled, x.cuda())[0] == [(f"linear + {activation.__name__}", ""), ("linear", "")]


def test_convolutions_on_a_device():
    tritonnet.manual_seed(0)
    model, x = Functional(), tritonnet.randn(3, 1, 8, 8)
    expected = run(model, model, x)
    with runtime.simulated():
        on_device = copy.deepcopy(model).cuda()
        compiled = tritonnet.compile(on_device)
        assert rows(compiled, x.cuda())[0] == [(RELU, ""), (ALL, ""), ("linear + relu", ""), ("linear", "")]
        agree(run(on_device, compiled, x.cuda()), expected, rtol=1e-4, atol=1e-5)
