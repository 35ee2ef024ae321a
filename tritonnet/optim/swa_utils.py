"""Averages of weights over training: stochastic weight averaging and exponential moving averages.

Source: Izmailov et al. 2018, Polyak & Juditsky 1992.
"""

from __future__ import annotations

import copy
from itertools import chain

import tritonnet
from tritonnet.autograd.mode import no_grad
from tritonnet.nn.modules.batchnorm import _BatchNorm
from tritonnet.nn.modules.module import Module
from tritonnet.optim.lr_scheduler import LRScheduler, each_group
from tritonnet.optim.one_cycle import cosine, linear

__all__ = ["SWALR", "AveragedModel", "get_ema_avg_fn", "get_ema_multi_avg_fn", "get_swa_avg_fn", "get_swa_multi_avg_fn",
           "update_bn"]


def get_ema_avg_fn(decay=0.999):
    """avg_fn of an exponential moving average: decay averaged + (1 - decay) current."""
    if not 0 <= decay <= 1:
        raise ValueError(f"Invalid decay value {decay} provided. Please provide a value in [0,1] range.")

    @no_grad()
    def average(averaged, current, n_averaged):
        return decay * averaged + (1 - decay) * current

    return average


def get_swa_avg_fn():
    """avg_fn of the plain mean: averaged + (current - averaged) / (n + 1)."""

    @no_grad()
    def average(averaged, current, n_averaged):
        return averaged + (current - averaged) / (n_averaged + 1)

    return average


def _of_many(average):
    @no_grad()
    def update(averaged, current, n_averaged):
        for a, c in zip(averaged, current):
            a.copy_(average(a, c, n_averaged))

    return update


def get_ema_multi_avg_fn(decay=0.999):
    """multi_avg_fn of an exponential moving average: changes a list of tensors in place."""
    return _of_many(get_ema_avg_fn(decay))


def get_swa_multi_avg_fn():
    """multi_avg_fn of the plain mean: changes a list of tensors in place."""
    return _of_many(get_swa_avg_fn())


class AveragedModel(Module):
    """A copy of a model, `module`, whose parameters are averages over the calls of update_parameters.

    avg_fn(averaged, current, n): the new average; multi_avg_fn: the same for lists, in place; the mean by default.
    use_buffers: buffers are averaged too, not copied.
    """

    def __init__(self, model, device=None, avg_fn=None, multi_avg_fn=None, use_buffers=False):
        super().__init__()
        if avg_fn is not None and multi_avg_fn is not None:
            raise AssertionError("Only one of avg_fn and multi_avg_fn should be provided")
        self.module = copy.deepcopy(model)
        if device is not None:
            self.module = self.module.to(device)
        self.register_buffer("n_averaged", tritonnet.tensor(0, device=device))
        self.avg_fn, self.multi_avg_fn, self.use_buffers = avg_fn, multi_avg_fn, use_buffers

    def forward(self, *args, **kwargs):
        return self.module(*args, **kwargs)

    @no_grad()
    def update_parameters(self, model):
        """Take the model's parameters into the average."""

        def averaged(m):
            return [t.detach() for t in (chain(m.parameters(), m.buffers()) if self.use_buffers else m.parameters())]

        mine = averaged(self.module)
        theirs = [t.to(a.device) for t, a in zip(averaged(model), mine)]
        n = int(self.n_averaged)
        if n == 0:
            _of_many(lambda a, c, n: c)(mine, theirs, n)
        elif self.multi_avg_fn is not None:
            self.multi_avg_fn(mine, theirs, n)
        else:
            _of_many(self.avg_fn or get_swa_avg_fn())(mine, theirs, n)
        if not self.use_buffers:
            for kept, current in zip(self.module.buffers(), model.buffers()):
                kept.copy_(current.to(kept.device))
        self.n_averaged += 1


@no_grad()
def update_bn(loader, model, device=None):
    """Recompute the running statistics of batch norms in one pass over the batches (or their first elements)."""
    layers = [m for m in model.modules() if isinstance(m, _BatchNorm)]
    if not layers:
        return
    momenta, training = [m.momentum for m in layers], model.training
    for layer in layers:
        layer.reset_running_stats()
        layer.momentum = None
    model.train()
    for batch in loader:
        batch = batch[0] if isinstance(batch, (list, tuple)) else batch
        model(batch if device is None else batch.to(device))
    for layer, momentum in zip(layers, momenta):
        layer.momentum = momentum
    model.train(training)


class SWALR(LRScheduler):
    """Anneals the rate to swa_lr within anneal_epochs, and keeps it.  anneal_strategy: "cos" or "linear"."""

    def __init__(self, optimizer, swa_lr, anneal_epochs=10, anneal_strategy="cos", last_epoch=-1):
        for group, lr in zip(optimizer.param_groups, each_group(optimizer, swa_lr, "swa_lr")):
            group["swa_lr"] = lr
        if anneal_strategy not in ("cos", "linear"):
            raise ValueError(f"anneal_strategy must be one of 'cos' or 'linear', instead got {anneal_strategy}")
        if not isinstance(anneal_epochs, int) or anneal_epochs < 0:
            raise ValueError(f"anneal_epochs must be equal or greater than 0, got {anneal_epochs}")
        self.anneal_strategy, self.anneal_epochs = anneal_strategy, anneal_epochs
        super().__init__(optimizer, last_epoch)

    def get_lr(self):
        step, n = self.last_epoch, max(1, self.anneal_epochs)
        anneal = cosine if self.anneal_strategy == "cos" else linear
        part, before = (min(1.0, max(0.0, e / n)) for e in (step, step - 1))
        rates = []
        for group in self.optimizer.param_groups:
            lr, end = group["lr"], group["swa_lr"]
            if step > 0:  # where the rate came from, had it been annealed up to now
                done = anneal(0.0, 1.0, before)
                lr = end if done == 1 else (lr - done * end) / (1 - done)
            rates.append(anneal(lr, end, part))
        return rates
