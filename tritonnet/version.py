"""`torch.version`: what this is, and of which CUDA."""

from tritonnet import __version__

__all__ = ["__version__", "cuda", "debug", "git_version", "hip"]

cuda = None  # no toolkit is built in: the driver's version is in `tritonnet doctor`
hip = None
debug = False
git_version = "unknown"
