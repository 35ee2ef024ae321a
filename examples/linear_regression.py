"""y = 3x + 2 from noisy points, by nn.Linear and SGD."""

from options import parse

import tritonnet as torch
import tritonnet.nn as nn


def main(argv=None):
    """Train; returns (weight, bias)."""
    options = parse(__doc__, argv, steps=300)
    x = torch.linspace(-1, 1, 100).reshape(100, 1).to(options.device)
    y = 3 * x + 2 + 0.1 * torch.randn(100, 1).to(options.device)

    model = nn.Linear(1, 1).to(options.device)
    criterion = nn.MSELoss()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)

    for step in range(options.steps):
        loss = criterion(model(x), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        if step % 100 == 0:
            print(f"step {step:4d}  loss {loss.item():.4f}")

    weight, bias = model.weight.item(), model.bias.item()
    print(f"y = {weight:.3f} x + {bias:.3f}")
    return weight, bias


if __name__ == "__main__":
    main()
