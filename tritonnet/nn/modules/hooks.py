"""Hooks of a Module: before and after forward, and on the gradients that enter and leave it."""

from __future__ import annotations

import warnings
from collections import OrderedDict

from tritonnet.autograd.function import Function
from tritonnet.autograd.mode import is_grad_enabled
from tritonnet.tensor.autograd_hooks import RemovableHandle
from tritonnet.tensor.core import Tensor


class Hooks:
    """The part of Module that registers hooks and calls forward between them."""

    def _init_hooks(self):
        made = self.__dict__
        for name in ("_forward_pre_hooks", "_forward_hooks", "_backward_pre_hooks", "_backward_hooks"):
            made[name] = OrderedDict()

    def register_forward_pre_hook(self, hook, *, prepend=False, with_kwargs=False) -> RemovableHandle:
        """Call `hook(module, args)` before forward; a result replaces the arguments.

        with_kwargs: `hook(module, args, kwargs)`, which returns None or (args, kwargs).
        """
        return _register(self._forward_pre_hooks, (hook, with_kwargs), prepend)

    def register_forward_hook(self, hook, *, prepend=False, with_kwargs=False, always_call=False) -> RemovableHandle:
        """Call `hook(module, args, output)` after forward; a result replaces the output.

        with_kwargs: `hook(module, args, kwargs, output)`.  always_call: also when forward raises (output is None then).
        """
        return _register(self._forward_hooks, (hook, with_kwargs, always_call), prepend)

    def register_full_backward_pre_hook(self, hook, prepend=False) -> RemovableHandle:
        """Call `hook(module, grad_output)` before the module's backward; a result replaces the gradients."""
        return _register(self._backward_pre_hooks, hook, prepend)

    def register_full_backward_hook(self, hook, prepend=False) -> RemovableHandle:
        """Call `hook(module, grad_input, grad_output)` when the module's input gradients are there; a result
        replaces grad_input. Both are tuples with None where there is no gradient."""
        return _register(self._backward_hooks, hook, prepend)

    def register_backward_hook(self, hook) -> RemovableHandle:
        """PyTorch's older name of `register_full_backward_hook`, with the gradients of the whole module."""
        return self.register_full_backward_hook(hook)

    def _call_hooked(self, args, kwargs):
        """forward between its hooks."""
        called = 0
        output = None
        try:
            for hook, with_kwargs in list(self._forward_pre_hooks.values()):
                args, kwargs = self._call_pre_hook(hook, with_kwargs, args, kwargs)
            gradients = None
            if self._backward_hooks or self._backward_pre_hooks:
                gradients = _GradientHooks(self)
                args = gradients.watch_inputs(args)
            output = self.forward(*args, **kwargs)
            for hook, with_kwargs, _ in list(self._forward_hooks.values()):
                called += 1
                output = self._call_forward_hook(hook, with_kwargs, args, kwargs, output)
            return output if gradients is None else gradients.watch_outputs(output)
        except Exception:
            for hook, with_kwargs, always_call in list(self._forward_hooks.values())[called:]:
                if always_call:
                    try:
                        output = self._call_forward_hook(hook, with_kwargs, args, kwargs, output)
                    except Exception as second:
                        warnings.warn(
                            "module forward hook with ``always_call=True`` raised an exception that was silenced as "
                            f"another error was raised in forward: {second}", stacklevel=3
                        )
            raise

    def _call_pre_hook(self, hook, with_kwargs, args, kwargs):
        if not with_kwargs:
            changed = hook(self, args)
            if changed is None:
                return args, kwargs
            return (changed if isinstance(changed, tuple) else (changed,)), kwargs
        changed = hook(self, args, kwargs)
        if changed is None:
            return args, kwargs
        if not isinstance(changed, tuple) or len(changed) != 2:
            raise RuntimeError(
                f"forward pre-hook must return None or a tuple of (new_args, new_kwargs), but got {changed}."
            )
        return changed

    def _call_forward_hook(self, hook, with_kwargs, args, kwargs, output):
        changed = hook(self, args, kwargs, output) if with_kwargs else hook(self, args, output)
        return output if changed is None else changed


