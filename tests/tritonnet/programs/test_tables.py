"""Programs on tables, graphs and games as people write them for PyTorch: with changed imports, the same numbers."""

import copy
import importlib
import io
from collections import namedtuple

import numpy as np
import pytest


def graph_networks(torch, drawn, filled):
    """A graph convolution and graph attention, a mask of training nodes, degrees by scatter."""
    nn, F = torch.nn, torch.nn.functional

    class GraphConv(nn.Module):
        def __init__(self, a, b):
            super().__init__()
            self.kernel, self.bias = nn.Parameter(torch.Tensor(a, b)), nn.Parameter(torch.empty(size=(b,)))
            nn.init.xavier_normal_(self.kernel)
            nn.init.zeros_(self.bias)

        def forward(self, x, adjacency):
            return torch.mm(adjacency, torch.mm(x, self.kernel)) + self.bias

    class Attention(nn.Module):
        def __init__(self, a, b, heads):
            super().__init__()
            self.heads, self.b = heads, b
            self.W, self.a = nn.Parameter(torch.empty(a, b * heads)), nn.Parameter(torch.empty(heads, 2 * b, 1))

        def forward(self, h, adjacency):
            n = h.shape[0]
            h = torch.mm(h, self.W).view(n, self.heads, self.b).permute(1, 0, 2)
            e = F.leaky_relu(torch.matmul(h, self.a[:, :self.b]) + torch.matmul(h, self.a[:, self.b:]).mT, 0.2)
            e = torch.where(adjacency > 0, e, -9e16 * torch.ones_like(e))
            return torch.matmul(F.softmax(e, dim=-1), h).permute(1, 0, 2).contiguous().view(n, self.heads * self.b)

    edges, n = torch.tensor([[0, 1], [1, 2], [2, 3], [3, 4], [4, 0], [1, 4]]), 5
    adjacency = torch.zeros(n, n)
    adjacency[edges[:, 0], edges[:, 1]] = 1
    adjacency = torch.maximum(adjacency, adjacency.t()) + torch.eye(n)
    d = torch.diag(adjacency.sum(1).pow(-0.5))
    normal = d @ adjacency @ d
    x, y, mask = drawn(torch, n, 6), torch.tensor([0, 1, 0, 1, 1]), torch.tensor([True, True, False, True, False])
    first, second, attention = (filled(torch, m) for m in (GraphConv(6, 4), GraphConv(4, 2), Attention(6, 3, 2)))
    optimizer = torch.optim.Adam([*first.parameters(), *second.parameters()], lr=0.05, weight_decay=5e-4)
    log = []
    for _ in range(4):
        optimizer.zero_grad()
        output = F.log_softmax(second(F.relu(first(x, normal)), normal), 1)
        loss = F.nll_loss(output[mask], y[mask])
        loss.backward()
        optimizer.step()
        log += [loss.item(), (output[~mask].argmax(1) == y[~mask]).float().mean().item()]
    i, j = adjacency.nonzero().t()
    degrees = torch.zeros(n).scatter_add_(0, i, adjacency[i, j])
    return log, attention(x, adjacency), degrees, torch.zeros(n, 6).index_add_(0, i, x[j])


def clusters_and_factors(torch, drawn, filled):
    """k-means, a nearest-neighbour vote, principal components, a matrix factorised with embeddings."""
    points = torch.cat([drawn(torch, 20, 2) + 3, drawn(torch, 20, 2, seed=1) - 3, drawn(torch, 10, 2, seed=2)])
    centres = points[[0, 25, 45]].clone()
    for _ in range(5):
        nearest = torch.cdist(points, centres).argmin(1)
        centres = torch.stack([points[nearest == k].mean(0) for k in range(3)])
    near = torch.cdist(points[:4], points[4:]).topk(5, largest=False).indices
    votes = torch.mode(nearest[4:][near], dim=1).values
    spread = torch.linalg.svdvals(points - points.mean(0))
    variances = torch.linalg.eigvalsh(torch.cov(points.T))
    nn = torch.nn
    users, items, biases = (filled(torch, nn.Embedding(n, k)) for n, k in ((5, 3), (6, 3), (5, 1)))
    optimizer = torch.optim.Adagrad([*users.parameters(), *items.parameters(), *biases.parameters()], lr=0.1)
    u, i, r = torch.LongTensor([0, 1, 2, 3, 4, 0]), torch.arange(5, -1, -1), torch.FloatTensor([5, 3, 4, 1, 2, 5])
    log = []
    for _ in range(4):
        loss = nn.functional.mse_loss((users(u) * items(i)).sum(1) + biases(u).squeeze(), r)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        log.append(loss.item())
    return nearest, centres, torch.bincount(nearest, minlength=3), votes, spread, variances, log


