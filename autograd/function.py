"""Function: a forward and its backward, and the node that a recorded call leaves on the tape.

The instance that runs the forward is the node: what it saves lies on it until backward. `Function` is what users
subclass, with Tensors in and out (PyTorch's mechanism); `Op` is the built-in kind, on arrays. Neither imports Tensor:
the top floor registers its class with `wrap_with`.
"""

from __future__ import annotations

from typing import Protocol

from tritonnet.autograd.mode import state
from tritonnet.autograd.tape import Node, Output, check_unmodified, clock, modified
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
    t.grad = t.base = None
    t.node = node
    t.requires_grad = node is not None
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


class Op(Node):
    """A built-in operation on arrays: `forward(ctx, *arrays)` and `backward(ctx, *gradients)`; see CONTRIBUTING.md.

    backward returns the gradient of the first argument, or a tuple for the leading ones; None where there is none.
    Gradients may have the broadcast shape and another float type: the tape sums and casts them.
    """

    __slots__ = ("__dict__",)
    view = False  # whether the result shares memory with the first argument
    constant_outputs = ()  # outputs of several that are no function to differentiate

    @classmethod
    def apply(cls, *args, **kwargs):
        """Run on tensors, arrays and numbers; record if any tensor requires a gradient. Returns tensors."""
        node = new(cls)
        node.saved = ()
        recording, tracked, arrays, parents = state.grad, False, [], []
        for a in args:
            parent = None
            if isinstance(a, Tensor):
                if recording and a.requires_grad:
                    tracked = True
                    parent = (a.node if a.base is None else views.current_node(a)) or a
                a = a.array
            arrays.append(a)
            parents.append(parent)
        node.parents = tuple(parents)
        out = cls.forward(node, *arrays, **kwargs)
        if type(out) is tuple:
            out = record(node, out) if tracked else tuple(map(make, out))
        else:  # `make` and `record`, written out: most operations
            t = new(Tensor)
            t.array = out
            t.grad = t.base = t.node = None
            t.requires_grad = False
            if tracked and out.dtype in FLOATS:
                node.hooks = None
                node.shape, node.dtype = out.shape, out.dtype
                node.seq = next(clock)
                t.node, t.requires_grad = node, True
            out = t
        if cls.view and isinstance(args[0], Tensor):
            for view in out if type(out) is tuple else (out,):
                views.mark(view, args[0], cls, args[1:], kwargs)
        return out

    def save(self, array):
        """Keep an array for backward: its version is noted, and it is let go when backward is done."""
        self.saved += (array,)
        return array

    def run_backward(self, *grads):
        check_unmodified(self, self.saved)
        return self.backward(*grads)

    def record_backward(self, grads):
        check_unmodified(self, self.saved)
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

    def output(self, array):
        """The saved result as a tensor with its history."""
        return make(array, self)

    def __init_subclass__(cls, **kwargs):
        super().__init_subclass__(**kwargs)
        if "name" not in cls.__dict__:
            cls.name = f"{cls.__name__}Backward0"


