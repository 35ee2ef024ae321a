"""Language models as people write them for PyTorch: with changed imports only, the losses are the same."""

import math

import pytest


def word_language_model(torch, drawn, filled):
    """An LSTM with tied weights, truncated back-propagation, clipping and SGD by hand."""
    nn = torch.nn

    class Model(nn.Module):
        def __init__(self, words, width, layers):
            super().__init__()
            self.encoder = nn.Embedding(words, width)
            self.rnn = nn.LSTM(width, width, layers)
            self.decoder = nn.Linear(width, words)
            self.decoder.weight = self.encoder.weight
            self.layers, self.width = layers, width

        def forward(self, tokens, hidden):
            output, hidden = self.rnn(self.encoder(tokens), hidden)
            return nn.functional.log_softmax(self.decoder(output).view(-1, self.decoder.out_features), dim=1), hidden

        def init_hidden(self, batch):
            weight = next(self.parameters())
            return (weight.new_zeros(self.layers, batch, self.width), weight.new_zeros(self.layers, batch, self.width))

    text = (torch.arange(60) * 7 % 11).view(3, -1).t().contiguous()
    model, criterion = filled(torch, Model(11, 6, 2)), nn.NLLLoss()
    hidden, log = model.init_hidden(3), []
    for i in range(0, text.size(0) - 1, 5):
        length = min(5, len(text) - 1 - i)
        x, y = text[i:i + length], text[i + 1:i + 1 + length].reshape(-1)
        model.zero_grad()
        hidden = tuple(h.detach() for h in hidden)
        output, hidden = model(x, hidden)
        loss = criterion(output, y)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 0.25)
        for p in model.parameters():
            p.data.add_(p.grad, alpha=-2.0)
        log.append(loss.item())
    return log, list(model.state_dict())


def encoder_with_positions(torch, drawn, filled):
    """nn.TransformerEncoder with sinusoidal positions and a causal mask."""
    nn = torch.nn

    class PositionalEncoding(nn.Module):
        def __init__(self, width, longest=50):
            super().__init__()
            position = torch.arange(longest).unsqueeze(1)
            rates = torch.exp(torch.arange(0, width, 2) * (-math.log(10000.0) / width))
            pe = torch.zeros(longest, 1, width)
            pe[:, 0, 0::2] = torch.sin(position * rates)
            pe[:, 0, 1::2] = torch.cos(position * rates)
            self.register_buffer("pe", pe)

        def forward(self, x):
            return x + self.pe[: x.size(0)]

    class Model(nn.Module):
        def __init__(self):
            super().__init__()
            self.positions, self.embedding = PositionalEncoding(8), nn.Embedding(11, 8)
            layer = nn.TransformerEncoderLayer(8, 2, 16, dropout=0.0)
            self.encoder = nn.TransformerEncoder(layer, 2, enable_nested_tensor=False)
            self.linear = nn.Linear(8, 11)

        def forward(self, x):
            mask = nn.Transformer.generate_square_subsequent_mask(len(x)).to(x.device)
            return self.linear(self.encoder(self.positions(self.embedding(x) * math.sqrt(8)), mask))

    model, text = filled(torch, Model()), (torch.arange(24) * 5 % 11).view(8, 3)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.5)
    schedule = torch.optim.lr_scheduler.StepLR(optimizer, 1, gamma=0.95)
    log = []
    for _ in range(4):
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(model(text[:-1]).view(-1, 11), text[1:].reshape(-1))
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 0.5)
        optimizer.step()
        schedule.step()
        log += [loss.item(), schedule.get_last_lr()[0]]
    return log


