"""Optimizer: parameter groups, state per parameter, and the loop that hands both to one fused step."""

from __future__ import annotations

import copy
from collections import defaultdict
from itertools import chain

from tritonnet.autograd import fusion
from tritonnet.autograd.function import make
from tritonnet.autograd.mode import state as mode
from tritonnet.autograd.tape import modified
from tritonnet.kernels import arrays
from tritonnet.kernels.optim import Fused
from tritonnet.optim.captured import captured, not_while_capturing
from tritonnet.tensor.core import Tensor


class _Required:
    def __repr__(self):
        return "<required parameter>"


required = _Required()  # the default of a setting that has to be given


def number(name, value, low=0.0, high=None):
    """A setting as a float (a tensor of one element may stand for one); ValueError outside [low, high)."""
    value = value.item() if isinstance(value, Tensor) else value
    if not value >= low or high is not None and not value < high:
        raise ValueError(f"Invalid {name}: {value}")
    return value


class Batch:
    """Parameters of one type and place, whose groups have the same flags, that have gradients.

    Per parameter its array, its gradient's and the number of its group; per group its settings.
    """

    __slots__ = ("flags", "tensors", "params", "grads", "groups", "settings", "members")

    def __init__(self, flags):
        self.flags, self.tensors, self.params, self.grads, self.groups = flags, [], [], [], []
        self.settings, self.members = [], []


