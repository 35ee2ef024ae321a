"""`torch.backends.cudnn`: the flags may be set and read. tritonnet's kernels are deterministic whatever they say."""

import contextlib

enabled = True
benchmark = False
deterministic = True
allow_tf32 = False


def is_available() -> bool:
    """False: tritonnet does not use cuDNN."""
    return False


def version():
    """None: tritonnet does not use cuDNN."""


@contextlib.contextmanager
def flags(enabled=True, benchmark=False, deterministic=True, allow_tf32=False):
    """Set the flags for a block; they change nothing."""
    yield
