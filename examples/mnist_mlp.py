"""MNIST by a multi-layer perceptron: Adam and cross-entropy."""

from digits import loaders
from options import parse

import tritonnet as torch
import tritonnet.nn as nn


def evaluate(model, loader, device):
    """The part of the loader's images that the model gets right."""
    model.eval()
    correct = 0
    with torch.no_grad():
        for images, labels in loader:
            predicted = model(images.to(device)).argmax(dim=1).cpu()
            correct += (predicted == labels).sum().item()
    return correct / len(loader.dataset)


def main(argv=None):
    """Train; returns the test accuracy."""
    options = parse(__doc__, argv, epochs=3, batch_size=64, lr=1e-3, data=None, limit=0)
    train_loader, test_loader = loaders(options.batch_size, options.data, options.limit)

    model = nn.Sequential(
        nn.Flatten(),
        nn.Linear(28 * 28, 128), nn.ReLU(),
        nn.Linear(128, 10),
    ).to(options.device)
    criterion = nn.CrossEntropyLoss()
    optimizer = torch.optim.Adam(model.parameters(), lr=options.lr)

    accuracy = 0.0
    for epoch in range(options.epochs):
        model.train()
        for images, labels in train_loader:
            loss = criterion(model(images.to(options.device)), labels.to(options.device))
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        accuracy = evaluate(model, test_loader, options.device)
        print(f"epoch {epoch + 1}  loss of the last batch {loss.item():.4f}  test accuracy {accuracy:.2%}")
    return accuracy


if __name__ == "__main__":
    main()
