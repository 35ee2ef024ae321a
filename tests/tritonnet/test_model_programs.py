"""Training of larger models as people write it for PyTorch: with changed imports only, the losses are the same.

As in test_programs.py, each is a function of the library.
"""

import pytest


def residual(torch, drawn, filled):
    """A residual network with batch norm, in-place ReLU and gradient clipping."""
    nn = torch.nn

    class Block(nn.Module):
        def __init__(self, inside, out, stride=1):
            super().__init__()
            self.conv1 = nn.Conv2d(inside, out, 3, stride, 1, bias=False)
            self.bn1 = nn.BatchNorm2d(out)
            self.relu = nn.ReLU(inplace=True)
            self.conv2 = nn.Conv2d(out, out, 3, 1, 1, bias=False)
            self.bn2 = nn.BatchNorm2d(out)
            self.downsample = None
            if stride != 1 or inside != out:
                self.downsample = nn.Sequential(nn.Conv2d(inside, out, 1, stride, bias=False), nn.BatchNorm2d(out))

        def forward(self, x):
            identity = x if self.downsample is None else self.downsample(x)
            y = self.relu(self.bn1(self.conv1(x)))
            y = self.bn2(self.conv2(y))
            y += identity
            return self.relu(y)

    model = filled(torch, nn.Sequential(
        nn.Conv2d(3, 8, 3, padding=1), nn.ReLU(True), Block(8, 8), Block(8, 16, 2), nn.AdaptiveAvgPool2d((1, 1)),
        nn.Flatten(), nn.Linear(16, 4)))
    x, y = drawn(torch, 6, 3, 8, 8), torch.tensor([0, 1, 2, 3, 0, 1])
    optimizer = torch.optim.SGD(model.parameters(), lr=0.02, momentum=0.9)
    log = []
    for _ in range(5):
        optimizer.zero_grad(set_to_none=True)
        loss = nn.functional.cross_entropy(model(x), y, label_smoothing=0.1)
        loss.backward()
        log.append(float(nn.utils.clip_grad_norm_(model.parameters(), max_norm=1.0)))
        optimizer.step()
        log.append(loss.item())
    model.eval()
    with torch.no_grad():
        log += model(x).softmax(1).sum(0).tolist()
    return log


