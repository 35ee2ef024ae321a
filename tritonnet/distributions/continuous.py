"""Distributions of real numbers: Normal, LogNormal, Uniform, Exponential, Laplace."""

from __future__ import annotations

import math

import tritonnet
from tritonnet.distributions.distribution import (
    Constraint,
    Distribution,
    broadcast,
    nonnegative,
    positive,
    real,
)

dependent = Constraint("Dependent()", lambda x: x == x)


class Normal(Distribution):
    """loc + scale times a standard normal number."""

    arg_constraints = {"loc": real, "scale": positive}
    has_rsample = True

    def __init__(self, loc, scale, validate_args=None):
        self.loc, self.scale = broadcast(loc, scale)
        super().__init__(self.loc.shape, validate_args=validate_args)

    @property
    def mean(self):
        """loc."""
        return self.loc

    mode = mean

    @property
    def variance(self):
        """scale^2."""
        return self.scale**2

    @property
    def stddev(self):
        """scale."""
        return self.scale

    def rsample(self, sample_shape=()):
        noise = tritonnet.randn(self._extended_shape(sample_shape), dtype=self.loc.dtype, device=self.loc.device)
        return self.loc + noise * self.scale

    def log_prob(self, value):
        self._validate_sample(value)
        return -((value - self.loc) ** 2) / (2 * self.scale**2) - self.scale.log() - math.log(math.sqrt(2 * math.pi))

    def cdf(self, value):
        """The probability of at most value."""
        self._validate_sample(value)
        return 0.5 * (1 + ((value - self.loc) / self.scale / math.sqrt(2)).erf())

    def entropy(self):
        return 0.5 + 0.5 * math.log(2 * math.pi) + self.scale.log()


class LogNormal(Distribution):
    """exp of a Normal."""

    arg_constraints = {"loc": real, "scale": positive}
    support = positive
    has_rsample = True

    def __init__(self, loc, scale, validate_args=None):
        self.loc, self.scale = broadcast(loc, scale)
        self.base_dist = Normal(self.loc, self.scale, validate_args)
        super().__init__(self.loc.shape, validate_args=validate_args)

    @property
    def mean(self):
        """exp(loc + scale^2 / 2)."""
        return (self.loc + self.scale**2 / 2).exp()

    @property
    def mode(self):
        """exp(loc - scale^2)."""
        return (self.loc - self.scale**2).exp()

    @property
    def variance(self):
        """(exp(scale^2) - 1) exp(2 loc + scale^2)."""
        return (self.scale**2).expm1() * (2 * self.loc + self.scale**2).exp()

    def rsample(self, sample_shape=()):
        return self.base_dist.rsample(sample_shape).exp()

    def log_prob(self, value):
        self._validate_sample(value)
        return self.base_dist.log_prob(value.log()) - value.log()

    def entropy(self):
        return self.base_dist.entropy() + self.loc

    def __repr__(self):
        return f"{type(self).__name__}()"


class Uniform(Distribution):
    """Any number in [low, high)."""

    arg_constraints = {"low": dependent, "high": dependent}
    has_rsample = True

    def __init__(self, low, high, validate_args=None):
        self.low, self.high = broadcast(low, high)
        super().__init__(self.low.shape, validate_args=validate_args)
        if self._validate_args:
            self._check(self.low, Constraint(f"LessThan(upper_bound={self.high})", lambda x: x < self.high),
                        "parameter low", "of distribution", "to satisfy the constraint {}")

    @property
    def support(self):
        """[low, high]."""
        return Constraint(f"Interval(lower_bound={self.low}, upper_bound={self.high})",
                          lambda x: (x >= self.low) & (x <= self.high))

    @property
    def mean(self):
        """The middle."""
        return (self.high + self.low) / 2

    @property
    def mode(self):
        """NaN: all are as likely."""
        return self.high * float("nan")

    @property
    def variance(self):
        """(high - low)^2 / 12."""
        return (self.high - self.low) ** 2 / 12

    @property
    def stddev(self):
        """(high - low) / sqrt(12)."""
        return (self.high - self.low) / 12**0.5

    def rsample(self, sample_shape=()):
        part = tritonnet.rand(self._extended_shape(sample_shape), dtype=self.low.dtype, device=self.low.device)
        return self.low + part * (self.high - self.low)

    def log_prob(self, value):
        self._validate_sample(value)
        inside = ((self.low <= value) & (self.high > value)).to(self.low.dtype)
        return inside.log() - (self.high - self.low).log()

    def cdf(self, value):
        """The probability of at most value."""
        self._validate_sample(value)
        return ((value - self.low) / (self.high - self.low)).clamp(0, 1)

    def entropy(self):
        return (self.high - self.low).log()


class Exponential(Distribution):
    """Density rate exp(-rate x)."""

    arg_constraints = {"rate": positive}
    support = nonnegative
    has_rsample = True

    def __init__(self, rate, validate_args=None):
        (self.rate,) = broadcast(rate)
        super().__init__(self.rate.shape, validate_args=validate_args)

    @property
    def mean(self):
        """1 / rate."""
        return 1 / self.rate

    stddev = mean

    @property
    def mode(self):
        """0."""
        return tritonnet.zeros_like(self.rate)

    @property
    def variance(self):
        """1 / rate^2."""
        return self.rate**-2

    def rsample(self, sample_shape=()):
        part = tritonnet.rand(self._extended_shape(sample_shape), dtype=self.rate.dtype, device=self.rate.device)
        return -(-part).log1p() / self.rate

    def log_prob(self, value):
        self._validate_sample(value)
        return self.rate.log() - self.rate * value

    def cdf(self, value):
        """The probability of at most value."""
        self._validate_sample(value)
        return 1 - (-self.rate * value).exp()

    def entropy(self):
        return 1 - self.rate.log()


class Laplace(Distribution):
    """Density exp(-|x - loc| / scale) / (2 scale)."""

    arg_constraints = {"loc": real, "scale": positive}
    has_rsample = True

    def __init__(self, loc, scale, validate_args=None):
        self.loc, self.scale = broadcast(loc, scale)
        super().__init__(self.loc.shape, validate_args=validate_args)

    @property
    def mean(self):
        """loc."""
        return self.loc

    mode = mean

    @property
    def variance(self):
        """2 scale^2."""
        return 2 * self.scale**2

    def rsample(self, sample_shape=()):
        part = tritonnet.rand(self._extended_shape(sample_shape), dtype=self.loc.dtype, device=self.loc.device) - 0.5
        return self.loc - self.scale * part.sign() * (-2 * part.abs().clamp(max=0.5 - 1e-7)).log1p()

    def log_prob(self, value):
        self._validate_sample(value)
        return -(2 * self.scale).log() - (value - self.loc).abs() / self.scale

    def entropy(self):
        return 1 + (2 * self.scale).log()
