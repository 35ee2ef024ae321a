"""Short programs as people write them for PyTorch: with changed imports only, they give the same losses.

Each is a function of the library; `filled` gives both the same initial weights, `drawn` the same data.
"""

import io

import pytest


def xor(torch, drawn, filled):
    """A small MLP learns XOR with BCE."""
    nn = torch.nn
    x = torch.tensor([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]])
    y = torch.tensor([[0.0], [1.0], [1.0], [0.0]])
    model = filled(torch, nn.Sequential(nn.Linear(2, 8), nn.Tanh(), nn.Linear(8, 1), nn.Sigmoid()))
    criterion = nn.BCELoss()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.5)
    losses = []
    for _ in range(60):
        optimizer.zero_grad()
        loss = criterion(model(x), y)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses


def polynomial_by_hand(torch, drawn, filled):
    """A third-order polynomial fitted to a sine, gradients by autograd, updates by hand."""
    x = torch.linspace(-3.0, 3.0, 200)
    y = torch.sin(x)
    a, b, c, d = (torch.full((), v, requires_grad=True) for v in (0.1, -0.2, 0.05, 0.01))
    losses = []
    for _ in range(30):
        loss = (a + b * x + c * x**2 + d * x**3 - y).pow(2).sum()
        losses.append(loss.item())
        loss.backward()
        with torch.no_grad():
            for weight in (a, b, c, d):
                weight -= 1e-5 * weight.grad
                weight.grad = None
    return losses


def regression(torch, drawn, filled):
    """y = 3x + 2 with a module of one's own."""

    class LinearRegression(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.linear = torch.nn.Linear(1, 1)

        def forward(self, x):
            return self.linear(x)

    x = drawn(torch, 50, 1)
    y = 3 * x + 2
    model = filled(torch, LinearRegression())
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9, nesterov=True)
    losses = []
    for _ in range(25):
        loss = torch.nn.MSELoss()(model(x), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(float(loss))
    return losses


def images(torch, drawn, n):
    x = drawn(torch, n, 1, 28, 28, low=0.0)
    return x, (torch.arange(n) * 7) % 10


def mlp_with_loader(torch, drawn, filled):
    """An MLP on flattened images, Adam, a DataLoader, a scheduler, accuracy."""
    nn, F = torch.nn, torch.nn.functional
    data = torch.utils.data.TensorDataset(*images(torch, drawn, 48))
    loader = torch.utils.data.DataLoader(data, batch_size=20, shuffle=False)

    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.fc1 = nn.Linear(28 * 28, 32)
            self.fc2 = nn.Linear(32, 10)

        def forward(self, x):
            x = x.view(-1, 28 * 28)
            return self.fc2(F.relu(self.fc1(x)))

    model = filled(torch, Net())
    criterion = nn.CrossEntropyLoss()
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
    scheduler = torch.optim.lr_scheduler.StepLR(optimizer, step_size=1, gamma=0.5)
    log = []
    for _ in range(3):
        model.train()
        for _batch, (data, target) in enumerate(loader):
            optimizer.zero_grad()
            loss = criterion(model(data), target)
            loss.backward()
            optimizer.step()
            log.append(loss.item())
        scheduler.step()
        model.eval()
        correct = 0
        with torch.no_grad():
            for data, target in loader:
                correct += model(data).argmax(dim=1, keepdim=True).eq(target.view_as(
                    model(data).argmax(dim=1, keepdim=True))).sum().item()
        log += [correct, optimizer.param_groups[0]["lr"]]
    return log


def cnn(torch, drawn, filled):
    """conv32, conv64, pool, fc128, log_softmax and nll_loss; Adadelta's place taken by SGD with momentum."""
    nn, F = torch.nn, torch.nn.functional

    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv1 = nn.Conv2d(1, 8, 3, 1)
            self.conv2 = nn.Conv2d(8, 16, 3, 1)
            self.dropout1 = nn.Dropout(0.0)
            self.fc1 = nn.Linear(2304, 32)
            self.fc2 = nn.Linear(32, 10)

        def forward(self, x):
            x = F.relu(self.conv1(x))
            x = F.relu(self.conv2(x))
            x = F.max_pool2d(x, 2)
            x = self.dropout1(x)
            x = torch.flatten(x, 1)
            x = F.relu(self.fc1(x))
            return F.log_softmax(self.fc2(x), dim=1)

    model = filled(torch, Net())
    for p in model.parameters():
        p.data.mul_(0.1)
    x, y = images(torch, drawn, 6)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.05, momentum=0.5, weight_decay=1e-4)
    losses = []
    for _ in range(6):
        optimizer.zero_grad()
        loss = F.nll_loss(model(x), y)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses


