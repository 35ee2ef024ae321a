"""The tape: nodes, numbered as they are recorded, and the versions of arrays. `engine` runs it backward."""

from __future__ import annotations

import itertools
import weakref
from typing import Protocol

import numpy as np

from tritonnet.autograd.mode import state
from tritonnet.kernels import arrays

clock = itertools.count(1)  # of recordings and in-place changes together: tells which came first
_changed: dict[int, int] = {}  # memory (by id) -> when it was last changed in place
last_change = 0  # when anything was

ones: dict = {}  # element type -> the gradient 1 of a scalar on the host: one array, which nobody may change
_one = None  # weakly: the gradient 1 that the last backward of another scalar began with


def one(dtype):
    """The gradient 1 of a scalar on the host."""
    found = ones.get(dtype)
    if found is None:
        found = ones[dtype] = np.ones((), dtype)
        found.flags.writeable = False
    return found


def is_observed(node) -> bool:
    """Whether somebody sees the gradient that arrives at a node: a hook, retain_grad, or who asked for it."""
    return bool(node.hooks) or id(node) in state.asked


def one_like(array, shared):
    """The gradient 1 of an array of one element. shared: filled only once per device; then nobody may change it."""
    global _one
    device, key = arrays.device_of(array), ("one", array.shape, array.dtype)
    shared = shared and device is not None
    grad = device.constants.get(key) if shared else None
    if grad is None:
        grad = arrays.full(array.shape, 1, array.dtype, array)
        if shared and not device.driver.capturing:  # a graph's memory stays its own
            device.synchronize()  # whichever stream reads it next
            device.constants[key] = grad
    _one = weakref.ref(grad)
    return grad


def own(grad):
    """A gradient as those get it who may write to it: a copy of what others share."""
    if type(grad) is np.ndarray:
        return grad if grad.flags.writeable else grad.copy()
    return grad.copy() if grad.size == 1 and any(grad is c for c in grad.device.constants.values()) else grad


def is_one(grad) -> bool:
    """Whether this array is known to be the gradient 1 of a scalar: then there is nothing to multiply with."""
    return grad is ones.get(grad.dtype) or _one is not None and _one() is grad


class Leaf(Protocol):
    """Where a gradient ends: a tensor that no operation made."""

    array: object

    def accumulate(self, grad) -> None: ...


class Node:
    """One recorded operation. `parents`: per argument another node, a leaf, or None."""

    __slots__ = ("parents", "seq", "shape", "dtype", "hooks", "saved", "__weakref__")  # saved: None once released
    name = "Node"
    materialize_grads = True

    @property
    def needs_input_grad(self):
        """Per argument of forward: whether its gradient is wanted."""
        return tuple([p is not None for p in self.parents])

    @property
    def next_functions(self):
        """PyTorch's view of the graph: (node, output number) per argument."""
        return tuple((None, 0) if p is None else (p, 0) for p in self.parents)

    def check_saved(self):
        """Raise if anything saved was changed in place since; asked before the backward, if anything was changed."""

    def run_backward(self, *grads):
        """The gradients of the arguments, as arrays: one, or a tuple."""
        raise NotImplementedError

    def record_backward(self, grads):
        """The same on tensors, recorded in turn."""
        raise NotImplementedError

    def release(self):
        """Let go of what was saved; the graph itself stays."""
        if self.saved:
            self.saved = None
            self.__dict__.clear()

    def save_copy_of(self, array):
        """Before `array` is overwritten by this very operation: keep copies of what was saved of its memory."""
        owner = root(array)
        copies = {id(a): a.copy() for a in self.saved if root(a) is owner}
        if copies:
            self.replace_saved(copies)

    def replace_saved(self, copies):
        """Refer to copies, by id of the original, wherever a saved array is named."""
        self.saved = tuple([copies.get(id(a), a) for a in self.saved])
        for name, value in self.__dict__.items():
            self.__dict__[name] = copies.get(id(value), value)

    def second_time(self):
        return (
            f"Trying to backward through the graph a second time ({self.name}): the values it saved were freed by the "
            "first .backward() or autograd.grad(). Specify retain_graph=True the first time if you need to backward "
            "through the graph twice, or recompute the forward pass."
        )

    def register_hook(self, hook):
        """PyTorch's node hooks are not offered; hooks on tensors are."""
        raise NotImplementedError("register_hook on a grad_fn: use Tensor.register_hook")

    def __repr__(self):
        return f"<{self.name} object at {id(self):#x}>"


class Output(Node):
    """One of several outputs of a node: passes its gradient on into its slot."""

    __slots__ = ("index",)

    def __init__(self, node, index, array):
        self.parents, self.index, self.seq, self.hooks, self.saved = (node,), index, next(clock), None, ()
        self.shape, self.dtype = array.shape, array.dtype

    @property
    def name(self):
        return self.parents[0].name


def root(array):
    """What owns an array's memory: the same object for all views of it."""
    if type(array) is np.ndarray:
        while type(array.base) is np.ndarray:
            array = array.base
        return array
    return array.owner


def modified(*changed):
    """Note that the memory of arrays was changed in place: what saved it before can no longer be used."""
    global last_change
    last_change = now = next(clock)
    for array in changed:
        _changed[id(array if type(array) is np.ndarray and array.base is None else root(array))] = now


def changed_after(array, moment):
    """Whether the memory of an array was changed in place after a moment of the clock."""
    return _changed.get(id(root(array)), 0) > moment


def is_modified(node, array):
    """Whether the memory of an array was changed after the node was recorded."""
    return changed_after(array, node.seq)


def last_changed(array) -> int:
    """When the memory of an array was last changed in place, by `clock`; 0 if never."""
    return _changed.get(id(root(array)), 0)


def check_unmodified(node, saved):
    """Raise if anything the node saved was changed after it was recorded."""
    if last_change > node.seq:
        for array in saved:
            if is_modified(node, array):
                raise RuntimeError(
                    "one of the variables needed for gradient computation has been modified by an inplace operation: "
                    f"[{array.dtype} {list(array.shape)}], saved by {node.name}. Change a copy instead, or change it "
                    "after backward()."
                )
