"""`torch.jit`: TorchScript does not exist here, so scripted and traced models are the Python they were.

Programs that script a function to make it faster, or guard code by `is_scripting()`, run as they are; what needs a
compiled program in a file (`save`, `load`) says so.
"""

from __future__ import annotations

from typing import Any, Final

__all__ = [
    "Final", "annotate", "export", "fork", "freeze", "ignore", "interface", "is_scripting", "is_tracing", "isinstance",
    "load", "onednn_fusion_enabled", "optimize_for_inference", "save", "script", "script_if_tracing", "trace",
    "trace_module", "unused", "wait",
]
_isinstance = isinstance


def script(obj, optimize=None, _frames_up=0, _rcb=None, example_inputs=None):
    """The function, class or module itself; also as a decorator."""
    return obj


def trace(func, example_inputs=None, *args, **kwargs):
    """The function or module itself: unlike a recorded trace it still branches on values."""
    return func


def trace_module(mod, inputs, *args, **kwargs):
    """The module itself."""
    return mod


def export(fn):
    """The function itself; also `interface` and `script_if_tracing`."""
    return fn


interface = script_if_tracing = _overload = _overload_method = export  # the last two: in torchvision's DenseNet


def ignore(drop=False, **kwargs):
    """The function itself, with and without parentheses; `unused` likewise."""
    return drop if callable(drop) else lambda fn: fn


unused = ignore


def freeze(mod, preserved_attrs=None, optimize_numerics=True):
    """The module itself, which has to be in evaluation mode."""
    if mod.training:
        raise RuntimeError("Freezing is currently only implemented for modules in eval mode. Please call .eval() on "
                           "your module before freezing.")
    return mod


def optimize_for_inference(mod, other_methods=None):
    """The module itself."""
    return mod


def annotate(the_type, the_value):
    """The value."""
    return the_value


def isinstance(obj, target_type):
    """Python's isinstance; of a parametrised type such as List[int], only whether it is a list."""
    return _isinstance(obj, getattr(target_type, "__origin__", None) or target_type)


def fork(func, *args, **kwargs):
    """The result of the call, made at once, for `wait`."""
    return func(*args, **kwargs)


def wait(future):
    """What `fork` gave."""
    return future


def is_scripting() -> bool:
    """False."""
    return False


def is_tracing() -> bool:
    """False."""
    return False


def onednn_fusion_enabled() -> bool:
    """False."""
    return False


def save(m: Any, f, _extra_files=None):
    """Raises: there is no compiled program to save."""
    raise NotImplementedError("jit.save: tritonnet has no TorchScript programs. Save model.state_dict() with "
                              "tritonnet.save, or export the model to ONNX")


def load(f, map_location=None, _extra_files=None, _restore_shapes=False):
    """Raises: TorchScript programs cannot be run here."""
    raise NotImplementedError("jit.load: TorchScript programs need PyTorch. Build the model in Python and load its "
                              "state_dict with tritonnet.load")
