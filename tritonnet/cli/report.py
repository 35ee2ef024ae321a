"""What a training leaves behind: metrics.json, the training curve, the most confident mistakes."""

from __future__ import annotations

import json
import os
from datetime import UTC, datetime

import numpy as np

import tritonnet
from tritonnet.kernels.lab.provenance import versions
from tritonnet.serialization.aside import write_aside

ROWS, COLUMNS = 4, 6  # of mistakes shown
LABELS = 8  # epochs whose accuracy the curve spells out; of more, only the last
INK, MUTED, BLUE, ORANGE = "#1f2933", "#7b8794", "#2f6fb2", "#d9822b"


def write_metrics(path, training, source, interrupted=False):
    """metrics.json: where the data came from, what was trained on what, and how it went."""
    history = training.history
    metrics = {
        "data_source": source.name,
        "data_folder": None if source.folder is None else str(source.folder),
        "train_images": len(training.train_data), "test_images": len(training.test_data),
        "device": training.device_name, **training.settings,
        "parameters": sum(p.numel() for p in training.model.parameters()),
        "epochs_done": training.epoch, "interrupted": interrupted,
        "test_accuracy": history[-1]["test_accuracy"] if history else None,
        "train_seconds": round(training.seconds, 3),
        "history": history, "versions": {"tritonnet": tritonnet.__version__, **versions()},
        "finished": datetime.now(UTC).isoformat(timespec="seconds"),
    }
    write_aside(os.fspath(path), lambda file: file.write(f"{json.dumps(metrics, indent=1)}\n".encode()))


def write_pictures(out, training, source):
    """The training curve and the mistakes as PNG; returns their names. Says so where matplotlib is missing."""
    try:
        import matplotlib.figure
    except ImportError:
        print("no pictures: matplotlib is not installed (pip install 'tritonnet[plot]')")
        return []
    if training.logits is None:
        training.test()
    for name, draw in (("curve.png", draw_curve), ("mistakes.png", draw_mistakes)):
        figure = matplotlib.figure.Figure(layout="constrained")
        draw(figure, training, source)
        write_aside(os.fspath(out / name), lambda file, figure=figure: figure.savefig(file, dpi=150, format="png"))
    return ["curve.png", "mistakes.png"]


def draw_curve(figure, training, source):
    """Training loss over epochs, and below it the test error of each epoch."""
    figure.set_size_inches(8, 6)
    history = training.history
    upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=(3, 2))
    at = np.concatenate([h["epoch"] - 1 + (np.arange(len(h["losses"])) + 1) / len(h["losses"]) for h in history])
    upper.plot(at, np.concatenate([h["losses"] for h in history]), color=BLUE, linewidth=1.6)
    upper.set_yscale("log")
    upper.yaxis.set_major_formatter("{x:g}")
    upper.set_ylabel("training cross-entropy (nats)")
    epochs, errors = [h["epoch"] for h in history], [100 * (1 - h["test_accuracy"]) for h in history]
    lower.plot(epochs, errors, color=ORANGE, linewidth=1.6, marker="o", markersize=5)
    for x, y in list(zip(epochs, errors))[-1 if len(epochs) > LABELS else 0:]:
        lower.annotate(f"{100 - y:.2f} % right", (x, y), textcoords="offset points", xytext=(5, 6), color=INK)
    lower.set_ylim(0, max(errors) * 1.25 or 1)
    lower.set_ylabel("test error (%)")
    lower.set_xlabel("epoch")
    lower.set_xlim(0, max(epochs) * 1.2)
    lower.set_xticks(range(0, max(epochs) + 1, max(1, max(epochs) // 12)))
    for axes in (upper, lower):
        axes.spines[["top", "right"]].set_visible(False)
        axes.grid(axis="y", which="major", color="#e4e7eb")
        axes.tick_params(colors=INK)
    reached = f"{history[-1]['test_accuracy']:.2%} after {training.seconds:.0f} s of training"
    figure.suptitle(f"{training.settings['model']} on {source.name}: {reached}", fontsize=13, color=INK)


def draw_mistakes(figure, training, source):
    """The test images that the network got wrong most confidently."""
    logits, labels = training.logits.numpy(), training.test_data.targets.numpy()
    shown, scores = confident_mistakes(logits, labels)
    count, total = len(shown), int((logits.argmax(axis=1) != labels).sum())
    columns = min(COLUMNS, max(count, 1))
    rows = -(-min(count, ROWS * COLUMNS) // columns) or 1
    figure.set_size_inches(max(1.5 * columns, 6.5), 1.95 * rows + 0.9)
    for i, axes in enumerate(figure.subplots(rows, columns, squeeze=False).flat):
        axes.set_axis_off()
        if i < count:
            row = shown[i]
            axes.imshow(training.test_data.data[row].numpy(), cmap="gray_r", vmin=0, vmax=255, interpolation="nearest")
            guess = int(scores[row].argmax())
            axes.set_title(f"is {labels[row]}, said {guess}", fontsize=10, color=INK, pad=4)
            axes.text(0.5, -0.03, f"{scores[row, guess]:.1%} sure", transform=axes.transAxes, ha="center", va="top",
                      fontsize=9, color=MUTED)
    if not count:
        figure.suptitle(f"No mistakes on {len(labels)} test images of {source.name}", fontsize=13, color=INK)
        return
    which = f"The {count} most confident of {total}" if count < total else f"All {total}"
    figure.suptitle(f"{which} mistakes on {len(labels):,} test images of {source.name}", fontsize=13, color=INK)


def confident_mistakes(logits, labels):
    """(rows of the most confident mistakes, all probabilities): at most ROWS * COLUMNS rows, surest first."""
    scores = np.exp(logits - logits.max(axis=1, keepdims=True))
    scores /= scores.sum(axis=1, keepdims=True)
    wrong = np.flatnonzero(scores.argmax(axis=1) != labels)
    order = np.argsort(-scores[wrong].max(axis=1), kind="stable")
    return wrong[order][:ROWS * COLUMNS], scores
