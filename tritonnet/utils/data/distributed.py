"""PyTorch's `torch.utils.data.distributed`: see `tritonnet.data.distributed`."""

from tritonnet.data.distributed import DistributedSampler

__all__ = ["DistributedSampler"]
