"""MNIST by conv32 - conv64 - pool - dropout - fc128: SGD with momentum."""

from digits import loaders
from mnist_mlp import evaluate
from options import parse

import tritonnet as torch
import tritonnet.nn as nn
import tritonnet.nn.functional as F


class Net(nn.Module):
    """1.2 million parameters."""

    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(1, 32, kernel_size=3)
        self.conv2 = nn.Conv2d(32, 64, kernel_size=3)
        self.dropout1 = nn.Dropout(0.25)
        self.dropout2 = nn.Dropout(0.5)
        self.fc1 = nn.Linear(64 * 12 * 12, 128)
        self.fc2 = nn.Linear(128, 10)

    def forward(self, x):
        x = F.relu(self.conv1(x))
        x = F.relu(self.conv2(x))
        x = F.max_pool2d(x, 2)
        x = torch.flatten(self.dropout1(x), 1)
        x = F.relu(self.fc1(x))
        return self.fc2(self.dropout2(x))


def main(argv=None):
    """Train; returns the test accuracy."""
    options = parse(__doc__, argv, epochs=3, batch_size=64, lr=0.02, momentum=0.9, data=None, limit=0)
    train_loader, test_loader = loaders(options.batch_size, options.data, options.limit)
    model = Net().to(options.device)
    optimizer = torch.optim.SGD(model.parameters(), lr=options.lr, momentum=options.momentum)

    accuracy = 0.0
    for epoch in range(options.epochs):
        model.train()
        for step, (images, labels) in enumerate(train_loader):
            images, labels = images.to(options.device), labels.to(options.device)
            optimizer.zero_grad()
            loss = F.cross_entropy(model(images), labels)
            loss.backward()
            optimizer.step()
            if step % 200 == 0:
                print(f"epoch {epoch + 1}  image {step * options.batch_size:5d}  loss {loss.item():.4f}")
        accuracy = evaluate(model, test_loader, options.device)
        print(f"epoch {epoch + 1}  test accuracy {accuracy:.2%}")
    return accuracy


if __name__ == "__main__":
    main()
