"""Bernoulli: 1 with probability p, else 0."""

from __future__ import annotations

from functools import cached_property

import tritonnet
from tritonnet.distributions.distribution import (
    Distribution,
    boolean,
    log_of,
    probabilities_and_logits,
    real,
    unit_interval,
)
from tritonnet.nn import functional as F


class Bernoulli(Distribution):
    """1 with probability `probs`, or sigmoid(`logits`); one of the two is given."""

    arg_constraints = {"probs": unit_interval, "logits": real}
    support = boolean

    def __init__(self, probs=None, logits=None, validate_args=None):
        given = probabilities_and_logits(probs, logits, binary=True)
        self.__dict__["logits" if probs is None else "probs"] = given
        super().__init__(given.shape, validate_args=validate_args)

    @cached_property
    def probs(self):
        """Probabilities of 1."""
        return tritonnet.sigmoid(self.logits)

    @cached_property
    def logits(self):
        """log(p / (1 - p))."""
        kept = log_of(self.probs)
        return kept.log() - (-kept).log1p()

    @property
    def mean(self):
        """p."""
        return self.probs

    @property
    def mode(self):
        """1 where p > 1/2, NaN where it is 1/2."""
        return (self.probs >= 0.5).to(self.probs.dtype).masked_fill(self.probs == 0.5, float("nan"))

    @property
    def variance(self):
        """p (1 - p)."""
        return self.probs * (1 - self.probs)

    def sample(self, sample_shape=()):
        """Zeros and ones."""
        return tritonnet.bernoulli(self.probs.detach().expand(self._extended_shape(sample_shape)))

    def log_prob(self, value):
        self._validate_sample(value)
        logits, value = tritonnet.broadcast_tensors(self.logits, value)
        return -F.binary_cross_entropy_with_logits(logits, value, reduction="none")

    def entropy(self):
        return F.binary_cross_entropy_with_logits(self.logits, self.probs, reduction="none")
