"""`torch.xpu`: Intel's GPUs are not supported; programs that ask are told so."""

from tritonnet.mps import device_count, empty_cache, is_available, manual_seed, synchronize

__all__ = ["device_count", "empty_cache", "is_available", "manual_seed", "manual_seed_all", "synchronize"]

manual_seed_all = manual_seed
