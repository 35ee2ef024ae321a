"""PyTorch's `torch.utils.data.dataloader`: see `tritonnet.data.loader`."""

from tritonnet.data.collate import default_collate, default_convert
from tritonnet.data.loader import DataLoader

__all__ = ["DataLoader", "default_collate", "default_convert"]
