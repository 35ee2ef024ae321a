"""The loss of connectionist temporal classification."""

from __future__ import annotations

from tritonnet.nn import functional as F
from tritonnet.nn.modules.module import Module


class CTCLoss(Module):
    """-log of the probability that log-probabilities (T, N, C) spell targets; see `functional.ctc_loss`."""

    def __init__(self, blank=0, reduction="mean", zero_infinity=False):
        super().__init__()
        self.blank, self.reduction, self.zero_infinity = blank, reduction, zero_infinity

    def forward(self, log_probs, targets, input_lengths, target_lengths):
        return F.ctc_loss(log_probs, targets, input_lengths, target_lengths, self.blank, self.reduction,
                          self.zero_infinity)
