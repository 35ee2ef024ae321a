"""PyTorch's `torch.utils.data.dataset`: see `tritonnet.data.dataset`."""

from tritonnet.data.dataset import *  # noqa: F403
