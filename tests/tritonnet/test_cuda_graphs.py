"""torch.cuda's graphs: PyTorch's examples run, and do what they do without graphs."""

import numpy as np
import pytest

import tritonnet as tn
import tritonnet.nn.functional as F
from tritonnet import nn
from tritonnet.kernels import runtime

pytest.importorskip("triton", reason="runs Triton kernels")


@pytest.fixture
def gpu():
    """A simulated device whose pool caches, as on a GPU."""
    with runtime.simulated() as device:
        yield device


def test_a_whole_network_by_hand(gpu):
    """The example of PyTorch's notes on CUDA graphs, and the same without."""
    def run(graphed):
        tn.manual_seed(0)
        model = nn.Sequential(nn.Linear(5, 4), nn.Dropout(p=0.2), nn.Linear(4, 3), nn.Dropout(p=0.1)).cuda()
        optimizer = tn.optim.SGD(model.parameters(), lr=0.1)
        static_input, static_target = tn.randn(2, 5, device="cuda"), tn.randn(2, 3, device="cuda")

        def work():
            loss = F.mse_loss(model(static_input), static_target)
            loss.backward()
            optimizer.step()
            return loss

        s = tn.cuda.Stream()
        s.wait_stream(tn.cuda.current_stream())
        with tn.cuda.stream(s):
            for _ in range(2):
                optimizer.zero_grad(set_to_none=True)
                work()
        tn.cuda.current_stream().wait_stream(s)
        optimizer.zero_grad(set_to_none=True)
        g = tn.cuda.CUDAGraph()
        if graphed:
            assert not tn.cuda.is_current_stream_capturing()
            with tn.cuda.graph(g, pool=tn.cuda.graph_pool_handle()):
                assert tn.cuda.is_current_stream_capturing()
                static_loss = work()
        losses = []
        for i in range(3):
            static_input.copy_(tn.full((2, 5), float(i), device="cuda"))
            static_target.fill_(i)
            if graphed:
                g.replay()
                losses.append(static_loss.item())
            else:
                optimizer.zero_grad(set_to_none=True)
                losses.append(work().item())
        return losses, [p.tolist() for p in model.parameters()]

    assert run(True) == run(False)


def test_a_capture_without_the_context_manager(gpu):
    x = tn.ones(3, device="cuda")
    x.mul_(2)
    g = tn.cuda.CUDAGraph()
    with pytest.raises(RuntimeError, match="without a preceding successful capture"):
        g.replay()
    with pytest.raises(RuntimeError, match="capture_begin has not been called"):
        g.capture_end()
    g.capture_begin(pool=g.pool())
    x.mul_(2)
    g.capture_end()
    g.replay()
    g.replay()
    assert x.tolist() == [8.0] * 3
    g.reset()
    with pytest.raises(RuntimeError, match="without a preceding successful capture"):
        g.replay()


def test_what_spoils_a_capture_is_told_with_its_line(gpu):
    x, g = tn.ones(3, device="cuda"), tn.cuda.CUDAGraph()
    assert x.sum().item() == 3, "compiled"
    said = r"reads a value on the host .* at test_cuda_graphs.py:\d+: x\.sum"
    with pytest.raises(runtime.CaptureError, match=said), tn.cuda.graph(g):
        x.sum().item()
    with pytest.raises(KeyError, match="mine"), tn.cuda.graph(g):
        raise KeyError("mine")
    assert not tn.cuda.is_current_stream_capturing() and x.sum().item() == 3


class Two(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc, self.drop = nn.Linear(5, 4), nn.Dropout(0.5)

    def forward(self, x, scale):
        y = self.drop(self.fc(x))
        return y * scale, y.sum()


def test_graphed_callables(gpu):
    """A module with dropout and a loss function: gradients, training and eval, as without graphs."""
    def run(graphed):
        tn.manual_seed(1)
        first, head = Two().cuda(), nn.Linear(4, 3).cuda()
        loss_fn, place = F.mse_loss, {"device": "cuda"}
        x, scale = tn.randn(2, 5, **place), tn.randn(4, requires_grad=True, **place)
        h, y = (tn.randn(2, n, requires_grad=True, **place) for n in (4, 3))
        target = tn.randn(2, 3, **place)
        if graphed:
            first = tn.cuda.make_graphed_callables(first, (x.clone(), scale.detach().clone().requires_grad_()))
            head, loss_fn = tn.cuda.make_graphed_callables((head, loss_fn), ((h,), (y, target.clone())))
        tn.cuda.manual_seed(7)
        optimizer, seen = tn.optim.SGD([*first.parameters(), *head.parameters()], lr=0.1), []
        for i in range(3):
            optimizer.zero_grad()
            a, total = first(x + i, scale)
            loss = loss_fn(head(a), target)
            (loss + 0.1 * total).backward()
            optimizer.step()
            seen += [loss.item(), scale.grad.tolist(), first.fc.weight.grad.tolist()]
        first.eval()
        return [*seen, first(x, scale)[0].tolist(), list(first.state_dict())]

    expected, found = run(False), run(True)
    for a, b in zip(expected, found):
        np.testing.assert_array_equal(np.array(a), np.array(b))


def test_what_cannot_be_graphed(gpu):
    x = tn.ones(2, 5, device="cuda")
    with pytest.raises(TypeError, match="must contain only Tensors"):
        tn.cuda.make_graphed_callables(F.relu, (x, 2))
    with pytest.raises(TypeError, match="returns dict: expected tensors"):
        tn.cuda.make_graphed_callables(lambda x: {"a": x}, (x,))
    model = nn.Linear(5, 2).cuda()
    handle = model.register_forward_hook(lambda *_: None)
    with pytest.raises(RuntimeError, match="must not have hooks"):
        tn.cuda.make_graphed_callables(model, (x,))
    handle.remove()


@pytest.mark.parametrize("kind", ["Adam", "AdamW", "RMSprop", "Adagrad", "Adadelta", "Adamax", "NAdam", "RAdam", "ASGD",
                                  "Rprop"])
def test_capturable_is_accepted_where_pytorch_has_it(kind, torch):
    import inspect

    known = "capturable" in inspect.signature(getattr(torch.optim, kind)).parameters
    p = nn.Parameter(tn.ones(2))
    if known:
        assert getattr(tn.optim, kind)([p], capturable=True).param_groups[0]["capturable"] is True
    else:
        assert "capturable" not in inspect.signature(getattr(tn.optim, kind)).parameters
