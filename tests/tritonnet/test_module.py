"""Module: attributes, names, state, hooks, conversion, printing; each as PyTorch does it, messages included."""


import pytest

import tritonnet
from tritonnet import nn


def net(torch):
    nn = torch.nn

    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv = nn.Conv2d(1, 2, 3)
            self.norm = nn.BatchNorm2d(2)
            self.head = nn.Sequential(nn.Flatten(), nn.Linear(8, 3))
            self.tied = self.head[1]
            self.scale = nn.Parameter(torch.ones(1))
            self.register_buffer("steps", torch.zeros(2))
            self.register_buffer("scratch", torch.ones(1), persistent=False)
            self.nothing = None
            self.register_parameter("empty", None)

        def forward(self, x):
            return self.head(self.norm(self.conv(x)).relu()) * self.scale

    return Net()


NAMES = {
    "named_parameters": lambda torch: [n for n, _ in net(torch).named_parameters()],
    "named_parameters prefix": lambda torch: [n for n, _ in net(torch).named_parameters("a", recurse=False)],
    "named_parameters duplicates": lambda torch: [n for n, _ in net(torch).named_parameters(remove_duplicate=False)],
    "named_buffers": lambda torch: [n for n, _ in net(torch).named_buffers()],
    "named_modules": lambda torch: [n for n, _ in net(torch).named_modules()],
    "named_modules duplicates": lambda torch: [n for n, _ in net(torch).named_modules(remove_duplicate=False)],
    "named_children": lambda torch: [n for n, _ in net(torch).named_children()],
    "counts": lambda torch: [len(list(f())) for f in (net(torch).parameters, net(torch).buffers, net(torch).modules,
                                                       net(torch).children)],
    "state_dict": lambda torch: {k: list(v.shape) for k, v in net(torch).state_dict().items()},
    "state_dict prefix": lambda torch: list(net(torch).state_dict(prefix="m.")),
    "state_dict positional": lambda torch: list(net(torch).state_dict({}, "m.")),
    "versions": lambda torch: dict(net(torch).state_dict()._metadata),
    "grads in state_dict": lambda torch: [v.requires_grad for v in net(torch).state_dict(keep_vars=True).values()],
    "dir": lambda torch: [n for n in dir(net(torch)) if n in ("conv", "scale", "steps", "empty", "0", "forward")],
    "repr": lambda torch: repr(net(torch)),
    "train": lambda torch: [m.training for m in net(torch).eval().modules()],
    "submodule": lambda torch: repr(net(torch).get_submodule("head.1")),
    "parameter": lambda torch: list(net(torch).get_parameter("head.1.bias").shape),
    "buffer": lambda torch: list(net(torch).get_buffer("norm.running_mean").shape),
}


@pytest.mark.parametrize("name", NAMES)
def test_a_module_lists_its_parts(alike, name):
    alike(NAMES[name])


def broken(torch, action):
    class Unfinished(torch.nn.Module):
        def __init__(self):
            action(self)

    return Unfinished()


def grown(torch):
    """A Parameter that an operation in place gave a history."""
    p = torch.nn.Parameter(torch.ones(1), requires_grad=False)
    return p.mul_(torch.ones(1, requires_grad=True))


