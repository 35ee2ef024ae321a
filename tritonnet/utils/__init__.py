"""PyTorch's `torch.utils`: the names that programs look for there."""

import importlib


def __getattr__(name):
    if name == "data":  # also without an import of its own, as in PyTorch
        return importlib.import_module("tritonnet.utils.data")
    raise AttributeError(f"module 'tritonnet.utils' has no attribute {name!r}")
