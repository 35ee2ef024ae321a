"""The loss of connectionist temporal classification, as PyTorch's, and against finite differences."""

import numpy as np
import pytest

import tritonnet
from tritonnet.autograd.gradcheck import gradcheck

TARGETS = [[1, 2, 2, 3], [3, 3, 1, 0], [4, 0, 0, 0]]
CALLS = [
    "F.ctc_loss(p, t, [9, 8, 5], [4, 3, 1])", "F.ctc_loss(p, t, [9, 8, 5], [4, 3, 1], reduction='none')",
    "F.ctc_loss(p, t, torch.tensor([9, 9, 9]), torch.tensor([4, 3, 1]), reduction='sum')",
    "F.ctc_loss(p, torch.tensor([1, 2, 2, 3, 3, 3, 1, 4]), (9, 8, 5), (4, 3, 1))",
    "F.ctc_loss(p, t, [3, 8, 5], [4, 3, 1], reduction='none')",
    "F.ctc_loss(p, t, [3, 8, 5], [4, 3, 1], zero_infinity=True)",
    "F.ctc_loss(p, t, [9, 8, 5], [4, 3, 0], reduction='none')", "F.ctc_loss(p, t - 1, [9, 8, 5], [4, 3, 1], blank=4)",
    "F.ctc_loss(p[:, 0], t[0], [9], [4])", "torch.nn.CTCLoss(zero_infinity=True)(p, t, [9, 8, 5], [4, 3, 1])",
    "F.ctc_loss(p.double(), t, [9, 8, 5], [4, 3, 1])",
]
MISTAKES = ["F.ctc_loss(p, t, [10, 8, 5], [4, 3, 1])", "F.ctc_loss(p, t, [9, 8], [4, 3, 1])",
            "F.ctc_loss(p, t, [9, 8, 5], [4, 3, 1], blank=5)", "F.ctc_loss(p, t[:, :3], [9, 8, 5], [4, 3, 1])",
            "F.ctc_loss(p, t, [9, 8, 5], [4, 3, 1], reduction='x')"]


@pytest.mark.parametrize("text", CALLS)
def test_the_loss_and_its_gradient(alike, drawn, text):
    def program(torch):
        x, t = drawn(torch, 9, 3, 5, low=-2.0, high=2.0).requires_grad_(), torch.tensor(TARGETS)
        p = torch.nn.functional.log_softmax(x, -1)
        found = eval(text, {"F": torch.nn.functional, "p": p, "t": t, "torch": torch})
        if found.isfinite().all():
            (found * torch.arange(1, found.numel() + 1).reshape(found.shape)).sum().backward()
        return found, x.grad

    alike(program, rtol=1e-4)


@pytest.mark.parametrize("text", MISTAKES)
def test_mistakes(alike, drawn, text):
    def program(torch):
        p = torch.nn.functional.log_softmax(drawn(torch, 9, 3, 5), -1)
        return eval(text, {"F": torch.nn.functional, "p": p, "t": torch.tensor(TARGETS), "torch": torch})

    alike(program, types_only=True)


def test_the_gradient_agrees_with_finite_differences():
    def loss(x):
        return tritonnet.nn.functional.ctc_loss(x.log_softmax(-1), tritonnet.tensor(TARGETS), [9, 8, 5], [4, 3, 1])

    x = tritonnet.tensor(np.random.default_rng(0).standard_normal((9, 3, 5))).requires_grad_()
    assert gradcheck(loss, (x,), rtol=1e-5, atol=1e-7)


def test_on_the_simulated_device(drawn):
    x = drawn(tritonnet, 9, 3, 5).requires_grad_()
    targets = tritonnet.tensor(TARGETS)
    expected = tritonnet.nn.functional.ctc_loss(x.log_softmax(-1), targets, [9, 8, 5], [4, 3, 1])
    expected.backward()
    with tritonnet.cuda.simulated():
        there = x.detach().cuda().requires_grad_()
        found = tritonnet.nn.functional.ctc_loss(there.log_softmax(-1), targets.cuda(), [9, 8, 5], [4, 3, 1])
        found.backward()
        np.testing.assert_allclose(found.item(), expected.item(), rtol=1e-5)
        np.testing.assert_allclose(there.grad.cpu().numpy(), x.grad.numpy(), rtol=1e-4, atol=1e-6)
