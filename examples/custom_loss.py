"""A loss of one's own as nn.Module: the focal loss (Lin et al. 2017), for a class that one sample in twenty has.

    loss = -(1 - p)^gamma log p,  p the probability of the true class: easy samples count little
"""

from options import parse

import tritonnet as torch
import tritonnet.nn as nn
import tritonnet.nn.functional as F


class FocalLoss(nn.Module):
    """logits: (N,).  target: (N,) of 0.0 or 1.0.  weight: of the samples of class 1."""

    def __init__(self, gamma=2.0, weight=1.0):
        super().__init__()
        self.gamma, self.weight = gamma, weight

    def forward(self, logits, target):
        error = F.binary_cross_entropy_with_logits(logits, target, reduction="none")
        p = torch.exp(-error)
        weight = torch.where(target == 1, self.weight, 1.0)
        return (weight * (1 - p) ** self.gamma * error).mean()


def rings(n, device):
    """Points around the origin, the rare ones in a ring of radius 2, the others inside and outside of it."""
    rare = torch.rand(n) < 0.05
    angle = 2 * torch.pi * torch.rand(n)
    inner = torch.rand(n) < 0.5
    radius = torch.where(rare, 2.0, torch.where(inner, 1.0, 3.0)) + 0.15 * torch.randn(n)
    points = torch.stack([radius * torch.cos(angle), radius * torch.sin(angle)], dim=1)
    return points.to(device), rare.float().to(device)


def main(argv=None):
    """Train; returns (part of the rare class found, part of the found that is of it)."""
    options = parse(__doc__, argv, steps=400)
    points, target = rings(2000, options.device)
    model = nn.Sequential(nn.Linear(2, 32), nn.ReLU(), nn.Linear(32, 32), nn.ReLU(), nn.Linear(32, 1))
    model.to(options.device)
    criterion = FocalLoss(gamma=2.0, weight=4.0)
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
    for step in range(options.steps):
        loss = criterion(model(points).squeeze(1), target)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        if step % 100 == 0:
            print(f"step {step:4d}  loss {loss.item():.4f}")

    fresh, truth = rings(2000, options.device)
    with torch.no_grad():
        found = (model(fresh).squeeze(1) > 0).float()
    hits = (found * truth).sum().item()
    recall, precision = hits / truth.sum().item(), hits / max(found.sum().item(), 1)
    print(f"of the rare class {recall:.0%} are found; of those found {precision:.0%} are right")
    return recall, precision


if __name__ == "__main__":
    main()
