"""What single layers do beyond their formula: running statistics, tables, random numbers, initial values."""

import math

import numpy as np

import tritonnet
from tritonnet import nn


def test_batch_norm_without_history_loads_old_files(alike, drawn):
    def program(torch):
        layer = torch.nn.BatchNorm1d(3)
        state = {k: v for k, v in layer.state_dict().items() if k != "num_batches_tracked"}
        return repr(layer.load_state_dict(state)), layer.num_batches_tracked

    alike(program)


def test_batch_norm_counts_and_averages(alike, drawn):
    def program(torch):
        layer = torch.nn.BatchNorm2d(3, momentum=None)
        for i in range(3):
            layer(drawn(torch, 4, 3, 2, 2, seed=i))
        state = dict(layer.state_dict())
        layer.reset_running_stats()
        return {k: v * 1 for k, v in state.items()}, dict(layer.state_dict())

    alike(program, rtol=1e-4)


def test_embedding(alike, drawn):
    def program(torch, **options):
        layer = torch.nn.Embedding(7, 3, **options)
        with torch.no_grad():
            layer.weight.copy_(drawn(torch, 7, 3) * 3)
        y = layer(torch.tensor([[1, 2, 2], [0, 6, 1]]))
        (y * drawn(torch, 2, 3, 3)).sum().backward()
        return repr(layer), y * 1, layer.weight.grad, layer.weight.detach()

    alike(program)
    alike(lambda torch: program(torch, padding_idx=2))
    alike(lambda torch: program(torch, padding_idx=-1))
    alike(lambda torch: program(torch, scale_grad_by_freq=True))
    alike(lambda torch: program(torch, max_norm=1.0))
    alike(lambda torch: program(torch, max_norm=1.5, norm_type=1.0))
    alike(lambda torch: torch.nn.Embedding(4, 2)(torch.tensor([9])), types_only=True)
    alike(lambda torch: torch.nn.Embedding(4, 2)(torch.tensor([1.0])))
    alike(lambda torch: repr(torch.nn.Embedding.from_pretrained(torch.ones(3, 2), padding_idx=1)))
    alike(lambda torch: torch.nn.Embedding.from_pretrained(torch.ones(3, 2))(torch.tensor([1, 2])))
    alike(lambda torch: torch.nn.Embedding.from_pretrained(torch.ones(3)))
    assert (nn.Embedding(4, 2, padding_idx=1).weight[1] == 0).all()


def test_losses_as_modules(alike, drawn):
    def program(torch):
        nn = torch.nn
        x, y = drawn(torch, 4, 5), torch.tensor([1, 4, 0, 2])
        p, q = drawn(torch, 4, 5, low=0.1, high=0.9), (drawn(torch, 4, 5, seed=3) > 0).float()
        weight = torch.arange(5.0)
        made = {
            nn.L1Loss(): (x, q), nn.MSELoss(reduction="sum"): (x, q), nn.SmoothL1Loss(beta=0.3): (x, q),
            nn.HuberLoss(delta=0.3): (x, q), nn.KLDivLoss(reduction="batchmean"): (x, p),
            nn.KLDivLoss(reduction="sum", log_target=True): (x, x * 2), nn.NLLLoss(weight, ignore_index=4): (x, y),
            nn.CrossEntropyLoss(weight, label_smoothing=0.1): (x, y), nn.BCELoss(weight, reduction="none"): (p, q),
            nn.BCEWithLogitsLoss(weight, pos_weight=weight): (x, q), nn.MSELoss(size_average=False): (x, q),
        }
        return [(repr(loss), loss.reduction, list(loss.state_dict()), loss(*given)) for loss, given in made.items()]

    alike(program)