def small_gpt(torch, drawn, filled):
    """Causal attention two ways, tied embeddings, AdamW with two groups, cosine decay, greedy generation."""
    nn, F = torch.nn, torch.nn.functional

    class Attention(nn.Module):
        def __init__(self, width, heads, longest):
            super().__init__()
            self.c_attn, self.c_proj, self.heads = nn.Linear(width, 3 * width), nn.Linear(width, width), heads
            self.register_buffer("bias", torch.tril(torch.ones(longest, longest)).view(1, 1, longest, longest))

        def forward(self, x):
            B, T, C = x.size()
            q, k, v = (t.view(B, T, self.heads, C // self.heads).transpose(1, 2)
                       for t in self.c_attn(x).split(C, dim=2))
            fused = F.scaled_dot_product_attention(q, k, v, is_causal=True)
            scores = (q @ k.transpose(-2, -1)) / math.sqrt(k.size(-1))
            scores = scores.masked_fill(self.bias[:, :, :T, :T] == 0, float("-inf"))
            by_hand = F.softmax(scores, dim=-1) @ v
            assert torch.allclose(fused, by_hand, atol=1e-5)
            return self.c_proj(by_hand.transpose(1, 2).contiguous().view(B, T, C))

    class Block(nn.Module):
        def __init__(self, width, heads, longest):
            super().__init__()
            self.ln_1, self.attn, self.ln_2 = nn.LayerNorm(width), Attention(width, heads, longest), nn.LayerNorm(width)
            self.mlp = nn.Sequential(nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width))

        def forward(self, x):
            x = x + self.attn(self.ln_1(x))
            return x + self.mlp(self.ln_2(x))

    class GPT(nn.Module):
        def __init__(self, words=11, longest=8, width=8):
            super().__init__()
            self.transformer = nn.ModuleDict(dict(
                wte=nn.Embedding(words, width), wpe=nn.Embedding(longest, width),
                h=nn.ModuleList([Block(width, 2, longest) for _ in range(2)]), ln_f=nn.LayerNorm(width)))
            self.lm_head = nn.Linear(width, words, bias=False)
            self.transformer.wte.weight = self.lm_head.weight
            self.longest = longest

        def forward(self, idx, targets=None):
            x = self.transformer.wte(idx) + self.transformer.wpe(torch.arange(idx.size(1), device=idx.device))
            for block in self.transformer.h:
                x = block(x)
            logits = self.lm_head(self.transformer.ln_f(x))
            if targets is None:
                return logits, None
            return logits, F.cross_entropy(logits.view(-1, logits.size(-1)), targets.view(-1), ignore_index=-1)

        @torch.no_grad()
        def generate(self, idx, steps):
            for _ in range(steps):
                logits, _ = self(idx[:, -self.longest:])
                logits = logits[:, -1, :] / 0.8
                v, _ = torch.topk(logits, 3)
                logits[logits < v[:, [-1]]] = -float("inf")
                idx = torch.cat((idx, F.softmax(logits, dim=-1).argmax(-1, keepdim=True)), dim=1)
            return idx

    model = filled(torch, GPT())
    named = {n: p for n, p in model.named_parameters() if p.requires_grad}
    optimizer = torch.optim.AdamW([{"params": [p for p in named.values() if p.dim() >= 2], "weight_decay": 0.1},
                                   {"params": [p for p in named.values() if p.dim() < 2], "weight_decay": 0.0}],
                                  lr=1e-2, betas=(0.9, 0.95))
    text, log = torch.arange(60) * 7 % 11, []
    for step in range(4):
        starts = [step * 3, step * 5 + 1]
        x = torch.stack([text[i:i + 8] for i in starts])
        y = torch.stack([text[i + 1:i + 9] for i in starts])
        for group in optimizer.param_groups:
            group["lr"] = 1e-2 * (1 + math.cos(math.pi * step / 4)) / 2
        _, loss = model(x, y)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        log.append(loss.item())
    model.eval()
    return log, list(model.state_dict())[:4], model.generate(torch.zeros((1, 1), dtype=torch.long), 6)


@pytest.mark.parametrize("program", [word_language_model, encoder_with_positions, small_gpt],
                         ids=lambda f: f.__name__)
def test_a_program_for_pytorch_gives_the_same_losses(alike, drawn, filled, program):
    alike(lambda torch: program(torch, drawn, filled), rtol=2e-3)
