"""Generative models and other uses of gradients, written for PyTorch: with changed imports, the same numbers."""

import math
from collections import deque, namedtuple

import pytest

import tritonnet
from tests.tritonnet.conftest import agree, described


def diffusion(torch, drawn, filled):
    """A denoiser with time embeddings and a skip, its loss at random steps, an average of its weights, sampling."""
    nn, F = torch.nn, torch.nn.functional
    betas = torch.linspace(1e-4, 0.2, 8)
    kept = torch.cumprod(1.0 - betas, dim=0)
    before = F.pad(kept[:-1], (1, 0), value=1.0)
    variance = betas * (1.0 - before) / (1.0 - kept)

    def extract(a, t, shape):
        return a.gather(-1, t).reshape(t.shape[0], *((1,) * (len(shape) - 1)))

    def embedding(t, dim=8):
        half = dim // 2
        rates = torch.exp(torch.arange(half) * -(math.log(10000) / (half - 1)))
        angles = t[:, None] * rates[None, :]
        return torch.cat((angles.sin(), angles.cos()), dim=-1)

    class UNet(nn.Module):
        def __init__(self):
            super().__init__()
            self.time = nn.Sequential(nn.Linear(8, 8), nn.SiLU(), nn.Linear(8, 8))
            self.down, self.norm = nn.Conv2d(1, 8, 3, padding=1), nn.GroupNorm(2, 8)
            self.middle, self.up = nn.Conv2d(8, 8, 3, stride=2, padding=1), nn.Upsample(scale_factor=2, mode="nearest")
            self.out = nn.Conv2d(16, 1, 1)

        def forward(self, x, t):
            h = F.silu(self.norm(self.down(x) + self.time(embedding(t))[:, :, None, None]))
            return self.out(torch.cat([self.up(self.middle(h)), h], dim=1))

    model = filled(torch, UNet())
    average = torch.optim.swa_utils.AveragedModel(model, avg_fn=lambda a, b, n: 0.9 * a + 0.1 * b)
    optimizer, log = torch.optim.AdamW(model.parameters(), lr=1e-2), []
    for i in range(4):
        x, noise = drawn(torch, 3, 1, 6, 6, seed=i), drawn(torch, 3, 1, 6, 6, seed=i + 20)
        t = torch.tensor([i, 7 - i, 2 * i]) % 8
        noisy = extract(kept.sqrt(), t, x.shape) * x + extract((1.0 - kept).sqrt(), t, x.shape) * noise
        loss = F.smooth_l1_loss(model(noisy, t), noise)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
        average.update_parameters(model)
        log.append(loss.item())
    image = drawn(torch, 1, 1, 6, 6, seed=5)
    with torch.inference_mode():
        for i in reversed(range(8)):
            t = torch.full((1,), i, dtype=torch.long)
            mean = (1.0 - betas[i]).rsqrt() * (image - betas[i] * average(image, t) / (1.0 - kept[i]).sqrt())
            image = mean if i == 0 else mean + variance[i].sqrt() * drawn(torch, 1, 1, 6, 6, seed=i + 40)
    return log, image.clamp(-1, 1), variance


