"""Function: a forward and its backward, and the node that a recorded call leaves on the tape.

The instance that runs the forward is the node: what it saves lies on it until backward. `Op` is the built-in kind, on
arrays; `Function` (in custom.py) is what users subclass, with Tensors in and out. Neither imports Tensor: the top floor
registers its class with `wrap_with`.
"""

from __future__ import annotations

import numbers
from inspect import getattr_static
from typing import Protocol

import numpy as np

from tritonnet.autograd.apply import Written, apply_of
from tritonnet.autograd.names import name_of
from tritonnet.autograd.tape import Node, Output, check_unmodified, clock
from tritonnet.kernels.dtypes import FLOATS

new = object.__new__


class Variable(Protocol):
    """What the tape asks of a tensor. `node` is None for a leaf."""

    array: object
    grad: object
    requires_grad: bool
    node: Node | None
    base: object


Tensor: type = type("NoTensorRegistered", (), {})


def wrap_with(tensor_class: type) -> None:
    """Register the class that wraps arrays; it has the attributes of `Variable` as slots."""
    global Tensor
    Tensor = tensor_class


def make(array, node=None):
    """A tensor around an array: a constant, or what `node` produced."""
    t = new(Tensor)
    t.array = array
    t._grad = t.base = None
    t.node = node
    t._requires_grad = node is not None
    return t


def edge(tensor):
    """Where a tensor's gradient goes: the node that made it, or itself."""
    return (tensor.node if tensor.base is None else views.current_node(tensor)) or tensor


def parents_of(args):
    """Where each argument's gradient goes, or None."""
    return tuple([edge(a) if isinstance(a, Tensor) and a.requires_grad else None for a in args])


def record(node, arrays):
    """Put `node` on the tape as the maker of `arrays`; returns their tensors."""
    node.hooks = None
    if type(arrays) is not tuple:
        node.shape, node.dtype = arrays.shape, arrays.dtype
        node.seq = next(clock)
        return make(arrays, node)
    node.shape, node.dtype = [a.shape for a in arrays], [a.dtype for a in arrays]
    node.seq = next(clock)
    return tuple(
        make(a, Output(node, i, a)) if a.dtype in FLOATS and i not in node.constant_outputs else make(a)
        for i, a in enumerate(arrays)
    )


def check_number(name, x):
    """Raise for a first argument that is neither tensor nor number."""
    if not isinstance(x, (numbers.Number, np.generic)):
        kind = type(x)
        given = kind.__name__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__name__}"
        raise TypeError(f"{name.lower()}(): argument 'input' (position 1) must be Tensor, not {given}")


class Op(Node):
    """A built-in operation on arrays: `forward(ctx, *arrays)` and `backward(ctx, *gradients)`; see CONTRIBUTING.md.

    backward returns the gradient of the first argument, or a tuple for the leading ones; None where there is none.
    Gradients may have the broadcast shape and another float type: the tape sums and casts them.
    """

    __slots__ = ("__dict__",)
    constant_outputs = ()  # outputs of several that are no function to differentiate

    apply = Written()

    @classmethod
    def write_apply(cls):
        """The class's `apply`: run on tensors, arrays and numbers, record if any tensor requires a gradient."""
        return apply_of(cls)

    def save(self, array):
        """Keep an array for backward: its version is noted, and it is let go when backward is done."""
        self.saved += (array,)
        return array

    def check_saved(self):
        check_unmodified(self, self.saved)

    def record_backward(self, grads):
        return self.differentiable_backward(*grads)

    def differentiable_backward(self, *grads):
        """The backward as recorded operations on tensors, for create_graph=True. An op that offers it overrides this.

        `self.input(i, array)` and `self.output(array)` give saved arrays their history back.
        """
        raise NotImplementedError(
            f"create_graph=True: {type(self).__name__} has no second derivative (its class defines no "
            "differentiable_backward)"
        )

    def input(self, i, array):
        """The saved array of argument i as a tensor with its history."""
        parent = self.parents[i]
        return parent if parent is not None and not isinstance(parent, Node) else make(array, parent)

    def output(self, array, i=None):
        """The saved result, or the i-th of several, as a tensor with its history."""
        return make(array, self if i is None else Output(self, i, array))

    def __init_subclass__(cls, **kwargs):
        super().__init_subclass__(**kwargs)
        if "name" not in cls.__dict__:
            cls.name = name_of(cls.__name__)
        if not isinstance(getattr_static(cls, "apply"), classmethod):  # one written by hand is inherited
            cls.apply = Written()
        if "backward" in vars(cls):
            cls.run_backward = cls.backward  # what the engine calls


from tritonnet.autograd import views  # noqa: E402  (views are made by Ops, and Ops mark views)
from tritonnet.autograd.custom import Function, FunctionCtx, once_differentiable  # noqa: E402, F401  (PyTorch's place)
