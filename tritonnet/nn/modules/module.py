"""Module: the base of every layer and model, as torch.nn.Module."""

from __future__ import annotations

from tritonnet.nn.modules.conversion import Conversion
from tritonnet.nn.modules.hooks import Hooks
from tritonnet.nn.modules.members import Members, typename
from tritonnet.nn.modules.state import State
from tritonnet.nn.parameter import Buffer, Parameter
from tritonnet.tensor.core import Tensor


class Module(Members, State, Conversion, Hooks):
    """Base class of layers and models: assign Parameters and Modules as attributes, and define `forward`.

        class Net(nn.Module):
            def __init__(self):
                super().__init__()
                self.fc = nn.Linear(784, 10)

            def forward(self, x):
                return self.fc(x.flatten(1))

    Calling the module runs forward between its hooks.
    """

    training: bool
    call_super_init = False
    dump_patches = False

    def __init__(self, *args, **kwargs):
        if not self.call_super_init:
            if kwargs:
                raise TypeError(
                    f"{type(self).__name__}.__init__() got an unexpected keyword argument '{next(iter(kwargs))}'"
                )
            if args:
                raise TypeError(
                    f"{type(self).__name__}.__init__() takes 1 positional argument but {len(args) + 1} were given"
                )
        made = self.__dict__  # not by attribute: __setattr__ looks into these
        made["training"] = True
        made["_parameters"], made["_buffers"], made["_modules"] = {}, {}, {}
        made["_non_persistent_buffers_set"] = set()
        self._init_hooks()
        self._init_state()
        if self.call_super_init:
            super().__init__(*args, **kwargs)

    def forward(self, *args):
        """What the module computes; every subclass defines it."""
        raise NotImplementedError(f'Module [{type(self).__name__}] is missing the required "forward" function')

    def __call__(self, *args, **kwargs):
        if self._forward_hooks or self._forward_pre_hooks or self._backward_hooks or self._backward_pre_hooks:
            return self._call_hooked(args, kwargs)
        return self.forward(*args, **kwargs)

    def __getattr__(self, name):
        made = self.__dict__
        if (members := made.get("_parameters")) and name in members:
            return members[name]
        if (members := made.get("_modules")) and name in members:
            return members[name]
        if (members := made.get("_buffers")) and name in members:
            return members[name]
        raise AttributeError(f"'{type(self).__name__}' object has no attribute '{name}'")

    def __setattr__(self, name, value):
        made = self.__dict__
        if isinstance(value, Parameter):
            if "_parameters" not in made:
                raise AttributeError("cannot assign parameters before Module.__init__() call")
            self._forget(name, "_buffers", "_modules")
            self.register_parameter(name, value)
        elif name in made.get("_parameters", ()):
            if value is not None:
                raise TypeError(
                    f"cannot assign '{typename(value)}' as parameter '{name}' (tritonnet.nn.Parameter or None expected)"
                )
            self.register_parameter(name, None)
        elif isinstance(value, Module):
            if "_modules" not in made:
                raise AttributeError("cannot assign module before Module.__init__() call")
            self._forget(name, "_parameters", "_buffers")
            made["_modules"][name] = value
        elif name in made.get("_modules", ()):
            if value is not None:
                raise TypeError(
                    f"cannot assign '{typename(value)}' as child module '{name}' (tritonnet.nn.Module or None expected)"
                )
            made["_modules"][name] = None
        elif isinstance(value, Buffer) or name in made.get("_buffers", ()):
            if value is not None and not isinstance(value, Tensor):
                raise TypeError(
                    f"cannot assign '{typename(value)}' as buffer '{name}' "
                    "(tritonnet.nn.Buffer, tritonnet.Tensor or None expected)"
                )
            persistent = name not in made.get("_non_persistent_buffers_set", ())
            self.register_buffer(name, value, value.persistent if isinstance(value, Buffer) else persistent)
        else:
            super().__setattr__(name, value)

    def _forget(self, name, *registries):
        """Take a name out of the instance and these registries: it is about to mean something else."""
        made = self.__dict__
        made.pop(name, None)
        made["_non_persistent_buffers_set"].discard(name)
        for registry in registries:
            made[registry].pop(name, None)

    def __delattr__(self, name):
        for registry in (self._parameters, self._buffers, self._modules):
            if name in registry:
                del registry[name]
                self._non_persistent_buffers_set.discard(name)
                return
        super().__delattr__(name)

    def __dir__(self):
        names = [*dir(type(self)), *self.__dict__, *self._parameters, *self._modules, *self._buffers]
        return sorted(name for name in names if not name[0].isdigit())

    def compile(self, **options):
        """`tritonnet.compile` in place: calls fuse from now on. `module.forward.explain()` tells what."""
        from tritonnet.fusion.compiled import compiled_forward

        self.forward = compiled_forward(self, **options)

    def train(self, mode=True):
        """Switch to training mode (dropout, batch norm), this module and all below it."""
        if not isinstance(mode, bool):
            raise ValueError("training mode is expected to be boolean")
        self.training = mode
        for child in self.children():
            child.train(mode)
        return self

    def eval(self):
        """Switch to evaluation mode: `train(False)`."""
        return self.train(False)

    def _get_name(self):
        return type(self).__name__

    def extra_repr(self) -> str:
        """What repr shows in the parentheses; override it."""
        return ""

    def __repr__(self):
        extra = self.extra_repr()
        lines = extra.split("\n") if extra else []
        children = [f"({name}): " + repr(child).replace("\n", "\n  ") for name, child in self._modules.items()]
        if len(lines) <= 1 and not children:
            return f"{self._get_name()}({extra})"
        return f"{self._get_name()}(\n  " + "\n  ".join(lines + children) + "\n)"
