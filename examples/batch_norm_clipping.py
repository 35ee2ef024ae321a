"""Two spirals told apart by a deep MLP: batch norm, gradient clipping, a step schedule."""

from options import parse

import tritonnet as torch
import tritonnet.nn as nn


def spirals(n, device):
    """n points on two spirals of one and a half turns each, and which spiral each is on."""
    which = torch.randint(0, 2, (n,))
    t = torch.rand(n).sqrt() * 3 * torch.pi
    angle = t + which.float() * torch.pi
    points = torch.stack([t * torch.cos(angle), t * torch.sin(angle)], dim=1) + 0.2 * torch.randn(n, 2)
    return points.to(device), which.to(device)


def main(argv=None):
    """Train; returns (accuracy on fresh points, largest norm that clipping has seen)."""
    options = parse(__doc__, argv, steps=300, depth=4)
    hidden = [layer for _ in range(options.depth) for layer in (nn.Linear(64, 64), nn.BatchNorm1d(64), nn.ReLU())]
    model = nn.Sequential(nn.Linear(2, 64), nn.BatchNorm1d(64), nn.ReLU(), *hidden, nn.Linear(64, 2)).to(options.device)
    criterion = nn.CrossEntropyLoss()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9, weight_decay=1e-4)
    scheduler = torch.optim.lr_scheduler.StepLR(optimizer, step_size=100, gamma=0.3)

    largest = 0.0
    for step in range(options.steps):
        points, which = spirals(256, options.device)
        loss = criterion(model(points), which)
        optimizer.zero_grad()
        loss.backward()
        norm = nn.utils.clip_grad_norm_(model.parameters(), max_norm=1.0)
        largest = max(largest, norm.item())
        optimizer.step()
        scheduler.step()
        if step % 100 == 0:
            lr = scheduler.get_last_lr()[0]
            print(f"step {step:4d}  loss {loss.item():.4f}  gradient norm {norm.item():.2f}  lr {lr:g}")

    model.eval()  # batch norm now uses its running statistics
    points, which = spirals(2000, options.device)
    with torch.no_grad():
        accuracy = (model(points).argmax(dim=1) == which).float().mean().item()
    print(f"{accuracy:.1%} of fresh points are right; the largest gradient norm was {largest:.2f}")
    return accuracy, largest


if __name__ == "__main__":
    main()
