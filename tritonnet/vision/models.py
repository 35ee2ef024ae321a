"""Networks for 28 x 28 digits; each takes (N, 1, 28, 28) and gives (N, 10) logits."""

from __future__ import annotations

from tritonnet import nn


def cnn():
    """Padless convolutions, 16 of 5 x 5 and 32 of 3 x 3, each pooled and batch-normalised, and two linear layers.

    Pooling comes before normalisation and ReLU, which then have a quarter of the work. 109 thousand parameters.
    """
    return nn.Sequential(
        nn.Conv2d(1, 16, 5), nn.MaxPool2d(2), nn.BatchNorm2d(16), nn.ReLU(),
        nn.Conv2d(16, 32, 3), nn.MaxPool2d(2), nn.BatchNorm2d(32), nn.ReLU(),
        nn.Flatten(), nn.Linear(800, 128), nn.BatchNorm1d(128), nn.ReLU(), nn.Linear(128, 10),
    )


def mlp():
    """Two hidden layers of 256 and 128. 236 thousand parameters."""
    return nn.Sequential(
        nn.Flatten(), nn.Linear(784, 256), nn.ReLU(), nn.Linear(256, 128), nn.ReLU(), nn.Linear(128, 10)
    )


class Conv32Conv64(nn.Module):
    """3 x 3 convolutions of 32 and 64 channels, one pooling, dropout, a hidden layer of 128. 1.2 million parameters.

    The network of PyTorch's basic MNIST example, as logits.
    """

    def __init__(self):
        super().__init__()
        self.conv1, self.conv2 = nn.Conv2d(1, 32, 3), nn.Conv2d(32, 64, 3)
        self.pool = nn.MaxPool2d(2)
        self.dropout1, self.dropout2 = nn.Dropout(0.25), nn.Dropout(0.5)
        self.fc1, self.fc2 = nn.Linear(9216, 128), nn.Linear(128, 10)

    def forward(self, x):
        x = self.pool(self.conv2(self.conv1(x).relu()).relu())
        x = self.fc1(self.dropout1(x).flatten(1)).relu()
        return self.fc2(self.dropout2(x))


class Conv10Conv20(nn.Module):
    """5 x 5 convolutions of 10 and 20 channels, each pooled, a hidden layer of 50. 22 thousand parameters."""

    def __init__(self):
        super().__init__()
        self.conv1, self.conv2 = nn.Conv2d(1, 10, 5), nn.Conv2d(10, 20, 5)
        self.pool, self.dropout2d, self.dropout = nn.MaxPool2d(2), nn.Dropout2d(0.5), nn.Dropout(0.5)
        self.fc1, self.fc2 = nn.Linear(320, 50), nn.Linear(50, 10)

    def forward(self, x):
        x = self.pool(self.conv1(x)).relu()
        x = self.pool(self.dropout2d(self.conv2(x))).relu()
        return self.fc2(self.dropout(self.fc1(x.flatten(1)).relu()))


MODELS = {"cnn": cnn, "mlp": mlp, "conv32-conv64": Conv32Conv64, "conv10-conv20": Conv10Conv20}
