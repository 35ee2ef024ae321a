"""`tritonnet train`: train a network on MNIST, test it, leave checkpoint, metrics and pictures."""

from __future__ import annotations

import argparse
import time
from pathlib import Path

from tritonnet.cli import UsageError

SUMMARY = "train a network on MNIST"
EPOCHS, BATCH_SIZE, SEED = 4, 256, 0
MODELS = ("cnn", "mlp", "conv32-conv64", "conv10-conv20")
LEARNING_RATES = {"adamw": 0.01, "adam": 0.003, "sgd": 0.1, "rmsprop": 0.001}
SETTINGS = ("model", "optimizer", "lr", "batch_size", "epochs", "seed", "limit")
CHECKPOINT = "checkpoint.safetensors"

DESCRIPTION = f"""\
Train a network on MNIST, test it, and leave checkpoint, metrics and pictures under --out.

recipe of the default network (at least 99.2 % on MNIST's test set; about a minute on two cores):
  conv 16@5x5 - pool - batch norm - relu - conv 32@3x3 - pool - batch norm - relu - linear 128 - batch norm - relu -
  linear 10; cross-entropy with label smoothing 0.05; {EPOCHS} epochs in batches of {BATCH_SIZE}; AdamW without weight
  decay, its learning rate in one cycle (up to {LEARNING_RATES['adamw']} in the first 30 % of the steps, then down to
  nothing); each image shifted at random by up to 2 pixels each way, anew in every epoch. The last epoch's weights are
  the result: the test set chooses nothing.

the other networks: mlp 784-256-128-10; conv32-conv64: 3x3 convolutions, pool, dropout, 128-10 (1.2 million
  parameters); conv10-conv20: 5x5 convolutions, each pooled, dropout, 50-10.

data, in this order: --data or TRITONNET_DATA; ./data; the user's cache; a download; generated digits.
"""


def positive(kind):
    """An argparse type: a number above 0."""

    def convert(text):
        try:
            value = kind(text)
        except ValueError:
            value = 0
        if not 0 < value < float("inf"):
            wanted = "integer" if kind is int else "number"
            raise argparse.ArgumentTypeError(f"expected a positive {wanted}, got {text!r}")
        return value

    return convert


def add_arguments(parser):
    """The options of `tritonnet train`."""
    rates = ", ".join(f"{name} {rate}" for name, rate in LEARNING_RATES.items())
    parser.add_argument("--device", default="auto", help="cpu, cuda, cuda:1 …; default auto: a GPU if there is one")
    parser.add_argument("--epochs", type=positive(int), help=f"passes over the training images (default {EPOCHS})")
    parser.add_argument("--batch-size", type=positive(int), help=f"images per step (default {BATCH_SIZE})")
    parser.add_argument("--model", choices=MODELS, help="the network, see above (default cnn)")
    parser.add_argument("--optimizer", choices=LEARNING_RATES, help="default adamw; sgd has Nesterov momentum 0.9")
    parser.add_argument("--lr", type=positive(float), help=f"highest learning rate of the cycle (default {rates}; "
                        "for the networks without batch norm, that is all but cnn, a fifth of it)")
    parser.add_argument("--seed", type=int, help=f"of weights, order and shifts (default {SEED})")
    parser.add_argument("--data", metavar="FOLDER", help="folder of MNIST's idx files, or with MNIST/raw in it; "
                        "'generated' for generated digits")
    parser.add_argument("--out", metavar="FOLDER", default="runs/mnist", help="where results go (default runs/mnist)")
    parser.add_argument("--resume", nargs="?", const=True, metavar="FILE",
                        help=f"go on from a checkpoint, exactly as if never interrupted (default OUT/{CHECKPOINT}); "
                        "its settings hold")
    parser.add_argument("--limit", type=positive(int), metavar="N",
                        help="use only the first N images of each part, for a quick try")


def run(options):
    """Train; returns the exit code."""
    from tritonnet.cli.training import Training

    out = _folder(options.out)
    saved = _checkpoint(options, out) if options.resume else None
    settings = _settings(options, saved)
    source = _source(options.data)
    if saved is not None and saved["data"] != source.name:
        raise UsageError(f"--resume: the checkpoint was trained on {saved['data']}, not on {source.name}: see --data")
    device = _device(options.device)
    start = time.perf_counter()
    training = _prepared(Training, source, device, settings, saved)
    _introduce(training, source, time.perf_counter() - start)
    try:
        return _train(training, source, out)
    except OSError as error:
        if error.filename is None:  # a closed pipe, not a file
            raise
        raise UsageError(f"{error.filename}: {error.strerror}; what was written before is as it was") from None


def _folder(name):
    """The folder for results, made if need be."""
    out = Path(name)
    try:
        out.mkdir(parents=True, exist_ok=True)
        probe = out / ".writable"
        probe.touch()
        probe.unlink()
    except OSError as error:
        raise UsageError(f"--out {name}: {error.strerror or error}") from None
    return out


