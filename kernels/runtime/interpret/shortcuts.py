"""What triton.language computes anew for every operation, remembered: most of an interpreted program's time.

A tensor's shape and a block type are immutable and few; operands of one shape need no broadcasting.
"""

import triton.language as tl
from triton.language.semantic import TritonSemantic


class Semantic(TritonSemantic):
    """Triton's rules of types and shapes, on our builder."""

    def broadcast_impl_value(self, lhs, rhs):
        if lhs.handle.data.shape == rhs.handle.data.shape and lhs.type.is_block() == rhs.type.is_block():
            return lhs, rhs
        return super().broadcast_impl_value(lhs, rhs)


def tensor_init():
    """A replacement for tl.tensor.__init__."""
    original, known = tl.tensor.__init__, {}

    def init(self, handle, type):
        try:
            rest = known[type.name]  # which tells the shape, too
        except KeyError:
            original(self, handle, type)
            known[type.name] = {k: v for k, v in vars(self).items() if k not in ("handle", "type", "dtype")}
            return
        self.__dict__.update(rest, handle=handle, type=type, dtype=type.scalar)

    return init


def block_type_init():
    """A replacement for tl.block_type.__init__."""
    original, known = tl.block_type.__init__, {}

    def init(self, element_ty, shape):
        key = element_ty.name, *[getattr(n, "value", n) for n in shape]
        try:
            rest = known[key]
        except KeyError:
            original(self, element_ty, shape)
            known[key] = {k: v for k, v in vars(self).items() if k != "element_ty"}
            return
        self.__dict__.update(rest, element_ty=element_ty)

    return init
