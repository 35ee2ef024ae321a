"""Losses with their gradients in one read: over classes (`classes`), of pairs of numbers (`pointwise`)."""

from tritonnet.kernels.loss.classes import cross_entropy, nll, weights_of_classes
from tritonnet.kernels.loss.pointwise import pair_loss

__all__ = ["cross_entropy", "nll", "pair_loss", "weights_of_classes"]
