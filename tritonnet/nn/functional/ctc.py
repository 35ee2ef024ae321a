"""Connectionist temporal classification: a loss for sequences whose alignment is not known."""

from __future__ import annotations

import numpy as np

import tritonnet
from tritonnet.autograd.autocast import SINGLE, listed
from tritonnet.autograd.ops.loss import CtcLoss
from tritonnet.kernels.arrays import to_host

__all__ = ["ctc_loss"]


def _lengths(name, given, count):
    """Lengths as int64 on the host."""
    given = to_host(given.array) if isinstance(given, tritonnet.Tensor) else np.asarray(given)
    if given.dtype.kind not in "iu":
        raise RuntimeError(f"{name} must be integral")
    if given.reshape(-1).shape != (count,):
        raise RuntimeError(f"{name} must be of size batch_size")
    return given.reshape(-1).astype(np.int64)


def _padded(targets, lengths):
    """Targets (N, S) on the host, of that or of all behind each other; what lies beyond a length becomes 0."""
    host = to_host(targets.array).astype(np.int64)
    rows = np.zeros((len(lengths), max([0, *lengths.tolist()])), np.int64)
    if host.ndim == 1:
        if host.size < lengths.sum():
            raise RuntimeError(f"Expected tensor to have size at least {lengths.sum()} at dimension 0, but got size "
                               f"{host.size} for targets")
        parts = np.split(host, np.cumsum(lengths))[:-1]
    else:
        if host.shape[0] != len(lengths) or host.shape[1] < rows.shape[1]:
            raise RuntimeError(f"Expected targets of {len(lengths)} sequences of at least {rows.shape[1]} labels, but "
                               f"got {list(host.shape)}")
        parts = [row[:n] for row, n in zip(host, lengths)]
    for row, part in zip(rows, parts):
        row[:len(part)] = part
    return rows


@listed(cuda=SINGLE, cpu=SINGLE)
def ctc_loss(log_probs, targets, input_lengths, target_lengths, blank=0, reduction="mean", zero_infinity=False):
    """-log of the probability that log_probs (T, N, C) or (T, C) spell the targets, summed over all alignments.

    targets: (N, S), or all behind each other in one dimension; input_lengths, target_lengths: (N,), tensors or lists.
    blank: the class of no label. reduction "mean": each loss is divided by its target's length, then they are averaged.
    zero_infinity: targets that are too long for their input cost nothing, instead of infinity.
    Computed on the host. As in PyTorch, gradients hold behind a log_softmax.
    """
    if reduction not in ("none", "mean", "sum"):
        raise ValueError(f"{reduction} is not a valid value for reduction")
    if log_probs.ndim not in (2, 3):
        raise RuntimeError(f"log_probs tensor must be 2D or 3D, got {log_probs.ndim}D")
    if not log_probs.is_floating_point():
        raise NotImplementedError(f"ctc_loss is not implemented for {log_probs.dtype}")
    if targets.is_floating_point():
        raise RuntimeError("targets must be integral")
    batched = log_probs.ndim == 3
    if not batched:
        log_probs = log_probs.unsqueeze(1)
    T, N, C = log_probs.shape
    if not 0 <= blank < C:
        raise RuntimeError("blank must be in label range")
    steps, lengths = _lengths("input_lengths", input_lengths, N), _lengths("target_lengths", target_lengths, N)
    if (steps > T).any() or (steps < 0).any():
        raise RuntimeError(f"Expected input_lengths to have value at most {T}, but got value {steps.max()}")
    rows = _padded(targets, lengths)
    if rows.size and not (rows.min() >= 0 and rows.max() < C):
        raise RuntimeError(f"targets must be classes from 0 to {C - 1}, got {rows.min()} to {rows.max()}")
    losses = CtcLoss.apply(log_probs, rows, steps, lengths, blank, bool(zero_infinity))
    if reduction == "mean":
        weights = tritonnet.tensor(np.maximum(lengths, 1), dtype=losses.dtype, device=losses.device)
        return (losses / weights).mean()
    return losses.sum() if reduction == "sum" else losses if batched else losses.squeeze(0)
