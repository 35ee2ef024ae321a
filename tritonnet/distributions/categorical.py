"""Categorical: a class, drawn by the probabilities along the last dimension; and the same as a one-hot vector."""

from __future__ import annotations

from functools import cached_property

import tritonnet
from tritonnet.distributions.distribution import (
    Distribution,
    integers_below,
    log_of,
    one_hot,
    probabilities_and_logits,
    real_vector,
    simplex,
)
from tritonnet.tensor.core import Size


class Categorical(Distribution):
    """Classes 0 … K - 1 with probabilities `probs` (…, K), normalised here, or softmax(`logits`)."""

    arg_constraints = {"probs": simplex, "logits": real_vector}

    def __init__(self, probs=None, logits=None, validate_args=None):
        given = probabilities_and_logits(probs, logits, binary=False)
        if logits is None:
            self.__dict__["probs"] = given / given.sum(-1, keepdim=True)
        else:
            self.__dict__["logits"] = given - given.logsumexp(-1, keepdim=True)
        self._num_events = given.shape[-1]
        super().__init__(given.shape[:-1], validate_args=validate_args)

    @cached_property
    def probs(self):
        """Probabilities."""
        return self.logits.softmax(-1)

    @cached_property
    def logits(self):
        """Logs of the probabilities."""
        return log_of(self.probs).log()

    @property
    def support(self):
        """The classes."""
        return integers_below(self._num_events)

    @property
    def mean(self):
        """NaN: classes have no mean."""
        return self.probs.new_full(self._batch_shape, float("nan"))

    variance = mean

    @property
    def mode(self):
        """The likeliest class."""
        return self.probs.argmax(-1)

    def sample(self, sample_shape=()):
        """int64 classes."""
        count = Size(sample_shape).numel()
        rows = self.probs.detach().reshape(-1, self._num_events)
        drawn = tritonnet.multinomial(rows, count, True).transpose(0, 1) if count else rows.new_zeros(
            0, rows.shape[0], dtype=tritonnet.int64)
        return drawn.reshape(self._extended_shape(sample_shape))

    def log_prob(self, value):
        self._validate_sample(value)
        shape = tritonnet.broadcast_shapes(value.shape, self._batch_shape)
        logits = self.logits.expand(*shape, self._num_events)
        return logits.gather(-1, value.long().expand(shape).unsqueeze(-1)).squeeze(-1)

    def entropy(self):
        least = tritonnet.finfo(self.logits.dtype).min
        return -(self.logits.clamp(min=least) * self.probs).sum(-1)

    def enumerate_support(self, expand=True):
        """All classes, (K, …)."""
        values = tritonnet.arange(self._num_events, device=self.probs.device)
        values = values.view(-1, *[1] * len(self._batch_shape))
        return values.expand(-1, *self._batch_shape) if expand else values


class OneHotCategorical(Distribution):
    """A Categorical whose classes are one-hot vectors (…, K)."""

    arg_constraints = {"probs": simplex, "logits": real_vector}
    support = one_hot

    def __init__(self, probs=None, logits=None, validate_args=None):
        self._categorical = Categorical(probs, logits)
        super().__init__(self._categorical.batch_shape, (self._categorical._num_events,), validate_args)

    @property
    def probs(self):
        """Probabilities."""
        return self._categorical.probs

    @property
    def logits(self):
        """Logs of the probabilities."""
        return self._categorical.logits

    @property
    def mean(self):
        """The probabilities."""
        return self.probs

    @property
    def variance(self):
        """p (1 - p)."""
        return self.probs * (1 - self.probs)

    def sample(self, sample_shape=()):
        """One-hot vectors in the type of the probabilities."""
        classes = self._categorical.sample(sample_shape)
        return tritonnet.nn.functional.one_hot(classes, self._event_shape[0]).to(self.probs.dtype)

    def log_prob(self, value):
        self._validate_sample(value)
        return self._categorical.log_prob(value.argmax(-1))

    def entropy(self):
        return self._categorical.entropy()

    def __repr__(self):
        return f"{type(self).__name__}()"
