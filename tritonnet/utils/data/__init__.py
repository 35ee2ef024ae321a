"""PyTorch's `torch.utils.data`: see `tritonnet.data`."""

from tritonnet.data import *  # noqa: F403
from tritonnet.data import __all__  # noqa: F401
