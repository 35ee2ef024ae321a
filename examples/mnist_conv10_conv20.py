"""MNIST by conv10k5 - pool - conv20k5 - pool - fc50: log_softmax and nll_loss."""

from digits import loaders
from mnist_mlp import evaluate
from options import parse

import tritonnet as torch
import tritonnet.nn as nn
import tritonnet.nn.functional as F


class Net(nn.Module):
    """22 thousand parameters; gives log-probabilities."""

    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(1, 10, kernel_size=5)
        self.conv2 = nn.Conv2d(10, 20, kernel_size=5)
        self.conv2_drop = nn.Dropout2d()
        self.fc1 = nn.Linear(320, 50)
        self.fc2 = nn.Linear(50, 10)

    def forward(self, x):
        x = F.relu(F.max_pool2d(self.conv1(x), 2))
        x = F.relu(F.max_pool2d(self.conv2_drop(self.conv2(x)), 2))
        x = F.relu(self.fc1(x.view(-1, 320)))
        x = F.dropout(x, training=self.training)
        return F.log_softmax(self.fc2(x), dim=1)


def main(argv=None):
    """Train; returns the test accuracy."""
    options = parse(__doc__, argv, epochs=3, batch_size=64, lr=0.01, momentum=0.5, data=None, limit=0)
    train_loader, test_loader = loaders(options.batch_size, options.data, options.limit)
    network = Net().to(options.device)
    optimizer = torch.optim.SGD(network.parameters(), lr=options.lr, momentum=options.momentum)

    accuracy = 0.0
    for epoch in range(options.epochs):
        network.train()
        for data, target in train_loader:
            optimizer.zero_grad()
            output = network(data.to(options.device))
            loss = F.nll_loss(output, target.to(options.device))
            loss.backward()
            optimizer.step()
        accuracy = evaluate(network, test_loader, options.device)
        print(f"epoch {epoch + 1}  loss of the last batch {loss.item():.4f}  test accuracy {accuracy:.2%}")
    return accuracy


if __name__ == "__main__":
    main()
