"""MNIST as fast as it goes: images on the device, whole training steps as one graph each, one cycle of the rate.

    python examples/mnist_speedrun.py                           # 99 % of the test set, in one epoch
    python examples/mnist_speedrun.py --recipe 99.5 --seeds 10  # 99.5 % on average

Prints where the time went. Training is what lies between the first step and the last, its end waited for, warm-up and
recording of the graph included; compiling kernels, which happens once per machine, is not, but is told.
"""

import statistics
import time

from options import parse
from tqdm import trange

import tritonnet as torch
import tritonnet.nn.functional as F
from tritonnet.utils.data import DeviceLoader
from tritonnet.vision.datasets.search import find_digits
from tritonnet.vision.models import cnn

BATCH, RATE, SMOOTHING = 256, 0.01, 0.05
SCALES = ((0.1307,), (0.3081,))                     # mean and standard deviation of MNIST's pixels
RECIPES = {"99": (1, 1, 1), "99.5": (6, 2, 5)}      # epochs; pixels by which images are shifted; views per test image
VIEWS = ((0, 0), (0, 1), (1, 0), (0, -1), (-1, 0))  # shifts of a test image, whose logits are added
TEST_BATCH = 1000


class Clock:
    """Seconds by what was done in them."""

    def __init__(self, device):
        self.device, self.last = device, time.perf_counter()
        self.parts = {"start Python, import": time.process_time()}  # of the processor, which is all that it took

    def lap(self, name):
        """What went on since the last lap was `name`; the device has finished it."""
        if self.device.type == "cuda":
            torch.cuda.synchronize()
        now = time.perf_counter()
        self.parts[name] = self.parts.get(name, 0) + now - self.last
        self.last = now


class Run:
    """One network trained from one seed, on loaders that stay on the device."""

    def __init__(self, data, seed, epochs, shift, device):
        torch.manual_seed(seed)
        self.device, ((images, labels), self.test_data) = device, data
        batch = min(BATCH, len(images) // 2)
        self.loader = DeviceLoader(images, labels, batch_size=batch, shuffle=True, drop_last=True, device=device,
                                   normalize=SCALES, shift=shift)
        self.model = torch.compile(cnn().to(device))
        self.optimizer = torch.optim.AdamW(self.model.parameters(), lr=RATE, weight_decay=0)
        self.steps = epochs * len(self.loader)
        self.schedule = torch.optim.lr_scheduler.OneCycleLR(self.optimizer, RATE, total_steps=self.steps)
        self.loss = torch.zeros((), device=device)
        self.step = torch.capture(self.eager_step)

    def eager_step(self):
        """A batch, forward, backward, update: nothing in it waits for the device."""
        images, labels = self.loader.next()
        loss = F.cross_entropy(self.model(images), labels, label_smoothing=SMOOTHING)
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()
        self.schedule.step()
        self.loss += loss.detach()

    def train(self):
        """All steps; returns the mean loss, the only number that is read."""
        self.model.train()
        for _ in trange(self.steps, unit="step", leave=False, disable=self.device.type == "cuda"):
            self.step()
        return self.loss.item() / self.steps

    def accuracy(self, views):
        """The part of the test images that is right, by the sum of the logits of so many shifted views of each."""
        self.model.eval()
        images, labels = self.test_data
        loader = DeviceLoader(images, labels, batch_size=min(TEST_BATCH, len(images)), device=self.device,
                              normalize=SCALES)
        with torch.no_grad():
            right = sum((self.logits(x, views).argmax(dim=1) == y).sum() for x, y in loader)
        return right.item() / len(images)

    def logits(self, x, views):
        """Of a batch; what is shifted in comes from the other edge, which is as empty."""
        return sum(self.model(torch.roll(x, shift, dims=(2, 3)) if any(shift) else x) for shift in VIEWS[:views])


def load(source, limit):
    """((images, labels) to train on, the same to test on); images (N, 1, 28, 28) of unsigned bytes."""
    parts = [source.load(train, limit=limit or None) for train in (True, False)]
    return [(part.data.unsqueeze(1), part.targets) for part in parts]


def main(argv=None):
    """Train `--seeds` networks; returns their mean test accuracy."""
    options = parse(__doc__, argv, recipe="99", seeds=1, data=None, limit=0)
    if options.recipe not in RECIPES:
        raise SystemExit(f"--recipe {options.recipe}: there are {', '.join(RECIPES)}")
    clock = Clock(options.device)
    source = find_digits(options.data)
    data = load(source, options.limit)
    clock.lap("read the data")
    torch.zeros(1, device=options.device)
    clock.lap("open the device")
    epochs, shift, views = RECIPES[options.recipe]
    if options.device.type == "cuda":  # a short run of everything: kernels are compiled, or read from their cache
        warm = Run([[part[:4 * BATCH] for part in parts] for parts in data], options.seed, 1, shift, options.device)
        warm.train()
        warm.accuracy(views)
        clock.lap("compile or load kernels")

    accuracies, seconds = [], []
    for seed in range(options.seed, options.seed + options.seeds):
        run = Run(data, seed, epochs, shift, options.device)
        clock.lap("build the network, upload")
        before = clock.parts.get("train", 0)
        loss = run.train()
        clock.lap("train")
        seconds.append(clock.parts["train"] - before)
        accuracies.append(run.accuracy(views))
        clock.lap("test")
        print(f"seed {seed}: {accuracies[-1]:.2%} of {source.name}'s test set, {seconds[-1]:.3f} s of training "
              f"({run.steps} steps, {1e6 * seconds[-1] / run.steps:.0f} us each), mean loss {loss:.4f}", flush=True)
    print("\nwhere the time went:")
    for name, spent in clock.parts.items():
        print(f"  {name:26} {spent:8.3f} s")
    mean = statistics.mean(accuracies)
    spread = f" +- {statistics.stdev(accuracies):.2%}" if len(accuracies) > 1 else ""
    print(f"\n{mean:.2%}{spread} on average over {len(accuracies)} seed(s), median {statistics.median(seconds):.3f} s "
          f"of training, on {options.device}")
    return mean


if __name__ == "__main__":
    main()
