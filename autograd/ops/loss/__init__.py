"""Losses for the tape: of classes, and of pairs of numbers."""

from tritonnet.autograd.ops.loss.classes import CrossEntropy, NllLoss
from tritonnet.autograd.ops.loss.ctc import CtcLoss
from tritonnet.autograd.ops.loss.pairs import (
    BceLoss,
    BceWithLogits,
    HuberLoss,
    KlDiv,
    L1Loss,
    MseLoss,
    SmoothL1Loss,
)

__all__ = [
    "BceLoss", "BceWithLogits", "CrossEntropy", "CtcLoss", "HuberLoss", "KlDiv", "L1Loss", "MseLoss", "NllLoss",
    "SmoothL1Loss",
]
