"""PyTorch's `torch.utils.data.sampler`: see `tritonnet.data.sampler`."""

from tritonnet.data.sampler import *  # noqa: F403