def _register(hooks, entry, prepend):
    handle = RemovableHandle(hooks, entry)
    if prepend:
        hooks.move_to_end(handle.id, last=False)
    return handle


class _Watch(Function):
    """The identity on several tensors; `see` gets their gradients on the way back and returns those to pass on."""

    @staticmethod
    def forward(ctx, see, *tensors):
        ctx.see = see
        ctx.mark_non_differentiable(*[t for t in tensors if not t.requires_grad])
        return tensors

    @staticmethod
    def backward(ctx, *grads):
        return None, *ctx.see(grads)


class _GradientHooks:
    """One call of a module with backward hooks: links the gradients of its outputs with those of its inputs."""

    def __init__(self, module):
        self.module = module
        self.hooks = list(module._backward_hooks.values())
        self.pre_hooks = list(module._backward_pre_hooks.values())
        self.grad_output = None
        self.watches_inputs = False

    def watch_inputs(self, args):
        self.count = len(args)
        watched, which = _watch(args, lambda grads: self._inputs_seen(grads, which, wanted))
        self.watches_inputs = bool(which)
        wanted = [args[i].requires_grad for i in which]
        return watched

    def watch_outputs(self, output):
        if not isinstance(output, (Tensor, tuple)):
            warnings.warn(
                "For backward hooks to be called, module output should be a Tensor or a tuple of Tensors but received "
                f"{type(output)}", stacklevel=4
            )
            return output
        outputs = output if isinstance(output, tuple) else (output,)
        watched, which = _watch(outputs, lambda grads: self._outputs_seen(grads, which, len(outputs)))
        return watched if isinstance(output, tuple) else watched[0]

    def _outputs_seen(self, grads, which, count):
        grads = _spread(grads, which, count)
        for hook in self.pre_hooks:
            changed = hook(self.module, grads)
            if changed is not None:
                changed = changed if isinstance(changed, tuple) else (changed,)
                if len(changed) != count:
                    raise RuntimeError(
                        f"Backward pre hook returned an invalid number of grad_output, got {len(changed)}, "
                        f"but expected {count}"
                    )
                grads = changed
        self.grad_output = grads
        if not self.watches_inputs:
            for hook in self.hooks:
                changed = hook(self.module, (None,) * self.count, grads)
                if changed is not None and any(g is not None for g in changed):
                    raise RuntimeError(
                        "Backward hook for Modules where no input requires gradient should always return None or None "
                        "for all gradients."
                    )
        return tuple(grads[i] for i in which)

    def _inputs_seen(self, grads, which, wanted):
        if self.grad_output is None:  # a path to the inputs that does not lead through the outputs
            return grads
        grads = _spread([g if w else None for g, w in zip(grads, wanted)], which, self.count)
        for hook in self.hooks:
            changed = hook(self.module, grads, self.grad_output)
            if changed is not None:
                changed = changed if isinstance(changed, tuple) else (changed,)
                if len(changed) != len(grads):
                    raise RuntimeError(
                        f"Backward hook returned an invalid number of grad_input, got {len(changed)}, "
                        f"but expected {len(grads)}"
                    )
                grads = changed
        self.grad_output = None
        return tuple(grads[i] for i in which)


def _watch(values, see):
    """`values` with its tensors passed through _Watch, and their places; as they are where nothing is recorded."""
    which = [i for i, v in enumerate(values) if isinstance(v, Tensor)]
    if not (is_grad_enabled() and any(values[i].requires_grad for i in which)):
        return values, []
    values = list(values)
    for i, watched in zip(which, _Watch.apply(see, *[values[i] for i in which])):
        values[i] = watched
    return tuple(values), which


def _spread(grads, which, count):
    """A tuple of `count`, the gradients at their places and None elsewhere."""
    spread = [None] * count
    for i, grad in zip(which, grads):
        spread[i] = grad
    return tuple(spread)
