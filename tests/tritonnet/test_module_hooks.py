"""Hooks of modules: before and after forward, and on gradients, as PyTorch calls them."""

from collections import OrderedDict

import pytest

import tritonnet
from tritonnet import nn


def hooked(torch, drawn, filled, register):
    """The log of a run forward and backward with hooks on the second layer, the output and the gradients."""
    log = []
    m = filled(torch, torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.Linear(4, 2)))
    handles = register(m[1], log)
    x = drawn(torch, 5, 3)
    x.requires_grad_()
    y = m(x)
    y.sum().backward()
    for handle in handles if isinstance(handles, (list, tuple)) else [handles]:
        handle.remove()
    count = len(log)
    m(x).sum().backward()
    return log, len(log) == count, y, x.grad, m[1].weight.grad


def note(log, result=None):
    def hook(module, *values):
        log.extend(v.detach() * 1 if hasattr(v, "detach") else [t if t is None else t.detach() * 1 for t in v]
                   if isinstance(v, tuple) else sorted(v) for v in values)
        return result(*values) if result else None

    return hook


HOOKS = {
    "forward": lambda m, log: m.register_forward_hook(note(log)),
    "forward, changed": lambda m, log: m.register_forward_hook(note(log, lambda x, y: y * 2)),
    "forward, kwargs": lambda m, log: m.register_forward_hook(note(log), with_kwargs=True),
    "pre": lambda m, log: m.register_forward_pre_hook(note(log)),
    "pre, changed": lambda m, log: m.register_forward_pre_hook(note(log, lambda x: x[0] * 2)),
    "pre, tuple": lambda m, log: m.register_forward_pre_hook(note(log, lambda x: (x[0] * 2,))),
    "pre, kwargs": lambda m, log: m.register_forward_pre_hook(note(log, lambda x, k: (x, k)), with_kwargs=True),
    "pre, kwargs wrong": lambda m, log: m.register_forward_pre_hook(lambda *_: 3, with_kwargs=True),
    "backward": lambda m, log: m.register_full_backward_hook(note(log)),
    "backward, changed": lambda m, log: m.register_full_backward_hook(note(log, lambda dx, dy: (dx[0] * 2,))),
    "backward, too many": lambda m, log: m.register_full_backward_hook(lambda m, dx, dy: dx * 2),
    "backward pre": lambda m, log: m.register_full_backward_pre_hook(note(log, lambda dy: (dy[0] * 2,))),
    "backward pre, too many": lambda m, log: m.register_full_backward_pre_hook(lambda m, dy: dy * 2),
    "pre, kwargs, unchanged": lambda m, log: m.register_forward_pre_hook(note(log), with_kwargs=True),
    "both": lambda m, log: (m.register_full_backward_hook(note(log)), m.register_full_backward_pre_hook(note(log))),
    "order": lambda m, log: (m.register_forward_hook(lambda *_: log.append("first")),
                             m.register_forward_hook(lambda *_: log.append("second")),
                             m.register_forward_hook(lambda *_: log.append("prepended"), prepend=True)),
}


@pytest.mark.parametrize("name", HOOKS)
def test_hooks_see_and_change_what_pytorchs_do(alike, drawn, filled, name):
    alike(lambda torch: hooked(torch, drawn, filled, HOOKS[name]))


def test_backward_hook_where_no_input_needs_a_gradient(alike):
    def program(torch):
        m = torch.nn.Linear(2, 3)
        seen = []
        m.register_full_backward_hook(lambda m, dx, dy: seen.append((dx, dy[0] * 1)))
        m(torch.ones(1, 2)).sum().backward()
        return seen

    ours = program(tritonnet)
    assert ours[0][0] == (None,) and (ours[0][1] == 1).all()


def test_backward_hooks_of_old_and_gradients_nobody_asked_for():
    m = nn.Linear(2, 3)
    seen = []
    m.register_backward_hook(lambda m, dx, dy: seen.append(len(dx)))
    m(tritonnet.ones(1, 2, requires_grad=True)).sum().backward()
    assert seen == [1]
    m.register_full_backward_hook(lambda m, dx, dy: dy)
    with pytest.raises(RuntimeError, match="no input requires gradient"):
        m(tritonnet.ones(1, 2)).sum().backward()


def test_a_path_around_the_output_calls_no_hook():
    kept = []

    class Keeps(nn.Module):
        def forward(self, x):
            kept.append(x)
            return x * 2

    m = Keeps()
    m.register_full_backward_hook(lambda *_: pytest.fail("the output took no part"))
    x = tritonnet.ones(2, requires_grad=True)
    m(x)
    kept[0].sum().backward()
    assert (x.grad == 1).all()


def test_state_hooks_that_answer():
    m = nn.Linear(2, 3)
    renamed = lambda m, state, prefix, meta: {f"old.{k}": v for k, v in state.items()}  # noqa: E731
    m._register_state_dict_hook(renamed)
    assert list(m.state_dict()) == ["old.weight", "old.bias"]

    def answers(m, state, prefix, meta):
        return {}

    m.register_state_dict_post_hook(answers)
    with pytest.raises(RuntimeError, match="must return None"):
        m.state_dict()
    with pytest.raises(RuntimeError, match="same function"):
        m._register_state_dict_hook(answers)
    m.register_load_state_dict_post_hook(lambda m, keys: 3)
    with pytest.raises(AssertionError, match="not expected to return"):
        m.load_state_dict(nn.Linear(2, 3).state_dict())


def test_a_hook_that_is_always_called_runs_after_an_error():
    calls = []

    class Fails(nn.Module):
        def forward(self, x):
            raise KeyError("forward")

    m = Fails()
    m.register_forward_hook(lambda m, x, y: calls.append(y), always_call=True)
    m.register_forward_hook(lambda m, x, y: calls.append("never"))
    m.register_forward_hook(lambda m, x, y: 1 / 0, always_call=True)
    with pytest.warns(UserWarning, match="division by zero"), pytest.raises(KeyError, match="forward"):
        m(1)
    assert calls == [None]


def test_backward_hooks_need_tensors():
    class Pair(nn.Module):
        def forward(self, x):
            return {"y": x}

    m = Pair()
    m.register_full_backward_hook(lambda m, dx, dy: None)
    with pytest.warns(UserWarning, match="should be a Tensor or a tuple"):
        m(tritonnet.ones(1, requires_grad=True))


def state_hooks(torch):
    inner = torch.nn.Sequential(torch.nn.Linear(2, 1))
    m = torch.nn.Sequential(OrderedDict(body=torch.nn.BatchNorm1d(2), head=inner))
    log = []
    m.register_state_dict_pre_hook(lambda m, prefix, keep_vars: log.append(["pre", prefix, keep_vars]))
    m.register_state_dict_post_hook(lambda m, state, prefix, meta: log.append(["post", len(state), prefix, meta]))
    m.head._register_state_dict_hook(lambda m, state, prefix, meta: log.append(["head", prefix, meta]))
    m.register_load_state_dict_pre_hook(lambda m, state, prefix, *rest: state.pop("old", None))
    m._register_load_state_dict_pre_hook(lambda state, prefix, *rest: log.append(["load", prefix]))
    m.register_load_state_dict_post_hook(lambda m, keys: keys.missing_keys.clear())
    state = {**m.state_dict(), "old": torch.ones(1)}
    del state["body.weight"]
    return log, repr(m.load_state_dict(state))


def test_state_hooks(alike):
    alike(state_hooks)
