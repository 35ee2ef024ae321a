"""Connectionist temporal classification: how likely it is that the classes of all steps, without blanks and
repetitions, spell a target.

    l' = blank l_1 blank l_2 … blank
    alpha_t(s) = p_t(l'_s) (alpha_{t-1}(s) + alpha_{t-1}(s - 1) + [l'_s no blank, l'_s != l'_{s-2}] alpha_{t-1}(s - 2))
    loss = -log(alpha_T(last) + alpha_T(last but one)),    beta: the same from the end
    dx_t(c) = p_t(c) - the sum of alpha_t(s) beta_t(s) e^loss / p_t(c) over the s with l'_s = c

in logarithms. The gradient is by what log_softmax was made of, as PyTorch's, so it holds behind a log_softmax only.
There is no kernel: what is on a device makes the round trip to the host. Source: Graves et al. 2006.
"""

from __future__ import annotations

import numpy as np

from tritonnet.kernels.dtypes import accumulator
from tritonnet.kernels.factor import on_host


def _extended(targets, blank):
    """(N, 2 S + 1): blanks around each of the targets (N, S); and where two steps at once are allowed."""
    labels = np.full((len(targets), 2 * targets.shape[1] + 1), blank, np.int64)
    labels[:, 1::2] = targets
    skip = np.zeros(labels.shape, bool)
    skip[:, 2:] = (labels[:, 2:] != blank) & (labels[:, 2:] != labels[:, :-2])
    return labels, skip


def _shifted(x, by):
    """Columns moved to the right, -inf in front."""
    moved = np.full_like(x, -np.inf)
    if by < x.shape[1]:
        moved[:, by:] = x[:, :-by]
    return moved


def _forward(at, skip):
    """alpha of (T, N, 2 S + 1) log-probabilities at the labels."""
    alpha = np.full_like(at, -np.inf)
    alpha[0, :, :2] = at[0, :, :2]
    for t in range(1, len(at)):
        before = alpha[t - 1]
        two = np.where(skip, _shifted(before, 2), -np.inf)
        alpha[t] = at[t] + np.logaddexp(np.logaddexp(before, _shifted(before, 1)), two)
    return alpha


def _last(alpha, steps, lengths):
    """log of the probability of ending in the last label or the blank behind it."""
    n = np.arange(alpha.shape[1])
    at = np.maximum(steps - 1, 0)
    end = alpha[at, n, 2 * lengths]
    label = np.where(lengths > 0, alpha[at, n, np.maximum(2 * lengths - 1, 0)], -np.inf)
    return np.where(steps > 0, np.logaddexp(end, label), np.where(lengths > 0, -np.inf, 0.0))


@on_host
def ctc_loss(x, targets, steps, lengths, blank):
    """(loss of each of N sequences, alpha) of log-probabilities x (T, N, C) for targets (N, S), of these lengths."""
    wide = x.astype(accumulator(x.dtype))
    labels, skip = _extended(targets, blank)
    at = np.take_along_axis(wide, np.broadcast_to(labels, (len(x), *labels.shape)), 2)
    with np.errstate(invalid="ignore", over="ignore"):
        alpha = _forward(at, skip)
        return (-_last(alpha, steps, lengths)).astype(x.dtype), alpha


@on_host
def finite(loss):
    """0 instead of infinity."""
    return np.where(np.isinf(loss), 0, loss).astype(loss.dtype)


@on_host
def ctc_loss_backward(dy, x, loss, alpha, targets, steps, lengths, blank, zero_infinity):
    """The gradient (T, N, C) of what went into log_softmax."""
    wide = x.astype(alpha.dtype)
    labels, skip = _extended(targets, blank)
    T, N, K = alpha.shape
    at = np.take_along_axis(wide, np.broadcast_to(labels, (T, *labels.shape)), 2)
    beta, n = np.full((N, K), -np.inf, alpha.dtype), np.arange(N)
    later = np.zeros_like(skip)  # two steps on from s is allowed where two steps to s + 2 are
    later[:, :-2] = skip[:, 2:]
    inside = np.arange(K) <= 2 * lengths[:, None]
    found = np.zeros(x.shape, alpha.dtype)
    nll = loss.astype(alpha.dtype)[:, None]
    with np.errstate(invalid="ignore", over="ignore"):
        for t in range(T - 1, -1, -1):
            one = np.concatenate([beta[:, 1:], np.full((N, 1), -np.inf)], 1)
            two = np.where(later, np.concatenate([beta[:, 2:], np.full((N, min(2, K)), -np.inf)], 1)[:, :K], -np.inf)
            begin = np.full((N, K), -np.inf)
            begin[n, 2 * lengths] = 0
            begin[n, np.maximum(2 * lengths - 1, 0)] = 0
            on = np.logaddexp(np.logaddexp(beta, one), two)
            beta = np.where(inside, at[t] + np.where((t == steps - 1)[:, None], begin, on), -np.inf)
            live = (t < steps)[:, None]
            beta = np.where(live, beta, -np.inf)
            share = np.exp(alpha[t] + beta - at[t] + nll)
            share = np.where(inside, share, 0)
            spent = np.zeros((N, x.shape[2]), alpha.dtype)
            np.add.at(spent, (n[:, None], labels), np.where(np.isneginf(beta) | np.isneginf(alpha[t]), 0, share))
            found[t] = np.where(live, np.exp(wide[t]) - spent, 0)
    found = np.where(np.isinf(nll), 0 if zero_infinity else np.nan, found * np.asarray(dy)[:, None])
    return np.where((np.arange(T)[:, None] < steps)[..., None], found, 0).astype(x.dtype)
