"""Shapes by PyTorch's names: values and gradients held against PyTorch, and a device against the host."""

import numpy as np
import pytest

import tritonnet
from tritonnet.autograd.function import make
from tritonnet.kernels.arrays import to_device, to_host

# each is f(lib, x, y) with x (3, 4), y (2, 3, 4); the result is a tensor or a sequence of tensors
CASES = {
    "reshape": lambda t, x, y: (
        x.reshape(2, -1),
        y.reshape([4, 6]),
        x.T.reshape(12),
        t.reshape(x, (-1,)),
        y.reshape(x.size(0), 8),
    ),
    "view": lambda t, x, y: (x.view(-1, 2, 3), y[:, :, ::2].view(6, 2), x.view_as(y[0].t().t()), x.view(t.Size([12]))),
    "flatten": lambda t, x, y: (
        y.flatten(),
        t.flatten(y, 1),
        y.flatten(0, 1),
        y.transpose(0, 2).flatten(1),
        x[0, 0].flatten(),
        x.ravel(),
    ),
    "unflatten": lambda t, x, y: (x.unflatten(1, (2, 2)), y.unflatten(-1, (-1, 2)), t.unflatten(x, 0, (3, 1))),
    "squeeze": lambda t, x, y: (
        x[None, :, None].squeeze(),
        x[None, :, None].squeeze(0),
        x[None, :, None].squeeze((0, -2)),
        x.squeeze(1),
        t.squeeze(x[:1], dim=0),
    ),
    "unsqueeze": lambda t, x, y: (x.unsqueeze(0), x.unsqueeze(-1), t.unsqueeze(x, 1), x[0, 0].unsqueeze(0)),
    "permute": lambda t, x, y: (y.permute(2, 0, 1), t.permute(y, (-1, 0, 1)), y.permute(dims=(1, 0, 2))),
    "transpose": lambda t, x, y: (
        x.t(),
        x.T,
        y.mT,
        y.transpose(0, -1),
        t.swapaxes(y, 1, 2),
        y.swapdims(0, 1),
        x[0].t(),
        x.H,
        y.adjoint(),
    ),
    "movedim": lambda t, x, y: (y.movedim(0, -1), t.movedim(y, (0, 1), (2, 0)), t.moveaxis(y, -1, 0)),
    "expand": lambda t, x, y: (
        x.expand(2, -1, 4),
        x[:, :1].expand(3, 5),
        x.expand_as(y),
        t.broadcast_to(x, (5, 3, 4)),
        x[:, :1].expand(size=(3, 2)),
    ),
    "broadcast_tensors": lambda t, x, y: t.broadcast_tensors(x, y, x[:, :1]),
    "repeat": lambda t, x, y: (
        x.repeat(2, 3),
        x.repeat(2, 1, 1),
        x.repeat([1, 2]),
        x.tile(2),
        t.tile(x, (2, 1, 1)),
        x.repeat(0, 1),
        t.tile(x, dims=(2,)),
    ),
    "repeat_interleave": lambda t, x, y: (
        x.repeat_interleave(2),
        x.repeat_interleave(3, 0),
        t.repeat_interleave(x, t.tensor([1, 0, 2]).to(x.device), dim=0),
        x.repeat_interleave(t.tensor([2]).to(x.device), 1),
    ),
    "cat": lambda t, x, y: (
        t.cat([x, x[:1], x[:0]]),
        t.cat((x, x[:, :2]), dim=1),
        t.concat([y, y.flip(0)], -1),
        t.cat([x, x], axis=1),
        t.cat([x, t.zeros(0, dtype=x.dtype).to(x.device)]),
        t.concatenate([x.T, x.T], 1),
    ),
    "stack": lambda t, x, y: (
        t.stack([x, x * 2]),
        t.stack((x, x), dim=-1),
        t.stack([x[0, 0], x[1, 1]]),
        t.hstack([x, x]),
        t.hstack([x[0], x[1]]),
        t.vstack([x[0], x]),
        t.dstack([x, x]),
        t.column_stack([x[0], x[1]]),
        t.row_stack([x, x]),
    ),
    "split": lambda t, x, y: (
        *x.split(2),
        *t.split(x, [1, 3], dim=1),
        *x.chunk(2),
        *x.chunk(3, 1),
        *t.tensor_split(x, 5),
        *x.tensor_split((1, 2), 1),
        *x.hsplit(2),
        *x.vsplit(3),
        *y.dsplit(2),
    ),
    "unbind": lambda t, x, y: (*x.unbind(), *t.unbind(y, 2), *x),
    "narrow": lambda t, x, y: (
        x.narrow(0, 1, 2),
        x.narrow(1, -3, 2),
        t.narrow(y, 2, 0, 0),
        x.select(1, -1),
        t.select(y, 0, 1),
    ),
    "flip": lambda t, x, y: (x.flip(0), t.flip(y, (0, -1)), t.flip(x, dims=[1]), x.fliplr(), t.flipud(x)),
    "rot90": lambda t, x, y: (t.rot90(x), x.rot90(2), t.rot90(y, -1, (1, 2)), x.rot90(4)),
    "roll": lambda t, x, y: (x.roll(1), x.roll(-1, 0), t.roll(y, (1, -2), (0, 2)), x.roll(7, 1), x.roll(0, 1)),
    "triangles": lambda t, x, y: (
        x.tril(),
        t.triu(y, 1),
        x.triu(-1),
        t.tril(x, diagonal=2),
        t.tril_indices(3, 4, -1).to(x.device),
        t.triu_indices(3, 4).to(x.device),
    ),
    "diagonals": lambda t, x, y: (
        x.diag(),
        x[0].diag(),
        t.diag(x, 1),
        t.diagonal(y, 0, 1, 2),
        y.diagonal(-1, 2, 0),
        t.diag_embed(x),
        x.diag_embed(1, 0, 2),
        t.diagflat(x),
        t.diag(x[1], -2),
    ),
    "block_diag": lambda t, x, y: (t.block_diag(x, x[0], x[:2]),),
    "meshgrid": lambda t, x, y: (
        *t.meshgrid(x[0], x[:, 0], indexing="ij"),
        *t.meshgrid(x[0], x[:, 0], y[0, 0, :2], indexing="xy"),
    ),
    "atleast": lambda t, x, y: (
        t.atleast_1d(x[0, 0]),
        t.atleast_2d(x[0]),
        t.atleast_3d(x[0]),
        t.atleast_3d(x),
        *t.atleast_2d(x[0, 0], x),
    ),
    "copies": lambda t, x, y: (x.clone(), x.T.contiguous(), t.clone(x[:, ::2]), x.contiguous()),
    "empty": lambda t, x, y: (
        x[:0].reshape(4, 0),
        x[:0].T,
        x[:0].repeat(2, 2),
        t.cat([x[:0], x[:0]], 1),
        t.stack([x[:0]] * 2),
        x[:0].flip(0),
        x[:, :0].tril(),
        x[:0].roll(1, 0),
    ),
}