class Optimizer:
    """Base of all optimizers. A subclass defines `settings(group)` and `update(batch, fused)`, or `step`."""

    stepped = False  # whether step() was ever called: schedules warn when they come first
    grad_scale = found_inf = None  # of a GradScaler, for one step: arrays on the device that the fused steps read

    def __init__(self, params, defaults):
        if isinstance(params, Tensor):
            raise TypeError("params argument given to the optimizer should be an iterable of Tensors or dicts, but got "
                            f"{type(params).__name__}")
        self.defaults, self.state, self.param_groups = defaults, defaultdict(dict), []
        self.fused = {}  # what fused steps keep, per device and type; not part of the state
        self._step_hooks, self._state_hooks = ({}, {}), ({}, {}, {}, {})
        groups = list(params)
        if not groups:
            raise ValueError("optimizer got an empty parameter list")
        for group in groups if isinstance(groups[0], dict) else [{"params": groups}]:
            self.add_param_group(group)

    def add_param_group(self, param_group):
        """Add parameters with settings of their own; what is not given comes from the defaults."""
        if not isinstance(param_group, dict):
            raise TypeError(f"param_group must be a dict, but got {type(param_group).__name__}")
        group = dict(param_group)
        params = group["params"]
        if isinstance(params, set):
            raise TypeError("optimizer parameters need to be organized in ordered collections, but the ordering of "
                            "tensors in sets will change between runs. Please use a list instead.")
        group["params"] = params = [params] if isinstance(params, Tensor) else list(params)
        if params and isinstance(params[0], tuple):  # (name, parameter)
            group["param_names"] = [name for name, _ in params]
            group["params"] = params = [p for _, p in params]
        for p in params:
            if not isinstance(p, Tensor):
                raise TypeError(f"optimizer can only optimize Tensors, but one of the params is {type(p).__name__}")
            if not p.is_leaf:
                raise ValueError("can't optimize a non-leaf Tensor")
        if len({id(p) for p in params}) != len(params):
            raise ValueError("optimizer contains a parameter group with duplicate parameters")
        if {id(p) for p in params} & {id(p) for g in self.param_groups for p in g["params"]}:
            raise ValueError("some parameters appear in more than one parameter group")
        for name, default in self.defaults.items():
            if default is required and name not in group:
                raise ValueError(f"parameter group didn't specify a value of required optimization parameter {name}")
            group.setdefault(name, default)
        self.param_groups.append(group)

    def zero_grad(self, set_to_none=True):
        """Forget the gradients, or fill them with zeros."""
        for group in self.param_groups:
            for p in group["params"]:
                if set_to_none:
                    p._grad = None
                elif p.grad is not None:
                    p.grad = p.grad.detach()
                    p.grad.zero_()

    def step(self, closure=None):
        """Update all parameters that have gradients. closure: computes the loss anew, which is returned."""
        loss, before = None, mode.grad
        try:
            if closure is not None:
                mode.grad = True
                loss = closure()
            mode.grad = False
            fusion.settle()  # what waits in a compiled step reads the parameters as they are
            before_step, after_step = self._step_hooks
            if before_step:
                self.run_hooks(before_step, closure)
            self.update_all()
            self.stepped = True
            if after_step:
                self.run_hooks(after_step, closure)
        finally:
            mode.grad = before
        return loss

    def run_hooks(self, hooks, closure):
        """Call what was registered for before or after a step."""
        for hook in list(hooks.values()):
            hook(self, (closure,), {})

    def update_all(self):
        """Collect what has gradients by type and place, and run one fused step for each."""
        batches = {}
        for group in self.param_groups:
            if self.at_once(group):
                continue
            dtype = grad_dtype = place = None
            for p in group["params"]:
                grad = p._grad  # without the property's call
                if grad is None:
                    continue
                array, grad = p.array, grad.array
                if grad.shape != array.shape:
                    raise RuntimeError(f"optimizer: gradient {list(grad.shape)} of a parameter {list(array.shape)}")
                if array.dtype is not dtype or grad.dtype is not grad_dtype or array.device != place:
                    dtype, grad_dtype, place = array.dtype, grad.dtype, array.device
                    key = dtype, grad_dtype, place, self.flags(group)
                    batch = batches.get(key)
                    if batch is None:
                        batch = batches[key] = Batch(key[3])
                    if not batch.members or batch.members[-1] is not group:
                        batch.members.append(group)
                        batch.settings.append(self.settings(group))
                    number_of_group = len(batch.settings) - 1
                    tensors, params, grads, groups = batch.tensors, batch.params, batch.grads, batch.groups
                tensors.append(p)
                params.append(array)
                grads.append(grad)
                groups.append(number_of_group)
        for key, batch in batches.items():
            fused = None
            if key[2] != "cpu":
                fused = self.fused.get(key)
                if fused is None:
                    fused = self.fused[key] = Fused()
            self.update(batch, fused)
            modified(*batch.params)
            if fused is not None and key[2].pool.capturing is not None:
                captured(self, batch, fused.captured, key[2].pool.capturing)

    def at_once(self, group):
        """Update a group without collecting anything, if that is possible; returns whether it was."""
        return False

    def settings(self, group):
        """The numbers of a group that the step reads; what of them may differ within one launch."""
        raise NotImplementedError(f"{type(self).__name__} defines neither step nor settings")

    def flags(self, group):
        """What cannot differ within one launch."""
        return ()

    def update(self, batch, fused):
        """The fused step. fused: what the launches keep, None on the host."""
        raise NotImplementedError(f"{type(self).__name__} defines neither step nor update")

    def slots(self, batch, name, like=None):
        """The arrays of a state of all parameters of a batch: zeros at first, in their layouts."""
        state = self.state
        return [state[p][name].array if name in state[p] else self.begin(p, name, like) for p in batch.tensors]

    def begin(self, p, name, like):
        """Zeros for a state: in the parameter's layout, or one number of type `like`."""
        not_while_capturing(self, p.array)
        zeros = arrays.zeros(*((p.array.shape, p.array.dtype) if like is None else ((), like)), p.array)
        self.state[p][name] = make(zeros)
        return zeros

    # state

    def state_dict(self):
        """{'state': {number of parameter: its state}, 'param_groups': [settings, with numbers for parameters]}."""
        for hook in list(self._state_hooks[0].values()):
            hook(self)
        made = self._state_dict()
        for hook in list(self._state_hooks[1].values()):
            replaced = hook(self, made)
            made = made if replaced is None else replaced
        return made

    def _state_dict(self):
        numbers = {id(p): i for i, p in enumerate(p for g in self.param_groups for p in g["params"])}
        return {
            "state": {numbers[id(p)]: s for p, s in self.state.items()},
            "param_groups": [{**{k: v for k, v in g.items() if k != "params"},
                              "params": [numbers[id(p)] for p in g["params"]]} for g in self.param_groups],
        }

    def load_state_dict(self, state_dict):
        """Take over what state_dict returned, on each parameter's device; ValueError if the groups do not match."""
        saved = copy.copy(state_dict)
        for hook in list(self._state_hooks[2].values()):
            replaced = hook(self, saved)
            saved = saved if replaced is None else replaced
        groups = [copy.copy(g) for g in saved["param_groups"]]
        if len(groups) != len(self.param_groups):
            raise ValueError("loaded state dict has a different number of parameter groups")
        for mine, theirs in zip(self.param_groups, groups):
            if len(mine["params"]) != len(theirs["params"]):
                raise ValueError("loaded state dict contains a parameter group that doesn't match the size of "
                                 "optimizer's group")
        params = dict(zip(chain.from_iterable(g["params"] for g in groups),
                          chain.from_iterable(g["params"] for g in self.param_groups)))
        self.state = defaultdict(dict)
        for key, state in saved["state"].items():
            p = params.get(key, key)
            self.state[p] = {name: self._fitted(name, value, p) for name, value in state.items()}
        for mine, theirs in zip(self.param_groups, groups):
            mine.update({k: copy.deepcopy(v) for k, v in theirs.items() if k != "params"})
        for hook in list(self._state_hooks[3].values()):
            hook(self)

    def _fitted(self, name, value, p):
        """A copy of a state's value where, and as, its parameter is."""
        if not isinstance(value, Tensor):
            return copy.deepcopy(value)
        moved = value.detach().to(p.device)
        if name != "step" and p.is_floating_point() and moved.dtype is not p.dtype:
            moved = moved.to(p.dtype)
        return moved.clone() if moved.array is value.array else moved

    def register_step_pre_hook(self, hook):
        """Call hook(optimizer, args, kwargs) before each step."""
        from tritonnet.tensor.autograd_hooks import RemovableHandle

        return RemovableHandle(self._step_hooks[0], hook)

    def register_step_post_hook(self, hook):
        """Call hook(optimizer, args, kwargs) after each step."""
        from tritonnet.tensor.autograd_hooks import RemovableHandle

        return RemovableHandle(self._step_hooks[1], hook)

    def register_state_dict_pre_hook(self, hook, prepend=False):
        """Call hook(optimizer) before each state_dict()."""
        return self._register(0, hook, prepend)

    def register_state_dict_post_hook(self, hook, prepend=False):
        """Call hook(optimizer, state_dict) after each state_dict(); what it returns, if anything, replaces that."""
        return self._register(1, hook, prepend)

    def register_load_state_dict_pre_hook(self, hook, prepend=False):
        """Call hook(optimizer, state_dict) before each load_state_dict(); what it returns, if anything, is loaded."""
        return self._register(2, hook, prepend)

    def register_load_state_dict_post_hook(self, hook, prepend=False):
        """Call hook(optimizer) after each load_state_dict()."""
        return self._register(3, hook, prepend)

    def _register(self, when, hook, first):
        from tritonnet.tensor.autograd_hooks import RemovableHandle

        hooks = self._state_hooks[when]
        before = list(hooks.items()) if first else []
        handle = RemovableHandle(hooks, hook)
        for number, earlier in before:  # those that were there come after it
            del hooks[number]
            hooks[number] = earlier
        return handle

    def __getstate__(self):
        return {k: v for k, v in self.__dict__.items() if k not in ("fused", "_step_hooks", "_state_hooks")}

    def __setstate__(self, state):
        self.__dict__.update(state)
        self.fused, self._step_hooks, self._state_hooks = {}, ({}, {}), ({}, {}, {}, {})

    def __repr__(self):
        text = f"{type(self).__name__} ("
        for i, group in enumerate(self.param_groups):
            text += f"\nParameter Group {i}\n"
            text += "".join(f"    {k}: {group[k]}\n" for k in sorted(group) if k != "params")
        return text + ")"
