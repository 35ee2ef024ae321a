"""Parameters and Buffers: what they share, how they move with their module, copies and pickles."""

import copy
import pickle

import pytest

import tritonnet
from tritonnet import nn


def test_a_module_moves_to_the_device_and_back(simulated):
    m = nn.Sequential(nn.Linear(2, 3), nn.BatchNorm1d(3))
    weight, before = m[0].weight, m[0].weight.detach().clone()
    m.cuda()
    assert m[0].weight is weight and weight.is_cuda and m[1].running_mean.is_cuda
    assert m(tritonnet.ones(4, 2).cuda()).is_cuda
    m.cpu()
    assert not weight.is_cuda and (weight == before).all()
    assert nn.Linear(2, 2, device="cuda").weight.is_cuda


def test_requires_grad_and_zero_grad():
    m = nn.Linear(2, 3)
    m(tritonnet.ones(1, 2)).sum().backward()
    m.zero_grad(set_to_none=False)
    assert (m.weight.grad == 0).all()
    m.zero_grad()
    assert m.weight.grad is None
    assert not any(p.requires_grad for p in m.requires_grad_(False).parameters())


def test_modules_copy_and_pickle():
    m = nn.Sequential(nn.Linear(2, 3), nn.BatchNorm1d(3), nn.ParameterList([tritonnet.ones(2)]))
    m[0].weight.no_decay = True
    m[0].tied = m[0].weight
    m[0].register_forward_hook(print)
    for other in (copy.deepcopy(m), pickle.loads(pickle.dumps(m))):
        assert repr(other) == repr(m)
        assert isinstance(other[0].weight, nn.Parameter) and other[0].weight is not m[0].weight
        assert other[0].tied is other[0].weight and other[0].weight.no_decay
        assert all((a == b).all() for a, b in zip(m.state_dict().values(), other.state_dict().values()))
        assert list(other[0]._forward_hooks) == list(m[0]._forward_hooks)
        with tritonnet.no_grad():
            other[0].weight.zero_()
    assert (m[0].weight != 0).all()
    buffer = pickle.loads(pickle.dumps(nn.Buffer(tritonnet.ones(1), persistent=False)))
    assert isinstance(buffer, nn.Buffer) and not buffer.persistent


def test_parameters():
    data = tritonnet.ones(2)
    p = nn.Parameter(data)
    assert p.requires_grad and p.is_leaf and p.data_ptr() == data.data_ptr()
    assert repr(p) == "Parameter containing:\ntensor([1., 1.], requires_grad=True)"
    assert type(p * 2) is tritonnet.Tensor and nn.Parameter().shape == (0,)
    assert isinstance(nn.Parameter(p), nn.Parameter) and not nn.Parameter(data, requires_grad=False).requires_grad
    with pytest.raises(TypeError):
        nn.Parameter([1.0])
    with pytest.raises(RuntimeError, match="floating point"):
        nn.Parameter(tritonnet.tensor([1]))
    assert nn.Parameter(tritonnet.tensor([1]), requires_grad=False).dtype is tritonnet.int64
