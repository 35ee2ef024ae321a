"""What autograd gives a tensor: its gradient, whether it wants one, where it came from, hooks."""

from __future__ import annotations

from tritonnet.autograd import calls, engine, function, views
from tritonnet.autograd.function import make
from tritonnet.kernels.dtypes import FLOATS
from tritonnet.tensor import autograd_hooks as hooks
from tritonnet.tensor.memory import write


class Gradients:
    """The slots `_grad` and `_requires_grad` behind properties that check what is assigned."""

    __slots__ = ()

    @property
    def grad(self):
        return self._grad

    @grad.setter
    def grad(self, value):
        if value is not None:
            self._check_grad(value)
        self._grad = value

    def _check_grad(self, value):
        """Raise unless value can be this tensor's gradient."""
        if not isinstance(value, function.Tensor):
            raise TypeError("assigned grad expected to be a Tensor or None but got grad of type "
                            f"{type(value).__name__}")
        mine, given = self.array, value.array
        if value is self:
            raise RuntimeError("can't assign Variable as its own grad")
        if given.dtype != mine.dtype:
            raise RuntimeError(f"attempting to assign a gradient with dtype '{value.dtype}' to a tensor with dtype "
                               f"'{self.dtype}'. Please ensure that the gradient and the tensor have the same dtype")
        if value.device != self.device:
            raise RuntimeError(f"attempting to assign a gradient on device '{value.device}' to a tensor on device '"
                               f"{self.device}'. Please ensure that the gradient and the tensor are on the same device")
        if given.shape != mine.shape:
            raise RuntimeError(f"attempting to assign a gradient of size '{list(given.shape)}' to a tensor of size '"
                               f"{list(mine.shape)}'. Please ensure that the gradient and the tensor are the same size")

    @property
    def is_leaf(self):
        return self.grad_fn is None

    @property
    def grad_fn(self):
        return self.node if self.base is None else views.current_node(self)

    @property
    def data(self):
        return make(self.array)

    @data.setter
    def data(self, other):
        if not isinstance(other, function.Tensor):
            raise TypeError(f"Variable data has to be a tensor, but got {type(other).__name__}")
        if self.requires_grad and other.array.dtype not in FLOATS:
            raise RuntimeError("data set to a tensor that requires gradients must be floating point or complex dtype")
        self.array = other.array

    @property
    def output_nr(self):
        return getattr(self.node, "index", 0)

    def backward(self, gradient=None, retain_graph=None, create_graph=False, inputs=None):
        """Add the gradients of this tensor to `.grad` of the leaves it was computed from.

        gradient: what to weigh it with; not needed for a scalar. See autograd.backward.
        """
        if inputs is None:
            calls.run([calls.root(0, self, gradient, create_graph)], retain_graph, create_graph, None)
        else:
            calls.backward((self,), None if gradient is None else (gradient,), retain_graph, create_graph, inputs)

    def accumulate(self, grad, complete=False):
        """Add a gradient, an array or a tensor with history, to `.grad`, if it is still wanted. The tape calls it.

        complete: no other part will follow in this backward pass, so that hooks may see it.
        """
        if not self._requires_grad:
            return
        if hooks.leaves or hooks.after:
            if not complete and hooks.waits(self):
                calls.defer(self, grad)
                return
            grad = self.hooked(grad)
        before = self._grad
        if isinstance(grad, function.Tensor):
            self._grad = grad if before is None else before + grad
        elif before is None:
            self._grad = make(grad if engine.unshared(grad) else grad.copy())
        elif before._requires_grad:
            self._grad = before + make(grad)
        else:  # in place: optimizers and users hold on to .grad
            write(before.array, engine.add_arrays(before.array, grad, in_place=True))
        if hooks.after:
            hooks.after_leaf(self)

    def hooked(self, grad):
        """What the hooks make of this leaf's gradient."""
        return hooks.on_leaf(self, grad) if hooks.leaves else grad

    def requires_grad_(self, requires_grad=True):
        """Switch recording for this leaf; in place."""
        if requires_grad and self.array.dtype not in FLOATS:
            raise RuntimeError(f"only Tensors of floating point dtype can require gradients, this one is {self.dtype}")
        if not requires_grad and self.grad_fn is not None:
            raise RuntimeError("you can only change requires_grad flags of leaf variables. If you want to use a "
                               "computed variable in a subgraph that doesn't require differentiation use "
                               "var_no_grad = var.detach().")
        self._requires_grad = bool(requires_grad)
        return self

    @property
    def requires_grad(self):
        return self._requires_grad or self.base is not None and views.gained(self)

    @requires_grad.setter
    def requires_grad(self, value):
        self.requires_grad_(value)

    def detach(self):
        """The same memory without history."""
        return make(self.array)

    def detach_(self):
        """Forget the history, in place."""
        if self.base is not None:
            raise RuntimeError("Can't detach views in-place. Use detach() instead.")
        self.node, self._requires_grad = None, False
        return self

    def register_hook(self, hook):
        """Call `hook(grad)` when this tensor's gradient is computed; what it returns replaces the gradient."""
        return hooks.register(self, hook)

    def register_post_accumulate_grad_hook(self, hook):
        """Call `hook(tensor)` after a leaf's gradient has been accumulated."""
        return hooks.register_post_accumulate(self, hook)

    def retain_grad(self):
        """Keep `.grad` although this tensor is no leaf."""
        hooks.retain(self)

    @property
    def retains_grad(self):
        return hooks.retains(self)
