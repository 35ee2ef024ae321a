"""`torch.nn.parallel`: the wrappers for several devices, as far as one device has a use for them."""

from tritonnet.nn.modules.parallel import DataParallel, DistributedDataParallel

__all__ = ["DataParallel", "DistributedDataParallel"]
