"""Operations element by element, forward and backward, on arrays of any shape, strides and element type.

`definitions.py` has the maths: one scalar expression per direction. From it come the mirror (`host.py`) and the Triton
kernels (`device.py`), made when an operation is first used:

    relu(x)                  where(x, …), add(x, y), …: arrays or Python numbers in, a fresh array out
    relu(x, out=x)           in place
    relu_backward(dy, y)     the gradients of all inputs, from what they need: see `derivative`

Operands broadcast; strided ones are read where they are; results keep the memory order of the operands. Types are
promoted as in PyTorch. Numerics: float16 and bfloat16 are computed in float32 and rounded once.
"""

from tritonnet.kernels.elementwise.build import cast, derivative, fill, function, operation, with_slope
from tritonnet.kernels.elementwise.definitions import OPERATIONS
from tritonnet.kernels.elementwise.layout import broadcast, memory_order

__all__ = ["OPERATIONS", "broadcast", "cast", "derivative", "fill", "function", "memory_order",
           "operation", "with_slope"]


def __getattr__(name):
    forward = name.removesuffix("_backward")
    if forward not in OPERATIONS:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    if forward == name:
        made = function(name)
    else:
        made = derivative(forward, tuple(OPERATIONS[forward].gradients)).function
    globals()[name] = made
    return made
