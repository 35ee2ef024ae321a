"""PyTorch's `torch.utils`: the names that programs look for there."""

import importlib


def __getattr__(name):
    if name in ("checkpoint", "data", "hooks", "model_zoo"):  # also without an import of their own, as in PyTorch
        return importlib.import_module(f"tritonnet.utils.{name}")
    raise AttributeError(f"module 'tritonnet.utils' has no attribute {name!r}")