MISTAKES = {
    "before init, parameter": lambda torch: broken(torch, lambda m: setattr(m, "w", torch.nn.Parameter(torch.ones(1)))),
    "before init, module": lambda torch: broken(torch, lambda m: setattr(m, "w", torch.nn.ReLU())),
    "before init, buffer": lambda torch: broken(torch, lambda m: m.register_buffer("w", torch.ones(1))),
    "before init, register": lambda torch: broken(torch, lambda m: m.register_parameter("w", None)),
    "tensor for a parameter": lambda torch: setattr(net(torch), "scale", torch.ones(1)),
    "number for a parameter": lambda torch: setattr(net(torch), "scale", 3),
    "number for a module": lambda torch: setattr(net(torch), "conv", 3),
    "number for a buffer": lambda torch: setattr(net(torch), "steps", "three"),
    "parameter name": lambda torch: net(torch).register_parameter(3, None),
    "parameter dot": lambda torch: net(torch).register_parameter("a.b", None),
    "parameter empty": lambda torch: net(torch).register_parameter("", None),
    "parameter taken": lambda torch: net(torch).register_parameter("conv", None),
    "parameter tensor": lambda torch: net(torch).register_parameter("w", torch.ones(1)),
    "buffer name": lambda torch: net(torch).register_buffer(3, None),
    "buffer dot": lambda torch: net(torch).register_buffer("a.b", None),
    "buffer empty": lambda torch: net(torch).register_buffer("", None),
    "buffer taken": lambda torch: net(torch).register_buffer("conv", None),
    "buffer list": lambda torch: net(torch).register_buffer("w", [1.0]),
    "module number": lambda torch: net(torch).add_module("w", 3),
    "module name": lambda torch: net(torch).add_module(3, torch.nn.ReLU()),
    "module dot": lambda torch: net(torch).add_module("a.b", torch.nn.ReLU()),
    "module empty": lambda torch: net(torch).add_module("", torch.nn.ReLU()),
    "module taken": lambda torch: net(torch).add_module("steps", torch.nn.ReLU()),
    "no attribute": lambda torch: net(torch).missing,
    "no submodule": lambda torch: net(torch).get_submodule("head.7"),
    "no module": lambda torch: net(torch).get_submodule("scale"),
    "no parameter": lambda torch: net(torch).get_parameter("head.1.missing"),
    "not a parameter": lambda torch: net(torch).get_parameter("steps"),
    "not a buffer": lambda torch: net(torch).get_buffer("scale"),
    "no forward": lambda torch: torch.nn.Module()(1),
    "argument": lambda torch: torch.nn.Module(3),
    "keyword": lambda torch: torch.nn.Module(size=3),
    "train": lambda torch: net(torch).train("yes"),
    "to integers": lambda torch: net(torch).to(torch.int64),
    "load a list": lambda torch: net(torch).load_state_dict([1, 2]),
    "load nothing": lambda torch: net(torch).load_state_dict({}),
    "load more": lambda torch: net(torch).load_state_dict({**net(torch).state_dict(), "a.b": torch.ones(1)}),
    "load other shapes": lambda torch: net(torch).load_state_dict({**net(torch).state_dict(), "scale": torch.ones(2)}),
    "load other shapes, not strict": lambda torch: net(torch).load_state_dict({"scale": torch.ones(2)}, strict=False),
    "load numbers": lambda torch: net(torch).load_state_dict({**net(torch).state_dict(), "scale": 1.0}),
    "set submodule without a name": lambda torch: net(torch).set_submodule("", torch.nn.ReLU()),
    "extra state": lambda torch: torch.nn.Module.get_extra_state(net(torch)),
    "set extra state": lambda torch: torch.nn.Module.set_extra_state(net(torch), 3),
    "parameter with history": lambda torch: torch.nn.Module().register_parameter("w", grown(torch)),
    "delete nothing": lambda torch: delattr(net(torch), "missing"),
}
NOT_WORD_FOR_WORD = {"before init, register", "extra state", "set extra state", "delete nothing",
                     "load numbers", "number for a buffer", "buffer list",
                     "module number", "parameter tensor", "tensor for a parameter", "number for a parameter",
                     "number for a module"}


@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistake_raises_what_pytorch_raises(alike, name):
    alike(MISTAKES[name], types_only=name in NOT_WORD_FOR_WORD)


def test_load_reports_what_it_did_not_find(alike):
    alike(lambda torch: repr(net(torch).load_state_dict({"scale": torch.ones(1), "x": torch.ones(1)}, strict=False)))
    alike(lambda torch: repr(net(torch).load_state_dict(net(torch).state_dict())))


def test_a_loaded_model_computes_the_same(torch, drawn):
    theirs = net(torch)
    theirs(torch.randn(4, 1, 4, 4))
    theirs.eval()
    ours = net(tritonnet)
    ours.load_state_dict({k: tritonnet.tensor(v.numpy()) for k, v in theirs.state_dict().items()})
    x = drawn(torch, 5, 1, 4, 4)
    assert torch.allclose(torch.tensor(ours.eval()(tritonnet.tensor(x.numpy())).detach().numpy()), theirs(x), atol=1e-5)


def test_loading_copies_in_place_unless_assign():
    layer, other = nn.Linear(2, 3), nn.Linear(2, 3)
    weight = layer.weight
    layer.load_state_dict(other.state_dict())
    assert layer.weight is weight and (weight == other.weight).all()
    assert layer.weight.data_ptr() != other.weight.data_ptr()
    layer.load_state_dict({k: v.double() for k, v in other.state_dict().items()}, assign=True)
    assert layer.weight is not weight and layer.weight.dtype is tritonnet.float64
    assert isinstance(layer.weight, nn.Parameter) and layer.weight.requires_grad