def normalising_flow(torch, drawn, filled):
    """Coupling layers with masks as buffers; a likelihood under torch.distributions; the inverse."""
    nn = torch.nn

    class Coupling(nn.Module):
        def __init__(self, mask):
            super().__init__()
            self.register_buffer("mask", mask)
            self.scale = nn.Sequential(nn.Linear(2, 6), nn.Tanh(), nn.Linear(6, 2), nn.Tanh())
            self.shift = nn.Sequential(nn.Linear(2, 6), nn.Tanh(), nn.Linear(6, 2))

        def forward(self, x):
            fixed = x * self.mask
            s, t = self.scale(fixed) * (1 - self.mask), self.shift(fixed) * (1 - self.mask)
            return fixed + (1 - self.mask) * (x * s.exp() + t), s.sum(-1)

        def inverse(self, y):
            fixed = y * self.mask
            s, t = self.scale(fixed) * (1 - self.mask), self.shift(fixed) * (1 - self.mask)
            return fixed + (1 - self.mask) * ((y - t) * (-s).exp())

    from importlib import import_module

    distributions = import_module(f"{torch.__name__}.distributions")
    base = distributions.Independent(distributions.Normal(torch.zeros(2), torch.ones(2)), 1)
    layers = filled(torch, nn.ModuleList(Coupling(torch.tensor([i % 2, 1 - i % 2]).float()) for i in range(4)))
    optimizer = torch.optim.Adam(layers.parameters(), lr=1e-2)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=6)
    log = []
    for i in range(6):
        z, total = drawn(torch, 16, 2, seed=i) * 2 + 1, 0
        for layer in layers:
            z, determinant = layer(z)
            total = total + determinant
        loss = -(base.log_prob(z) + total).mean()
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(layers.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        log += [loss.item(), schedule.get_last_lr()[0]]
    x = z
    for layer in reversed(layers):
        x = layer.inverse(x)
    return log, x.detach()


def style_transfer(torch, drawn, filled):
    """An image is what is trained: losses kept inside the network, Gram matrices, L-BFGS, frozen weights."""
    nn, F = torch.nn, torch.nn.functional

    def gram(x):
        a, b, c, d = x.size()
        features = x.view(a * b, c * d)
        return torch.mm(features, features.t()).div(a * b * c * d)

    class Loss(nn.Module):
        def __init__(self, target, of):
            super().__init__()
            self.of, self.target = of, of(target).detach()

        def forward(self, x):
            self.loss = F.mse_loss(self.of(x), self.target)
            return x

    layers = filled(torch, nn.Sequential(
        nn.Conv2d(3, 4, 3, padding=1), nn.ReLU(), nn.AvgPool2d(2), nn.Conv2d(4, 4, 3)))
    content, style = drawn(torch, 1, 3, 8, 8, low=0.0), drawn(torch, 1, 3, 8, 8, seed=3, low=0.0)
    model, losses = nn.Sequential(), []
    for i, layer in enumerate(layers.children()):
        model.add_module(f"layer_{i}", layer)
        if isinstance(layer, nn.Conv2d):
            losses.append((Loss(model(style), gram), 1e3))
            model.add_module(f"style_{i}", losses[-1][0])
    losses.append((Loss(model(content), lambda x: x), 1.0))
    model.add_module("content", losses[-1][0])
    model.eval().requires_grad_(False)
    image, log = content.clone().requires_grad_(True), []
    optimizer = torch.optim.LBFGS([image], max_iter=4)

    def closure():
        with torch.no_grad():
            image.clamp_(0, 1)
        optimizer.zero_grad()
        model(image)
        loss = sum(weight * part.loss for part, weight in losses)
        loss.backward()
        log.append(loss.item())
        return loss

    for _ in range(2):
        optimizer.step(closure)
    return log[:6], [name for name, _ in model.named_children()]


def q_learning(torch, drawn, filled):
    """A replay memory of namedtuples, states that may be None, a target network followed softly."""
    nn = torch.nn
    Transition = namedtuple("Transition", ("state", "action", "next_state", "reward"))

    def build():
        return nn.Sequential(nn.Linear(4, 16), nn.ReLU(), nn.Linear(16, 2))

    policy, target = filled(torch, build()), build()
    target.load_state_dict(policy.state_dict())
    optimizer, memory, log = torch.optim.AdamW(policy.parameters(), lr=1e-3, amsgrad=True), deque([], maxlen=8), []
    for i in range(10):
        following = None if i % 4 == 3 else drawn(torch, 1, 4, seed=i + 1)
        memory.append(Transition(drawn(torch, 1, 4, seed=i), torch.tensor([[i % 2]], dtype=torch.long), following,
                                 torch.tensor([float(i)])))
    for _ in range(4):
        batch = Transition(*zip(*memory))
        going_on = torch.tensor([s is not None for s in batch.next_state], dtype=torch.bool)
        states, actions, rewards = torch.cat(batch.state), torch.cat(batch.action), torch.cat(batch.reward)
        q = policy(states).gather(1, actions)
        values = torch.zeros(len(memory))
        with torch.no_grad():
            values[going_on] = target(torch.cat([s for s in batch.next_state if s is not None])).max(1).values
        loss = nn.SmoothL1Loss()(q, (values * 0.99 + rewards).unsqueeze(1))
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_value_(policy.parameters(), 100)
        optimizer.step()
        followed, leading = target.state_dict(), policy.state_dict()
        for key in leading:
            followed[key] = leading[key] * 0.05 + followed[key] * 0.95
        target.load_state_dict(followed)
        log += [loss.item(), policy(states).max(1).indices.view(1, -1).tolist()]
    return log, target[0].weight.detach()


def distillation(torch, drawn, filled):
    """A student learns a teacher's softened answers; activations by hooks; checkpointed blocks; a learning-rate finder
    that changes param_groups and goes back."""
    from copy import deepcopy
    from importlib import import_module

    nn, F = torch.nn, torch.nn.functional
    checkpoint = import_module(f"{torch.__name__}.utils.checkpoint").checkpoint
    block = nn.Sequential(nn.Linear(6, 12), nn.LayerNorm(12), nn.GELU())

    class Student(nn.Module):
        def __init__(self):
            super().__init__()
            self.block, self.head = block, nn.Linear(12, 4)

        def forward(self, x):
            return self.head(checkpoint(self.block, x, use_reentrant=False))

    teacher = filled(torch, nn.Sequential(nn.Linear(6, 24), nn.ReLU(), nn.Linear(24, 4))).eval()
    student = filled(torch, Student())
    hidden = []
    handle = teacher[1].register_forward_hook(lambda module, inputs, output: hidden.append(output.detach().mean()))
    optimizer, T, log = torch.optim.SGD(student.parameters(), lr=1e-3, momentum=0.9), 2.0, []

    def step(i):
        x, y = drawn(torch, 8, 6, seed=i), torch.arange(8) % 4
        with torch.no_grad():
            soft = F.softmax(teacher(x) / T, dim=-1)
        logits = student(x)
        kl = F.kl_div(F.log_softmax(logits / T, dim=-1), soft, reduction="batchmean") * T**2
        loss = 0.3 * kl + 0.7 * F.cross_entropy(logits, y, label_smoothing=0.1)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return loss.item()

    start = deepcopy((student.state_dict(), optimizer.state_dict()))
    for i in range(4):
        for group in optimizer.param_groups:
            group["lr"] = 1e-3 * 10 ** (i / 2)
        log.append(step(i))
    student.load_state_dict(start[0])
    optimizer.load_state_dict(start[1])
    log += [optimizer.param_groups[0]["lr"], *(step(i) for i in range(3))]
    handle.remove()
    return log, torch.stack(hidden), student.block[0].weight.grad


PROGRAMS = [diffusion, normalising_flow, style_transfer, q_learning, distillation]


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda f: f.__name__)
def test_a_program_for_pytorch_gives_the_same_numbers(alike, drawn, filled, program):
    alike(lambda torch: program(torch, drawn, filled), rtol=2e-3)


@pytest.mark.parametrize("program", [q_learning, distillation], ids=lambda f: f.__name__)
def test_a_program_gives_the_same_numbers_on_the_device(simulated, drawn, filled, program):
    host = described(program(tritonnet, drawn, filled))
    tritonnet.set_default_device("cuda")
    try:
        device = described(program(tritonnet, drawn, filled))
    finally:
        tritonnet.set_default_device(None)
    agree(device, host, rtol=2e-3)
