"""One program on tritonnet, on the host or a device, and on PyTorch, and whether the results are the same."""

from __future__ import annotations

import numpy as np

from tritonnet.autograd.function import make
from tritonnet.kernels.arrays import to_device, to_host


class Library:
    """tritonnet on some device, or PyTorch: what the programs below ask of either."""

    def __init__(self, tensor, host):
        self.tensor, self.host = tensor, host

    def leaf(self, array):
        return self.tensor(array).requires_grad_()


OURS = Library(lambda a: make(np.array(a)), lambda t: to_host(t.detach().array))


def ours_on(device):
    return Library(lambda a: make(to_device(np.array(a), device)), OURS.host)


def theirs(torch):
    return Library(lambda a: torch.from_numpy(np.array(a)), lambda t: t.detach().numpy())


def attempt(program, *args):
    """What a program returns, or the exception it raises."""
    try:
        return program(*args)
    except (IndexError, RuntimeError, ValueError, TypeError) as error:
        return error


def agree(found, expected, what):
    if isinstance(expected, Exception):
        assert type(found) is type(expected), f"{what}: {found!r}, expected {expected!r}"
        return
    assert not isinstance(found, Exception), f"{what}: {found!r}"
    for f, e in zip(found, expected, strict=True):
        assert f.shape == e.shape, what
        np.testing.assert_allclose(f, e, rtol=1e-12, atol=1e-12, err_msg=what)