class Function(Node):
    """A differentiable operation of one's own, PyTorch's way: subclass with `forward` and `backward` on Tensors.

        class Square(Function):
            @staticmethod
            def forward(ctx, x):
                ctx.save_for_backward(x)
                return x * x
            @staticmethod
            def backward(ctx, dy):
                x, = ctx.saved_tensors
                return 2 * x * dy

    Call it by `Square.apply(x)`. backward returns one gradient (or None) per argument of forward. Nothing inside
    forward is recorded. With `setup_context(ctx, inputs, output)` defined, forward does not take ctx.
    """

    __slots__ = ("__dict__",)
    constant_outputs = ()
    materialize_grads = True

    @staticmethod
    def forward(ctx, *args):
        raise NotImplementedError("You must implement the forward function for custom autograd.Function.")

    @staticmethod
    def backward(ctx, *grads):
        raise NotImplementedError("You must implement the backward function for custom autograd.Function.")

    setup_context = None

    def __init_subclass__(cls, **kwargs):
        super().__init_subclass__(**kwargs)
        cls.name = f"{cls.__name__}Backward"

    @classmethod
    def apply(cls, *args, **kwargs):
        """Run forward on the arguments; record if any tensor among them requires a gradient."""
        node = new(cls)
        node.saved = ()
        node._keep = node._dirty = ()
        tracked = state.grad and any(isinstance(a, Tensor) and a.requires_grad for a in args)
        node.parents = parents_of(args) if tracked else (None,) * len(args)
        before, state.grad = state.grad, False
        try:
            if cls.setup_context is None:
                out = cls.forward(node, *args, **kwargs)
            else:
                out = cls.forward(*args, **kwargs)
                cls.setup_context(node, args, out)
        finally:
            state.grad = before
        several = isinstance(out, (tuple, list))
        outputs = tuple(out) if several else (out,)
        for t in outputs:
            if not isinstance(t, Tensor):
                raise TypeError(f"{cls.__name__}.forward: expected Tensor or tuple of Tensor as output, "
                                f"got {type(t).__name__}")
        if not tracked:
            return out
        constant = {id(t) for t in node._keep}
        node.constant_outputs = tuple(i for i, t in enumerate(outputs) if id(t) in constant)
        if several:
            made = record(node, tuple(t.array for t in outputs))
        elif outputs[0].array.dtype in FLOATS and not node.constant_outputs:
            made = (record(node, outputs[0].array),)
        else:
            made = (make(outputs[0].array),)
        node._keep = ()
        for given, fresh in zip(outputs, made):
            if any(given is t for t in node._dirty):  # changed in place: the argument itself becomes the output
                given.node, given.requires_grad = fresh.node, fresh.requires_grad
        made = tuple(g if any(g is t for t in node._dirty) else f for g, f in zip(outputs, made))
        node._dirty = ()
        return made if several else made[0]

    def save_for_backward(self, *tensors):
        """Keep tensors (or None) for backward."""
        for t in tensors:
            if t is not None and not isinstance(t, Tensor):
                raise TypeError("save_for_backward can only save variables, "
                                f"but argument is of type {type(t).__name__}")
        self.saved = tensors

    @property
    def saved_tensors(self):
        """What save_for_backward kept."""
        if self.saved is None:
            raise RuntimeError(self.second_time())
        check_unmodified(self, [t.array for t in self.saved if t is not None])
        return self.saved

    def mark_non_differentiable(self, *tensors):
        """These outputs have no gradient."""
        self._keep = tensors

    def mark_dirty(self, *tensors):
        """These arguments were changed in place and are returned."""
        self._dirty = tensors
        for t in tensors:
            modified(t.array)

    def set_materialize_grads(self, value: bool):
        """False: undefined output gradients arrive as None instead of zeros."""
        self.materialize_grads = value

    def run_backward(self, *grads):
        found = type(self).backward(self, *[None if g is None else make(g) for g in grads])
        return tuple(None if g is None else g.array for g in self._checked(found))

    def record_backward(self, grads):
        return self._checked(type(self).backward(self, *grads))

    def _checked(self, found):
        found = found if isinstance(found, tuple) else (found,)
        if len(found) > len(self.parents) and all(g is None for g in found[len(self.parents):]):
            found = found[: len(self.parents)]
        if len(found) != len(self.parents):
            raise RuntimeError(
                f"function {self.name} returned an incorrect number of gradients "
                f"(expected {len(self.parents)}, got {len(found)})"
            )
        for g in found:
            if g is not None and not isinstance(g, Tensor):
                raise TypeError(f"function {self.name} returned a {type(g).__name__}: expected a Tensor or None")
        return found


def once_differentiable(backward):
    """Decorator for a backward that cannot itself be differentiated."""

    def wrapped(ctx, *grads):
        before, state.grad = state.grad, False
        try:
            return backward(ctx, *grads)
        finally:
            state.grad = before

    return staticmethod(wrapped)


FunctionCtx = Function


from tritonnet.autograd import views  # noqa: E402  (views are made by Ops, and Ops mark views)
