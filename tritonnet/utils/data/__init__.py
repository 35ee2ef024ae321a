"""PyTorch's `torch.utils.data`: see `tritonnet.data`."""

import importlib

from tritonnet.data import *  # noqa: F403
from tritonnet.data import __all__  # noqa: F401


def __getattr__(name):
    if name in ("dataloader", "dataset", "distributed", "sampler"):  # without an import of their own, too
        return importlib.import_module(f"tritonnet.utils.data.{name}")
    raise AttributeError(f"module 'tritonnet.utils.data' has no attribute {name!r}")
