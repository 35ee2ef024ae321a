"""PyTorch's `torch.utils.hooks`: what a registered hook returns."""

from tritonnet.tensor.autograd_hooks import RemovableHandle

__all__ = ["RemovableHandle"]
