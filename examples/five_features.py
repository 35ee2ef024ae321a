"""Five features of very different scales, one target: mini-batches from a TensorDataset, standardised inputs, Adam."""

from options import parse

import tritonnet as torch
import tritonnet.nn as nn
from tritonnet.utils.data import DataLoader, TensorDataset, random_split

WEIGHTS = [0.5, -20.0, 0.01, 3.0, 0.0]
SCALES = [10.0, 0.1, 1000.0, 1.0, 5.0]
BIAS = 7.0


def main(argv=None):
    """Train; returns (the weights found, the error on held-out samples)."""
    options = parse(__doc__, argv, epochs=20)
    features = torch.randn(1000, 5) * torch.tensor(SCALES)
    targets = features @ torch.tensor(WEIGHTS).reshape(5, 1) + BIAS + 0.1 * torch.randn(1000, 1)

    mean, std = features.mean(dim=0), features.std(dim=0)
    dataset = TensorDataset((features - mean) / std, targets)
    train, held_out = random_split(dataset, [0.8, 0.2])
    loader = DataLoader(train, batch_size=50, shuffle=True)

    model = nn.Linear(5, 1).to(options.device)
    optimizer = torch.optim.Adam(model.parameters(), lr=0.1)
    criterion = nn.MSELoss()
    for epoch in range(options.epochs):
        total = 0.0
        for x, y in loader:
            loss = criterion(model(x.to(options.device)), y.to(options.device))
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            total += loss.item() * len(x)
        if epoch % 5 == 4:
            print(f"epoch {epoch + 1:2d}  loss {total / len(train):.4f}")

    with torch.no_grad():
        x, y = next(iter(DataLoader(held_out, batch_size=len(held_out))))
        error = criterion(model(x.to(options.device)), y.to(options.device)).item()
    found = (model.weight.detach().cpu()[0] / std).tolist()
    print("weights", [round(w, 3) for w in found], f"held-out error {error:.4f}, of which 0.01 is noise")
    return found, error


if __name__ == "__main__":
    main()
