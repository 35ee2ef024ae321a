"""MNIST, or generated digits where there is none, as the two loaders of the MNIST examples."""

from tritonnet.utils.data import DataLoader
from tritonnet.vision import transforms
from tritonnet.vision.datasets.search import find_digits

transform = transforms.Compose([transforms.ToTensor(), transforms.Normalize((0.1307,), (0.3081,))])


def loaders(batch_size, data=None, limit=0):
    """(loader to train on, loader to test on). data: a folder with MNIST. limit: images of each part, 0 for all."""
    source = find_digits(data)
    print(f"data: {source.name}")
    train, test = (source.load(part, transform, limit or None) for part in (True, False))
    return DataLoader(train, batch_size=batch_size, shuffle=True), DataLoader(test, batch_size=500)
