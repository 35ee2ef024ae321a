"""What `tritonnet train` does: an epoch, a test, a checkpoint from which everything goes on exactly."""

from __future__ import annotations

import sys
import time

import numpy as np

import tritonnet
from tritonnet import optim
from tritonnet.data import DataLoader
from tritonnet.nn import functional as F
from tritonnet.vision import transforms
from tritonnet.vision.models import MODELS

SHIFT = 2  # pixels
SMOOTHING = 0.05  # of labels
MEAN, STD = 0.1307, 0.3081  # of MNIST's training pixels
POINTS = 20  # of the loss curve, per epoch
TEST_BATCH = 500


class Training:
    """Model, optimizer, schedule and data, at the end of epoch number `epoch`.

    settings: model, optimizer, lr, batch_size, epochs, seed, limit.  saved: a checkpoint to go on from.
    """

    def __init__(self, source, device, settings, saved=None):
        self.device, self.settings, self.source_name = device, settings, source.name
        to_tensor = [transforms.ToTensor(), transforms.Normalize((MEAN,), (STD,))]
        shifted = transforms.Compose([transforms.RandomCrop(28, padding=SHIFT), *to_tensor])
        self.train_data = source.load(True, shifted, settings["limit"])
        self.test_data = source.load(False, transforms.Compose(to_tensor), settings["limit"])
        self.batch_size = min(settings["batch_size"], len(self.train_data))
        if self.batch_size == 1 and settings["model"] == "cnn":
            raise ValueError("batches of 1 image: the batch norm of the network cnn needs 2 at least (--batch-size, "
                             "--limit); the other networks have none (--model)")
        self.train_loader = DataLoader(self.train_data, self.batch_size, shuffle=True, drop_last=True)
        self.test_loader = DataLoader(self.test_data, TEST_BATCH)
        self.steps = len(self.train_loader)
        tritonnet.manual_seed(settings["seed"])
        self.model = MODELS[settings["model"]]().to(device)
        self.optimizer = make_optimizer(settings["optimizer"], self.model.parameters(), settings["lr"])
        self.scheduler = optim.lr_scheduler.OneCycleLR(
            self.optimizer, settings["lr"], total_steps=max(self.steps * settings["epochs"], 2), pct_start=0.3,
            cycle_momentum=settings["optimizer"] != "rmsprop",
        )
        self.epoch, self.history, self.seconds, self.logits = 0, [], 0.0, None
        self.between_epochs = True  # whether a checkpoint would be exact
        if saved is not None:
            self._restore(saved)

    @property
    def device_name(self):
        """The device in words."""
        if self.device.type == "cpu":
            return f"CPU, {tritonnet.get_num_threads()} threads"
        return f"{tritonnet.cuda.get_device_name(self.device)} ({self.device})"

    def run_epoch(self):
        """Train for one epoch, test, and return the new entry of `history`."""
        from tqdm import tqdm

        self.between_epochs = False
        self.model.train()
        losses, pending, start = [], [], time.perf_counter()
        label = f"epoch {self.epoch + 1}/{self.settings['epochs']}"
        quiet = sys.stderr is None  # closed by who started us
        with tqdm(total=self.steps, desc=label, unit="step", leave=False, dynamic_ncols=True, disable=quiet) as bar:
            for step, (images, targets) in enumerate(self.train_loader, 1):
                pending.append(self._step(images.to(self.device), targets.to(self.device)))
                if step * POINTS // self.steps > (step - 1) * POINTS // self.steps:  # reading waits for the device
                    losses.append((len(pending), float(np.mean([loss.item() for loss in pending]))))
                    bar.set_postfix(loss=f"{losses[-1][1]:.3f}", refresh=False)
                    bar.update(len(pending))
                    pending.clear()
        seconds = time.perf_counter() - start
        counts, means = zip(*losses)
        test_loss, accuracy = self.test()
        self.epoch += 1
        self.seconds += seconds
        self.history.append({
            "epoch": self.epoch, "train_loss": float(np.average(means, weights=counts)), "test_loss": test_loss,
            "test_accuracy": accuracy, "seconds": round(seconds, 3), "losses": [round(m, 5) for m in means],
        })
        self.between_epochs = True
        return self.history[-1]

    def _step(self, images, targets):
        """One step of training; returns the cross-entropy without smoothing, still on the device."""
        logits = self.model(images)
        loss = F.cross_entropy(logits, targets, label_smoothing=SMOOTHING)
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()
        self.scheduler.step()
        return F.cross_entropy(logits.detach(), targets)

    def test(self):
        """(mean loss, accuracy) on the test part; the logits stay in `logits`."""
        self.model.eval()
        with tritonnet.no_grad():
            logits = [self.model(images.to(self.device)).cpu() for images, _ in self.test_loader]
            self.logits = tritonnet.cat(logits)
            loss = F.cross_entropy(self.logits, self.test_data.targets).item()
        return loss, (self.logits.argmax(dim=1) == self.test_data.targets).float().mean().item()

    def save(self, path):
        """Write a checkpoint from which `Training(…, saved=)` goes on as if nothing had happened."""
        tritonnet.save({
            "settings": self.settings, "data": self.source_name, "epoch": self.epoch, "seconds": self.seconds,
            "history": self.history, "model": self.model.state_dict(), "optimizer": self.optimizer.state_dict(),
            "scheduler": self.scheduler.state_dict(), "rng": tritonnet.get_rng_state(),
            "cuda_rng": tritonnet.cuda.get_rng_state(self.device) if self.device.type == "cuda" else None,
            "version": tritonnet.__version__,
        }, path)

    def _restore(self, saved):
        """Go on from a checkpoint."""
        self.model.load_state_dict(saved["model"])
        self.optimizer.load_state_dict(saved["optimizer"])
        self.scheduler.load_state_dict(saved["scheduler"])
        tritonnet.set_rng_state(saved["rng"])
        if self.device.type == "cuda" and saved["cuda_rng"] is not None:
            tritonnet.cuda.set_rng_state(saved["cuda_rng"], self.device)
        self.epoch, self.history, self.seconds = saved["epoch"], saved["history"], saved["seconds"]


def make_optimizer(name, parameters, lr):
    """The optimizer of this name."""
    if name == "sgd":
        return optim.SGD(parameters, lr, momentum=0.9, nesterov=True, weight_decay=5e-4)
    if name == "rmsprop":
        return optim.RMSprop(parameters, lr)
    if name == "adam":
        return optim.Adam(parameters, lr, betas=(0.9, 0.95))
    return optim.AdamW(parameters, lr, betas=(0.9, 0.95), weight_decay=0.0)
