"""XOR by a small MLP: sigmoid output, binary cross-entropy, SGD."""

from options import parse

import tritonnet as torch
import tritonnet.nn as nn


def main(argv=None):
    """Train; returns the number of cases that come out right."""
    options = parse(__doc__, argv, steps=2000)
    inputs = torch.tensor([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]], device=options.device)
    targets = torch.tensor([[0.0], [1.0], [1.0], [0.0]], device=options.device)

    model = nn.Sequential(nn.Linear(2, 8), nn.Tanh(), nn.Linear(8, 1), nn.Sigmoid()).to(options.device)
    criterion = nn.BCELoss()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.5)

    for step in range(options.steps):
        optimizer.zero_grad()
        loss = criterion(model(inputs), targets)
        loss.backward()
        optimizer.step()
        if step % 500 == 0:
            print(f"step {step:5d}  loss {loss.item():.4f}")

    with torch.no_grad():
        outputs = model(inputs)
    for x, y, p in zip(inputs.tolist(), targets.tolist(), outputs.tolist()):
        print(f"{x[0]:.0f} xor {x[1]:.0f} = {y[0]:.0f}, the network says {p[0]:.3f}")
    return int(((outputs > 0.5).float() == targets).sum().item())


if __name__ == "__main__":
    main()
