"""PyTorch's switches for its backends: accepted, so that programs that set them run."""

from tritonnet.backends import cuda, cudnn, mps

__all__ = ["cuda", "cudnn", "mps"]