def old_cnn(torch, drawn, filled):
    """conv10k5, conv20k5 and Variable, as programs of PyTorch 0.3 had it."""
    nn, F = torch.nn, torch.nn.functional

    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv1 = nn.Conv2d(1, 10, kernel_size=5)
            self.conv2 = nn.Conv2d(10, 20, kernel_size=5)
            self.conv2_drop = nn.Dropout2d(p=0.0)
            self.fc1 = nn.Linear(320, 50)
            self.fc2 = nn.Linear(50, 10)

        def forward(self, x):
            x = F.relu(F.max_pool2d(self.conv1(x), 2))
            x = F.relu(F.max_pool2d(self.conv2_drop(self.conv2(x)), 2))
            x = x.view(-1, 320)
            x = F.relu(self.fc1(x))
            x = F.dropout(x, training=self.training and False)
            return F.log_softmax(self.fc2(x), dim=1)

    model = filled(torch, Net())
    for p in model.parameters():
        p.data *= 0.2
    x, y = (torch.autograd.Variable(t) for t in images(torch, drawn, 5))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01, momentum=0.5)
    losses = []
    for _ in range(5):
        optimizer.zero_grad()
        loss = F.nll_loss(model(x), y, size_average=False)
        loss.backward()
        optimizer.step()
        losses.append(loss.data.item())
    return losses


def own_function(torch, drawn, filled):
    """A differentiable function of one's own inside a model."""

    class Legendre(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            ctx.save_for_backward(x)
            return 0.5 * (5 * x**3 - 3 * x)

        @staticmethod
        def backward(ctx, dy):
            (x,) = ctx.saved_tensors
            return dy * 1.5 * (5 * x**2 - 1)

    x = torch.linspace(-1, 1, 100)
    a = torch.nn.Parameter(torch.tensor(0.3))
    b = torch.nn.Parameter(torch.tensor(-0.5))
    optimizer = torch.optim.RMSprop([a, b], lr=0.05)
    losses = []
    for _ in range(15):
        loss = (a + b * Legendre.apply(x) - torch.sin(3 * x)).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses


def resumed(torch, drawn, filled):
    """Training interrupted by saving and loading a checkpoint of everything."""
    nn = torch.nn

    def make():
        model = filled(torch, nn.Sequential(nn.Linear(4, 8), nn.BatchNorm1d(8), nn.ELU(), nn.Linear(8, 2)))
        optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
        return model, optimizer, torch.optim.lr_scheduler.ExponentialLR(optimizer, gamma=0.9)

    def train(model, optimizer, scheduler, steps):
        for i in steps:
            optimizer.zero_grad()
            loss = nn.functional.huber_loss(model(drawn(torch, 6, 4, seed=i)), drawn(torch, 6, 2, seed=i))
            loss.backward()
            optimizer.step()
            scheduler.step()
            losses.append(loss.item())

    losses = []
    model, optimizer, scheduler = make()
    train(model, optimizer, scheduler, range(4))
    file = io.BytesIO()
    torch.save({"epoch": 4, "model_state_dict": model.state_dict(), "optimizer_state_dict": optimizer.state_dict(),
                "scheduler": scheduler.state_dict(), "loss": losses[-1]}, file)
    file.seek(0)
    checkpoint = torch.load(file, map_location=torch.device("cpu"))
    model, optimizer, scheduler = make()
    model.load_state_dict(checkpoint["model_state_dict"])
    optimizer.load_state_dict(checkpoint["optimizer_state_dict"])
    scheduler.load_state_dict(checkpoint["scheduler"])
    train(model, optimizer, scheduler, range(checkpoint["epoch"], 8))
    return losses


PROGRAMS = [xor, polynomial_by_hand, regression, mlp_with_loader, cnn, old_cnn, own_function, resumed]


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda p: p.__name__)
def test_a_program_for_pytorch_gives_the_same_losses(alike, drawn, filled, program):
    alike(lambda torch: program(torch, drawn, filled), rtol=1e-3)
