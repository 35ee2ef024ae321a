"""Models of images as people write them for PyTorch: with changed imports only, the losses are the same."""

import pytest


def dcgan(torch, drawn, filled):
    """Transposed convolutions against convolutions, batch norm, BCE, two Adams."""
    nn = torch.nn
    generator = filled(torch, nn.Sequential(
        nn.ConvTranspose2d(8, 16, 4, 1, 0, bias=False), nn.BatchNorm2d(16), nn.ReLU(True),
        nn.ConvTranspose2d(16, 8, 4, 2, 1, bias=False), nn.BatchNorm2d(8), nn.ReLU(True),
        nn.ConvTranspose2d(8, 1, 4, 2, 1, bias=False), nn.Tanh()))
    discriminator = filled(torch, nn.Sequential(
        nn.Conv2d(1, 4, 4, 2, 1, bias=False), nn.LeakyReLU(0.2, inplace=True),
        nn.Conv2d(4, 8, 4, 2, 1, bias=False), nn.BatchNorm2d(8), nn.LeakyReLU(0.2, inplace=True),
        nn.Conv2d(8, 1, 4, 1, 0, bias=False), nn.Sigmoid(), nn.Flatten(0)))
    criterion = nn.BCELoss()
    optimizers = [torch.optim.Adam(m.parameters(), lr=0.002, betas=(0.5, 0.999)) for m in (discriminator, generator)]
    log = []
    for i in range(3):
        discriminator.zero_grad()
        label = torch.full((4,), 1.0)
        real = criterion(discriminator(drawn(torch, 4, 1, 16, 16, seed=i)), label)
        real.backward()
        fake = generator(drawn(torch, 4, 8, 1, 1, seed=i + 9))
        label.fill_(0)
        made = criterion(discriminator(fake.detach()), label)
        made.backward()
        optimizers[0].step()
        generator.zero_grad()
        label.fill_(1)
        fooled = criterion(discriminator(fake), label)
        fooled.backward()
        optimizers[1].step()
        log += [(real + made).item(), fooled.item()]
    return log, repr(generator)


def unet(torch, drawn, filled):
    """Down, up by interpolation and by transposed convolution, skip connections, dice loss."""
    nn, F = torch.nn, torch.nn.functional

    def double(a, b):
        return nn.Sequential(
            nn.Conv2d(a, b, 3, padding=1), nn.GroupNorm(2, b), nn.SiLU(), nn.Conv2d(b, b, 3, padding=1))

    class UNet(nn.Module):
        def __init__(self):
            super().__init__()
            self.down1, self.down2, self.middle = double(1, 4), double(4, 8), double(8, 8)
            self.up = nn.ConvTranspose2d(8, 8, 2, stride=2)
            self.up2, self.up1, self.head = double(16, 8), double(12, 4), nn.Conv2d(4, 1, 1)

        def forward(self, x):
            a = self.down1(x)
            b = self.down2(F.max_pool2d(a, 2))
            c = self.up(self.middle(F.avg_pool2d(b, 2)))
            b = self.up2(torch.cat([b, c], dim=1))
            b = F.interpolate(b, scale_factor=2, mode="bilinear", align_corners=False)
            return self.head(self.up1(torch.cat([a, b], dim=1)))

    model = filled(torch, UNet())
    x, y = drawn(torch, 2, 1, 8, 8), (drawn(torch, 2, 1, 8, 8, seed=3) > 0).float()
    optimizer = torch.optim.RMSprop(model.parameters(), lr=1e-3, momentum=0.9)
    schedule = torch.optim.lr_scheduler.ReduceLROnPlateau(optimizer, "max", patience=0)
    log = []
    for _ in range(3):
        logits = model(x)
        p = torch.sigmoid(logits)
        dice = 1 - (2 * (p * y).sum((1, 2, 3)) + 1) / (p.sum((1, 2, 3)) + y.sum((1, 2, 3)) + 1)
        loss = F.binary_cross_entropy_with_logits(logits, y) + dice.mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step(dice.mean())
        log.append(loss.item())
    return log


