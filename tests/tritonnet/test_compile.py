"""The forms of `tritonnet.compile`: arguments, state shared with the model, copies, explain()."""

import copy
import gc
import pickle

import pytest

import tritonnet
from tests.fusion_nets import ALL, NETS, RELU, Functional, agree, rows
from tritonnet import nn
from tritonnet.autograd.ops.conv import ConvRelu2d
from tritonnet.kernels import runtime
from tritonnet.nn import functional as F


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
    for wrong in (
            {"backend": "tensorrt"}, {"backend": print}, {"mode": "fast"}, {"mode": "default", "options": {1: 2}}):
        with pytest.raises(RuntimeError):
            tritonnet.compile(f, **wrong)
    with pytest.raises(TypeError):
        tritonnet.compile(3)
    with pytest.raises(TypeError):
        tritonnet.compile(f, fast=True)


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


def test_parts_that_are_left_out():
    conv, x = nn.Conv2d(1, 2, 3), tritonnet.randn(1, 1, 5, 5)

    @tritonnet.compiler.disable
    def plain(x):
        return F.relu(conv(x))

    off = tritonnet.compile(nn.Sequential(conv, nn.ReLU()), disable=True)

    @tritonnet.compile
    def f(x):
        assert not tritonnet.compiler.is_compiling()
        return plain(x), off(x), F.relu(conv(x))

    @tritonnet.compile
    def changed(x):
        y = conv(x)
        tritonnet.compiler.disable(x.zero_)()
        return F.relu(y)

    agree([changed(x.clone())], [F.relu(conv(x))])
    tritonnet.compiler.reset()
    assert [type(y.node) is ConvRelu2d for y in f(x)] == [False, False, True]
    assert plain.__name__ == "plain"
    with pytest.raises(RuntimeError, match="recursive"):
        tritonnet.compiler.disable(plain, recursive=False)


def test_calls_leave_no_cycles_behind():
    """Reference cycles would keep the arrays of a step until the collector comes."""
    model = tritonnet.compile(nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.BatchNorm1d(8), nn.Sigmoid()))
    pytest.importorskip("triton", reason="launches kernels")
    with runtime.simulated():
        model.to("cuda")
        x = tritonnet.zeros(2, 4, device="cuda")
        for _ in range(2):
            model(x).sum().backward()
        gc.collect()
        gc.disable()
        try:
            model(x).sum().backward()
            assert gc.collect() == 0
        finally:
            gc.enable()


def test_explain_counts_after_a_training_step(capsys):
    model = tritonnet.compile(nn.Sequential(nn.Linear(4, 8), nn.ReLU()))
    model(tritonnet.ones(2, 4)).sum().backward()
    assert "launches instead of" in str(model.explain())
