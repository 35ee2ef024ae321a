"""Operations that may wait for what follows them, so that one launch does for several; `tritonnet.compile` asks for it.

Inside a compiled call HEADS may return a tensor that is not computed yet, and TAILS may be taken along by it. Both ask
the entries of `fusing` first; everything else sees such a tensor only by reading its array, which computes it.
"""

from __future__ import annotations

HEADS = ("Linear", "Conv2d", "BatchNorm", "LayerNorm")
TAILS = ("Relu", "Sigmoid", "Tanh", "_GeluErf", "MaxPool2d", "Dropout")

fusing = []  # an entry per compiled call under way, of any thread: empty costs listed operations one test


def offering(cls, arguments):
    """Statements: give this call to the compiled call under way, which may take it; `arguments` are names."""
    if cls.__name__ not in HEADS + TAILS:
        return []
    return [f"    if fusing and (t := fusing[0].offer(cls, ({', '.join(arguments)},))) is not None:",
            "        return t"]


def settle():
    """Compute what waits in this thread: memory that it reads is about to change."""
    if fusing:
        fusing[0].settle()


def waits(x):
    """Whether a result is yet to be computed; looking at it would do so."""
    return bool(fusing) and fusing[0].waits(x)