def test_default_initialisations():
    tritonnet.manual_seed(0)
    for layer, fan_in in ((nn.Linear(400, 300), 400), (nn.Conv2d(16, 64, 5), 400), (nn.Conv1d(80, 64, 5), 400)):
        bound = 1 / math.sqrt(fan_in)
        for parameter in layer.parameters():
            values = parameter.detach().numpy()
            assert np.abs(values).max() <= bound and np.abs(values).max() > 0.9 * bound
            assert abs(values.mean()) < 0.2 * bound
            assert values.size < 1000 or abs(values.std() - bound / math.sqrt(3)) < 0.02 * bound
    values = nn.Embedding(100, 200).weight.detach().numpy()
    assert abs(values.mean()) < 0.03 and abs(values.std() - 1) < 0.03
    for norm in (nn.BatchNorm2d(5), nn.LayerNorm(5), nn.GroupNorm(1, 5)):
        assert (norm.weight == 1).all() and (norm.bias == 0).all()
    tritonnet.manual_seed(3)
    first = nn.Linear(3, 3).weight
    tritonnet.manual_seed(3)
    assert (nn.Linear(3, 3).weight == first).all()


def test_dropout_drops_and_scales():
    tritonnet.manual_seed(0)
    x = tritonnet.ones(200, 100)
    y = nn.Dropout(0.25)(x)
    dropped = (y == 0).float().mean().item()
    assert abs(dropped - 0.25) < 0.02 and set(np.unique(y.numpy().round(4))) == {np.float32(0), np.float32(1.3333)}
    assert nn.Dropout(0.25).eval()(x) is x and (nn.Dropout(1.0)(x) == 0).all()
    planes = nn.Dropout2d(0.5)(tritonnet.ones(50, 20, 3, 3)).numpy()
    assert ((planes == 0).all((2, 3)) | (planes == 2).all((2, 3))).all() and 0.4 < (planes == 0).mean() < 0.6
    channels = nn.Dropout1d(0.5)(tritonnet.ones(200, 9)).numpy()
    assert ((channels == 0).all(1) | (channels == 2).all(1)).all()
    tritonnet.manual_seed(1)
    z = tritonnet.randn(400, 400)
    dropped = nn.AlphaDropout(0.3)(z)
    assert abs(dropped.mean().item()) < 0.02 and abs(dropped.std().item() - 1) < 0.02
    assert (nn.AlphaDropout(1.0)(x) == 0).all()
    leaf = tritonnet.ones(1000, requires_grad=True)
    y = nn.Dropout(0.5)(leaf)
    y.sum().backward()
    assert (leaf.grad == y.detach()).all()
    y = nn.Dropout(0.5, inplace=True)(x)
    assert y is x and (x == 0).any()


def test_random_leaky_relu_stays_between_its_slopes():
    x = -tritonnet.ones(100)
    y = nn.RReLU(0.1, 0.4)(x)
    assert -0.4 <= y.min().item() < y.max().item() <= -0.1
    assert (nn.RReLU(0.1, 0.3).eval()(x) + 0.2).abs().max().item() < 1e-6
    assert nn.RReLU(inplace=True)(x) is x


def test_a_custom_layer_and_loss_run_as_in_pytorch(alike, drawn, filled):
    def program(torch):
        nn = torch.nn

        class Gate(nn.Module):
            def __init__(self, size):
                super().__init__()
                self.inner = nn.Linear(size, size)
                self.amount = nn.Parameter(torch.tensor(0.5))

            def forward(self, x):
                return x + self.amount * torch.sigmoid(self.inner(x)) * x

        class Focal(nn.Module):
            def __init__(self, gamma=2.0):
                super().__init__()
                self.gamma = gamma

            def forward(self, logits, target):
                p = nn.functional.log_softmax(logits, dim=1).exp()
                p = p.gather(1, target.unsqueeze(1)).squeeze(1)
                return (-((1 - p) ** self.gamma) * torch.log(p)).mean()

        m = filled(torch, nn.Sequential(Gate(4), Gate(4)))
        loss = Focal()(m(drawn(torch, 6, 4)), torch.tensor([0, 1, 2, 3, 0, 1]))
        loss.backward()
        return loss * 1, [p.grad for p in m.parameters()]

    alike(program)
