"""`torch.backends.mps`: Apple's GPUs are not supported, and programs that ask are told so."""


def is_available() -> bool:
    """False."""
    return False


def is_built() -> bool:
    """False."""
    return False
