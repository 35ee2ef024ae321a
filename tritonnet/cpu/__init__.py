"""The CPU as a device, where PyTorch's programs ask for it: `tritonnet.cpu.amp`."""

from tritonnet.cpu import amp

__all__ = ["amp"]
