"""backward and grad in all their variants, and hooks: when they are called and with what."""

import pickle

import pytest


def leaf(torch, *values):
    return torch.tensor(list(values), requires_grad=True)


def used_twice(torch):
    x, log = leaf(torch, 1.0), []
    x.register_hook(lambda g: log.append(g.tolist()))
    x.register_hook(lambda g: g * 10)
    x.register_post_accumulate_grad_hook(lambda t: log.append(t.grad.tolist()))
    (x * 2 + x * 3).sum().backward()
    (x * x).sum().backward()
    return str(log), x.grad


def kept(torch):
    x = leaf(torch, 1.0)
    h = x * 2
    h.retain_grad()
    h.register_hook(lambda g: g * 10)
    (h * 3).sum().backward()
    return h.grad, x.grad


def of_grad(torch):
    x = leaf(torch, 1.0, 2.0)
    x.register_hook(lambda g: g * 10)
    first = torch.autograd.grad((x * x).sum(), x)
    recorded, = torch.autograd.grad((x ** 3).sum(), x, create_graph=True)
    return first, recorded, torch.autograd.grad(recorded.sum(), x), x.grad


def recorded(torch):
    x, log = leaf(torch, 2.0), []
    x.register_hook(lambda g: log.append(g.requires_grad))
    (x ** 3 + x).sum().backward(create_graph=True)
    return str(log), x.grad, torch.autograd.grad(x.grad.sum(), x)


def inner(torch):
    x, y, log = leaf(torch, 1.0), leaf(torch, 2.0), []

    def again(g):
        with torch.enable_grad():
            (y * y + y).sum().backward()
        log.append(y.grad.tolist())

    x.register_hook(again)
    y.register_hook(lambda g: log.append(g.tolist()))
    (x * 2 + y).sum().backward()
    return str(log), x.grad, y.grad


@pytest.mark.parametrize("program", [used_twice, kept, of_grad, recorded, inner], ids=lambda f: f.__name__)
def test_hooks(alike, program):
    alike(program)


def failing(what):
    def program(torch):
        x = leaf(torch, 1.0, 2.0)
        (x * 1 if what != "leaf" else x).register_hook(lambda g: g)
        h = x if what == "leaf" else x * 1
        h.register_hook((lambda g: 3) if what == "type" else (lambda g: g[:1]))
        h.sum().backward()

    return program


@pytest.mark.parametrize("what", ["leaf", "result", "type"])
def test_what_hooks_must_return(alike, what):
    alike(failing(what), types_only=True)


VARIANTS = {
    "integer gradient": lambda torch, x: (x * x).backward(torch.tensor([3, 1])),
    "wrong shape": lambda torch, x: (x * x).backward(torch.tensor([3.0])),
    "a number": lambda torch, x: (x * x).backward(3.0),
    "no inputs": lambda torch, x: (x * x).sum().backward(inputs=[]),
    "double": lambda torch, x: (x * x).backward(torch.tensor([3.0, 1.0]).double()),
    "materialize": lambda torch, x: torch.autograd.grad(
        (x * x).sum(), [x, leaf(torch, 1.0)], materialize_grads=True),
    "conflict": lambda torch, x: torch.autograd.grad(
        (x * x).sum(), [x], materialize_grads=True, allow_unused=False),
    "rows": lambda torch, x: torch.autograd.grad(x * x, x, torch.eye(2), is_grads_batched=True),
    "rows, some unused": lambda torch, x: torch.autograd.grad(
        [x * x, x + 1], [x, leaf(torch, 1.0)], [torch.eye(2), torch.ones(2, 2)], is_grads_batched=True,
        allow_unused=True),
}
REFUSED = {"wrong shape", "a number", "no inputs", "conflict"}


@pytest.mark.parametrize("name", VARIANTS)
def test_variants(alike, name):
    def program(torch):
        x = leaf(torch, 1.0, 2.0)
        return VARIANTS[name](torch, x), x.grad

    alike(program, types_only=name in REFUSED)


def test_inputs_may_be_results(alike):
    def program(torch):
        x = leaf(torch, 1.0)
        h = x * 2
        h.retain_grad()
        (h * h).sum().backward(inputs=[h])
        return x.grad, h.grad

    alike(program)


def test_results_can_be_pickled(alike):
    def program(torch):
        y = pickle.loads(pickle.dumps(leaf(torch, 1.0) * 2))
        return y, y.is_leaf

    alike(program)
