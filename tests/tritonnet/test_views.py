"""Views whose base, or another view of it, is changed in place: what is read through them has the right history."""

import copy

import pytest

WAYS = {
    "sum": lambda torch, v: v.sum(),
    "twice a view": lambda torch, v: v.view(2, 1).t().sum(),
    "operand": lambda torch, v: (torch.ones(2) * 3 * v).sum(),
    "product": lambda torch, v: v @ torch.ones(2),
    "cat": lambda torch, v: torch.cat([torch.ones(1), v]).sum(),
    "where": lambda torch, v: torch.where(torch.tensor([True, False]), v, torch.zeros(2)).sum(),
    "relu": lambda torch, v: torch.nn.functional.relu(v).sum(),
    "added in place": lambda torch, v: torch.zeros(2).add_(v).sum(),
    "assigned": lambda torch, v: assigned(torch.zeros(2), slice(None), v).sum(),
    "itself": lambda torch, v: v,
}


def assigned(x, key, value):
    x[key] = value
    return x


@pytest.mark.parametrize("way", WAYS)
def test_a_view_sees_the_history_its_base_gains(alike, way):
    def program(torch):
        w, x = torch.tensor([1.0, 2, 3], requires_grad=True), torch.full((3,), 2.0)
        v = x[0:2]
        x.mul_(w)
        told = v.requires_grad, v.is_leaf, v.grad_fn is not None
        y = WAYS[way](torch, v)
        y.backward(torch.ones(y.shape))
        return told, w.grad

    alike(program)


def test_a_view_sees_what_another_view_writes(alike):
    def program(torch):
        w, x = torch.tensor([1.0, 2], requires_grad=True), torch.full((3,), 2.0)
        v, u = x[0:2], x[1:]
        v.mul_(w)
        (u * u).sum().backward()
        return u.requires_grad, w.grad

    alike(program)


@pytest.mark.parametrize("change", [
    lambda v: v.__setitem__(0, 5.0), lambda v: v[0].fill_(5), lambda v: v.zero_(), lambda v: v.mul_(3),
    lambda v: v[1:].clamp_(max=1),
], ids=["setitem", "fill_", "zero_", "mul_", "clamp_"])
def test_a_change_through_a_view_that_was_behind(alike, change):
    def program(torch):
        w, x = torch.tensor([1.0, 2, 3], requires_grad=True), torch.full((3,), 2.0)
        v = x[0:2]
        x.mul_(w)
        assert v.grad_fn is not None        # unless asked first, PyTorch mistakes v for a leaf
        change(v)
        (x * x).sum().backward()
        return w.grad

    alike(program)


def test_recording_does_not_depend_on_where_the_view_is_first_looked_at(alike):
    def program(torch):
        w, x = torch.tensor([1.0, 2, 3], requires_grad=True), torch.full((3,), 2.0)
        v = x[0:2]
        x.mul_(w)
        with torch.no_grad():
            told = v.requires_grad
        (v * v).sum().backward()
        return told, w.grad

    alike(program)


def test_what_is_refused_of_a_view_with_history(alike):
    def late(torch):
        w, x = torch.ones(3, requires_grad=True), torch.zeros(3)
        v = x[0:2]
        x.mul_(w)
        return v

    alike(lambda torch: late(torch).numpy(), types_only=True)
    alike(lambda torch: copy.deepcopy(late(torch)), types_only=True)


@pytest.mark.parametrize("change", [
    lambda v: v.mul_(2), lambda v: v.fill_(2), lambda v: v.zero_(), lambda v: v.copy_(v.detach()), lambda v: v.add_(1),
], ids=["mul_", "fill_", "zero_", "copy_", "add_"])
def test_views_made_without_recording_are_not_written_to_with_it(alike, change):
    def program(torch):
        x = torch.ones(3, requires_grad=True) * 2
        with torch.no_grad():
            v = x[0:2]
            v.mul_(2)
        change(v)

    alike(program)
