"""The operators of Tensor, and in-place changes."""

from __future__ import annotations

import numbers

import numpy as np

from tritonnet import dtypes as dt
from tritonnet.autograd import function, tape, views
from tritonnet.autograd.fusion import fusing
from tritonnet.autograd.mode import state
from tritonnet.autograd.ops.elementwise import (
    Abs,
    Add,
    BitwiseAnd,
    BitwiseNot,
    BitwiseOr,
    BitwiseXor,
    Div,
    Eq,
    FloorDivide,
    Ge,
    Gt,
    Le,
    Lt,
    Mul,
    Ne,
    Neg,
    Pow,
    Remainder,
    ShiftLeft,
    ShiftRight,
    Square,
    Sub,
)
from tritonnet.kernels import elementwise as kernels
from tritonnet.kernels.dtypes import category, is_float
from tritonnet.tensor.memory import check_apart


def _no_operand(other, error):
    """What an operator returns where an operation could not take `other`: Python then asks the other side."""
    if isinstance(other, (function.Tensor, numbers.Number, np.ndarray)):
        raise error
    return NotImplemented


def in_place_method(op):
    """A method that replaces self by op(self, …), written straight into its memory where nothing is recorded."""
    made = []  # the function, when it is needed

    def method(self, *args):
        tracked, arrays = self._requires_grad or self.base is not None and self.base.root.requires_grad, []
        for a in args:
            if isinstance(a, function.Tensor):
                tracked = tracked or a._requires_grad or a.base is not None and views.gained(a)
                a = a.array
            arrays.append(a)
        if tracked and state.grad:
            return self._inplace(op, *args)
        if not made:
            made.append(getattr(kernels, op.definition))
        mine = self.array
        if fusing or type(mine) is not np.ndarray or not mine.flags.writeable:
            check_apart(mine)
        made[0](mine, *arrays, out=mine)
        tape.modified(mine)
        return self

    return method


def in_place(f):
    """The method that replaces self by f(self, …)."""

    def method(self, *args, **kwargs):
        if state.grad:
            self._check_inplace()
        return self._become(f(self, *args, **kwargs))

    method.__name__ = method.__qualname__ = f"{f.__name__}_"
    method.__doc__ = f"In place: {f.__doc__}"
    return method


class Operators:
    """Python's operators, for tensors and numbers on either side."""

    __slots__ = ()

    def __add__(self, other):
        try:
            return Add.apply(self, other)
        except TypeError as error:
            return _no_operand(other, error)

    def __sub__(self, other):
        try:
            return Sub.apply(self, other)
        except TypeError as error:
            return _no_operand(other, error)

    def __rsub__(self, other):
        try:
            return Sub.apply(other, self)
        except TypeError as error:
            return _no_operand(other, error)

    def __mul__(self, other):
        try:
            return Mul.apply(self, other)
        except TypeError as error:
            return _no_operand(other, error)

    def __truediv__(self, other):
        try:
            return Div.apply(self, other)
        except TypeError as error:
            return _no_operand(other, error)

    def __rtruediv__(self, other):
        try:
            return Div.apply(other, self)
        except TypeError as error:
            return _no_operand(other, error)

    def __pow__(self, other):
        try:
            return self.pow(other)
        except TypeError as error:
            return _no_operand(other, error)

    def __rpow__(self, other):
        try:
            return Pow.apply(other, self)
        except TypeError as error:
            return _no_operand(other, error)

    def __neg__(self):
        return Neg.apply(self)

    def __pos__(self):
        return self

    def __abs__(self):
        return Abs.apply(self)

    def __invert__(self):
        if is_float(self.array.dtype):
            raise TypeError("~ (operator.invert) is only implemented on integer and Boolean-type tensors")
        return BitwiseNot.apply(self)

    def fill_(self, value):
        """Every element becomes `value`, a number or a tensor without dimensions; in place."""
        if isinstance(value, function.Tensor):
            if value.ndim:
                raise RuntimeError(f"fill_ only supports 0-dimension value tensor but got tensor with {value.ndim} "
                                   f"dimensions.")
            if value.requires_grad and state.grad:
                self._check_inplace()
                return self._become(value._cast(self.dtype).expand(self.shape))
            value = value.item()
        if not isinstance(value, numbers.Number):
            raise TypeError(f"fill_() takes a number or a tensor without dimensions, got {type(value).__name__}")
        if state.grad and (self.requires_grad or self.base is not None and self.base.root.requires_grad):
            self._check_inplace()
            return self._become(self.masked_fill(self.new_ones((), dtype=dt.bool), value))
        check_apart(self.array)
        kernels.fill(self.array, int(value) if category(self.array.dtype) == 1 else value)
        tape.modified(self.array)
        return self

    def zero_(self):
        """Every element becomes 0; in place."""
        return self.fill_(0)

    def copy_(self, source, non_blocking=False):
        """Take over the values of another tensor, broadcast, cast and moved as needed; in place."""
        if not isinstance(source, function.Tensor):
            raise TypeError(f"copy_(): argument 'other' (position 1) must be Tensor, not {type(source).__name__}")
        self._check_inplace()
        if source.array.shape != self.array.shape:
            source = source.expand(self.shape)
        source = source.to(self.device, self.dtype)
        return self._become(views.Overwrite.apply(self, source) if state.grad and self.requires_grad else source)


def _binary(op, swapped=False):
    """A binary operator."""

    def operator(self, other):
        try:
            return op.apply(other, self) if swapped else op.apply(self, other)
        except TypeError as error:
            return _no_operand(other, error)

    operator.__doc__ = op.__doc__
    return operator


for _name, _op in {"floordiv": FloorDivide, "mod": Remainder, "and": BitwiseAnd, "or": BitwiseOr, "xor": BitwiseXor,
                   "lshift": ShiftLeft, "rshift": ShiftRight}.items():
    setattr(Operators, f"__{_name}__", _binary(_op))
    setattr(Operators, f"__r{_name}__", _binary(_op, swapped=True))
    setattr(Operators, f"__i{_name}__", in_place_method(_op))
for _name, _op in {"eq": Eq, "ne": Ne, "lt": Lt, "le": Le, "gt": Gt, "ge": Ge}.items():
    setattr(Operators, f"__{_name}__", _binary(_op))
for _name, _op in {"add": Add, "sub": Sub, "mul": Mul, "truediv": Div}.items():
    setattr(Operators, f"__i{_name}__", in_place_method(_op))
Operators.__radd__, Operators.__rmul__ = Operators.__add__, Operators.__mul__
Operators.__ipow__ = lambda self, other: self.pow_(other)
Operators.square_ = in_place_method(Square)