def run(case, lib, place):
    """Values, and the gradients of x and y of their weighted sum."""
    rng = np.random.default_rng(0)
    leaves = [place(rng.standard_normal(shape)) for shape in ((3, 4), (2, 3, 4))]
    found = list(case(lib, *leaves))
    total = sum((v * place_like(v, rng, place)).sum() for v in found if v.requires_grad)
    total.backward()
    return found, [leaf.grad for leaf in leaves]


def place_like(v, rng, place):
    return place(rng.standard_normal(tuple(v.shape))).detach()


def on_host(a):
    return make(np.array(a)).requires_grad_()


def host(t):
    if t is None:
        return None
    return to_host(t.detach().array) if isinstance(t, tritonnet.Tensor) else t.detach().numpy()


def agree(found, expected):
    for f, e in zip((*found[0], *found[1]), (*expected[0], *expected[1]), strict=True):
        assert (f is None) == (e is None)
        if e is not None:
            f, e = host(f), host(e)
            assert (f.shape, f.dtype) == (e.shape, e.dtype)
            np.testing.assert_allclose(f, e, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("name", CASES)
def test_agrees_with_pytorch(name, torch):
    agree(
        run(CASES[name], tritonnet, on_host),
        run(CASES[name], torch, lambda a: torch.from_numpy(np.array(a)).requires_grad_()),
    )


@pytest.mark.parametrize("name", CASES)
def test_a_device_agrees_with_the_host(name, simulated):
    agree(
        run(CASES[name], tritonnet, lambda a: make(to_device(np.array(a), simulated)).requires_grad_()),
        run(CASES[name], tritonnet, on_host),
    )


def test_views_share_memory_and_history():
    x = tritonnet.zeros(3, 4)
    y = x * 1
    for view, count in (
        (y.view(12), 12),
        (y.t(), 12),
        (y[1:], 8),
        (y.diagonal(), 3),
        (y.expand(3, 4), 12),
        (y.unsqueeze(0).transpose(0, 2), 12),
        (y.unflatten(1, (2, 2)), 12),
        (y.narrow(1, 1, 2), 6),
    ):
        before = y.sum().item()
        view.add_(1)
        assert y.sum().item() == before + count


def test_diagonals_are_filled_in_place():
    x = tritonnet.ones(2, 3, requires_grad=True)
    y = (x * 2).fill_diagonal_(5.0)
    assert y.tolist() == [[5, 2, 2], [2, 5, 2]]
    y.sum().backward()
    assert x.grad.tolist() == [[0, 2, 2], [2, 0, 2]]


def test_reinterpreted_types():
    x = tritonnet.tensor([1.0, -2.0])
    assert x.view(tritonnet.int32).tolist() == [0x3F800000, -0x40000000]
    with pytest.raises(RuntimeError, match="equal size"):
        x.view(tritonnet.float64)


def test_channels_last():
    x = tritonnet.arange(24.0).reshape(1, 2, 3, 4)
    y = x.contiguous(memory_format=tritonnet.channels_last)
    assert y.stride() == (24, 1, 8, 2) and y.is_contiguous(memory_format=tritonnet.channels_last)
    assert (
        (y == x).all()
        and not y.is_contiguous()
        and x.clone(memory_format=tritonnet.channels_last).stride() == y.stride()
    )


def test_tensors_of_two_devices_do_not_join(simulated):
    x = tritonnet.zeros(2)
    with pytest.raises(RuntimeError, match="same device, but found at least two devices, cpu and cuda:0"):
        tritonnet.cat([x, x.cuda()])
