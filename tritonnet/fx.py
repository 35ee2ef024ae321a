"""`torch.fx`: graphs of modules are not made here; code that marks functions for them runs as it is."""

__all__ = ["symbolic_trace", "wrap"]


def wrap(fn_or_name):
    """The function, or name of one, itself."""
    return fn_or_name


def symbolic_trace(root, concrete_args=None):
    """Raises: there is no graph of Python code here."""
    raise NotImplementedError("fx.symbolic_trace: tritonnet has no graphs of modules. Forward hooks "
                              "(register_forward_hook) give the values inside a model")
