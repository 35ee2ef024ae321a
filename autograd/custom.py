"""Function: a forward and its backward of one's own, on tensors, as in PyTorch."""

from __future__ import annotations

from tritonnet.autograd import function
from tritonnet.autograd.function import make, new, parents_of, record
from tritonnet.autograd.mode import state
from tritonnet.autograd.tape import Node, Output, check_unmodified, modified, own
from tritonnet.kernels.dtypes import FLOATS


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
    _results = None  # id of a result's array -> which result it is

    @staticmethod
    def forward(ctx, *args):
        raise NotImplementedError("You must implement the forward function for custom autograd.Function.")

    @staticmethod
    def backward(ctx, *grads):
        raise NotImplementedError("You must implement either the backward or vjp method for your custom "
                                  "autograd.Function to use it with backward mode AD.")

    def __call__(self, *args, **kwargs):
        raise RuntimeError("Legacy autograd function with non-static forward method is deprecated. Please use new-style"
                           " autograd function with static forward method: call it by its class's apply.")

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
        tracked = state.grad and any(isinstance(a, function.Tensor) and a.requires_grad for a in args)
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
            if not isinstance(t, function.Tensor):
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
        if node.saved:
            node._results = {id(t.array): i for i, t in enumerate(outputs)}
        for given, fresh in zip(outputs, made):
            if any(given is t for t in node._dirty):  # changed in place: the argument itself becomes the output
                given.node, given._requires_grad = fresh.node, fresh._requires_grad
        made = tuple(g if any(g is t for t in node._dirty) else f for g, f in zip(outputs, made))
        node._dirty = ()
        return made if several else made[0]

    def save_for_backward(self, *tensors):
        """Keep tensors (or None) for backward."""
        for t in tensors:
            if t is not None and not isinstance(t, function.Tensor):
                raise TypeError("save_for_backward can only save variables, "
                                f"but argument is of type {type(t).__name__}")
        self.saved = tensors

    @property
    def saved_tensors(self):
        """What save_for_backward kept."""
        if self.saved is None:
            raise RuntimeError(self.second_time())
        check_unmodified(self, [t.array for t in self.saved if t is not None])
        if not state.grad or not self._results:
            return self.saved
        return tuple([self._with_history(t) for t in self.saved])

    def _with_history(self, tensor):
        """A saved result as what this node made it from, for a backward that is recorded; others know theirs."""
        i = None if tensor is None else self._results.get(id(tensor.array))
        if i is None or tensor.array.dtype not in FLOATS:
            return tensor
        return make(tensor.array, Output(self, i, tensor.array) if type(self.shape) is list else self)

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
        found = type(self).backward(self, *[None if g is None else make(own(g)) for g in grads])
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
        for i, (g, parent) in enumerate(zip(found, self.parents)):
            if g is None:
                continue
            if not isinstance(g, function.Tensor):
                raise TypeError(f"function {self.name} returned a {type(g).__name__}: expected a Tensor or None")
            if parent is not None and not sums_to(g.array.shape, getattr(parent, "array", parent).shape):
                raise RuntimeError(
                    f"Function {self.name} returned an invalid gradient at index {i} - got {list(g.array.shape)} but "
                    f"expected shape compatible with {list(getattr(parent, 'array', parent).shape)}"
                )
        return found


def sums_to(given, shape):
    """Whether a gradient of shape `given` sums to `shape`, as broadcasting has it."""
    return len(given) >= len(shape) and all(n in (1, m) for n, m in zip(shape[::-1], given[::-1]))


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