def test_an_attribute_moves_between_the_registries():
    m = nn.Module()
    m.x = 3
    m.x = nn.Parameter(tritonnet.ones(1))
    assert "x" in m._parameters and "x" not in m.__dict__
    m.x = None
    assert m.x is None and "x" in m._parameters
    del m.x
    m.x = nn.ReLU()
    assert "x" in m._modules
    m.x = None
    assert m.x is None and "x" in m._modules
    m.y = nn.Buffer(tritonnet.ones(1), persistent=False)
    assert list(m.state_dict()) == [] and [n for n, _ in m.named_buffers()] == ["y"]
    m.y = tritonnet.zeros(2)
    assert m.y.shape == (2,) and list(m.state_dict()) == []
    m.z = nn.Buffer(tritonnet.ones(1))
    assert list(m.state_dict()) == ["z"]
    del m.y, m.z
    assert not list(m.buffers())


def test_a_change_of_the_registry_shows_at_once():
    m = nn.Sequential(nn.ReLU(), nn.ReLU())
    m._modules["1"] = nn.Tanh()
    assert isinstance(m[1], nn.Tanh)


def test_conversion_keeps_parameters_and_integers():
    m = net(tritonnet)
    weight = m.conv.weight
    m.conv.weight.grad = tritonnet.ones_like(m.conv.weight)
    m.to(tritonnet.float16)
    assert m.conv.weight is weight and weight.dtype is tritonnet.float16 and weight.grad.dtype is tritonnet.float16
    assert m.steps.dtype is tritonnet.float16 and m.norm.num_batches_tracked.dtype is tritonnet.int64
    for cast, dtype in (("double", "float64"), ("bfloat16", "bfloat16"), ("half", "float16"), ("float", "float32")):
        assert getattr(m, cast)() is m and weight.dtype is getattr(tritonnet, dtype)
    assert m.to("cpu").to(tritonnet.zeros(1, dtype=tritonnet.float64)).conv.weight.dtype is tritonnet.float64
    assert m.to(dtype=tritonnet.float32, device="cpu", non_blocking=True).type(tritonnet.float64) is m
    with pytest.raises(TypeError):
        m.to(1.5)
    with pytest.raises(TypeError):
        m.to(colour="red")
    assert weight.requires_grad and m.scale.is_leaf


def test_apply_reaches_every_module_children_first(alike):
    def program(torch):
        seen = []
        net(torch).apply(lambda m: seen.append(type(m).__name__))
        return seen

    alike(program)


def test_extra_state_travels_along(alike):
    def program(torch):
        class Counts(torch.nn.Module):
            calls = 0

            def get_extra_state(self):
                return {"calls": self.calls}

            def set_extra_state(self, state):
                self.calls = state["calls"]

        one, two = Counts(), Counts()
        one.calls = 7
        two.load_state_dict(one.state_dict())
        missing = two.load_state_dict({}, strict=False)
        return list(one.state_dict()), two.calls, repr(missing)

    alike(program)
    alike(lambda torch: net(torch).load_state_dict({**net(torch).state_dict(), "_extra_state": 3}))


def test_set_submodule():
    m = net(tritonnet)
    m.set_submodule("head.1", nn.Linear(8, 5))
    assert m(tritonnet.ones(2, 1, 4, 4)).shape == (2, 5)
    with pytest.raises(AttributeError, match="not an nn.Module"):
        m.set_submodule("scale", nn.ReLU())
    with pytest.raises(AttributeError, match="no attribute"):
        m.set_submodule("tail", nn.ReLU(), strict=True)
    with pytest.raises(ValueError):
        m.set_submodule("tail", 3)


def test_loading_old_scalars_and_what_cannot_be_copied(monkeypatch):
    m = nn.Module()
    m.register_buffer("count", tritonnet.tensor(0.0))
    m.load_state_dict({"count": tritonnet.tensor([3.0])})  # before PyTorch 0.4, a number was saved as one element
    assert m.count.item() == 3
    monkeypatch.setattr(tritonnet.Tensor, "copy_", lambda *_: 1 / 0)
    with pytest.raises(RuntimeError, match='While copying the parameter named "count", whose dimensions .*division'):
        m.load_state_dict({"count": tritonnet.tensor(3.0)})


def test_a_base_beside_module_is_initialised_on_request():
    class Mixin:
        def __init__(self, size):
            self.size = size

    class Both(nn.Module, Mixin):
        call_super_init = True

        def __init__(self):
            super().__init__(size=5)

    assert Both().size == 5
    m = nn.Module()
    m.register_module("child", nn.ReLU())
    assert isinstance(m.child, nn.ReLU)
    assert nn.Linear(2, 3).to_empty(device="cpu").weight.shape == (3, 2)