def logistic_regression(torch, drawn, filled):
    """By Newton's method and by L-BFGS; precision, recall and a confusion matrix."""
    x = torch.cat([torch.ones(20, 1), drawn(torch, 20, 2)], 1)
    y = (x[:, 1] + x[:, 2] > 0).float()
    w = torch.zeros(3)
    for _ in range(4):
        p = torch.sigmoid(x @ w)
        hessian = x.t() @ torch.diag(p * (1 - p)) @ x + 1e-2 * torch.eye(3)
        w = w - torch.linalg.solve(hessian, x.t() @ (p - y))
    v = torch.zeros(3, requires_grad=True)
    optimizer = torch.optim.LBFGS([v], max_iter=10, line_search_fn="strong_wolfe")

    def closure():
        optimizer.zero_grad()
        loss = torch.nn.functional.binary_cross_entropy_with_logits(x @ v, y) + 0.1 * v.pow(2).sum()
        loss.backward()
        return loss

    losses = [optimizer.step(closure).item() for _ in range(3)]
    predicted = (torch.sigmoid(x @ w) > 0.4).long()
    confusion = torch.zeros(2, 2, dtype=torch.int64)
    for t, p in zip(y.long(), predicted):
        confusion[t, p] += 1
    counted = torch.bincount(2 * y.long() + predicted, minlength=4).reshape(2, 2)
    assert torch.equal(confusion, counted)
    return w, losses, confusion, (confusion.diag() / confusion.sum(1)).tolist()


def actor_critic(torch, drawn, filled):
    """Categorical actions, returns discounted and normalised, a smooth L1 loss for the values."""
    nn, F = torch.nn, torch.nn.functional
    Categorical = importlib.import_module(f"{torch.__name__}.distributions").Categorical
    Saved = namedtuple("Saved", ["log_prob", "value"])

    class Policy(nn.Module):
        def __init__(self):
            super().__init__()
            self.affine, self.action, self.value = nn.Linear(4, 16), nn.Linear(16, 2), nn.Linear(16, 1)

        def forward(self, x):
            x = F.relu(self.affine(x))
            return F.softmax(self.action(x), dim=-1), self.value(x)

    model = filled(torch, Policy())
    optimizer, eps, log = torch.optim.Adam(model.parameters(), lr=3e-2), np.finfo(np.float32).eps.item(), []
    for episode in range(3):
        state, saved, rewards = np.ones(4, dtype=np.float32) * episode, [], []
        for t in range(5):
            probs, value = model(torch.from_numpy(state).float())
            m = Categorical(probs)
            assert m.sample().item() in (0, 1)
            action = torch.tensor((t + episode) % 2)
            saved.append(Saved(m.log_prob(action), value))
            state = state * 0.9 - 0.1 * action.item()
            rewards.append(float(state.sum()))
        R, returns = 0, []
        for reward in rewards[::-1]:
            R = reward + 0.99 * R
            returns.insert(0, R)
        returns = torch.tensor(returns)
        returns = (returns - returns.mean()) / (returns.std() + eps)
        policy = [-s.log_prob * (R - s.value.item()) for s, R in zip(saved, returns)]
        values = [F.smooth_l1_loss(s.value, torch.tensor([R])) for s, R in zip(saved, returns)]
        optimizer.zero_grad()
        loss = torch.stack(policy).sum() + torch.stack(values).sum()
        loss.backward()
        optimizer.step()
        log.append(loss.item())
    return log


def averages_and_checkpoints(torch, drawn, filled):
    """Accumulated gradients, clipped values, an average of weights, the best weights kept, training resumed."""
    nn = torch.nn

    def build():
        model = filled(torch, nn.Sequential(nn.Linear(3, 4, bias=False), nn.BatchNorm1d(4), nn.Tanh(), nn.Linear(4, 1)))
        optimizer = torch.optim.NAdam(model.parameters(), lr=0.01)
        return model, optimizer, torch.optim.lr_scheduler.CyclicLR(optimizer, 0.001, 0.01, 2, cycle_momentum=False)

    def train(model, optimizer, schedule, first, last, average=None):
        log = []
        for i in range(first, last):
            loss = nn.functional.mse_loss(model(drawn(torch, 6, 3, seed=i)), drawn(torch, 6, 1, seed=i + 50)) / 2
            loss.backward()
            if i % 2:
                nn.utils.clip_grad_value_(model.parameters(), 0.05)
                optimizer.step()
                schedule.step()
                optimizer.zero_grad(set_to_none=True)
                if average is not None:
                    average.update_parameters(model)
            log.append(loss.item())
        return log

    straight = build()
    average = torch.optim.swa_utils.AveragedModel(
        straight[0], multi_avg_fn=torch.optim.swa_utils.get_ema_multi_avg_fn(0.9))
    log = train(*straight, 0, 8, average)
    interrupted = build()
    train(*interrupted, 0, 4)
    file = io.BytesIO()
    torch.save({"epoch": 4, **{f"{i}": part.state_dict() for i, part in enumerate(interrupted)}}, file)
    file.seek(0)
    checkpoint = torch.load(file)
    resumed = build()
    for i, part in enumerate(resumed):
        part.load_state_dict(copy.deepcopy(checkpoint[f"{i}"]))
    again = train(*resumed, checkpoint["epoch"], 8)
    np.testing.assert_allclose(again, log[4:], rtol=1e-5)
    average.eval()
    wrong = build()[0].load_state_dict({"0.weight": torch.ones(4, 3), "extra": torch.ones(1)}, strict=False)
    return log, average(drawn(torch, 2, 3)), sorted(wrong.missing_keys)[:2], wrong.unexpected_keys


PROGRAMS = [graph_networks, clusters_and_factors, logistic_regression, actor_critic, averages_and_checkpoints]


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda f: f.__name__)
def test_a_program_for_pytorch_gives_the_same_numbers(alike, drawn, filled, program):
    alike(lambda torch: program(torch, drawn, filled), rtol=2e-3)