def transformer(torch, drawn, filled):
    """Two attention blocks written by hand, embeddings, AdamW, causal language modelling."""
    nn, F = torch.nn, torch.nn.functional

    class Attention(nn.Module):
        def __init__(self, width, heads):
            super().__init__()
            self.heads = heads
            self.qkv = nn.Linear(width, 3 * width)
            self.project = nn.Linear(width, width)
            self.register_buffer("mask", torch.tril(torch.ones(16, 16)).view(1, 1, 16, 16))

        def forward(self, x):
            B, T, C = x.size()
            q, k, v = self.qkv(x).split(C, dim=2)
            q, k, v = (t.view(B, T, self.heads, C // self.heads).transpose(1, 2) for t in (q, k, v))
            scores = (q @ k.transpose(-2, -1)) * (1.0 / k.size(-1) ** 0.5)
            scores = scores.masked_fill(self.mask[:, :, :T, :T] == 0, float("-inf"))
            y = F.softmax(scores, dim=-1) @ v
            return self.project(y.transpose(1, 2).contiguous().view(B, T, C))

    class Block(nn.Module):
        def __init__(self, width):
            super().__init__()
            self.ln1, self.ln2 = nn.LayerNorm(width), nn.LayerNorm(width)
            self.attention = Attention(width, 2)
            self.mlp = nn.ModuleDict({
                "up": nn.Linear(width, 4 * width), "act": nn.GELU(), "down": nn.Linear(4 * width, width)})

        def forward(self, x):
            x = x + self.attention(self.ln1(x))
            return x + self.mlp.down(self.mlp.act(self.mlp.up(self.ln2(x))))

    class Model(nn.Module):
        def __init__(self, tokens, width):
            super().__init__()
            self.embed, self.position = nn.Embedding(tokens, width), nn.Embedding(16, width)
            self.blocks = nn.ModuleList([Block(width) for _ in range(2)])
            self.ln = nn.LayerNorm(width)
            self.head = nn.Linear(width, tokens, bias=False)
            self.head.weight = self.embed.weight

        def forward(self, tokens):
            x = self.embed(tokens) + self.position(torch.arange(tokens.size(1)))
            for block in self.blocks:
                x = block(x)
            return self.head(self.ln(x))

    model = filled(torch, Model(11, 8))
    decay = [p for p in model.parameters() if p.dim() >= 2]
    rest = [p for p in model.parameters() if p.dim() < 2]
    groups = [{"params": decay, "weight_decay": 0.1}, {"params": rest, "weight_decay": 0.0}]
    optimizer = torch.optim.AdamW(groups, lr=3e-3)
    tokens = (torch.arange(40).reshape(4, 10) * 3) % 11
    losses = []
    for _ in range(6):
        logits = model(tokens[:, :-1])
        loss = F.cross_entropy(logits.reshape(-1, logits.size(-1)), tokens[:, 1:].reshape(-1))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses


def recurrent(torch, drawn, filled):
    """A recurrent cell by hand, unrolled over time, with gradients clipped by value."""
    nn = torch.nn

    class RNN(nn.Module):
        def __init__(self, inputs, hidden, outputs):
            super().__init__()
            self.hidden_size = hidden
            self.i2h = nn.Linear(inputs + hidden, hidden)
            self.i2o = nn.Linear(inputs + hidden, outputs)
            self.softmax = nn.LogSoftmax(dim=1)

        def forward(self, x, hidden):
            combined = torch.cat((x, hidden), 1)
            return self.softmax(self.i2o(combined)), torch.tanh(self.i2h(combined))

        def initHidden(self):
            return torch.zeros(1, self.hidden_size)

    rnn = filled(torch, RNN(5, 7, 3))
    criterion = nn.NLLLoss()
    line = drawn(torch, 6, 1, 5)
    losses = []
    for _ in range(8):
        hidden = rnn.initHidden()
        rnn.zero_grad()
        for i in range(line.size()[0]):
            output, hidden = rnn(line[i], hidden)
        loss = criterion(output, torch.tensor([2], dtype=torch.long))
        loss.backward()
        nn.utils.clip_grad_value_(rnn.parameters(), 0.05)
        for p in rnn.parameters():
            p.data.add_(p.grad.data, alpha=-0.5)
        losses.append(loss.item())
    return losses


def gan(torch, drawn, filled):
    """Generator and discriminator in turn, with detach and two optimizers."""
    nn = torch.nn
    generator = filled(torch, nn.Sequential(
        nn.Linear(3, 8), nn.LeakyReLU(0.2, inplace=True), nn.Linear(8, 4), nn.Tanh()))
    judge = filled(torch, nn.Sequential(nn.Linear(4, 8), nn.LeakyReLU(0.2), nn.Linear(8, 1)))
    criterion = nn.BCEWithLogitsLoss()
    optimizers = [torch.optim.Adam(m.parameters(), lr=2e-2, betas=(0.5, 0.999)) for m in (generator, judge)]
    real = drawn(torch, 10, 4)
    log = []
    for i in range(6):
        noise = drawn(torch, 10, 3, seed=i)
        fake = generator(noise)
        optimizers[1].zero_grad()
        loss_judge = criterion(judge(real), torch.ones(10, 1)) + criterion(judge(fake.detach()), torch.zeros(10, 1))
        loss_judge.backward()
        optimizers[1].step()
        optimizers[0].zero_grad()
        loss_generator = criterion(judge(fake), torch.ones(10, 1))
        loss_generator.backward()
        optimizers[0].step()
        log += [loss_judge.item(), loss_generator.item()]
    return log


def fine_tuning(torch, drawn, filled):
    """A frozen body, a new head, gradients accumulated over two batches."""
    nn = torch.nn
    body = filled(torch, nn.Sequential(
        nn.Conv1d(2, 4, 3), nn.BatchNorm1d(4), nn.ReLU(), nn.AdaptiveAvgPool1d(2), nn.Flatten()))
    for p in body.parameters():
        p.requires_grad = False
    model = nn.Sequential(body, filled(torch, nn.Linear(8, 3)))
    model.train()
    body.eval()
    optimizer = torch.optim.Adam(filter(lambda p: p.requires_grad, model.parameters()), lr=0.1)
    losses = []
    for i in range(8):
        loss = nn.SmoothL1Loss()(model(drawn(torch, 5, 2, 9, seed=i)), drawn(torch, 5, 3, seed=i)) / 2
        loss.backward()
        if i % 2:
            optimizer.step()
            optimizer.zero_grad()
        losses.append(loss.item())
    return losses + [p.grad is None for p in body.parameters()]


def words(torch, drawn, filled):
    """A bag of words with padding, and dropout that is off."""
    nn = torch.nn

    class Classifier(nn.Module):
        def __init__(self):
            super().__init__()
            self.embedding = nn.Embedding(20, 6, padding_idx=0)
            self.fc = nn.Linear(6, 4)
            nn.init.zeros_(self.fc.bias)

        def forward(self, text):
            counts = (text != 0).sum(1, keepdim=True).clamp(min=1)
            return self.fc(self.embedding(text).sum(1) / counts)

    model = filled(torch, Classifier())
    text = torch.tensor([[1, 2, 3, 0], [4, 5, 0, 0], [6, 7, 8, 9], [19, 0, 0, 0]])
    optimizer = torch.optim.SGD(model.parameters(), lr=1.0)
    weight = torch.tensor([1.0, 2.0, 0.5, 1.0])
    losses = []
    for _ in range(8):
        loss = nn.CrossEntropyLoss(weight=weight)(model(text), torch.tensor([3, 2, 1, 0]))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses, model.embedding.weight[0].tolist()


PROGRAMS = [residual, transformer, recurrent, gan, fine_tuning, words]


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda p: p.__name__)
def test_a_program_for_pytorch_gives_the_same_losses(alike, drawn, filled, program):
    alike(lambda torch: program(torch, drawn, filled), rtol=1e-3)
