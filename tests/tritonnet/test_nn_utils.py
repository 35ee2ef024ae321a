"""nn.utils: clipping of gradients, parameters as a vector."""

import pytest

import tritonnet
from tritonnet import nn


def with_grads(torch, drawn, scale=1.0):
    layers = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.Linear(4, 2), torch.nn.Linear(1, 1))
    for i, p in enumerate(list(layers.parameters())[:4]):
        p.grad = drawn(torch, *p.shape, seed=i) * scale
    return layers


def clipped(torch, drawn, function, *args, scale=1.0, **kwargs):
    layers = with_grads(torch, drawn, scale)
    result = getattr(torch.nn.utils, function)(layers.parameters(), *args, **kwargs)
    return result, [p.grad for p in layers.parameters()]


@pytest.mark.parametrize("norm_type", [2, 1, 3.5, float("inf")])
def test_clipping_by_norm(alike, drawn, norm_type):
    alike(lambda torch: clipped(torch, drawn, "clip_grad_norm_", 0.5, norm_type))
    alike(lambda torch: clipped(torch, drawn, "clip_grad_norm_", 1e3, norm_type=norm_type))


def test_clipping_by_value_and_old_names(alike, drawn):
    alike(lambda torch: clipped(torch, drawn, "clip_grad_value_", 0.25))
    alike(lambda torch: clipped(torch, drawn, "clip_grad_norm", 0.5))


@pytest.mark.parametrize("scale", [float("inf"), float("nan")])
def test_norms_that_are_not_finite(alike, drawn, scale):
    alike(lambda torch: clipped(torch, drawn, "clip_grad_norm_", 1.0, error_if_nonfinite=True, scale=scale))
    alike(lambda torch: clipped(torch, drawn, "clip_grad_norm_", 1.0, scale=scale))


def test_one_tensor_and_none(alike, drawn):
    def program(torch):
        p = torch.nn.Parameter(torch.ones(3))
        nothing = torch.nn.utils.clip_grad_norm_(p, 1.0)
        p.grad = torch.full((3,), 2.0)
        return nothing, torch.nn.utils.clip_grad_norm_(p, 1.0), p.grad, torch.nn.utils.clip_grad_norm_([], 1.0)

    alike(program)
    nn.utils.clip_grad_value_([nn.Parameter(tritonnet.ones(3))], 1.0)


def test_clipping_on_the_device(simulated, drawn):
    host, device = (with_grads(tritonnet, drawn).to(place) for place in ("cpu", "cuda"))
    norms = [nn.utils.clip_grad_norm_(m.parameters(), 0.5) for m in (host, device)]
    assert norms[1].is_cuda and norms[0].item() == pytest.approx(norms[1].item(), rel=1e-5)
    for a, b in zip(host.parameters(), device.parameters()):
        assert a.grad is None or (a.grad - b.grad.cpu()).abs().max().item() < 1e-6
    nn.utils.clip_grad_value_(device.parameters(), 0.01)
    assert max(p.grad.abs().max().item() for p in device.parameters() if p.grad is not None) <= 0.01


def test_parameters_as_a_vector(alike, drawn, filled):
    def program(torch):
        layers = filled(torch, torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.Linear(4, 2)))
        vector = torch.nn.utils.parameters_to_vector(layers.parameters())
        vector.sum().backward()
        grads = [p.grad for p in layers.parameters()]
        torch.nn.utils.vector_to_parameters(torch.arange(26.0), layers.parameters())
        return vector.detach(), grads, dict(layers.state_dict())

    alike(program)
    alike(lambda torch: torch.nn.utils.vector_to_parameters([1.0], []), types_only=True)
