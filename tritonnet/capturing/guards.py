"""What a graph was recorded with, and cannot see change: each guard tells why a replay would not do what the step does.

Checks run before every replay, so they compare lists of identities, which costs a few nanoseconds an entry.
"""

from __future__ import annotations

import types
from operator import attrgetter

from tritonnet.capturing.signature import VALUES
from tritonnet.kernels.runtime.callers import is_ours
from tritonnet.nn.modules.module import Module
from tritonnet.tensor.core import Tensor

array_of, training_of, wanted_of = attrgetter("array"), attrgetter("training"), attrgetter("_requires_grad")
DEEP = 3  # functions called by functions by functions


def ids(things):
    """What lists of objects are compared by: never by ==, which tensors answer element by element."""
    return list(map(id, things))


def simple(value):
    """Whether a value is compared by ==: numbers, strings, and tuples of them."""
    return isinstance(value, VALUES) or type(value) is tuple and all(map(simple, value))


class Modules:
    """Modules train or evaluate as they did, and have the same parameters, buffers and settings."""

    def __init__(self, modules):
        self.modules = list({id(m): m for top in modules for m in top.modules()}.values())
        self.training = list(map(training_of, self.modules))
        self.all = [d for m in self.modules for d in (
            m._parameters, m._buffers, m._modules, m._forward_hooks, m._forward_pre_hooks, m._backward_hooks,
            m._backward_pre_hooks)]
        self.lengths, self.members = list(map(len, self.all)), [(d, ids(d.values())) for d in self.all if d]
        self.tensors = [t for m in self.modules for d in (m._parameters, m._buffers) for t in d.values()
                        if t is not None]
        self.arrays = list(map(array_of, self.tensors))
        self.where, self.wanted = ids(self.arrays), list(map(wanted_of, self.tensors))
        self.settings = []
        for m in self.modules:
            known = {name: value for name, value in vars(m).items() if simple(value) and name != "training"}
            if known:
                self.settings.append((m, vars(m), list(known), list(known.values())))

    def misfit(self):
        if list(map(training_of, self.modules)) != self.training:
            changed = next(m for m, was in zip(self.modules, self.training) if m.training != was)
            return f"{type(changed).__name__} was switched to {'train' if changed.training else 'eval'}()"
        if list(map(len, self.all)) != self.lengths or any(
                ids(d.values()) != known for d, known in self.members) or ids(
                map(array_of, self.tensors)) != self.where:
            return "a parameter, buffer, module or hook was replaced by another one"
        if list(map(wanted_of, self.tensors)) != self.wanted:
            return "requires_grad of a parameter was changed"
        for module, now, names, known in self.settings:
            if list(map(now.get, names)) != known:
                name = next(n for n, value in zip(names, known) if now.get(n) != value)
                return f"{type(module).__name__}.{name} was changed to {now.get(name)!r}"
        return None


class Gradients:
    """Gradients lie where the step found them, as far as it used them; after a replay they lie where it left them."""

    def __init__(self, watch):
        self.needed = []
        for key, met in watch.met.items():
            before = watch.entry.get(key, met)
            if met is None and before is None:
                self.needed.append((watch.leaves[key], None))
            elif met is not None and before is not None and met.array is before.array:
                self.needed.append((watch.leaves[key], met.array))  # else the step cleared it, or put it there, itself
        self.left = [(watch.leaves[key], watch.leaves[key]._grad) for key in watch.met]

    def misfit(self):
        for leaf, array in self.needed:
            grad = leaf._grad
            if (grad is None) != (array is None) or grad is not None and grad.array is not array:
                return ("gradients lie elsewhere when the step begins (zero_grad outside of it, or another backward "
                        "between its calls)")
        return None

    def leave(self):
        """As the step does at its end."""
        for leaf, grad in self.left:
            if leaf._grad is not grad:
                leaf._grad = grad


class Names:
    """What the step's function refers to: variables of functions around it and of its module, attributes of `self`.

    Numbers and strings count by value, tensors by their memory, other objects by identity. Functions and methods of the
    user's that it names are looked into; what it reaches in other ways (elements of lists, attributes of attributes) is
    not seen.
    """

    def __init__(self, function, arguments=()):
        self.entries, self.modules, self.seen = [], [], set()
        owners = [a for a in arguments if not isinstance(a, (Tensor, *VALUES))]
        self._function(function, owners, 0)

    def _function(self, function, owners, depth):
        while hasattr(function, "__wrapped__"):
            function = function.__wrapped__
        if isinstance(function, types.MethodType):
            owners, function = [*owners, function.__self__], function.__func__
        if not isinstance(function, types.FunctionType) or function in self.seen or depth > DEEP:
            return
        self.seen.add(function)
        if is_ours(function.__code__.co_filename):
            return
        names = sorted(names_in(function.__code__))
        for name, cell in zip(function.__code__.co_freevars, function.__closure__ or ()):
            self._name(name, cell, None, names, depth)
        for name in names:
            if name in function.__globals__:
                self._name(name, function.__globals__, name, names, depth)
        for owner in owners:
            self._attributes("self", owner, names, depth)

    def _name(self, label, where, key, names, depth):
        try:
            value = where.cell_contents if key is None else where[key]
        except ValueError:  # a cell that is still empty
            return
        if isinstance(value, (types.ModuleType, types.BuiltinFunctionType, type)):
            return
        if isinstance(value, (types.FunctionType, types.MethodType)):
            self._function(value, (), depth + 1)
        elif label == "self":
            self._attributes(label, value, names, depth)
        if isinstance(value, Module):
            self.modules.append(value)
        self.entries.append((label, where, key, value, picture(value)))

    def _attributes(self, label, owner, names, depth):
        if isinstance(owner, Module):
            self.modules.append(owner)
        if isinstance(owner, type) or not hasattr(owner, "__dict__"):
            return
        for name in names:
            if name in vars(owner):
                self._name(f"{label}.{name}", vars(owner), name, names, depth)
            elif isinstance(method := getattr(type(owner), name, None), types.FunctionType):
                self._function(types.MethodType(method, owner), (), depth + 1)

    def misfit(self):
        """What is another object, or has another value, than when this was made."""
        for label, where, key, value, known in self.entries:
            try:
                now = where.cell_contents if key is None else where[key]
            except (ValueError, KeyError):
                return f"`{label}` is gone"
            if now is value:
                if type(value) is Tensor and id(value.array) != known:
                    return f"`{label}` has other memory"
            elif not simple(value) or picture(now) != known:
                return f"`{label}` was set anew"
        return None

    def changed(self, read):
        """(name, before, after) of something that the step itself has changed in Python, or None.

        read: ids of the memory that it reads: to put new tensors in the place of others is no harm.
        """
        for label, where, key, value, known in self.entries:
            now = where.cell_contents if key is None else where.get(key)
            if simple(value) and (now is not value and picture(now) != known):
                return label, value, now
            if isinstance(value, Tensor) and now is not value and id(getattr(value.array, "owner", None)) in read:
                return label, "the tensor that it read", "a new one"
            if isinstance(value, (list, dict, set)) and now is value and len(now) != known:
                return label, f"{known} elements", f"{len(now)} elements"
        return None


def names_in(code):
    """The global names of a function and of those written inside it."""
    found = set(code.co_names)
    for inner in code.co_consts:
        if isinstance(inner, types.CodeType):
            found |= names_in(inner)
    return found


def picture(value):
    """What of an object is compared beside its identity."""
    if simple(value):
        return type(value), value
    if isinstance(value, Tensor):
        return id(value.array)
    return len(value) if isinstance(value, (list, dict, set)) else None
