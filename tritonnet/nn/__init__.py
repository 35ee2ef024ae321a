"""Layers, losses, containers and their functions, with PyTorch's names: `import tritonnet.nn as nn`."""

from tritonnet.nn import attention, functional, init, parallel, utils
from tritonnet.nn.modules import *  # noqa: F403
from tritonnet.nn.modules import __all__ as _modules
from tritonnet.nn.parameter import Buffer, Parameter, UninitializedBuffer, UninitializedParameter

__all__ = ["Buffer", "Parameter", "UninitializedBuffer", "UninitializedParameter", "attention", "functional", "init",
           "parallel", "utils", *_modules]
