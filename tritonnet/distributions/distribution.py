"""What distributions share: shapes, checks of parameters and values, what follows from a variance."""

from __future__ import annotations

import numbers
from typing import NamedTuple

import tritonnet
from tritonnet.autograd.mode import no_grad
from tritonnet.tensor.core import Size, Tensor


class Constraint(NamedTuple):
    """What numbers have to be: a name for messages, and the check, elementwise (along the last dimension if `row`)."""

    name: str
    check: object
    row: bool = False

    def __repr__(self):
        return self.name


real = Constraint("Real()", lambda x: x == x)
real_vector = Constraint("IndependentConstraint(Real(), 1)", lambda x: (x == x).all(-1), row=True)
positive = Constraint("GreaterThan(lower_bound=0.0)", lambda x: x > 0)
nonnegative = Constraint("GreaterThanEq(lower_bound=0.0)", lambda x: x >= 0)
unit_interval = Constraint("Interval(lower_bound=0.0, upper_bound=1.0)", lambda x: (x >= 0) & (x <= 1))
boolean = Constraint("Boolean()", lambda x: (x == 0) | (x == 1))
simplex = Constraint("Simplex()", lambda x: (x >= 0).all(-1) & ((x.sum(-1) - 1).abs() < 1e-6), row=True)
one_hot = Constraint("OneHot()", lambda x: ((x == 0) | (x == 1)).all(-1) & (x.sum(-1) == 1), row=True)


def integers_below(n):
    """Integers in [0, n)."""
    return Constraint(f"IntegerInterval(lower_bound=0, upper_bound={n - 1})",
                      lambda x: (x % 1 == 0) & (x >= 0) & (x < n))


def broadcast(*values):
    """Tensors of one shape; numbers become tensors of the default type."""
    like = next((v for v in values if isinstance(v, Tensor)), None)
    if not all(isinstance(v, (Tensor, numbers.Number)) for v in values):
        raise ValueError("Input arguments must all be instances of Number, torch.Tensor or objects implementing "
                         "__torch_function__.")
    made = [v if isinstance(v, Tensor) else tritonnet.tensor(float(v)) if like is None
            else tritonnet.tensor(float(v), dtype=like.dtype, device=like.device) for v in values]
    return tritonnet.broadcast_tensors(*made)


class Distribution:
    """Base: batch_shape independent distributions over events of event_shape.

    A subclass sets `arg_constraints` (parameter: Constraint) and `support`, and defines `rsample` or `sample`,
    `log_prob`, `entropy`, `mean` and `variance`.
    """

    has_rsample = False
    arg_constraints: dict = {}
    support = real
    _checks = True

    def __init__(self, batch_shape=(), event_shape=(), validate_args=None):
        self._batch_shape, self._event_shape = Size(batch_shape), Size(event_shape)
        self._validate_args = self._checks if validate_args is None else validate_args
        if self._validate_args:
            for name, constraint in self.arg_constraints.items():
                if name in self.__dict__:
                    self._check(getattr(self, name), constraint, f"parameter {name}", "of distribution",
                                "to satisfy the constraint {}")

    @staticmethod
    def set_default_validate_args(value):
        """Whether distributions check their parameters and values unless told."""
        if value not in (True, False):
            raise ValueError
        Distribution._checks = value

    @property
    def batch_shape(self):
        """The shape of independent distributions."""
        return self._batch_shape

    @property
    def event_shape(self):
        """The shape of one event."""
        return self._event_shape

    @property
    def stddev(self):
        """The root of the variance."""
        return self.variance.sqrt()

    def _check(self, value, constraint, what, of, wanted):
        if not bool(constraint.check(value.detach()).all()):
            kind = f"({type(value).__name__} of shape {tuple(value.shape)})"
            raise ValueError(f"Expected {what} {kind} {of} {self!r} {wanted.format(constraint)}, but found invalid "
                             f"values:\n{value}")

    def _validate_sample(self, value):
        """ValueError unless value is a tensor within the support."""
        if not self._validate_args:
            return
        if not isinstance(value, Tensor):
            raise ValueError("The value argument to log_prob must be a Tensor")
        for i, j in zip(reversed(value.shape), reversed(self._batch_shape + self._event_shape)):
            if i != 1 and j != 1 and i != j:
                raise ValueError(f"Value is not broadcastable with batch_shape+event_shape: {value.shape} vs "
                                 f"{Size(self._batch_shape + self._event_shape)}.")
        if not bool(self.support.check(value.detach()).all()):
            raise ValueError(f"Expected value argument ({type(value).__name__} of shape {tuple(value.shape)}) to be "
                             f"within the support ({self.support}) of the distribution {self!r}, but found invalid "
                             f"values:\n{value}")

    def _extended_shape(self, sample_shape=()):
        return Size(tuple(sample_shape) + tuple(self._batch_shape) + tuple(self._event_shape))

    def sample(self, sample_shape=()):
        """Draw sample_shape events per distribution, without gradients."""
        with no_grad():
            return self.rsample(sample_shape)

    def rsample(self, sample_shape=()):
        """Draw events as functions of the parameters, with gradients to them."""
        raise NotImplementedError(f"{type(self).__name__} has no rsample")

    def log_prob(self, value):
        """The log of the density, or of the probability, at value."""
        raise NotImplementedError(f"{type(self).__name__} has no log_prob")

    def entropy(self):
        """The entropy, in nats."""
        raise NotImplementedError(f"{type(self).__name__} has no entropy")

    def perplexity(self):
        """exp of the entropy."""
        return self.entropy().exp()

    def __repr__(self):
        shown = [(name, self.__dict__[name]) for name in self.arg_constraints if name in self.__dict__]
        return type(self).__name__ + "(" + ", ".join(
            f"{name}: {value if value.numel() == 1 else value.size()}" for name, value in shown) + ")"


def probabilities_and_logits(probs, logits, binary):
    """Which of the two was given, ValueError unless exactly one was."""
    if (probs is None) == (logits is None):
        raise ValueError("Either `probs` or `logits` must be specified, but not both.")
    if binary:
        return broadcast(logits if probs is None else probs)[0]
    given = logits if probs is None else probs
    if given.ndim < 1:
        raise ValueError(f"`{'logits' if probs is None else 'probs'}` parameter must be at least one-dimensional.")
    return given


def log_of(probs):
    """log of probabilities, kept away from 0 and 1."""
    eps = tritonnet.finfo(probs.dtype).eps
    return probs.clamp(eps, 1 - eps)