def _checkpoint(options, out):
    """What the checkpoint to resume from holds."""
    import tritonnet

    path = out / CHECKPOINT if options.resume is True else Path(options.resume)
    try:
        saved = tritonnet.load(path, map_location="cpu")
        if not isinstance(saved, dict) or not {"settings", "model", "optimizer", "scheduler", "epoch"} <= saved.keys():
            raise ValueError("not a checkpoint of tritonnet train")
    except (OSError, EOFError, ValueError, RuntimeError) as error:
        raise UsageError(f"--resume {path}: {getattr(error, 'strerror', None) or error}") from None
    return saved


def _settings(options, saved):
    """What decides the result: given, default, or the checkpoint's."""
    given = {name: getattr(options, name) for name in SETTINGS}
    if saved is not None:
        settings = saved["settings"]
        for name, value in given.items():
            if value is not None and value != settings[name]:
                raise UsageError(f"--{name.replace('_', '-')} {value}: the checkpoint to resume from was trained with "
                                 f"{settings[name]}; leave it out, or start anew")
        return settings
    defaults = {"model": "cnn", "optimizer": "adamw", "batch_size": BATCH_SIZE, "epochs": EPOCHS, "seed": SEED}
    settings = {name: defaults.get(name) if value is None else value for name, value in given.items()}
    settings["lr"] = settings["lr"] or default_rate(settings["optimizer"], settings["model"])
    if not -(2**63) <= settings["seed"] < 2**63:
        raise UsageError(f"--seed {settings['seed']}: expected an integer of 64 bits")
    return settings


def default_rate(optimizer, model):
    """The highest learning rate of the cycle: less for the networks without batch norm."""
    return LEARNING_RATES[optimizer] * (1 if model == "cnn" else 0.2)


def _source(data):
    """The digits, or a plain error."""
    from tritonnet.vision.datasets.search import find_digits

    try:
        return find_digits(data)
    except OSError as error:
        raise UsageError(str(error)) from None


def _device(name):
    """The device to train on."""
    import tritonnet

    if name == "auto":
        return tritonnet.device("cuda" if tritonnet.cuda.is_available() else "cpu")
    try:
        device = tritonnet.device(name)
        tritonnet.empty(1, device=device)
    except (RuntimeError, AssertionError, ValueError) as error:
        raise UsageError(f"--device {name}: {str(error).splitlines()[0]}") from None
    return device


def _prepared(training, source, device, settings, saved):
    """A Training, or a plain error about a data file or a checkpoint that does not fit."""
    try:
        return training(source, device, settings, saved)
    except (OSError, RuntimeError, ValueError, KeyError) as error:
        raise UsageError(str(error)) from None


def _introduce(training, source, seconds):
    """Say what is about to happen."""
    s, sizes = training.settings, f"{len(training.train_data)} images to train on, {len(training.test_data)} to test on"
    if source.folder is None:
        print(f"data    GENERATED DIGITS, not MNIST ({source.reason}); {sizes}, drawn from strokes in {seconds:.1f} s")
    else:
        print(f"data    {source.name} from {source.folder}; {sizes}")
    parameters = sum(p.numel() for p in training.model.parameters())
    print(f"device  {training.device_name}")
    print(f"model   {s['model']}, {parameters:,} parameters")
    print(f"recipe  {s['epochs']} epochs of {training.steps} steps of {training.batch_size}, {s['optimizer']}, "
          f"one cycle to lr {s['lr']:g}, shifts of up to 2 pixels, seed {s['seed']}", flush=True)
    if training.epoch:
        print(f"resumed after epoch {training.epoch}")


def _train(training, source, out):
    """All epochs, each followed by a test and by files; then the pictures."""
    from tritonnet.cli.report import write_metrics, write_pictures

    epochs = training.settings["epochs"]
    try:
        while training.epoch < epochs:
            result = training.run_epoch()
            training.save(out / CHECKPOINT)
            write_metrics(out / "metrics.json", training, source)
            print(f"epoch {result['epoch']}/{epochs}   loss {result['train_loss']:.4f}   test accuracy "
                  f"{result['test_accuracy']:.2%}   {result['seconds']:.1f} s", flush=True)
    except KeyboardInterrupt:
        if training.epoch and training.between_epochs:  # it may have come while this was being written
            training.save(out / CHECKPOINT)
        write_metrics(out / "metrics.json", training, source, interrupted=True)
        saved = f"{training.epoch} of {epochs} epochs are saved in {out}: go on with --resume"
        print(f"\ninterrupted; {saved if training.epoch else 'no epoch was complete, so there is no checkpoint'}")
        return 130
    if not training.history:
        raise UsageError("nothing to train")
    write_metrics(out / "metrics.json", training, source)
    pictures = write_pictures(out, training, source)
    print(f"test accuracy {training.history[-1]['test_accuracy']:.2%} on {source.name} after {epochs} epochs, "
          f"{training.seconds:.1f} s of training on {training.device_name}")
    print(f"results in {out}: {', '.join([CHECKPOINT, 'metrics.json', *pictures])}")
    return 0