def families(torch, drawn, filled):
    """Blocks of VGG, MobileNet, DenseNet, Inception and squeeze-and-excitation; initialisation by kind of module."""
    nn, F = torch.nn, torch.nn.functional

    class Inverted(nn.Module):
        def __init__(self, a, b, stride, expand):
            super().__init__()
            self.shortcut, h = stride == 1 and a == b, a * expand
            self.conv = nn.Sequential(
                nn.Conv2d(a, h, 1, bias=False), nn.BatchNorm2d(h), nn.ReLU6(inplace=True),
                nn.Conv2d(h, h, 3, stride, 1, groups=h, bias=False), nn.BatchNorm2d(h), nn.ReLU6(inplace=True),
                nn.Conv2d(h, b, 1, bias=False), nn.BatchNorm2d(b))

        def forward(self, x):
            return x + self.conv(x) if self.shortcut else self.conv(x)

    class Dense(nn.ModuleDict):
        def __init__(self, layers, a, growth):
            super().__init__()
            for i in range(layers):
                self.add_module(f"denselayer{i + 1}", nn.Sequential(
                    nn.BatchNorm2d(a + i * growth), nn.ReLU(), nn.Conv2d(a + i * growth, growth, 3, padding=1)))

        def forward(self, x):
            features = [x]
            for _, layer in self.items():
                features.append(layer(torch.cat(features, 1)))
            return torch.cat(features, 1)

    class Inception(nn.Module):
        def __init__(self, a):
            super().__init__()
            self.b1, self.b3 = nn.Conv2d(a, 2, 1), nn.Sequential(nn.Conv2d(a, 2, 1), nn.Conv2d(2, 3, 3, padding=1))
            self.pool = nn.Sequential(nn.MaxPool2d(3, 1, padding=1, ceil_mode=True), nn.Conv2d(a, 2, (1, 1)))
            self.fc = nn.Sequential(nn.Linear(7, 3, bias=False), nn.ReLU(inplace=True), nn.Linear(3, 7), nn.Sigmoid())

        def forward(self, x):
            y = torch.cat([self.b1(x), self.b3(x), self.pool(x)], 1)
            b, c, _, _ = y.size()
            return y * self.fc(F.adaptive_avg_pool2d(y, 1).view(b, c)).view(b, c, 1, 1).expand_as(y)

    def init_weights(m):
        if isinstance(m, nn.Conv2d):
            nn.init.kaiming_normal_(m.weight, mode="fan_out", nonlinearity="relu")
        elif isinstance(m, (nn.BatchNorm2d, nn.GroupNorm)):
            nn.init.constant_(m.weight, 1)
            nn.init.constant_(m.bias, 0)

    vgg = []
    for width, inside in ((4, 3), (8, 4)):
        vgg += [nn.Conv2d(inside, width, 3, padding=1), nn.BatchNorm2d(width), nn.ReLU(inplace=True),
                nn.MaxPool2d(2, 2)]
    mobile = [nn.Conv2d(3, 4, 3, 2, 1), Inverted(4, 4, 1, 2), Inverted(4, 8, 2, 3)]
    bodies = [(nn.Sequential(*vgg), 8), (nn.Sequential(*mobile), 8), (Dense(2, 3, 4), 11), (Inception(3), 7)]
    log = []
    for body, width in bodies:
        model = nn.Sequential(body, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Dropout(0.0), nn.Linear(width, 5))
        model.apply(init_weights)
        assert all(bool((m.weight == 1).all()) for m in model.modules() if isinstance(m, nn.BatchNorm2d))
        filled(torch, model)
        optimizer = torch.optim.SGD(model.parameters(), lr=0.01, momentum=0.9, weight_decay=1e-4, nesterov=True)
        for i in range(2):
            optimizer.zero_grad()
            loss = F.cross_entropy(model(drawn(torch, 4, 3, 8, 8, seed=i)), torch.tensor([0, 1, 2, 3]))
            loss.backward()
            optimizer.step()
            log.append(loss.item())
        model.eval()
        log += model(drawn(torch, 1, 3, 8, 8)).flatten().tolist()
        log.append(sum(p.numel() for p in model.parameters() if p.requires_grad))
    return log


def siamese_and_super_resolution(torch, drawn, filled):
    """Shared convolutions with a triplet loss and Adadelta; sub-pixel convolution with hooks on its features."""
    nn = torch.nn
    features = filled(torch, nn.Sequential(
        nn.Conv2d(1, 4, 3), nn.PReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(36, 6)))
    optimizer = torch.optim.Adadelta(features.parameters(), lr=1.0)
    schedule = torch.optim.lr_scheduler.StepLR(optimizer, step_size=1, gamma=0.7)
    loss_of, log = nn.TripletMarginLoss(margin=1.0, p=2), []
    for i in range(3):
        anchor, positive, negative = (features(drawn(torch, 4, 1, 8, 8, seed=3 * i + k)) for k in range(3))
        loss = loss_of(anchor, positive, negative)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
        log += [loss.item(), nn.functional.cosine_similarity(anchor, positive).mean().item()]
    net = filled(torch, nn.Sequential(
        nn.Conv2d(1, 8, 5, 1, 2), nn.ReLU(), nn.Conv2d(8, 4, 3, 1, 1), nn.PixelShuffle(2)))
    seen = {}
    handle = net[1].register_forward_hook(lambda module, inputs, output: seen.update(relu=output.detach()))
    optimizer = torch.optim.Adam(net.parameters(), lr=0.01)
    for _ in range(2):
        loss = nn.MSELoss()(net(drawn(torch, 2, 1, 6, 6)), drawn(torch, 2, 1, 12, 12))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        log += [loss.item(), seen["relu"].mean().item()]
    handle.remove()
    return log


@pytest.mark.parametrize("program", [dcgan, unet, families, siamese_and_super_resolution], ids=lambda f: f.__name__)
def test_a_program_for_pytorch_gives_the_same_losses(alike, drawn, filled, program):
    alike(lambda torch: program(torch, drawn, filled), rtol=2e-3)
